"""Model files: weights as safetensors, everything else as JSON in its metadata; nothing is executed."""

from __future__ import annotations

import io
import json
import os
import re
from array import array
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from clearprop.model.files.json_reader import JsonError, JsonReader
from clearprop.model.files.safetensors_reader import (
    DTYPES,
    MOST_TENSORS,
    Header,
    clip,
    opened,
    read_header,
    read_tensors,
)
from clearprop.nn.network import MAX_PARAMETERS, Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import ClearpropError, InvalidArgument, ModelFileError
from clearprop.utils.files import write_atomic
from clearprop.utils.version import __version__

#: What this Clearprop reads; 2 is written where a network's output is another than the softmax.
FORMAT_VERSION = 2
#: The first Clearprop that reads each format version.
READ_SINCE = {1: "0.1.0", 2: "0.2.0"}
METADATA_KEY = "clearprop"
#: What a model is called in a run's folder.
PARAMETERS_FILE = "parameters.safetensors"
MOST_LAYERS = MOST_TENSORS // 2
# the numbers, then the suffix of a development version
_VERSION = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4}){1,3})(?:[a-z.+][a-z0-9.+]{0,20})?")
_GREATEST = float(np.finfo(np.float64).max)
# no activation, initialization or output has a longer name
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, eq=False)
class ModelContents:
    """The contents of a model file: a trained network as plain values, which ``Model`` adds predictions to.

    Attributes
    ----------
    network, parameters, scaling, class_names, image_shape, metrics, training
        As ``Model`` documents them.
    """

    network: Network
    parameters: Parameters
    scaling: Scaling = field(default_factory=Scaling)
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def write_model_file(path: str | os.PathLike[str], contents: ModelContents) -> Path:
    """Write a model as one safetensors file, atomically.

    Parameters
    ----------
    path : path-like
        An existing file is replaced.
    contents : ModelContents

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    InvalidArgument
        If ``read_model_file`` would refuse the file: numbers that are not finite, more than 500 layers, a
        training or metrics that are no JSON or larger than the model.
    OutputError
        If the file cannot be written.
    """
    content = model_bytes(contents)
    try:
        # a file that could not be read again is never written, so it is read first
        _described(io.BytesIO(content), len(content), Path(path))
    except ModelFileError as error:
        raise InvalidArgument(f"The model was not saved, since no one could load it: {error}") from None
    return write_atomic(path, content)


def read_model_file(path: str | os.PathLike[str]) -> ModelContents:
    """Read a file that ``write_model_file`` wrote.

    The file is not trusted: nothing in it is executed, every claim is checked first, and it takes no more
    memory than twice its size (a small file: than 1 MiB).

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ModelContents

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of a newer format, or holds something else.
    """
    with opened(path) as (file, size, place):
        return read_contents(file, size, place)


def read_contents(file: IO[bytes], size: int, place: Path) -> ModelContents:
    """Read a model from an open file, as ``read_model_file`` does.

    Parameters
    ----------
    file : unbuffered binary file
        At its beginning.
    size : int
        The file's size in bytes.
    place : pathlib.Path
        The file's name in messages.
    """
    contents, header = _described(file, size, place)
    arrays = read_tensors(file, header, place)
    for layer in range(len(contents.network.layer_sizes) - 1):
        contents.parameters.append((arrays[f"layers.{layer}.weight"], arrays[f"layers.{layer}.bias"]))
    return contents


def model_bytes(contents: ModelContents) -> bytes:
    """Return the bytes of a model's file, as ``write_model_file`` writes it."""
    # the lowest version that can describe the model, so that older versions of Clearprop read it
    version = 1 if contents.network.output == "softmax" else 2
    described = {
        "format_version": version,
        "clearprop_version": __version__,
        "read_since": READ_SINCE[version],
        "network": contents.network.to_dict(),
        "scaling": contents.scaling.to_dict(),
        "class_names": list(contents.class_names),
        "image_shape": contents.image_shape,
        "metrics": contents.metrics,
        "training": contents.training,
    }
    try:
        metadata = json.dumps(described, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"The model was not saved, since its training or metrics are no JSON ({error}); "
            "use numbers that are finite, text, lists and dictionaries."
        ) from None
    tensors = {}
    for layer, arrays in enumerate(contents.parameters):
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


def _described(file: IO[bytes], size: int, place: Path) -> tuple[ModelContents, Header]:
    """Return the contents without parameters, and the header, which says where each of them is stored."""
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
        contents = _contents(described)
    except (ClearpropError, ValueError) as error:
        written = described.get("clearprop_version")
        if _is_version(written) and _numbers(written) > _numbers(__version__):
            raise _newer(place, described, f"was written by Clearprop {written} ({error})") from None
        raise ModelFileError(f"{place} describes no network ({error}); save the model again.") from None
    _check_tensors(place, contents.network, contents.scaling, header)
    # the header may be as long as the file, and the tensors come next
    return contents, Header(header.tensors, None, header.data_at, header.budget)


def _newer(place: Path, described: dict[str, Any], what: str, reads: int | None = None) -> ModelFileError:
    since = described.get("read_since")
    newer = _is_version(since) and _numbers(since) > _numbers(__version__)
    reader = f"Clearprop {since} or newer" if newer else "a newer Clearprop"
    limit = "cannot read it" if reads is None else f"reads versions up to {reads}"
    return ModelFileError(f"{place} {what}, but this Clearprop {__version__} {limit}; load it with {reader}.")


def _is_version(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, _VERSION.fullmatch(version)[1].split(".")))  # type: ignore[index]


def _contents(described: dict[str, Any]) -> ModelContents:
    """Return the contents, still without parameters, or raise ClearpropError or ValueError."""
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
    return ModelContents(network, [], scaling, tuple(class_names), tuple(shape) if shape else None, **known)


def _network(values: object) -> Network:
    allowed = [field.name for field in fields(Network)]
    if not isinstance(values, dict) or "layer_sizes" not in values:
        raise ValueError("it has no network with layer_sizes")
    for name, value in values.items():
        if name not in allowed:
            raise ValueError(f"its network has an unknown field {clip(name)}")
        # Network quotes a refused value in its message, so no long value may reach it
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
