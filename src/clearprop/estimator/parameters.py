"""The parameters of the two estimators: name, default, allowed values and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from clearprop.engines import ENGINES
from clearprop.estimator.declaration import declares_parameters, parameter
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.initialization import INITIALIZATIONS
from clearprop.nn.schedules import SCHEDULES

#: Clearprop's activations, by scikit-learn's names where it has them.
ACTIVATION_NAMES: Mapping[str, str] = MappingProxyType(
    {"logistic" if name == "sigmoid" else name: name for name in ACTIVATIONS}
)
#: The solvers that learning_rate, momentum and power_t are for, and all that go batch by batch.
SGD_SOLVERS = ("sgd", "momentum", "nesterov")
ADAM_SOLVERS = ("adam", "adamw")
STOCHASTIC_SOLVERS = (*SGD_SOLVERS, *ADAM_SOLVERS)

_positive = Interval(Real, 0, None, closed="neither")
_not_negative = Interval(Real, 0, None, closed="left")
_share = Interval(Real, 0, 1, closed="left")
_count = Interval(Integral, 1, None, closed="left")


@declares_parameters()
class SharedParameters:
    """The parameters that both estimators take: scikit-learn's, in its order, then Clearprop's own."""

    hidden_layer_sizes: Any = parameter(
        default=(100,),
        allowed=["array-like", _count],
        kind="int or array-like of shape (n_layers - 2,)",
        doc="Units of each hidden layer.",
        kw_only=False,
    )
    activation: Any = parameter(
        default="relu",
        allowed=[StrOptions(set(ACTIVATION_NAMES)), list, tuple],
        kind="str or list of str",
        doc="``'identity'``, ``'logistic'``, ``'tanh'``, ``'relu'`` or another of "
        "``clearprop.nn.activations``; or one of them for each hidden layer.",
        kw_only=False,
    )
    solver: Any = parameter(
        default="adam",
        allowed=[StrOptions({"lbfgs", *STOCHASTIC_SOLVERS})],
        kind="str",
        doc="``'adam'``, ``'sgd'``, ``'lbfgs'`` (SciPy's, on all rows at once), ``'adamw'`` (Adam with "
        "decoupled weight decay), ``'momentum'`` or ``'nesterov'`` (sgd with that kind of momentum).",
    )
    alpha: Any = parameter(
        default=0.0001,
        allowed=[_not_negative],
        kind="float",
        doc="Strength of the L2 penalty on the weights: alpha / 2 Σ w² / n is added to the loss of a batch. "
        "For ``'adamw'`` it is the decay itself: weights and biases shrink by learning rate times alpha a "
        "step.",
    )
    batch_size: Any = parameter(
        default="auto",
        allowed=[StrOptions({"auto"}), _count],
        kind="int or 'auto'",
        doc="Rows a step; ``'auto'`` is min(200, n_samples). Not used by ``'lbfgs'``.",
    )
    learning_rate: Any = parameter(
        default="constant",
        allowed=[StrOptions({"constant", "invscaling", "adaptive"})],
        kind="{'constant', 'invscaling', 'adaptive'}",
        doc="For ``'sgd'``, ``'momentum'`` and ``'nesterov'``: keep the rate, or divide it by "
        "pow(t, power_t), or divide it by 5 whenever training no longer gets better.",
    )
    learning_rate_init: Any = parameter(
        default=0.001,
        allowed=[_positive],
        kind="float",
        doc="The initial learning rate. Not used by ``'lbfgs'``.",
    )
    power_t: Any = parameter(
        default=0.5,
        allowed=[_not_negative],
        kind="float",
        doc="The exponent of ``learning_rate='invscaling'``.",
    )
    max_iter: Any = parameter(
        default=200,
        allowed=[_count],
        kind="int",
        doc="Maximum number of epochs; for ``'lbfgs'``, of iterations.",
    )
    shuffle: Any = parameter(
        default=True,
        allowed=["boolean"],
        kind="bool",
        doc="Whether the rows are put in a new order for every epoch.",
    )
    random_state: Any = parameter(
        default=None,
        allowed=["random_state"],
        kind="int, RandomState instance or None",
        doc="Draws the initial weights, the held-out rows, the order of the rows and dropout. The same one "
        "draws the same numbers as in scikit-learn.",
    )
    tol: Any = parameter(
        default=1e-4,
        allowed=[_not_negative],
        kind="float",
        doc="The smallest improvement of loss or score that counts as one.",
    )
    verbose: Any = parameter(
        default=False, allowed=["verbose"], kind="bool", doc="Whether to print the loss of every epoch."
    )
    warm_start: Any = parameter(
        default=False,
        allowed=["boolean"],
        kind="bool",
        doc="Whether ``fit`` starts from the weights of the last ``fit``. With ``early_stopping`` its best "
        "weights and best score stay until an epoch has a higher score.",
    )
    momentum: Any = parameter(
        default=0.9,
        allowed=[Interval(Real, 0, 1, closed="both")],
        kind="float",
        doc="Fraction of the last step that is added to the next one, for the solvers with momentum.",
    )
    nesterovs_momentum: Any = parameter(
        default=True, allowed=["boolean"], kind="bool", doc="Whether the momentum of ``'sgd'`` is Nesterov's."
    )
    early_stopping: Any = parameter(
        default=False,
        allowed=["boolean"],
        kind="bool",
        doc="Hold out some rows, stop when their score no longer gets better, and keep the best weights.",
    )
    validation_fraction: Any = parameter(
        default=0.1,
        allowed=[_share],
        kind="float",
        doc="Fraction of the rows that ``early_stopping`` holds out.",
    )
    beta_1: Any = parameter(
        default=0.9,
        allowed=[_share],
        kind="float",
        doc="Decay rate of the mean of the gradients, for ``'adam'`` and ``'adamw'``.",
    )
    beta_2: Any = parameter(
        default=0.999,
        allowed=[_share],
        kind="float",
        doc="Decay rate of the mean of the squared gradients, for ``'adam'`` and ``'adamw'``.",
    )
    epsilon: Any = parameter(
        default=1e-8,
        allowed=[_positive],
        kind="float",
        doc="Keeps ``'adam'`` and ``'adamw'`` from dividing by zero.",
    )
    n_iter_no_change: Any = parameter(
        default=10,
        allowed=[_count, Options(Real, {np.inf})],
        kind="int",
        doc="Epochs in a row without an improvement by ``tol``, after which training stops.",
    )
    max_fun: Any = parameter(
        default=15000,
        allowed=[_count],
        kind="int",
        doc="Maximum number of evaluations of the loss, for ``'lbfgs'``.",
    )
    dropout: Any = parameter(
        default=0.0,
        allowed=[_share],
        kind="float",
        doc="Fraction of the hidden units dropped in each step. Beyond scikit-learn, as all that follow.",
    )
    schedule: Any = parameter(
        default="constant",
        allowed=[StrOptions(set(SCHEDULES))],
        kind="{'constant', 'step', 'cosine', 'one_cycle'}",
        doc="The factor on the learning rate over ``max_iter`` epochs.",
    )
    initialization: Any = parameter(
        default="auto",
        allowed=[StrOptions({"auto", *INITIALIZATIONS})],
        kind="str",
        doc="``'auto'`` draws the initial weights as scikit-learn does; ``'glorot_uniform'``, "
        "``'glorot_normal'``, ``'he_uniform'``, ``'he_normal'`` and ``'torch_default'`` as their names say.",
    )
    engine: Any = parameter(
        default="numpy",
        allowed=[StrOptions(set(ENGINES))],
        kind="{'numpy', 'torch'}",
        doc="The library that does the arithmetic of ``fit``.",
    )
    device: Any = parameter(
        default="auto",
        allowed=[str],
        kind="str",
        doc="``'auto'``, ``'cpu'``, ``'cuda'`` or ``'mps'``; all but the CPU need ``engine='torch'``.",
    )
    callbacks: Any = parameter(
        default=None,
        allowed=[list, tuple, None],
        kind="list of clearprop.Callback or None",
        doc="Called after every batch and epoch.",
    )
    restore_best: Any = parameter(
        default=None,
        allowed=["boolean", None],
        kind="bool or None",
        doc="Whether ``fit`` ends with the weights of the best epoch, by the validation score if there is "
        "one, else by the loss; None does so with ``early_stopping``.",
    )


@declares_parameters()
class RegressionLoss:
    """The parameter that comes before the shared ones in ``MLPRegressor``."""

    loss: Any = parameter(
        default="squared_error",
        allowed=[StrOptions({"squared_error", "poisson"})],
        kind="{'squared_error', 'poisson'}",
        doc="Half the squared error, or half the Poisson deviance, whose predictions are exponentials and "
        "whose targets must not be negative.",
        kw_only=False,
    )
