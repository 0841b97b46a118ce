"""A fitted MLP of scikit-learn, or of Clearprop's estimators, becomes a Model; nothing is ever unpickled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.conversion import make_model
from clearprop.errors import InvalidArgument, MissingExtra, ModelFileError
from clearprop.model import Model
from clearprop.scaling import Scaling
from clearprop.tensor_files import clip, opened

ACTIVATIONS = {"logistic": "sigmoid", "identity": "identity", "tanh": "tanh", "relu": "relu"}
OUTPUTS = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exponential"}
FITTED = ("coefs_", "intercepts_", "out_activation_")
# plain attributes each, and part of every MLP that such a solver fitted
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
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    *scalers, mlp = [step for step in steps if step is not None and step != "passthrough"] or [None]
    if not all(hasattr(mlp, name) for name in FITTED):
        state = "is not fitted" if hasattr(mlp, "hidden_layer_sizes") else "is no MLP of scikit-learn"
        raise InvalidArgument(
            f"estimator is {type(mlp).__name__}, which {state}; give a fitted MLPClassifier or MLPRegressor, "
            "or a pipeline that ends in one."
        )
    given = mlp.activation if isinstance(mlp.activation, str) else list(mlp.activation)
    names = [given] if isinstance(given, str) else given
    unknown = [name for name in names if name not in ACTIVATIONS and name not in ACTIVATIONS.values()]
    if unknown or mlp.out_activation_ not in OUTPUTS:
        raise InvalidArgument(
            f"estimator has the activation {clip((unknown or [mlp.out_activation_])[0])}, which Clearprop "
            "does not know, so it cannot be imported."
        )
    ours = [ACTIVATIONS.get(name, name) for name in names]
    layers = list(zip(mlp.coefs_, mlp.intercepts_, strict=True))
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
        content = file.read(size)
    try:
        return skops.io.loads(content, trusted=TRUSTED)
    except MemoryError:
        raise
    # whatever skops, zipfile, json and NumPy say of a file they cannot read, or of one that is not trusted
    except Exception as error:
        raise ModelFileError(
            f"{place} is damaged, or holds types that are not trusted ({clip(str(error))[1:-1]}); save a "
            "fitted MLP of scikit-learn with skops.io.dump."
        ) from None


def _class_names(mlp: Any) -> Sequence[str] | None:
    classes = getattr(mlp, "classes_", None)
    if classes is None:
        return None
    n_outputs = len(mlp.intercepts_[-1])
    # a single output tells two classes apart
    return [str(name) for name in classes] if len(classes) == max(n_outputs, 2) else None


def _scaling(scalers: list[Any], n_features: int) -> Scaling:
    if not scalers:
        return Scaling()
    scaler = scalers[0]
    kind = type(scaler).__name__
    if len(scalers) == 1 and kind == "StandardScaler" and hasattr(scaler, "n_features_in_"):
        shift = scaler.mean_ if scaler.with_mean else np.zeros(n_features)
        factor = 1 / scaler.scale_ if scaler.with_std else np.ones(n_features)
    elif len(scalers) == 1 and kind == "MinMaxScaler" and hasattr(scaler, "min_") and not scaler.clip:
        # x scale + min = (x - shift) factor
        shift, factor = -scaler.min_ / scaler.scale_, scaler.scale_
    else:
        raise InvalidArgument(
            f"estimator has {kind} before its MLP, but only one fitted StandardScaler or MinMaxScaler "
            "(without clip) can be imported; apply it to the rows yourself, and give the MLP alone."
        )
    return Scaling(np.asarray(shift, np.float64), np.asarray(factor, np.float64))
