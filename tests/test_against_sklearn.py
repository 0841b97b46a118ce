"""The engines' loss, gradient and steps agree with those of scikit-learn's MLP."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from clearprop.engines import create_engine
from clearprop.engines.base import Engine, Task
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import Scaling

N_ROWS, FEATURES, HIDDEN = 60, 5, (7, 4)
ALPHA = 0.3
ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": "identity"}


class Problem:
    """Targets as scikit-learn takes them and as a Task takes them, with the output that learns them."""

    def __init__(self, name: str) -> None:
        rng = np.random.default_rng(3)
        self.x = rng.normal(size=(N_ROWS, FEATURES))
        self.weight = rng.uniform(0, 3, N_ROWS)
        self.weight[:5] = 0
        self.estimator: Callable[..., Any] = MLPClassifier
        self.options: dict[str, Any] = {}
        match name:
            case "multiclass":
                self.theirs = rng.integers(0, 3, N_ROWS)
                self.ours, self.output, self.loss, self.n_outputs = self.theirs, "softmax", "cross_entropy", 3
            case "binary":
                self.theirs = rng.integers(0, 2, N_ROWS)
                self.ours = self.theirs[:, np.newaxis].astype(float)
                self.output, self.loss, self.n_outputs = "sigmoid", "binary_cross_entropy", 1
            case "multilabel":
                self.theirs = rng.integers(0, 2, (N_ROWS, 3))
                self.ours = self.theirs.astype(float)
                self.output, self.loss, self.n_outputs = "sigmoid", "binary_cross_entropy", 3
            case "regression":
                self.estimator = MLPRegressor
                self.theirs = rng.normal(size=N_ROWS)
                self.ours = self.theirs[:, np.newaxis]
                self.output, self.loss, self.n_outputs = "identity", "squared_error", 1
            case "several values":
                self.estimator = MLPRegressor
                self.theirs = self.ours = rng.normal(size=(N_ROWS, 2))
                self.output, self.loss, self.n_outputs = "identity", "squared_error", 2
            case "counts":
                self.estimator = MLPRegressor
                self.options = {"loss": "poisson"}
                self.theirs = rng.poisson(2.0, N_ROWS).astype(float)
                self.ours = self.theirs[:, np.newaxis]
                self.output, self.loss, self.n_outputs = "exponential", "poisson", 1
        sizes = (FEATURES, *HIDDEN, self.n_outputs)
        self.parameters = [
            (rng.normal(0, 0.5, fans), rng.normal(0, 0.5, fans[1])) for fans in pairwise(sizes)
        ]

    def engine(self, name: str, activation: str, weighted: bool, **recipe: Any) -> Engine:
        task = Task(
            network=Network((FEATURES, *HIDDEN, self.n_outputs), activation, output=self.output),
            recipe=Recipe(loss=self.loss, l2_penalty=ALPHA, **recipe),
            parameters=self.parameters,
            x=self.x,
            y=self.ours,
            scaling=Scaling(),
            dropout_rng=np.random.default_rng(0),
            sample_weight=self.weight if weighted else None,
        )
        return create_engine(name, task, "cpu" if name == "torch" else "auto")

    def sklearn(self, **options: Any) -> Any:
        """Return a scikit-learn estimator that is about to take its first step from the same parameters."""
        estimator = self.estimator(
            hidden_layer_sizes=HIDDEN,
            alpha=ALPHA,
            batch_size=N_ROWS,
            max_iter=1,
            shuffle=False,
            random_state=0,
            **self.options,
            **options,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            # for what a fit makes beside the parameters
            estimator.fit(self.x, self.theirs)
        estimator.coefs_ = [weight.copy() for weight, _ in self.parameters]
        estimator.intercepts_ = [bias.copy() for _, bias in self.parameters]
        del estimator._optimizer
        return estimator

    def sklearn_backprop(self, activation: str, weighted: bool) -> tuple[float, Parameters]:
        estimator = self.sklearn(activation=activation)
        _, targets = estimator._validate_input(self.x, self.theirs, False, False)
        targets = targets.reshape(N_ROWS, -1).astype(float)
        layers = len(self.parameters)
        loss, weights, biases = estimator._backprop(
            self.x,
            targets,
            self.weight if weighted else None,
            [self.x, *[None] * layers],
            [None] * layers,
            [None] * layers,
            [None] * layers,
        )
        return float(loss), list(zip(weights, biases, strict=True))


PROBLEMS = {
    name: Problem(name)
    for name in ("multiclass", "binary", "multilabel", "regression", "several values", "counts")
}


def assert_equal(ours: Parameters, theirs: Parameters, tolerance: float = 1e-10) -> None:
    for pair, other in zip(ours, theirs, strict=True):
        for mine, its in zip(pair, other, strict=True):
            np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance / 1e3)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_loss_and_gradient_are_those_of_scikit_learn(
    name: str, activation: str, weighted: bool, engine: str
) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    problem = PROBLEMS[name]
    machine = problem.engine(engine, ACTIVATIONS[activation], weighted)
    loss, gradient = machine.loss_and_gradient(np.arange(N_ROWS))
    their_loss, their_gradient = problem.sklearn_backprop(activation, weighted)
    assert_equal(gradient, their_gradient)
    if name == "several values":
        # scikit-learn states the mean over the outputs, but follows the gradient of their sum, as we state it
        penalty = ALPHA / 2 * sum(float(np.vdot(weight, weight)) for weight, _ in problem.parameters)
        penalty /= problem.weight.sum() if weighted else N_ROWS
        their_loss = problem.n_outputs * (their_loss - penalty) + penalty
    assert loss == pytest.approx(their_loss, rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    ("solver", "optimizer"),
    [
        ({"solver": "sgd", "momentum": 0.0}, {"optimizer": "sgd"}),
        ({"solver": "sgd", "nesterovs_momentum": False}, {"optimizer": "momentum"}),
        ({"solver": "sgd", "momentum": 0.6}, {"optimizer": "nesterov", "momentum": 0.6}),
        (
            {"solver": "adam", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-15},
            {"optimizer": "adam", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-15},
        ),
    ],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_steps_are_those_of_scikit_learn(
    name: str, solver: dict[str, Any], optimizer: dict[str, Any], weighted: bool
) -> None:
    problem = PROBLEMS[name]
    theirs = problem.sklearn(activation="tanh", learning_rate_init=0.05, **solver)
    ours = problem.engine("numpy", "tanh", weighted, **optimizer)
    # scikit-learn adds ε before it corrects the bias of the mean square, the paper and PyTorch after it:
    # the smallest ε does not quite make them one
    tolerance = 1e-7 if solver["solver"] == "adam" else 1e-10
    for _ in range(20):
        theirs.partial_fit(problem.x, problem.theirs, sample_weight=problem.weight if weighted else None)
        loss = ours.train_step(np.arange(N_ROWS), 0.05)
        if name != "several values":
            assert loss == pytest.approx(theirs.loss_, rel=tolerance)
    parameters = list(zip(theirs.coefs_, theirs.intercepts_, strict=True))
    assert_equal(ours.parameters(), parameters, tolerance)
