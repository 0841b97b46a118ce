"""A fitted MLP of scikit-learn, or of Clearprop's estimators, becomes a Model; nothing is ever unpickled."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.model.conversion.from_layers import make_model
from clearprop.model.conversion.skops_check import check_schema
from clearprop.model.files.safetensors_reader import clip, opened
from clearprop.model.model import Model
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import InvalidArgument, MissingExtra, ModelFileError

ACTIVATIONS = {"logistic": "sigmoid", "identity": "identity", "tanh": "tanh", "relu": "relu"}
OUTPUTS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exponential"}
FITTED = ("coefs_", "intercepts_", "out_activation_")
# objects of plain attributes, part of every MLP that such a solver fitted
TRUSTED = [
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
]


def from_sklearn(estimator: Any, *, image_shape: tuple[int, int] | None = None) -> Model:
    """Make a model of a fitted ``MLPClassifier`` or ``MLPRegressor``.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        A pipeline may have a ``StandardScaler`` or a ``MinMaxScaler`` before the MLP: it becomes the
        model's scaling.
    image_shape : tuple of int or None
        (height, width) where a row is an image.

    Returns
    -------
    Model
        With the same predictions; float64 if it was fitted so. Its class names are ``classes_`` as text.

    Raises
    ------
    InvalidArgument
        If it is not fitted, or is something else.
    """
    steps = _steps(estimator)
    *scalers, mlp = [step for step in steps if step is not None and step != "passthrough"] or [None]
    if not all(hasattr(mlp, name) for name in FITTED):
        state = "is not fitted" if hasattr(mlp, "hidden_layer_sizes") else "is no MLP of scikit-learn"
        raise InvalidArgument(
            f"estimator is {type(mlp).__name__}, which {state}; give a fitted MLPClassifier or MLPRegressor, "
            "or a pipeline that ends in one."
        )
    given = list(mlp.activation) if isinstance(mlp.activation, (list, tuple)) else mlp.activation
    names = given if isinstance(given, list) else [given]
    known = {*ACTIVATIONS, *ACTIVATIONS.values()}
    unknown = [name for name in names if not isinstance(name, str) or name not in known]
    if unknown or not isinstance(mlp.out_activation_, str) or mlp.out_activation_ not in OUTPUTS:
        raise InvalidArgument(
            f"estimator has the activation {clip((unknown or [mlp.out_activation_])[0])}, which Clearprop "
            "does not know, so it cannot be imported."
        )
    ours = [ACTIVATIONS.get(name, name) for name in names]
    layers = _layers(mlp)
    scaling = _scaling(scalers, len(mlp.coefs_[0]))
    return make_model(
        layers,
        ours[0] if isinstance(given, str) else ours,
        OUTPUTS[mlp.out_activation_],
        scaling,
        _class_names(mlp),
        image_shape,
    )


def read_skops(path: str | os.PathLike[str]) -> Any:
    """Read an estimator from a file of skops, which names its types and is read without executing any.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ModelFileError
        If it is damaged, or holds a type that is neither scikit-learn's nor NumPy's.
    MissingExtra
        If skops is not installed.
    """
    try:
        import skops.io
    except ModuleNotFoundError as error:
        if error.name != "skops":
            raise
        raise MissingExtra(
            'skops, which reads .skops files, is not installed; get it with pip install "clearprop[skops]".'
        ) from None
    with opened(path) as (file, size, place):
        check_schema(file, size, place)
        raw: Any = file
        try:
            # skops and scikit-learn warn of files that another version wrote; the warning quotes the file,
            # and does not concern the weights, which are all that is read
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return skops.io.load(raw, trusted=TRUSTED)
        except MemoryError:
            raise
        # skops, zipfile, json and NumPy raise many types for a damaged file or one that is not trusted
        except Exception as error:
            raise ModelFileError(
                f"{place} is damaged, or holds types that are not trusted ({clip(str(error))[1:-1]}); save a "
                "fitted MLP of scikit-learn with skops.io.dump."
            ) from None


def _steps(estimator: Any) -> list[Any]:
    if not hasattr(estimator, "steps"):
        return [estimator]
    steps = estimator.steps
    if not isinstance(steps, list) or not all(isinstance(step, (list, tuple)) and step for step in steps):
        raise InvalidArgument("estimator has steps that are no list of names and estimators; fit it again.")
    return [step[-1] for step in steps]


def _layers(mlp: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    weights, biases = mlp.coefs_, mlp.intercepts_
    if not all(isinstance(arrays, (list, tuple)) for arrays in (weights, biases)):
        raise InvalidArgument("estimator has coefs_ or intercepts_ that are no lists; fit it again.")
    layers = list(zip(weights, biases, strict=False))
    for number, (weight, bias) in enumerate(layers):
        if not (_is_floats(weight, 2) and _is_floats(bias, 1) and weight.shape[1] == len(bias)):
            raise InvalidArgument(
                f"estimator has coefs_[{number}] and intercepts_[{number}] that make no layer; fit it again."
            )
    if not layers or len(weights) != len(biases):
        raise InvalidArgument("estimator has not one of intercepts_ for each of coefs_; fit it again.")
    return layers


def _is_floats(value: Any, n_dimensions: int) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == n_dimensions and value.dtype.kind == "f"


def _class_names(mlp: Any) -> Sequence[str] | None:
    classes = getattr(mlp, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return None
    n_outputs = len(mlp.intercepts_[-1])
    # a single output tells two classes apart
    return [str(name) for name in classes] if len(classes) == max(n_outputs, 2) else None


def _scaling(scalers: list[Any], n_features: int) -> Scaling:
    if not scalers:
        return Scaling()
    scaler = scalers[0]
    kind = type(scaler).__name__
    # the values of a scaler in a file may be anything
    with np.errstate(all="ignore"):
        if len(scalers) == 1 and kind == "StandardScaler" and hasattr(scaler, "n_features_in_"):
            shift = _row(scaler, "mean_") if getattr(scaler, "with_mean", True) else np.zeros(n_features)
            factor = 1 / _row(scaler, "scale_") if getattr(scaler, "with_std", True) else np.ones(n_features)
        elif (
            len(scalers) == 1
            and kind == "MinMaxScaler"
            and hasattr(scaler, "min_")
            and not getattr(scaler, "clip", False)
        ):
            # x scale + min = (x - shift) factor
            factor = _row(scaler, "scale_")
            least = _row(scaler, "min_")
            # of another length it is refused below
            shift = -least / factor if len(least) == len(factor) else least
        else:
            raise InvalidArgument(
                f"estimator has {clip(kind)[1:-1]} before its MLP, but only one fitted StandardScaler or "
                "MinMaxScaler (without clip) can be imported; apply it to the rows yourself, and give the "
                "MLP alone."
            )
    return Scaling(np.asarray(shift, np.float64), np.asarray(factor, np.float64))


def _row(scaler: Any, name: str) -> NDArray[Any]:
    value = getattr(scaler, name, None)
    if not _is_floats(value, 1):
        raise InvalidArgument(
            f"estimator has a {type(scaler).__name__} whose {name} is no row of floats; fit it again."
        )
    return np.asarray(value)
