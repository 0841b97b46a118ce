"""Model files: weights as safetensors, everything else as JSON in its metadata; nothing is executed."""

from __future__ import annotations

import io
import json
import os
import re
from array import array
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from clearprop.errors import ClearpropError, InvalidArgument, ModelFileError
from clearprop.files import write_atomic
from clearprop.json_reader import JsonError, JsonReader
from clearprop.model import Model
from clearprop.network import MAX_PARAMETERS, Network
from clearprop.scaling import Scaling
from clearprop.tensor_files import DTYPES, MOST_TENSORS, Header, clip, opened, read_header, read_tensors

#: What this Clearprop reads; 2 is written where a network's output is another than the softmax.
FORMAT_VERSION = 2
#: The first Clearprop that reads each format version.
READ_SINCE = {1: "0.1.0", 2: "0.2.0"}
METADATA_KEY = "clearprop"
#: What a model is called in a run's folder.
PARAMETERS_FILE = "parameters.safetensors"
MOST_LAYERS = MOST_TENSORS // 2
# the numbers, then what a development version has behind them
_VERSION = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4}){1,3})(?:[a-z.+][a-z0-9.+]{0,20})?")
_GREATEST = float(np.finfo(np.float64).max)
# a name of an activation or the like; what is longer is none
_LONGEST_NAME = 60


def save_model(path: str | os.PathLike[str], model: Model, training: dict[str, Any] | None = None) -> Path:
    """Write a model as one safetensors file, atomically.

    Parameters
    ----------
    path : path-like
        A file that is there is replaced.
    model : Model
    training : dict or None
        How it was trained, as plain JSON values, in place of ``model.training``.

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    InvalidArgument
        If ``load_model`` would refuse the file: numbers that are not finite, more than 500 layers, a
        training or metrics that are no JSON or larger than the model.
    OutputError
        If the file cannot be written.
    """
    content = model_bytes(model, training)
    try:
        # what is written must be read again, so the reader is asked
        _described(io.BytesIO(content), len(content), Path(path))
    except ModelFileError as error:
        raise InvalidArgument(f"The model was not saved, since no one could load it: {error}") from None
    return write_atomic(path, content)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that ``save_model`` wrote.

    The file is not trusted: nothing in it is executed, every claim is checked first, and it takes no more
    memory than twice its size (a small file: than 1 MiB).

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of a newer format, or holds something else.
    """
    with opened(path) as (file, size, place):
        return read_model(file, size, place)


def read_training(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return how the model in a file was trained, as it was given to ``save_model``."""
    with opened(path) as (file, size, place):
        return _described(file, size, place)[0].training


def read_model(file: IO[bytes], size: int, place: Path) -> Model:
    """Read a model from an open file, as ``load_model`` does.

    Parameters
    ----------
    file : unbuffered binary file
        At its beginning.
    size : int
        Of the file, in bytes.
    place : pathlib.Path
        What the file is called in a message.
    """
    model, header = _described(file, size, place)
    arrays = read_tensors(file, header, place)
    for layer in range(len(model.network.layer_sizes) - 1):
        model.parameters.append((arrays[f"layers.{layer}.weight"], arrays[f"layers.{layer}.bias"]))
    return model


def model_bytes(model: Model, training: dict[str, Any] | None = None) -> bytes:
    """Return the content of a model's file, as ``save_model`` writes it."""
    from clearprop import __version__

    # the lowest that says it all, so that an older Clearprop reads what it can
    version = 1 if model.network.output == "softmax" else 2
    described = {
        "format_version": version,
        "clearprop_version": __version__,
        "read_since": READ_SINCE[version],
        "network": model.network.to_dict(),
        "scaling": model.scaling.to_dict(),
        "class_names": list(model.class_names),
        "image_shape": model.image_shape,
        "metrics": model.metrics,
        "training": model.training if training is None else training,
    }
    try:
        metadata = json.dumps(described, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"The model was not saved, since its training or metrics are no JSON ({error}); "
            "use numbers that are finite, text, lists and dictionaries."
        ) from None
    tensors = {}
    for layer, arrays in enumerate(model.parameters):
        for kind, values in zip(("weight", "bias"), arrays, strict=True):
            name = f"layers.{layer}.{kind}"
            if not np.isfinite(values).all():
                raise InvalidArgument(
                    f"The model was not saved, since {name} has NaN or infinite numbers; train it again, "
                    "with a smaller learning rate."
                )
            tensors[name] = np.ascontiguousarray(values)
    from safetensors.numpy import save

    return save(tensors, metadata={METADATA_KEY: metadata})


def _described(file: IO[bytes], size: int, place: Path) -> tuple[Model, Header]:
    """Return the model without its parameters, and the header, in which each of them has its place."""
    header = read_header(file, size, place, METADATA_KEY)
    foreign = ModelFileError(f"{place} was not written by Clearprop: its metadata describes no network.")
    if header.metadata is None:
        raise foreign
    try:
        reader = JsonReader(header.metadata, header.budget)
        described = reader.value(flat=("shift", "factor"))
        reader.finish()
    except JsonError as error:
        raise ModelFileError(
            f"{place} was not written by Clearprop, or is damaged: where it describes its network, {error}."
        ) from None
    if not isinstance(described, dict) or type(described.get("format_version")) is not int:
        raise foreign
    if not 1 <= described["format_version"] <= FORMAT_VERSION:
        raise _newer(
            place, described, f"has format version {clip(described['format_version'])}", FORMAT_VERSION
        )
    try:
        model = _model(described)
    except (ClearpropError, ValueError) as error:
        written, here = described.get("clearprop_version"), _here()
        if _is_version(written) and _numbers(written) > _numbers(here):
            raise _newer(place, described, f"was written by Clearprop {written} ({error})") from None
        raise ModelFileError(f"{place} describes no network ({error}); save the model again.") from None
    _check_tensors(place, model.network, model.scaling, header)
    # the header may be as long as the file, and the tensors come next
    return model, Header(header.tensors, None, header.data_at, header.budget)


