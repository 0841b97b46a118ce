"""Model files: weights as safetensors, everything else as JSON in its metadata; nothing is executed."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.errors import ClearpropError, ModelFileError
from clearprop.files import write_atomic
from clearprop.model import Model
from clearprop.network import Network
from clearprop.scaling import Scaling

FORMAT_VERSION = 1
METADATA_KEY = "clearprop"
#: What a model is called in a run's folder.
PARAMETERS_FILE = "parameters.safetensors"
DTYPES = {"F32": np.float32, "F64": np.float64}


def save_model(path: str | os.PathLike[str], model: Model, training: dict[str, Any] | None = None) -> Path:
    """Write a model as one safetensors file, atomically.

    Parameters
    ----------
    path : path-like
    model : Model
    training : dict or None
        How it was trained, as plain JSON values; ``read_training`` gives it back.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    described = {
        "format_version": FORMAT_VERSION,
        "network": model.network.to_dict(),
        "scaling": model.scaling.to_dict(),
        "class_names": list(model.class_names),
        "image_shape": model.image_shape,
        "training": training or {},
    }
    tensors = {}
    for layer, (weight, bias) in enumerate(model.parameters):
        tensors[f"layers.{layer}.weight"] = np.ascontiguousarray(weight)
        tensors[f"layers.{layer}.bias"] = np.ascontiguousarray(bias)
    return write_atomic(path, save(tensors, metadata={METADATA_KEY: json.dumps(described)}))


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that ``save_model`` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, or holds something else.
    """
    place = Path(path)
    described = _described(place)
    try:
        network = Network(**described["network"])
        scaling = Scaling.from_dict(described["scaling"])
        class_names = tuple(str(name) for name in described["class_names"])
        shape = described["image_shape"]
        image_shape = None if shape is None else (int(shape[0]), int(shape[1]))
    except (ClearpropError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelFileError(f"{place} describes no network ({error}); save the model again.") from None
    features = network.layer_sizes[0]
    for values in (scaling.shift, scaling.factor):
        if np.shape(values) not in ((), (features,)) or not np.isfinite(values).all():
            raise ModelFileError(
                f"{place} has a scaling that does not fit its network; save the model again."
            )
    if len(class_names) not in _name_counts(network) or (
        image_shape and image_shape[0] * image_shape[1] != features
    ):
        raise ModelFileError(
            f"{place} has class names or an image shape that do not fit its network; save the model again."
        )
    return Model(network, _parameters(place, network), scaling, class_names, image_shape)


def read_training(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return how the model in a file was trained, as it was given to ``save_model``."""
    training = _described(Path(path)).get("training")
    return training if isinstance(training, dict) else {}


def _name_counts(network: Network) -> tuple[int, ...]:
    """Return how many names the classes or outputs of a network may have."""
    n_outputs = network.layer_sizes[-1]
    if network.output == "softmax":
        return (n_outputs,)
    # a single sigmoid output tells two classes apart; outputs that are no classes need no names
    return (0, 2) if network.output == "sigmoid" and n_outputs == 1 else (0, n_outputs)


def _described(place: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(place, framework="numpy") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise ModelFileError(f"There is no model file {place}; check the path.") from None
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"{place} is not a readable safetensors file ({error}); save it again."
        ) from None
    try:
        described = json.loads(metadata[METADATA_KEY])
        version = described["format_version"]
    except (KeyError, ValueError, TypeError, RecursionError):
        raise ModelFileError(
            f"{place} was not written by Clearprop: its metadata describes no network."
        ) from None
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{place} has format version {version!r}, but this Clearprop reads version {FORMAT_VERSION}; "
            "use a newer Clearprop."
        )
    assert isinstance(described, dict)
    return described


def _parameters(place: Path, network: Network) -> list[tuple[Any, Any]]:
    """Read the tensors, each checked against the network before a byte of it is taken."""
    from safetensors import SafetensorError, safe_open

    fans = list(pairwise(network.layer_sizes))
    expected: dict[str, list[int]] = {}
    for layer, (fan_in, fan_out) in enumerate(fans):
        expected[f"layers.{layer}.weight"] = [fan_in, fan_out]
        expected[f"layers.{layer}.bias"] = [fan_out]
    arrays = {}
    try:
        with safe_open(place, framework="numpy") as file:
            # safe_open is not iterable: keys() is its only way to list them
            names = set(file.keys())
            if names != set(expected):
                raise ModelFileError(f"{place} holds other tensors than its network has; save it again.")
            dtypes = {file.get_slice(name).get_dtype() for name in names}
            if len(dtypes) != 1 or not dtypes <= set(DTYPES):
                raise ModelFileError(
                    f"{place} has numbers of type {', '.join(sorted(dtypes))}, but must have F32 or F64."
                )
            for name, shape in expected.items():
                found = file.get_slice(name).get_shape()
                if found != shape:
                    raise ModelFileError(
                        f"{place} has a tensor {name} of shape {tuple(found)}, but its network needs "
                        f"{tuple(shape)}; save it again."
                    )
                arrays[name] = file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{place} is damaged ({error}); save it again.") from None
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"{place} has NaN or infinite numbers in {name}; train the model again.")
    return [(arrays[f"layers.{layer}.weight"], arrays[f"layers.{layer}.bias"]) for layer in range(len(fans))]
