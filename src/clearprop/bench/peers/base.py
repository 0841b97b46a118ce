"""What a peer is given to do, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import PIXELS
from clearprop.training.trainer import batches
from clearprop.utils.randomness import streams


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One work for one peer; every peer gets the same.

    Parameters
    ----------
    kind : str
        ``"train"``, ``"predict"`` or ``"single"``.
    variant : str
        The way of using the peer.
    layer_sizes : tuple of int
    x : ndarray (n, features) of uint8
    y : ndarray (n,) of int64
    parameters : Parameters
        Where training starts, or what predicts: float32.
    batch_size, optimizer, learning_rate
        How to train; the rate stays constant.
    epochs : int
        All of them, the first included, which is not timed.
    seed : int
        ``parameters`` are what Clearprop draws from it, and ``orders`` those in which it takes the rows.
    threads : int
    """

    kind: str
    variant: str
    layer_sizes: tuple[int, ...]
    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    parameters: Parameters
    batch_size: int
    optimizer: str
    learning_rate: float
    epochs: int
    seed: int
    threads: int

    def scaled(self) -> NDArray[np.float32]:
        """Return the rows as a peer takes them: ``(n, features)`` of float32 in 0..1."""
        scaled: NDArray[np.float32] = PIXELS.apply(self.x, np.float32)
        return scaled

    def orders(self) -> Iterator[NDArray[np.int64]]:
        """Give the order of the rows in each epoch, ``(n,)``, drawn when it is asked for.

        With the same order everyone has the same batches, so that losses differ by rounding alone and the
        check of them is sharp.
        """
        rng = streams(self.seed).shuffle
        while True:
            yield from batches(rng, len(self.x), len(self.x))


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What a training took and came to.

    Attributes
    ----------
    seconds : list of float
        Of each epoch.
    losses : list of float
        The mean over the rows of each epoch, as they were trained on; empty for the floor.
    """

    seconds: list[float]
    losses: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A network ready to predict.

    Attributes
    ----------
    predict : callable
        From rows to their classes ``(n,)``, in the library's own form, complete when it returns; or None.
    rows : array
        ``(n, features)`` in the library's own form, made before the clock starts.
    """

    predict: Callable[[Any], Any]
    rows: Any
