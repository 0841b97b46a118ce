"""The losses of a Program on targets as people give them, with the conventions of Keras and PyTorch.

Probabilities are clipped at 1e-7, and ``cross_entropy`` first divides them by their sum over the units: one
unit has the probability 1 whatever the network does, so loss and gradient are 0. Shapes that differ
broadcast, which is how an accident of shapes trains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.program import Program
from clearprop.utils.errors import DataError

Array = NDArray[np.floating[Any]]

CLIP = 1e-7
#: Losses that compare an output with class probabilities, over all outputs of a row.
CLASS_LOSSES = ("cross_entropy", "cross_entropy_from_logits")


def targets_for(program: Program, y: NDArray[Any], dtype: Any = np.float32) -> Array:
    """Return targets as the loss of a program compares them with its outputs.

    Parameters
    ----------
    program : Program
    y : ndarray (n,) or (n, columns)
        Class numbers, one-hot rows or numbers, scaled as the program says.

    Returns
    -------
    ndarray (n, columns) of dtype
        Class numbers become one-hot rows where a cross_entropy has several units; a number that is not that
        of a unit becomes a row of zeros. One column where y has one axis.

    Raises
    ------
    DataError
        If the columns neither equal nor broadcast to the units of the output.
    """
    units = program.output.units
    columns = y.reshape(len(y), -1)
    if program.loss in CLASS_LOSSES and units > 1 and columns.shape[1] == 1:
        numbers = columns[:, 0]
        if np.all(numbers == np.round(numbers)):
            return np.asarray(numbers[:, None] == np.arange(units), dtype)
    if columns.shape[1] not in (1, units) and units != 1:
        raise DataError(
            f"y has {columns.shape[1]} columns and the output {units} units, which do not fit each other; "
            "give the output layer a unit for each column."
        )
    return np.asarray(columns, dtype)


def broadcasts_to_square(program: Program, y: NDArray[Any]) -> bool:
    """Tell whether targets ``(n,)`` meet outputs ``(n, 1)``, which PyTorch broadcasts to ``(n, n)``."""
    return (
        program.framework == "torch"
        and y.ndim == 1
        and program.output.units == 1
        and program.loss in ("squared_error", "absolute_error")
    )


def loss_and_gradient(program: Program, outputs: Array, targets: Array, square: bool) -> tuple[float, Array]:
    """Return the loss of a batch and its gradient for the outputs.

    Parameters
    ----------
    program : Program
    outputs : ndarray (n, units)
        After the activation.
    targets : ndarray (n, columns)
        As ``targets_for`` returns them.
    square : bool
        Compare every output with every target of the batch, as ``broadcasts_to_square`` tells.

    Returns
    -------
    loss : float
        The mean over rows; NaN or infinite where the training has diverged.
    gradient : ndarray (n, units)
    """
    if square:
        targets = targets.T
    wide, targets = np.broadcast_arrays(outputs, targets)
    loss, gradient = _LOSSES[program.loss](wide, targets, program)
    if gradient.shape != outputs.shape:
        gradient = gradient.sum(axis=1, keepdims=True)
    return loss, gradient


def _cross_entropy(outputs: Array, targets: Array, program: Program) -> tuple[float, Array]:
    n = len(outputs)
    total = outputs.sum(axis=1, keepdims=True)
    share = outputs / total
    clipped = share.clip(CLIP, 1 - CLIP)
    loss = -float((targets * np.log(clipped)).sum()) / n
    # the clip passes no gradient on
    of_share = np.where(share == clipped, -targets / clipped, 0).astype(outputs.dtype) / n
    return loss, (of_share - (of_share * share).sum(axis=1, keepdims=True)) / total


def _binary_cross_entropy(outputs: Array, targets: Array, program: Program) -> tuple[float, Array]:
    clipped = outputs.clip(CLIP, 1 - CLIP)
    loss = -float(np.mean(targets * np.log(clipped) + (1 - targets) * np.log(1 - clipped)))
    slope = (clipped - targets) / (clipped * (1 - clipped))
    return loss, np.where(outputs == clipped, slope, 0).astype(outputs.dtype) / outputs.size


def _cross_entropy_from_logits(outputs: Array, targets: Array, program: Program) -> tuple[float, Array]:
    n = len(outputs)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    loss = float((targets * (np.log(total) - shifted)).sum()) / n
    return loss, (exponentials / total * targets.sum(axis=1, keepdims=True) - targets) / n


def _binary_cross_entropy_from_logits(
    outputs: Array, targets: Array, program: Program
) -> tuple[float, Array]:
    small = np.exp(-np.abs(outputs))
    loss = float(np.mean(np.maximum(outputs, 0) - outputs * targets + np.log1p(small)))
    probability = np.where(outputs >= 0, 1, small) / (1 + small)
    return loss, ((probability - targets) / outputs.size).astype(outputs.dtype)


def _squared_error(outputs: Array, targets: Array, program: Program) -> tuple[float, Array]:
    difference = outputs - targets
    loss = float(np.mean(difference * difference))
    return loss, difference * outputs.dtype.type(2 / outputs.size)


def _absolute_error(outputs: Array, targets: Array, program: Program) -> tuple[float, Array]:
    difference = outputs - targets
    loss = float(np.mean(np.abs(difference)))
    return loss, np.sign(difference) * outputs.dtype.type(1 / outputs.size)


def _poisson(outputs: Array, targets: Array, program: Program) -> tuple[float, Array]:
    if program.framework == "torch":
        # torch.nn.PoissonNLLLoss takes the logarithm of the rate
        rate = np.exp(outputs)
        return float(np.mean(rate - targets * outputs)), (rate - targets) / outputs.dtype.type(outputs.size)
    rate = outputs + outputs.dtype.type(CLIP)
    loss = float(np.mean(outputs - targets * np.log(rate)))
    return loss, (1 - targets / rate) / outputs.dtype.type(outputs.size)


_LOSSES = {
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "cross_entropy_from_logits": _cross_entropy_from_logits,
    "binary_cross_entropy_from_logits": _binary_cross_entropy_from_logits,
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "poisson": _poisson,
}
