"""Engine: the few things an engine can do, and what it is given to do them with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import InvalidArgument

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
    x : ndarray (n, features) of uint8 or float, or a SciPy CSR matrix
        The training rows as they are stored; of sparse ones each batch is made dense.
    y : ndarray (n,) of int, or (n, n_outputs) of float
        Their classes for a softmax output, else the target of each output.
    scaling : Scaling
        How stored rows become the network's input, applied batch by batch.
    dropout_rng : numpy.random.Generator
        The stream of dropout masks.
    sample_weight : ndarray (n,) of float or None, default None
        How much each row counts: the loss of a batch is Σ wᵢ lossᵢ / Σ wᵢ. A batch whose weights sum to
        zero is a step without effect, of loss 0.

    Raises
    ------
    InvalidArgument
        If the recipe's loss, ``x``, ``y`` or ``sample_weight`` do not fit the network.
    """

    network: Network
    recipe: Recipe
    parameters: Parameters
    x: Any
    y: NDArray[Any]
    scaling: Scaling
    dropout_rng: np.random.Generator
    sample_weight: NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        self.recipe.check_output(self.network.output)
        n_rows, n_outputs = self.x.shape[0], self.network.layer_sizes[-1]
        of_classes = self.network.output == "softmax"
        expected = (n_rows,) if of_classes else (n_rows, n_outputs)
        if self.y.shape != expected or (self.y.dtype.kind not in "iu" if of_classes else False):
            raise InvalidArgument(
                f"y is an array of shape {self.y.shape} and type {self.y.dtype}, but output="
                f'"{self.network.output}" learns from {"whole" if of_classes else "any"} numbers of shape '
                f"{expected}; give one {'class' if of_classes else 'row of targets'} for each row of x."
            )
        if self.sample_weight is not None and self.sample_weight.shape != (n_rows,):
            raise InvalidArgument(
                f"sample_weight is an array of shape {self.sample_weight.shape}, but x has {n_rows} rows; "
                "give one weight for each."
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating-point type to compute in."""
        return self.parameters[0][0].dtype.newbyteorder("=")


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
            The batch's mean loss before the step, the L2 penalty included.
        """
        ...

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch, the L2 penalty included, and its gradient; nothing is changed.

        Weight decay, which belongs to the update rule, is no part of it, and no unit is left out.

        Parameters
        ----------
        rows : ndarray (batch,) of int

        Returns
        -------
        loss : float
        gradient : Parameters
            New arrays, of the parameters' shapes.
        """
        ...

    def load_rows(
        self, x: Any, y: NDArray[Any], sample_weight: NDArray[np.floating[Any]] | None = None
    ) -> None:
        """Go on with other training rows; parameters and the optimizer's memory stay.

        Parameters
        ----------
        x, y, sample_weight
            As ``Task`` takes them.
        """
        ...

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations ``(n, n_outputs)`` for stored rows ``(n, features)``."""
        ...

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        ...

    def load_parameters(self, parameters: Parameters) -> None:
        """Go on from other parameters of the same shapes; the optimizer's memory stays."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the optimizer remembers, as arrays by name; they hold until the next step.

        With it, the parameters and the stream of dropout masks another engine of the same task goes on bit
        for bit.
        """
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what ``state`` gave; the arrays are copied."""
        ...

    def close(self) -> None:
        """Let go of what only a step needs, such as other processes; another step would take it again."""
        ...


def take_rows(x: Any, rows: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Copy rows of a dense array or a SciPy CSR matrix into a dense array ``(batch, features)``."""
    if isinstance(x, np.ndarray):
        # "clip" skips the check of every index; the loop draws them from a permutation
        x.take(rows, axis=0, out=out, mode="clip")
    else:
        x[rows].toarray(out=out)


def drops(network: Network) -> bool:
    """Tell whether a step leaves anything out, and so draws masks."""
    return bool(network.dropout or network.input_dropout)


def dropout_masks(
    rng: np.random.Generator, network: Network, batch: int, dtype: np.dtype[Any]
) -> list[FloatArray | None]:
    """Draw what the inputs of every layer are multiplied by in one batch.

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
    list of ndarray (batch, fan_in) or None
        For each layer 0 where one of its inputs is left out, else 1 / (1 - dropout), so that what is
        expected of the layer is the same with and without (Srivastava et al. 2014); None where nothing is
        left out. Empty if that is so everywhere.
    """
    if not drops(network):
        return []
    shares = (network.input_dropout, *(network.dropout,) * (len(network.layer_sizes) - 2))
    return [
        (rng.random((batch, units), dtype=np.float32) >= share).astype(dtype) / dtype.type(1 - share)
        if share
        else None
        for units, share in zip(network.layer_sizes, shares, strict=False)
    ]
