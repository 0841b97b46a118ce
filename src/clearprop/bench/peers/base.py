"""The interface of a peer: a task in, a training's times and losses or a predictor out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import PIXELS
from clearprop.training.loop import batches
from clearprop.utils.randomness import streams


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A peer's task; every peer gets the same one.

    Parameters
    ----------
    kind : str
        ``"train"``, ``"predict"`` or ``"single"``.
    variant : str
        The variant of the peer.
    layer_sizes : tuple of int
    x : ndarray (n, features) of uint8
    y : ndarray (n,) of int64
    parameters : Parameters
        Initial parameters of a training, or those of a prediction; float32.
    batch_size, optimizer, learning_rate
        Training settings; the learning rate is constant.
    epochs : int
        All epochs, the untimed first one included.
    seed : int
        Clearprop draws ``parameters`` and ``orders`` from it.
    threads : int
    engine : str, default "numpy"
        Clearprop's engine.
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
    engine: str = "numpy"

    def scaled(self) -> NDArray[np.float32]:
        """Return the rows as float32 in 0..1, ``(n, features)``."""
        scaled: NDArray[np.float32] = PIXELS.apply(self.x, np.float32)
        return scaled

    def orders(self) -> Iterator[NDArray[np.int64]]:
        """Yield the order of the rows ``(n,)`` in each epoch.

        With the same order every peer sees the same batches, so losses differ only by rounding and can be
        compared closely.
        """
        rng = streams(self.seed).shuffle
        while True:
            yield from batches(rng, len(self.x), len(self.x))


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Times and losses of a training.

    Attributes
    ----------
    seconds : list of float
        Time of each epoch.
    losses : list of float
        Mean training loss of each epoch, measured during the epoch; empty for the floor.
    """

    seconds: list[float]
    losses: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A network ready to predict.

    Attributes
    ----------
    predict : callable
        Maps rows to their classes ``(n,)``, in the library's array type; the computation is complete when it
        returns. The floor's returns None or a list.
    rows : array
        ``(n, features)`` in the library's array type, converted before the clock starts.
    """

    predict: Callable[[Any], Any]
    rows: Any
