"""Engine: the few things an engine can do, and what it is given to do them with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clearprop.network import Network
from clearprop.parameters import Parameters
from clearprop.recipe import Recipe
from clearprop.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What an engine is made from.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    parameters : Parameters
        Where training starts; the engine copies them. Their dtype is the one it computes in.
    x : ndarray (n, features) of uint8 or float
        The training rows as they are stored.
    y : ndarray (n,) of int
        Their classes.
    scaling : Scaling
        How stored rows become the network's input, applied batch by batch.
    dropout_rng : numpy.random.Generator
        The stream of dropout masks.
    """

    network: Network
    recipe: Recipe
    parameters: Parameters
    x: NDArray[Any]
    y: NDArray[np.integer[Any]]
    scaling: Scaling
    dropout_rng: np.random.Generator

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating-point type to compute in."""
        return self.parameters[0][0].dtype


class Engine(Protocol):
    """Arithmetic on one task; all state of a training lives in it."""

    name: str
    device: str

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch.

        Parameters
        ----------
        rows : ndarray (batch,) of int
            Row numbers of the task's ``x``.
        learning_rate : float

        Returns
        -------
        float
            The batch's mean loss before the step.
        """
        ...

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations ``(n, n_classes)`` for stored rows ``(n, features)``."""
        ...

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        ...

    def load_parameters(self, parameters: Parameters) -> None:
        """Go on from other parameters of the same shapes; the optimizer's memory stays."""
        ...


def dropout_masks(
    rng: np.random.Generator, network: Network, batch: int, dtype: np.dtype[Any]
) -> list[FloatArray]:
    """Draw what the hidden outputs of one batch are multiplied by.

    Parameters
    ----------
    rng : numpy.random.Generator
    network : Network
    batch : int
        Rows in the batch.
    dtype : dtype
        Of the masks.

    Returns
    -------
    list of ndarray (batch, units)
        For each hidden layer 0 where a unit is left out, else 1 / (1 - dropout), so that the expected
        output is the same with and without (Srivastava et al. 2014). Empty without dropout.
    """
    if not network.dropout:
        return []
    keep = 1 - network.dropout
    return [
        (rng.random((batch, units), dtype=np.float32) >= network.dropout).astype(dtype) / dtype.type(keep)
        for units in network.layer_sizes[1:-1]
    ]
