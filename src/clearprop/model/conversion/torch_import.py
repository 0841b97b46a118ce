"""A PyTorch network becomes a Model: a Sequential of Linears, or its state_dict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.model.conversion.from_layers import BFloat16, Floats, make_model
from clearprop.model.conversion.torch_export import MODULES
from clearprop.model.conversion.torch_files import import_torch
from clearprop.model.files.safetensors_reader import clip
from clearprop.model.model import Model
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    import torch

_DIGITS = re.compile(r"(\d+)")


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
        The function that makes the prediction of the last layer's values: ``"softmax"``, ``"sigmoid"``,
        ``"identity"`` or ``"exponential"``. It must be given if there is a single output.
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
