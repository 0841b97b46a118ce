"""Random streams: one seed spawns an independent generator for each purpose (numpy.random.SeedSequence)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clearprop.utils.arguments import check_whole


class Streams(NamedTuple):
    """Independent generators of one seed; drawing from one does not change the others."""

    initialization: np.random.Generator
    split: np.random.Generator
    shuffle: np.random.Generator
    dropout: np.random.Generator


def streams(seed: int) -> Streams:
    """Spawn the streams of a seed.

    Parameters
    ----------
    seed : int
        Zero or greater.

    Returns
    -------
    Streams
        The same numbers for the same seed, on every machine and for every engine.
    """
    check_seed(seed)
    children = np.random.SeedSequence(seed).spawn(len(Streams._fields))
    return Streams(*(np.random.default_rng(child) for child in children))


def check_seed(seed: int) -> int:
    """Return the seed if it is a whole number, zero or greater, else raise InvalidArgument."""
    return check_whole("seed", seed, minimum=0)
