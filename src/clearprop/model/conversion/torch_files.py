"""To PyTorch and back: a model as the state_dict of a Sequential of Linears, read with weights_only=True."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from clearprop.model.conversion.from_layers import BFloat16, Floats, make_model
from clearprop.model.conversion.torch_pickle_check import check_state_dict
from clearprop.model.files.model_file import METADATA_KEY
from clearprop.model.files.safetensors_reader import clip, opened, read_exactly, read_header, unreadable
from clearprop.model.model import Model
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import InvalidArgument, MissingExtra, ModelFileError

if TYPE_CHECKING:
    import types

    import torch

#: The module of each activation, but for the identity, which takes no place in a Sequential.
MODULES = {name: each.torch for name, each in ACTIVATIONS.items() if name != "identity"}
AFTER = {
    "softmax": "probabilities = outputs.softmax(dim=1)",
    "sigmoid": "probabilities = outputs.sigmoid()",
    "exponential": "values = outputs.exp()",
    "identity": "values = outputs",
}
# of safetensors, and how many bytes each number has
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_DIGITS = re.compile(r"(\d+)")


def import_torch() -> types.ModuleType:
    """Return the module torch, or raise MissingExtra where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra('PyTorch is not installed; get it with pip install "clearprop[torch]".') from None
    return torch


def state_dict_bytes(model: Model) -> bytes:
    """Return the content of a file that ``torch.load(path, weights_only=True)`` reads.

    It holds the ``state_dict`` of the ``torch.nn.Sequential`` that ``torch_usage`` shows: Linears and
    activations, without the scaling before them and the softmax after them.

    Parameters
    ----------
    model : Model

    Raises
    ------
    MissingExtra
        If torch is not installed.
    """
    torch = import_torch()
    state = {}
    for place, (weight, bias) in zip(_places(model), model.parameters, strict=True):
        # PyTorch keeps (fan_out, fan_in); a copy, since the parameters may be read-only
        state[f"{place}.weight"] = torch.from_numpy(np.array(weight.T, order="C"))
        state[f"{place}.bias"] = torch.from_numpy(np.array(bias))
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def torch_usage(model: Model, state_dict_file: str, model_file: str) -> str:
    """Return the lines of Python that load the file and predict with it, from ``rows`` as they are stored.

    Parameters
    ----------
    model : Model
    state_dict_file, model_file : str
        Where the state_dict is, and the model it came from, of which a scaling by feature is taken.
    """
    sizes, names = model.network.layer_sizes, (*model.network.activations, "identity")
    double = model.parameters[0][0].dtype == np.float64
    modules = []
    for fan_in, fan_out, name in zip(sizes[:-1], sizes[1:], names, strict=True):
        modules.append(f"nn.Linear({fan_in}, {fan_out})")
        modules += [f"nn.{MODULES[name]}()"] if name in MODULES else []
    scaling, dtype = model.scaling, "torch.float64" if double else "torch.float32"
    lines = ["import torch", "from torch import nn", ""]
    if np.ndim(scaling.shift) or np.ndim(scaling.factor):
        lines[0] = "import clearprop, torch"
        lines.append(f"scaling = clearprop.load({model_file!r}).scaling")
        inputs = f"torch.as_tensor(scaling.apply(rows, {str(model.parameters[0][0].dtype)!r}))"
    else:
        inputs = f"torch.as_tensor(rows).to({dtype})"
        inputs = f"({inputs} - {scaling.shift!r})" if scaling.shift else inputs
        inputs = f"{inputs} * {scaling.factor!r}" if scaling.factor != 1 else inputs
    lines += [
        f"network = nn.Sequential({', '.join(modules)}){'.double()' if double else ''}",
        f"network.load_state_dict(torch.load({state_dict_file!r}, weights_only=True))",
        f"outputs = network({inputs})",
        AFTER[model.network.output],
    ]
    return "\n".join(lines)


