"""The contents of a model file as plain values, validated: network, scaling, names, and tensors that fit."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.model.files.safetensors_reader import DTYPES, MOST_TENSORS, Header, clip
from clearprop.nn.network import MAX_PARAMETERS, Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import ModelFileError

MOST_LAYERS = MOST_TENSORS // 2
_GREATEST = float(np.finfo(np.float64).max)
# no activation, initialization or output has a longer name
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, eq=False)
class ModelContents:
    """The contents of a model file: a trained network as plain values, which ``Model`` adds predictions to.

    Attributes
    ----------
    network, parameters, scaling, class_names, image_shape, metrics, training, table
        As ``Model`` documents them.
    """

    network: Network
    parameters: Parameters
    scaling: Scaling = field(default_factory=Scaling)
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=dict)


def described_contents(described: dict[str, Any]) -> ModelContents:
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
    for name in ("metrics", "training", "table"):
        # files of the first release have no metrics, and only tables have columns
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


def check_tensors(place: Path, network: Network, scaling: Scaling, header: Header) -> None:
    """Raise ModelFileError unless a file has the tensors of its network, and a scaling that fits them."""
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
