"""The contestants by name: Clearprop, the variants of each peer, and the floor."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass

from clearprop.utils.arguments import check_choice

CLEARPROP, FLOOR = "clearprop", "floor"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One library, or one variant of it, that runs workloads.

    Parameters
    ----------
    name : str
        Unique, such as ``torch-eager``.
    title : str
        Its name in tables and figures.
    peer : str
        Its name in ``--peers`` and bars; several contestants may be variants of one peer.
    package : str
        The package that must be installed.
    module : str
        Its module in ``clearprop.bench.peers``, or its script for a cold start.
    kinds : tuple of str
        The kinds of work it takes part in.
    variant : str
        The variant of the peer.
    """

    name: str
    title: str
    peer: str
    package: str
    module: str
    kinds: tuple[str, ...] = ("train", "predict", "single")
    variant: str = ""


PROCESS = ("cold-start",)
FIT = ("fit",)
INSTRUMENTED = ("instruments",)
CONTESTANTS = (
    Contestant("clearprop", "Clearprop", CLEARPROP, "numpy", "clearprop_peer"),
    Contestant("jax", "JAX", "jax", "jax", "jax_peer"),
    Contestant("torch-eager", "PyTorch eager", "torch", "torch", "torch_peer", variant="eager"),
    Contestant("torch-compile", "PyTorch compiled", "torch", "torch", "torch_peer", variant="compile"),
    Contestant("scikit-learn", "scikit-learn", "scikit-learn", "sklearn", "sklearn_peer"),
    Contestant("floor", "floor", FLOOR, "numpy", "floor"),
    Contestant("clearprop-process", "clearprop train", CLEARPROP, "numpy", "", PROCESS),
    Contestant("torch-process", "PyTorch script", "torch", "torch", "torch_script", PROCESS),
    Contestant(
        "sklearn-process", "scikit-learn script", "scikit-learn", "sklearn", "sklearn_script", PROCESS
    ),
    Contestant("clearprop-fit", "Clearprop", CLEARPROP, "sklearn", "fits", FIT, "clearprop"),
    Contestant("sklearn-fit", "scikit-learn", "scikit-learn", "sklearn", "fits", FIT, "sklearn"),
    Contestant("clearprop-instruments", "Clearprop", CLEARPROP, "numpy", "clearprop_peer", INSTRUMENTED),
    Contestant(
        "clearprop-bare", "without instruments", FLOOR, "numpy", "clearprop_peer", INSTRUMENTED, "bare"
    ),
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
#: In the order of the first round.
PEERS = tuple(dict.fromkeys(contestant.peer for contestant in CONTESTANTS))


def chosen_peers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the peers to run: those named, and always Clearprop and the floor.

    Raises
    ------
    InvalidArgument
        If a name is unknown.
    """
    named = {check_choice("peers", name, PEERS) for name in names}
    return tuple(peer for peer in PEERS if peer in named | {CLEARPROP, FLOOR})


def missing_peers(peers: Iterable[str]) -> dict[str, str]:
    """Return a sentence for each peer that is not installed; nothing is imported."""
    packages = {contestant.peer: contestant.package for contestant in CONTESTANTS}
    return {
        peer: f'{peer} is not installed and was skipped; pip install "clearprop[bench]" brings it.'
        for peer in peers
        if importlib.util.find_spec(packages[peer]) is None
    }
