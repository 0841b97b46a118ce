"""An estimator's parameters as a Network, a Recipe and the initial weights and biases."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from clearprop.estimator.checks import activation_names
from clearprop.estimator.parameters import SGD_SOLVERS
from clearprop.nn.initialization import initial_parameters
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe

#: scikit-learn's names of output functions: Clearprop's name, and the loss that is trained on.
OUTPUTS = {
    "softmax": ("softmax", "cross_entropy"),
    "logistic": ("sigmoid", "binary_cross_entropy"),
    "identity": ("identity", "squared_error"),
    "exp": ("exponential", "poisson"),
}
BATCH_SIZE = 200


def network_of(estimator: Any) -> Network:
    """Return the network of a fitted or initialized estimator.

    Its layer sizes are those of ``coefs_``, also where training continues from them.
    """
    sizes = [estimator.coefs_[0].shape[0], *(weight.shape[1] for weight in estimator.coefs_)]
    return Network(
        [int(size) for size in sizes],
        activation_names(estimator.activation, len(sizes) - 2),
        dropout=estimator.dropout,
        output=OUTPUTS[estimator.out_activation_][0],
    )


def recipe_of(estimator: Any, n_rows: int, epochs: int) -> Recipe:
    """Return how a stochastic solver trains the estimator's network on some rows.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    n_rows : int
        Training rows; a batch is no larger.
    epochs : int
        At most.
    """
    batch_size = BATCH_SIZE if estimator.batch_size == "auto" else estimator.batch_size
    # AdamW is Adam with decoupled weight decay
    decoupled = estimator.solver == "adamw"
    return Recipe(
        optimizer=_optimizer(estimator),
        learning_rate=estimator.learning_rate_init,
        schedule=estimator.schedule,
        weight_decay=estimator.alpha if decoupled else 0.0,
        l2_penalty=0.0 if decoupled else estimator.alpha,
        epochs=epochs,
        batch_size=min(batch_size, n_rows),
        loss=OUTPUTS[estimator.out_activation_][1],
        label_smoothing=getattr(estimator, "label_smoothing", 0.0),
        momentum=estimator.momentum,
        beta_1=estimator.beta_1,
        beta_2=estimator.beta_2,
        epsilon=estimator.epsilon,
    )


def starting_parameters(estimator: Any, sizes: list[int], random: np.random.RandomState) -> Parameters:
    """Draw the parameters a first fit starts from, in float64.

    With ``initialization="auto"`` they are, number for number, those scikit-learn draws.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    sizes : list of int
        Units of every layer, input and output included.
    random : numpy.random.RandomState
    """
    if estimator.initialization != "auto":
        rng = np.random.default_rng(random.randint(2**31))
        return initial_parameters(sizes, estimator.initialization, rng, np.float64)
    hidden = activation_names(estimator.activation, len(sizes) - 2)
    # the output layer's bound follows the layer before it, where one name a layer was given
    of_layers = [*hidden, hidden[-1]] if hidden else [_single(estimator.activation)]
    layers: Parameters = []
    for (fan_in, fan_out), activation in zip(pairwise(sizes), of_layers, strict=True):
        # Glorot and Bengio 2010; scikit-learn draws the biases so too, and less widely for the logistic
        bound = math.sqrt((2.0 if activation == "sigmoid" else 6.0) / (fan_in + fan_out))
        weight = random.uniform(-bound, bound, (fan_in, fan_out))
        layers.append((weight, random.uniform(-bound, bound, fan_out)))
    return layers


def _single(activation: Any) -> str:
    return activation_names(activation, 1)[0] if isinstance(activation, str) else "identity"


def _optimizer(estimator: Any) -> str:
    """Return Clearprop's name of the solver's update rule."""
    solver: str = estimator.solver
    if solver not in SGD_SOLVERS:
        return "adam_hat" if solver == "adam" else solver
    if estimator.momentum == 0:
        # the same steps, without a velocity
        return "sgd"
    if solver != "sgd":
        return solver
    return "nesterov" if estimator.nesterovs_momentum else "momentum"
