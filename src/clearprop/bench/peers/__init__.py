"""The contestants by name: Clearprop, its peers in each way of using them, and the floor under all."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass

from clearprop.utils.arguments import check_choice

CLEARPROP, FLOOR = "clearprop", "floor"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Someone who does the work.

    Parameters
    ----------
    name : str
        Unique; ``torch-eager``.
    title : str
        What tables and figures call it.
    peer : str
        What ``--peers`` and bars call it; several contestants may be ways of using one peer.
    package : str
        What must be installed for it.
    module : str
        Where it is written, in ``clearprop.bench.peers``, or for a cold start the script.
    kinds : tuple of str
        The kinds of work it does.
    variant : str
        The way of using the peer.
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
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}
#: In the order in which they take turns.
PEERS = tuple(dict.fromkeys(contestant.peer for contestant in CONTESTANTS))


def chosen_peers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the peers to run: those named, and always Clearprop and the floor.

    Raises
    ------
    InvalidArgument
        If there is no peer of a name.
    """
    named = {check_choice("peers", name, PEERS) for name in names}
    return tuple(peer for peer in PEERS if peer in named | {CLEARPROP, FLOOR})


def missing_peers(peers: Iterable[str]) -> dict[str, str]:
    """Return the peers that are not installed, each with a sentence that says so; nothing is imported."""
    packages = {contestant.peer: contestant.package for contestant in CONTESTANTS}
    return {
        peer: f'{peer} is not installed and was skipped; pip install "clearprop[bench]" brings it.'
        for peer in peers
        if importlib.util.find_spec(packages[peer]) is None
    }
