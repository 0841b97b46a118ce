"""Full-batch training: SciPy's L-BFGS on the loss and gradient of an engine."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from clearprop.engines import create_engine
from clearprop.engines.base import Engine, Task
from clearprop.estimator.plan import OUTPUTS, network_of
from clearprop.estimator.stochastic import TrainingData
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import Scaling

#: Rows that go through the network at a time: few enough for the cache, however many there are.
CHUNK = 1024

Vector = NDArray[np.float64]


def fit_full_batch(estimator: Any, data: TrainingData, parameters: Parameters) -> Parameters:
    """Train an estimator's network by L-BFGS, set its ``loss_`` and ``n_iter_``, and return its parameters.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    data : TrainingData
    parameters : Parameters
        The initial ones; SciPy works in float64, and so does this module.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If ``max_iter`` or ``max_fun`` ended it.
    """
    objective = Objective(estimator, data, parameters)
    result = minimize(
        objective,
        pack(parameters),
        method="L-BFGS-B",
        jac=True,
        options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
        callback=_told if estimator.verbose else None,
    )
    estimator.n_iter_ = int(min(result.nit, estimator.max_iter))
    estimator.loss_ = objective.reported(result.x, float(result.fun))
    if result.status != 0:
        more = f"Increase max_iter ({estimator.max_iter})" if result.nit >= estimator.max_iter else ""
        warnings.warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) (status={result.status}): "
            f"{result.message}. {more + ', or scale' if more else 'Scale'} the data.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return unpack(result.x, parameters)


class Objective:
    """The loss over all rows and its gradient, as a function of all parameters in one vector.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    data : TrainingData
    parameters : Parameters
        Of the shapes to expect.
    """

    def __init__(self, estimator: Any, data: TrainingData, parameters: Parameters) -> None:
        self._estimator = estimator
        self._alpha = float(estimator.alpha)
        self._n_rows = data.x.shape[0]
        self._weight = data.training_weight
        total = self._n_rows if self._weight is None else self._weight.sum()
        self._total = float(total)
        self._like: Parameters = [
            (weight.astype(np.float64), bias.astype(np.float64)) for weight, bias in parameters
        ]
        self._engine = self._make_engine(data)

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        """Return the loss, the L2 penalty included, and its gradient ``(n_parameters,)``."""
        self._engine.load_parameters(unpack(vector, self._like))
        loss, gradient = 0.0, np.zeros_like(vector)
        for start in range(0, self._n_rows, CHUNK):
            rows = np.arange(start, min(start + CHUNK, self._n_rows))
            part = len(rows) if self._weight is None else float(self._weight[rows].sum())
            chunk_loss, chunk_gradient = self._engine.loss_and_gradient(rows)
            share = part / self._total
            loss += share * chunk_loss
            gradient += share * pack(chunk_gradient)
        weights = vector[: self._n_weights()]
        loss += self._alpha / 2 / self._total * float(weights @ weights)
        gradient[: len(weights)] += self._alpha / self._total * weights
        return loss, gradient

    def reported(self, vector: Vector, loss: float) -> float:
        """Return the loss as ``loss_`` gives it."""
        weights = vector[: self._n_weights()]
        penalty = self._alpha / 2 / self._total * float(weights @ weights)
        return penalty + (loss - penalty) / int(self._estimator._loss_divisor())

    def _n_weights(self) -> int:
        return sum(weight.size for weight, _ in self._like)

    def _make_engine(self, data: TrainingData) -> Engine:
        estimator = self._estimator
        task = Task(
            network=network_of(estimator),
            recipe=Recipe(
                loss=OUTPUTS[estimator.out_activation_][1],
                label_smoothing=getattr(estimator, "label_smoothing", 0.0),
            ),
            parameters=self._like,
            x=data.x,
            y=data.targets,
            scaling=Scaling(),
            dropout_rng=np.random.default_rng(0),
            sample_weight=data.training_weight,
        )
        # one process: the engine only computes gradients here
        return create_engine(estimator.engine, task, estimator.device, processes=1)


def pack(parameters: Parameters) -> Vector:
    """Return all parameters as one vector ``(n_parameters,)``: the weights, then the biases."""
    arrays = [weight for weight, _ in parameters] + [bias for _, bias in parameters]
    return np.concatenate([array.ravel() for array in arrays], dtype=np.float64)


def unpack(vector: Vector, like: Parameters) -> Parameters:
    """Return the parameters that a vector holds, of the shapes of others."""
    shapes = [weight.shape for weight, _ in like] + [bias.shape for _, bias in like]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    arrays = [
        np.ascontiguousarray(part).reshape(shape)
        for part, shape in zip(np.split(vector, ends), shapes, strict=True)
    ]
    return list(zip(arrays[: len(like)], arrays[len(like) :], strict=True))


def _told(intermediate_result: Any) -> None:
    print(f"loss = {intermediate_result.fun:.8f}")
