"""The interface of an engine, which computes training steps, and the task that it is made from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

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
    """A network, its recipe and its training rows: everything an engine needs.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    parameters : Parameters
        The initial parameters, which the engine copies; it computes in their dtype.
    x : ndarray (n, features) of uint8 or float, or a SciPy CSR matrix
        The training rows as they are stored; ``sparse_rows`` says which sparse rows are made dense.
    y : ndarray (n,) of int, or (n, n_outputs) of float
        The class of each row for a softmax output, otherwise the target of each output.
    scaling : Scaling
        How stored rows become the network's input, applied batch by batch.
    dropout_rng : numpy.random.Generator
        The stream of dropout masks.
    sample_weight : ndarray (n,) of float or None, default None
        The weight wᵢ of each row: the loss of a batch is Σ wᵢ lossᵢ / Σ wᵢ. A batch whose weights sum to
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
        """The dtype to compute in."""
        return self.parameters[0][0].dtype.newbyteorder("=")


class Engine(Protocol):
    """Computes the training steps of one task; it has all state of a training."""

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
        """Return the loss of a batch, the L2 penalty included, and its gradient, without a step.

        Weight decay belongs to the update rule and is not included; dropout is not applied.

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
        """Continue with other training rows; parameters and the optimizer's memory stay.

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
        """Continue with other parameters of the same shapes; the optimizer's memory stays."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's memory as arrays by name, valid until the next step.

        With it, the parameters and the stream of dropout masks another engine of the same task continues
        bit for bit.
        """
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load the optimizer's memory as ``state`` returned it; the arrays are copied."""
        ...

    def close(self) -> None:
        """Release resources that only steps need, such as worker processes; the next step starts them."""
        ...


E = TypeVar("E", bound=Engine)


def copy_engine(engine: E, make: Callable[[Task], E], task: Task, memo: dict[int, Any]) -> E:
    """Return a deep copy of an engine: its parameters, optimizer's memory and stream of masks as they are.

    Parameters
    ----------
    engine : Engine
    make : callable
        Returns an engine of the same kind for a task.
    task : Task
        The engine's; its rows are shared, since no engine changes them.
    memo : dict
        Of ``copy.deepcopy``.
    """
    rng = copy.deepcopy(task.dropout_rng, memo)
    twin = make(replace(task, parameters=engine.parameters(), dropout_rng=rng))
    twin.load_state(engine.state())
    return twin


def take_rows(x: Any, rows: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Copy rows of a dense array or a SciPy CSR matrix into a dense array ``(batch, features)``."""
    if isinstance(x, np.ndarray):
        # "clip" skips the check of every index; the loop draws them from a permutation
        x.take(rows, axis=0, out=out, mode="clip")
    else:
        x[rows].toarray(out=out)


def drops(network: Network) -> bool:
    """Tell whether a network has dropout, so that steps draw masks."""
    return bool(network.dropout or network.input_dropout)


def dropout_masks(
    rng: np.random.Generator, network: Network, batch: int, dtype: np.dtype[Any]
) -> list[FloatArray | None]:
    """Draw the dropout masks that multiply the inputs of every layer in one batch.

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
        For each layer, 0 where an input is left out, otherwise 1 / (1 - dropout), so that the expected
        inputs are the same with and without dropout (Srivastava et al. 2014); None for a layer without
        dropout. Empty if no layer has any.
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
