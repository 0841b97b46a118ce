"""What each parameter of the estimators may be, as data, and the one check of it at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from clearprop.engines import ENGINES
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.initialization import INITIALIZATIONS
from clearprop.nn.schedules import SCHEDULES
from clearprop.training.callbacks import check_callbacks
from clearprop.utils.errors import InvalidArgument

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

#: scikit-learn's own parameters, with its rules.
SHARED_CONSTRAINTS: Mapping[str, list[Any]] = MappingProxyType(
    {
        "hidden_layer_sizes": ["array-like", _count],
        "activation": [StrOptions(set(ACTIVATION_NAMES)), list, tuple],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC_SOLVERS})],
        "alpha": [_not_negative],
        "batch_size": [StrOptions({"auto"}), _count],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [_positive],
        "power_t": [_not_negative],
        "max_iter": [_count],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [_not_negative],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [_share],
        "beta_1": [_share],
        "beta_2": [_share],
        "epsilon": [_positive],
        "n_iter_no_change": [_count, Options(Real, {np.inf})],
        "max_fun": [_count],
        # beyond scikit-learn
        "dropout": [_share],
        "schedule": [StrOptions(set(SCHEDULES))],
        "initialization": [StrOptions({"auto", *INITIALIZATIONS})],
        "engine": [StrOptions(set(ENGINES))],
        "device": [str],
        "callbacks": [list, tuple, None],
        "restore_best": ["boolean", None],
    }
)
CLASSIFIER_CONSTRAINTS: Mapping[str, list[Any]] = MappingProxyType(
    {
        **SHARED_CONSTRAINTS,
        "label_smoothing": [_share],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
)
REGRESSOR_CONSTRAINTS: Mapping[str, list[Any]] = MappingProxyType(
    {**SHARED_CONSTRAINTS, "loss": [StrOptions({"squared_error", "poisson"})]}
)

#: What solver="lbfgs" cannot do, with the value that asks for nothing.
_NOT_WITH_LBFGS: Mapping[str, Any] = MappingProxyType(
    {"dropout": 0, "schedule": "constant", "callbacks": None, "restore_best": None}
)


def check_parameters(estimator: Any) -> None:
    """Raise InvalidArgument unless each parameter has a value that is allowed, and all go together.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor

    Raises
    ------
    InvalidArgument
        In scikit-learn's words where one value is wrong; it is a ``ValueError``, as there.
    """
    if get_config()["skip_parameter_validation"]:
        return
    values = estimator.get_params(deep=False)
    name = type(estimator).__name__
    try:
        validate_parameter_constraints(estimator._parameter_constraints, values, caller_name=name)
    except InvalidParameterError as error:
        raise InvalidArgument(str(error)) from None
    sizes = hidden_sizes(values["hidden_layer_sizes"])
    if any(not isinstance(size, Integral) or size <= 0 for size in sizes):
        raise InvalidArgument(f"hidden_layer_sizes must be > 0, got {sizes}.")
    _check_activations(values["activation"], sizes)
    check_callbacks(values["callbacks"] or ())
    if values["solver"] == "lbfgs":
        for option, nothing in _NOT_WITH_LBFGS.items():
            if values[option] not in (nothing, [], ()):
                raise InvalidArgument(
                    f'{option} is {values[option]!r}, but solver="lbfgs" looks at all rows at once and has '
                    f"no use for it; choose another solver, or leave {option} out."
                )


def hidden_sizes(given: Any) -> list[Any]:
    """Return ``hidden_layer_sizes`` as a list, whether it was given as one number or as several."""
    return list(given) if np.iterable(given) else [given]


def activation_names(given: str | list[str] | tuple[str, ...], n_hidden: int) -> tuple[str, ...]:
    """Return Clearprop's name of each hidden layer's activation."""
    names = (given,) * n_hidden if isinstance(given, str) else given
    return tuple(ACTIVATION_NAMES[name] for name in names)


def _check_activations(given: Any, sizes: list[Any]) -> None:
    if isinstance(given, str):
        return
    for name in given:
        if not isinstance(name, str) or name not in ACTIVATION_NAMES:
            raise InvalidArgument(
                f"activation names {name!r}, but must name only {', '.join(map(repr, ACTIVATION_NAMES))}."
            )
    if len(given) != len(sizes):
        raise InvalidArgument(
            f"activation names {len(given)} functions, but hidden_layer_sizes has {len(sizes)} layers; "
            "give one name for all of them, or one for each."
        )