def _newer(place: Path, described: dict[str, Any], what: str, reads: int | None = None) -> ModelFileError:
    since = described.get("read_since")
    newer = _is_version(since) and _numbers(since) > _numbers(_here())
    reader = f"Clearprop {since} or newer" if newer else "a newer Clearprop"
    limit = "cannot read it" if reads is None else f"reads versions up to {reads}"
    return ModelFileError(f"{place} {what}, but this Clearprop {_here()} {limit}; load it with {reader}.")


def _here() -> str:
    from clearprop import __version__

    return __version__


def _is_version(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, _VERSION.fullmatch(version)[1].split(".")))  # type: ignore[index]


def _model(described: dict[str, Any]) -> Model:
    """Return the model, still without parameters, or raise ClearpropError or ValueError."""
    network = _network(described.get("network"))
    scaling = _scaling(described.get("scaling"), network.layer_sizes[0])
    class_names = described.get("class_names")
    if not isinstance(class_names, list) or not all(isinstance(name, str) for name in class_names):
        raise ValueError(f"class_names is {clip(class_names)}, but must be a list of texts")
    if len(class_names) not in name_counts(network):
        raise ValueError(
            f"there are {len(class_names)} class names, which do not fit its network of "
            f"{network.layer_sizes[-1]} outputs"
        )
    shape = described.get("image_shape")
    if shape is not None:
        if not isinstance(shape, list) or len(shape) != 2 or not all(_is_size(side) for side in shape):
            raise ValueError(f"image_shape is {clip(shape)}, but must be a height and a width")
        if shape[0] * shape[1] != network.layer_sizes[0]:
            raise ValueError(
                f"its image shape {clip(shape)} does not fit its network of {network.layer_sizes[0]} inputs"
            )
    known = {}
    for name in ("metrics", "training"):
        # files of the first release have no metrics
        known[name] = described.get(name, {})
        if not isinstance(known[name], dict):
            raise ValueError(f"{name} is {clip(known[name])}, but must be an object")
    return Model(network, [], scaling, tuple(class_names), tuple(shape) if shape else None, **known)


def _network(values: object) -> Network:
    allowed = [field.name for field in fields(Network)]
    if not isinstance(values, dict) or "layer_sizes" not in values:
        raise ValueError("it has no network with layer_sizes")
    for name, value in values.items():
        if name not in allowed:
            raise ValueError(f"its network has an unknown field {clip(name)}")
        # Network puts what it refuses into its message, so nothing long may come so far
        items = value if isinstance(value, list) else [value]
        if len(items) > MOST_LAYERS + 1:
            raise ValueError(f"its network has more than {MOST_LAYERS} layers")
        for item in items:
            short = len(item) <= _LONGEST_NAME if isinstance(item, str) else type(item) in (int, float)
            if not short or (type(item) is int and not 0 <= item <= MAX_PARAMETERS):
                raise ValueError(f"{name} has a value {clip(item)}")
    return Network(**values)


def name_counts(network: Network) -> tuple[int, ...]:
    """Return how many names the classes or outputs of a network may have."""
    n_outputs = network.layer_sizes[-1]
    if network.output == "softmax":
        return (n_outputs,)
    # a single sigmoid output tells two classes apart; outputs that are no classes need no names
    return (0, 2) if network.output == "sigmoid" and n_outputs == 1 else (0, n_outputs)


def _scaling(values: object, features: int) -> Scaling:
    if not isinstance(values, dict) or values.keys() != {"shift", "factor"}:
        raise ValueError(f"scaling is {clip(values)}, but must have a shift and a factor")
    numbers: list[float | NDArray[np.float64]] = []
    for name in ("shift", "factor"):
        value = values[name]
        if isinstance(value, array) and len(value) == features and np.isfinite(np.frombuffer(value)).all():
            numbers.append(np.frombuffer(value))
        elif type(value) in (int, float) and -_GREATEST <= value <= _GREATEST:
            numbers.append(float(value))
        else:
            raise ValueError(
                f"it has a scaling that does not fit its network: its {name} must be one finite number, or "
                f"{features}"
            )
    return Scaling(*numbers)


def _is_size(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_PARAMETERS


def _check_tensors(place: Path, network: Network, scaling: Scaling, header: Header) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(network.layer_sizes)):
        expected[f"layers.{layer}.weight"] = (fan_in, fan_out)
        expected[f"layers.{layer}.bias"] = (fan_out,)
    tensors = header.tensors
    for name in expected.keys() ^ tensors.keys():
        has = "has no" if name in expected else "has a"
        raise ModelFileError(
            f"{place} holds other tensors than its network has: it {has} {clip(name)}; save it again."
        )
    dtypes = sorted({tensor.dtype for tensor in tensors.values()})
    if len(dtypes) != 1 or dtypes[0] not in DTYPES:
        raise ModelFileError(
            f"{place} has numbers of type {', '.join(clip(dtype)[1:-1] for dtype in dtypes[:3])}, but all "
            "must be F32, or all F64; save it again."
        )
    # a scaling that is infinite in the network's own type would make every prediction NaN
    greatest = _GREATEST if dtypes[0] == "F64" else float(np.finfo(np.float32).max)
    if any(
        np.max(values) > greatest or np.min(values) < -greatest for values in (scaling.shift, scaling.factor)
    ):
        raise ModelFileError(f"{place} has a scaling that does not fit its network; save the model again.")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ModelFileError(
                f"{place} has a tensor {name} of shape {tensors[name].shape}, but its network needs {shape}; "
                "save it again."
            )
