"""Instruments: each layer of a network in training, looked at with a few of its rows.

The forward and backward passes here are their own, in NumPy, on a copy of the parameters: no engine, random
stream or parameter of the training is touched, so its numbers are the same with and without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import take_rows
from clearprop.engines.kernels.blas import BLAS_THREADS
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.losses import LOSSES
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import Scaling
from clearprop.training.callbacks import Callback, TrainingState

Array = NDArray[np.floating[Any]]

#: Key of an epoch's record that holds a ``Sample``; an epoch that was not looked at does not have it.
RECORD = "instruments"
#: A unit is saturated where its slope is below this share of the largest.
SATURATED_SLOPE = 0.05
LARGEST_SLOPE = {"sigmoid": 0.25, "tanh": 1.0}
#: Rows that the layers are looked at with, and the most numbers in them.
LOOKED_ROWS, MOST_NUMBERS = 128, 2**21
#: Share of the rows trained on that the rows looked at should be: small data are looked at every few epochs.
LOOKED_SHARE, MOST_EPOCHS_BETWEEN = 0.03, 10


def root_mean_square(values: Array) -> float:
    """Return the size of an array: the square root of its mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def dead_share(activation: str, outputs: Array) -> float:
    """Return the share of ReLU units that give 0 for every row of ``outputs (n, units)``; else 0."""
    return float((outputs <= 0).all(axis=0).mean()) if activation == "relu" else 0.0


def saturated_share(activation: str, outputs: Array) -> float:
    """Return the share of sigmoid or tanh ``outputs (n, units)`` where the slope is nearly 0; else 0."""
    if activation not in LARGEST_SLOPE:
        return 0.0
    slope = outputs * (1 - outputs) if activation == "sigmoid" else 1 - outputs * outputs
    return float((slope < SATURATED_SLOPE * LARGEST_SLOPE[activation]).mean())


def guess_loss(shares: NDArray[np.float64], loss: str, label_smoothing: float = 0.0) -> float:
    """Return the loss of predicting every class with its share.

    Parameters
    ----------
    shares : ndarray (n_classes,)
        The share of the rows that is of each class.
    loss : str
        A loss of classes.
    label_smoothing : float, default 0.0
    """
    present = np.flatnonzero(shares)
    # a class that no row has gets no probability, short of the logarithm of 0
    logits = np.log(np.maximum(shares, 1e-30))[:, np.newaxis].repeat(len(present), axis=1)
    return float(LOSSES[loss](logits, present, label_smoothing, shares[present])[0])


@dataclass(frozen=True, slots=True)
class Sample:
    """The layers at the end of an epoch; ``History`` keeps its fields as a plain record.

    Attributes
    ----------
    dead, saturated, activation : list of float
        Of every hidden layer: ``dead_share`` and ``saturated_share`` of its outputs, and their size.
    gradient : list of float
        Of every layer: the size of the loss's gradient for the pre-activations of a row.
    update : list of float
        Of every layer: the size of the epoch's last step over that of the weights.
    predicted : list of int
        How many of the rows looked at are predicted as each class.
    guess_loss : float
        Of the training rows.
    """

    dead: list[float]
    saturated: list[float]
    activation: list[float]
    gradient: list[float]
    update: list[float]
    predicted: list[int]
    guess_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def look(
    network: Network, recipe: Recipe, parameters: Parameters, inputs: Array, labels: NDArray[np.integer[Any]]
) -> dict[str, list[Any]]:
    """Return what a forward and a backward pass show: the fields of ``Sample`` that need no other step.

    Parameters
    ----------
    network : Network
        With a softmax output.
    recipe : Recipe
        Its loss is differentiated; dropout and weight decay are left out.
    parameters : Parameters
    inputs : ndarray (n, features)
        Scaled rows.
    labels : ndarray (n,) of int
    """
    outputs: list[Array] = [inputs]
    for (weight, bias), name in zip(parameters, (*network.activations, "identity"), strict=True):
        layer: Array = outputs[-1] @ weight
        layer += bias
        ACTIVATIONS[name].value(layer)
        outputs.append(layer)
    hidden = list(zip(network.activations, outputs[1:-1], strict=True))
    seen: dict[str, list[Any]] = {
        "dead": [dead_share(name, layer) for name, layer in hidden],
        "saturated": [saturated_share(name, layer) for name, layer in hidden],
        "activation": [root_mean_square(layer) for _, layer in hidden],
        "predicted": np.bincount(outputs[-1].argmax(axis=1), minlength=network.layer_sizes[-1]).tolist(),
    }
    _, gradient = LOSSES[recipe.loss](outputs[-1].T, labels, recipe.label_smoothing)
    delta: Array = gradient.T
    sizes = [len(inputs) * root_mean_square(delta)]
    for (weight, _), (name, output) in zip(parameters[:0:-1], reversed(hidden), strict=True):
        delta = delta @ weight.T
        ACTIVATIONS[name].times_derivative(delta, output)
        sizes.append(len(inputs) * root_mean_square(delta))
    seen["gradient"] = sizes[::-1]
    return seen


