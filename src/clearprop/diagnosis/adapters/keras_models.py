"""Keras 3 models as Programs, read by their configuration; Keras itself is imported by the model's owner."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.program import ACTIVATIONS, Layer, Program
from clearprop.utils.errors import InvalidArgument

_LOSSES = {
    "binary_crossentropy": "binary_cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "mean_squared_error": "squared_error",
    "mse": "squared_error",
    "mean_absolute_error": "absolute_error",
    "mae": "absolute_error",
    "huber": "absolute_error",
    "huber_loss": "absolute_error",
    "mean_squared_logarithmic_error": "squared_error",
    "msle": "squared_error",
    "poisson": "poisson",
}
_OPTIMIZERS = {"sgd": "sgd", "adam": "adam", "adamw": "adamw", "rmsprop": "rmsprop", "nadam": "adam"}
_ACTIVATION_LAYERS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}
_SKIPPED = ("InputLayer", "Flatten", "Reshape")


def read_keras(
    model: Any,
    x: Any,
    y: Any,
    validation: tuple[Any, Any] | None,
    *,
    batch_size: int = 32,
    epochs: int = 1,
) -> Subject:
    """Return a compiled Keras model and its rows as a subject.

    Parameters
    ----------
    model : keras.Model
        A chain of Dense, activation, Dropout and BatchNormalization layers.
    x, y : array-like
    validation : (x, y) or None
    batch_size, epochs : int
        As ``fit`` would be given them; their defaults are those of ``fit``.

    Raises
    ------
    InvalidArgument
        If the model is not compiled, or has a layer, loss or optimizer that is not known.
    """
    if x is None or y is None:
        raise InvalidArgument("A Keras model does not hold its rows; give them too: diagnose(model, x, y).")
    if getattr(model, "optimizer", None) is None or getattr(model, "loss", None) is None:
        raise InvalidArgument("The Keras model is not compiled; call model.compile(optimizer, loss) first.")
    layers: list[Layer] = []
    notes: list[str] = []
    for layer in _flat(model):
        _append(layers, notes, layer)
    if not layers:
        raise InvalidArgument("The Keras model has no Dense layer, so it is no perceptron.")
    loss = _loss(model.loss)
    return Subject(
        Program(
            tuple(layers), loss, batch_size=batch_size, epochs=epochs, framework="keras", **_optimizer(model)
        ),
        x,
        y,
        validation,
        tuple(notes),
    )


def _flat(model: Any) -> list[Any]:
    """Return the layers of a model, those of models inside it included."""
    return [
        inner for layer in model.layers for inner in (_flat(layer) if hasattr(layer, "layers") else [layer])
    ]


def _append(layers: list[Layer], notes: list[str], layer: Any) -> None:
    kind, config = type(layer).__name__, layer.get_config()
    if kind in _SKIPPED:
        return
    if kind == "Dense":
        activation = _activation(config["activation"])
        start = _initialization(config["kernel_initializer"])
        layers.append(Layer(int(config["units"]), activation, start, trainable=bool(layer.trainable)))
        if config.get("kernel_regularizer") is not None:
            notes.append(f"The regularizer of {layer.name} is left out of the trainings here.")
        return
    if kind not in ("Activation", "Dropout", "BatchNormalization", *_ACTIVATION_LAYERS):
        raise InvalidArgument(
            f"The layer {layer.name} is a {kind}, which no perceptron has; diagnose knows Dense, Activation, "
            "Dropout and BatchNormalization."
        )
    if not layers:
        notes.append(f"{layer.name} before the first Dense layer is left out of the trainings here.")
        return
    last = layers[-1]
    changes: dict[str, Any]
    if kind == "Dropout":
        changes = {"dropout": min(float(config["rate"]), 0.999)}
    elif kind == "BatchNormalization":
        changes = {"batch_norm": "before" if last.activation == "linear" else "after"}
    else:
        name = _ACTIVATION_LAYERS[kind] if kind in _ACTIVATION_LAYERS else _activation(config["activation"])
        if last.activation not in ("linear", name):
            raise InvalidArgument(
                f"{layer.name} applies {name} to outputs that have passed through {last.activation}; a "
                "layer of a Program has one activation."
            )
        changes = {"activation": name}
    layers[-1] = Layer(**{**{field: getattr(last, field) for field in Layer.__dataclass_fields__}, **changes})


def _activation(given: Any) -> str:
    name = given if isinstance(given, str) else given["config"] if isinstance(given, dict) else given.__name__
    if name not in ACTIVATIONS:
        # of the same family, and as good for what is asked here
        near = {"selu": "elu", "swish": "gelu", "silu": "gelu", "softplus": "relu", "hard_sigmoid": "sigmoid"}
        if name not in near:
            known = ", ".join(ACTIVATIONS)
            raise InvalidArgument(f"The activation {name} is not known; diagnose knows {known}.")
        return near[name]
    return str(name)


def _initialization(given: Any) -> Any:
    kind, config = given["class_name"], given["config"]
    plain = {"Zeros": ("constant", 0.0), "Ones": ("constant", 1.0)}
    if kind in plain:
        return plain[kind]
    if kind == "Constant":
        return ("constant", float(config["value"]))
    if kind in ("RandomNormal", "TruncatedNormal"):
        return ("normal", float(config["stddev"]))
    if kind == "RandomUniform":
        return ("uniform", float(max(abs(config["minval"]), abs(config["maxval"]))))
    return {
        "GlorotNormal": "glorot_normal",
        "HeNormal": "he_normal",
        "HeUniform": "he_uniform",
        "LecunNormal": "glorot_normal",
    }.get(kind, "glorot_uniform")


def _loss(loss: Any) -> str:
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    logits = False
    if hasattr(loss, "get_config"):
        logits = bool(loss.get_config().get("from_logits", False))
    if name not in _LOSSES:
        raise InvalidArgument(f"The loss {name or loss!r} is not known; diagnose knows {', '.join(_LOSSES)}.")
    known = _LOSSES[name]
    return f"{known}_from_logits" if logits and known.endswith("cross_entropy") else known


def _optimizer(model: Any) -> dict[str, Any]:
    config = model.optimizer.get_config()
    name = type(model.optimizer).__name__.lower()
    if name not in _OPTIMIZERS:
        raise InvalidArgument(
            f"The optimizer is {type(model.optimizer).__name__}, but must be one of {', '.join(_OPTIMIZERS)}."
        )
    momentum = float(config.get("momentum") or 0.0)
    known = _OPTIMIZERS[name]
    if known == "sgd" and momentum:
        known = "nesterov" if config.get("nesterov") else "momentum"
    try:
        rate = float(np.asarray(model.optimizer.learning_rate))
    except TypeError:
        rate = float(config["learning_rate"])
    return {
        "optimizer": known,
        "learning_rate": rate,
        "momentum": momentum or 0.9,
        "weight_decay": float(config.get("weight_decay") or 0.0),
    }