def from_torch(
    source: torch.nn.Module | Mapping[str, Any],
    *,
    activation: str | Sequence[str] | None = None,
    output: str | None = None,
    scaling: Scaling | None = None,
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Model:
    """Make a model of a PyTorch network: a ``Sequential`` of ``Linear`` layers, or its ``state_dict``.

    Parameters
    ----------
    source : torch.nn.Sequential or mapping of str to tensor
        A module tells its activations: a ReLU, Tanh or any other of ``ACTIVATIONS``, or an Identity, between
        the Linears; Dropout is left out, since it does nothing in a prediction, and so is a Flatten at the
        beginning. A last Softmax, LogSoftmax or Sigmoid is the output. A state_dict tells none of this.
    activation : str or sequence of str, default "relu"
        For a state_dict: a key of ``ACTIVATIONS``, or one for each hidden layer.
    output : str, default "softmax"
        What turns the last layer into the prediction: ``"softmax"``, ``"sigmoid"``, ``"identity"`` or
        ``"exponential"``. It must be said where there is a single output.
    scaling : Scaling, default Scaling()
        How stored rows become the network's input.
    class_names : sequence of str or None
    image_shape : tuple of int or None
        (height, width) where a row is an image.

    Returns
    -------
    Model
        float64 if a parameter is float64, else float32; the numbers are copied.

    Raises
    ------
    InvalidArgument
        If it is no plain stack of Linears, or something does not fit.
    """
    if isinstance(source, Mapping):
        layers = _linears(source)
        if activation is None:
            activation = "relu"
    else:
        layers, told, ends = _modules(source)
        if activation is not None:
            raise InvalidArgument(
                f"activation is {activation!r}, but a module tells its own; give its state_dict() instead."
            )
        if output is not None and ends is not None and output != ends:
            raise InvalidArgument(f'output is "{output}", but the module ends in a {ends}; leave output out.')
        activation, output = told, output or ends
    return make_model(layers, activation, output, scaling or Scaling(), class_names, image_shape)


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote of a state_dict, with ``weights_only=True``: nothing is executed.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ModelFileError
        If it holds anything but tensors by name, or is damaged.
    MissingExtra
        If torch is not installed.
    """
    torch = import_torch()
    with opened(path) as (file, size, place):
        check_state_dict(file, size, place)
        file.seek(0)
        # without a descriptor, for which torch would first see whether the file is a tar archive
        stream: Any = _Stream(file)
        try:
            state = torch.load(stream, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        # whatever torch says of a file it cannot read, and of one that it must not
        except Exception:
            raise ModelFileError(
                f"{place} is damaged, or holds more than tensors; save the state_dict of the network: "
                'torch.save(network.state_dict(), "network.pt").'
            ) from None
    if not isinstance(state, dict) or not state or not all(map(torch.is_tensor, state.values())):
        raise ModelFileError(
            f"{place} holds something else than a state_dict; save that of the network: "
            'torch.save(network.state_dict(), "network.pt").'
        )
    return state


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state_dict that a program other than Clearprop keeps in a safetensors file.

    Raises
    ------
    ModelFileError
        If it is damaged.
    """
    with opened(path) as (file, size, place):
        header = read_header(file, size, place, METADATA_KEY)
        if header.metadata is not None:
            raise ModelFileError(f"{place} is a model file of Clearprop already; use it as it is.")
        state = {}
        for name, tensor in header.tensors.items():
            item_size = FLOATS.get(tensor.dtype)
            if item_size is None:
                raise ModelFileError(
                    f"{place} has numbers of type {clip(tensor.dtype)[1:-1]} in {clip(name)[1:-1]}, but a "
                    "Linear has floats; only a stack of them can be imported."
                )
            if math.prod(tensor.shape) * item_size != tensor.end - tensor.begin:
                raise unreadable(place, f"its tensor {clip(name)} has not the numbers it claims")
            content = read_exactly(file, tensor.end - tensor.begin, place)
            array = np.frombuffer(content, "<u2" if tensor.dtype == "BF16" else f"<f{item_size}")
            array = array.reshape(tensor.shape)
            state[name] = BFloat16(array) if tensor.dtype == "BF16" else array
        return state


class _Stream(io.RawIOBase):
    """A file of which nothing can be had but its bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readinto(self, buffer: Any) -> int:
        return int(self._file.readinto(buffer))  # type: ignore[attr-defined]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _places(model: Model) -> list[int]:
    """Return where in the Sequential each Linear stands; an identity takes no place."""
    places, place = [], 0
    for name in (*model.network.activations, "identity"):
        places.append(place)
        place += 2 if name in MODULES else 1
    return places


def _linears(state: Mapping[str, Any]) -> list[tuple[Floats, Floats]]:
    """Return the layers of a state_dict: every name that ends in .weight, and its bias if there is one."""
    names = [str(name) for name in state]
    # safetensors sorts names as text, so that layer 10 comes before layer 2
    if all(_DIGITS.search(name) for name in names):
        names.sort(key=lambda name: [int(part) if part.isdigit() else part for part in _DIGITS.split(name)])
    layers, used = [], set()
    for name in names:
        stem, _, kind = name.rpartition(".")
        if kind != "weight" and name != "weight":
            continue
        weight = _array(name, state[name])
        if weight.ndim != 2:
            raise InvalidArgument(
                f"{clip(name)} has shape {clip(weight.shape)}, but a Linear has a weight of two dimensions; "
                "only a stack of them can be imported."
            )
        bias_name = f"{stem}.bias" if stem else "bias"
        used |= {name, bias_name}
        bias = (
            _array(bias_name, state[bias_name]) if bias_name in state else np.zeros(len(weight), weight.dtype)
        )
        if bias.shape != weight.shape[:1]:
            raise InvalidArgument(
                f"{clip(bias_name)} has shape {clip(bias.shape)}, but its weight has {weight.shape[0]} "
                "outputs; only a stack of Linears can be imported."
            )
        layers.append((weight.T, bias))
    if others := [name for name in names if name not in used]:
        raise InvalidArgument(
            f"The state_dict has {clip(others[0])}, which no Linear has; only a stack of Linears can be "
            "imported."
        )
    return layers


def _array(name: str, tensor: Any) -> Floats:
    array: Floats
    if isinstance(tensor, (np.ndarray, BFloat16)):
        array = tensor
    elif hasattr(tensor, "detach"):
        values = tensor.detach().cpu()
        kind = str(values.dtype).removeprefix("torch.")
        if kind == "bfloat16":
            return BFloat16(values.view(import_torch().int16).numpy().view(np.uint16))
        # float32 holds each number of the smaller types, of which NumPy has not all
        array = (values if kind in ("float16", "float32", "float64") else values.float()).numpy()
    else:
        raise InvalidArgument(f"{clip(name)} is {clip(tensor)}, but must be a tensor.")
    if array.dtype.kind != "f":
        raise InvalidArgument(f"{clip(name)} has numbers of type {array.dtype}, but must have floats.")
    return array


def _modules(
    module: torch.nn.Module,
) -> tuple[list[tuple[Floats, Floats]], list[str], str | None]:
    """Return the layers of a module, the activations between them, and its output if it says one."""
    torch = import_torch()
    nn = torch.nn
    if not isinstance(module, nn.Module):
        raise InvalidArgument(
            f"source is a {type(module).__name__}, but must be a torch.nn.Sequential or a state_dict."
        )
    # a subclass may compute anything, so types are compared exactly
    activations = {getattr(nn, module): name for name, module in MODULES.items()}
    nothing = {nn.Identity, nn.Dropout}
    linears: list[dict[str, Any]] = []
    # one activation after each Linear, as long as none has come
    after: list[str | None] = []
    for leaf in _leaves(module, nn.Sequential):
        kind = type(leaf)
        softmax = kind in (nn.Softmax, nn.LogSoftmax) and leaf.dim in (1, -1)
        if kind is nn.Linear:
            linears.append(leaf.state_dict())
            after.append(None)
        elif kind in nothing or (kind is nn.Flatten and not linears):
            continue
        elif linears and after[-1] is None and ((kind in activations and _is_plain(leaf)) or softmax):
            after[-1] = activations.get(kind, "softmax")
        else:
            raise InvalidArgument(
                f"The module has {clip(str(leaf))} where Clearprop has nothing like it; only Linears with "
                f"{', '.join(MODULES.values())} or Identity between them can be imported."
            )
    if "softmax" in after[:-1] or (after and after[-1] not in (None, "softmax", "sigmoid")):
        raise InvalidArgument(
            "The module has a softmax before its end, or an activation such as a ReLU or Tanh at its end, "
            "and Clearprop has no such network; only Linears with activations between them can be imported."
        )
    layers = [layer for state in linears for layer in _linears(state)]
    return layers, [name or "identity" for name in after[:-1]], after[-1] if after else None


def _is_plain(module: Any) -> bool:
    """Tell whether a module computes the same as one of its class that was made without arguments."""
    kind = type(module)
    settings = set(getattr(kind, "__constants__", ())) - {"inplace"}
    return all(getattr(module, name) == getattr(kind(), name) for name in settings)


def _leaves(module: Any, sequential: Any) -> list[Any]:
    if type(module) is not sequential:
        return [module]
    return [leaf for child in module for leaf in _leaves(child, sequential)]