class Instruments(Callback):
    """Looks at every layer at the end of an epoch, and adds what it sees to the epoch's record.

    The first epoch is looked at, and then so many that the rows looked at are about 3% of those trained on.
    Which epochs they are depends on the number of rows alone, so that a training that was interrupted or
    continued has the same records.

    Parameters
    ----------
    x : ndarray (n, features) of uint8 or float, or a SciPy CSR matrix
        The training rows as they are stored.
    y : ndarray (n,) of int
    scaling : Scaling
    """

    def __init__(self, x: Any, y: NDArray[Any], scaling: Scaling) -> None:
        n_rows = min(len(y), LOOKED_ROWS, max(1, MOST_NUMBERS // x.shape[1]))
        rows = np.linspace(0, len(y) - 1, n_rows).astype(np.intp)
        self._stored = np.empty((n_rows, x.shape[1]), x.dtype)
        take_rows(x, rows, self._stored)
        self._labels, self._scaling = y[rows], scaling
        self._counts = np.bincount(y)
        #: Every so many epochs are looked at.
        self.every = min(MOST_EPOCHS_BETWEEN, max(1, round(n_rows / (LOOKED_SHARE * len(y)))))
        self._before: Parameters = []

    def on_train_begin(self, state: TrainingState) -> None:
        """Keep the parameters before the first step, where an epoch is one step."""
        if state.n_batches == 1:
            self._before = state.engine.parameters()

    def on_batch_end(self, state: TrainingState) -> None:
        """Keep the parameters before the last step of an epoch that is looked at."""
        if state.batch == state.n_batches - 1 and self._is_due(state):
            self._before = state.engine.parameters()

    def on_epoch_end(self, state: TrainingState) -> None:
        """Look at the layers, if it is time to."""
        if self._is_due(state):
            parameters = state.engine.parameters()
            # threads of the BLAS stay awake for a tenth of a second, and would slow down the next steps
            BLAS_THREADS.limit(self)
            try:
                sample = self._sample(state, parameters)
            finally:
                BLAS_THREADS.release(self)
            if sample is not None:
                state.history.epochs[-1][RECORD] = sample.to_dict()
        if state.n_batches == 1:
            self._before = state.engine.parameters()

    def _is_due(self, state: TrainingState) -> bool:
        return state.epoch == 1 or state.epoch % self.every == 0

    def _sample(self, state: TrainingState, parameters: Parameters) -> Sample | None:
        network, recipe = state.network, state.recipe
        inputs = self._scaling.apply(self._stored, parameters[0][0].dtype)
        # a training on its way to divergence is for the loop to report
        with np.errstate(all="ignore"):
            seen = look(network, recipe, parameters, inputs, self._labels)
            update = [
                _ratio(np.linalg.norm(now - before), np.linalg.norm(now))
                for (now, _), (before, _) in zip(parameters, self._before, strict=True)
            ]
        shares = self._counts / self._counts.sum()
        shares = np.pad(shares, (0, network.layer_sizes[-1] - len(shares)))
        guess = guess_loss(shares, recipe.loss, recipe.label_smoothing)
        sample = Sample(**seen, update=update, guess_loss=guess)
        return sample if _is_finite([*sample.activation, *sample.gradient, *update]) else None


def _ratio(numerator: np.floating[Any], denominator: np.floating[Any]) -> float:
    return float(numerator / denominator) if denominator else 0.0


def _is_finite(values: Sequence[float]) -> bool:
    return bool(np.isfinite(values).all())
