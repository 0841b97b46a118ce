"""The check of an estimator's parameters, made once at the beginning of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from clearprop.estimator.parameters import ACTIVATION_NAMES
from clearprop.training.callbacks import check_callbacks
from clearprop.utils.errors import InvalidArgument

#: The parameters that solver="lbfgs" cannot use, with the value that turns each off.
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
        for option, off in _NOT_WITH_LBFGS.items():
            if values[option] not in (off, [], ()):
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
