"""The layers, activations and output of a PyTorch module: a Sequential of Linears, nested or wrapped."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.model.conversion.from_layers import Floats
from clearprop.model.conversion.state_dict import as_array, linear_layers
from clearprop.model.conversion.torch_export import MODULES
from clearprop.model.conversion.torch_files import import_torch
from clearprop.model.files.safetensors_reader import clip
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    import torch

# modules that do nothing in a prediction from rows (n, features)
_WITHOUT_EFFECT = (
    "Identity",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
)
# by the attribute that holds the network: data parallelism, averaging of weights, torch.compile
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
    "OptimizedModule": "_orig_mod",
}

Array = NDArray[np.floating[Any]]


class ModuleLayers(NamedTuple):
    """A module as Clearprop has it.

    Attributes
    ----------
    layers : list of (ndarray or BFloat16 (fan_in, fan_out), ndarray or BFloat16 (fan_out,))
    activations : list of str
        Between the layers.
    output : str or None
        None if the module ends in a Linear.
    """

    layers: list[tuple[Floats, Floats]]
    activations: list[str]
    output: str | None


def module_layers(module: torch.nn.Module) -> ModuleLayers:
    """Return the layers of a module and the activations between them, as it predicts in mode eval.

    A BatchNorm is folded into the Linear before it, or into the next one if an activation is between.

    Raises
    ------
    InvalidArgument
        If it is no stack of Linears and activations.
    """
    nn = import_torch().nn
    if not isinstance(module, nn.Module):
        raise InvalidArgument(
            f"source is a {type(module).__name__}, but must be a torch.nn.Sequential or a state_dict."
        )
    activations = {getattr(nn, module): name for name, module in MODULES.items()}
    nothing = {getattr(nn, name) for name in _WITHOUT_EFFECT}
    layers: list[tuple[Floats, Floats]] = []
    # one activation after each Linear, as long as none has come
    after: list[str | None] = []
    # scale and shift of a BatchNorm that the next Linear takes in
    norm: tuple[Array, Array] | None = None
    for leaf in _leaves(module):
        # a subclass may compute anything, so types are compared exactly
        kind = nn.utils.parametrize.type_before_parametrizations(leaf)
        if kind is nn.Linear:
            layer = _linear(leaf)
            layers.append(layer if norm is None else _normed_inputs(layer, norm, leaf))
            after.append(None)
            norm = None
        elif kind in nothing or (kind is nn.Flatten and _is_plain(leaf)):
            continue
        elif kind in (nn.BatchNorm1d, nn.SyncBatchNorm) and norm is None:
            norm = _scale_and_shift(leaf)
            if layers and after[-1] is None:
                layers[-1] = _normed_outputs(layers[-1], norm, leaf)
                norm = None
        elif layers and norm is None and after[-1] is None and kind in activations and _is_plain(leaf):
            after[-1] = activations[kind]
        # of rows (n, features), None is the axis 1
        elif (
            layers
            and norm is None
            and after[-1] is None
            and kind in (nn.Softmax, nn.LogSoftmax)
            and leaf.dim in (None, 1, -1)
        ):
            after[-1] = "softmax"
        else:
            raise _unknown(leaf)
    if norm is not None:
        raise InvalidArgument(
            "The module has a BatchNorm after its last activation, which no Linear can take in; only Linears "
            "with activations between them can be imported."
        )
    if "softmax" in after[:-1] or (after and after[-1] not in (None, "softmax", "sigmoid")):
        raise InvalidArgument(
            "The module has a softmax before its end, or an activation such as a ReLU or Tanh at its end, "
            "and Clearprop has no such network; only Linears with activations between them can be imported."
        )
    return ModuleLayers(layers, [name or "identity" for name in after[:-1]], after[-1] if after else None)


def _leaves(module: Any) -> Iterator[Any]:
    """Yield the modules of a Sequential in order, out of any wrapper, and of the Sequentials in it."""
    nn = import_torch().nn
    name = type(module).__name__
    if name in _WRAPPERS and type(module).__module__.startswith("torch."):
        yield from _leaves(getattr(module, _WRAPPERS[name]))
    elif isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _linear(leaf: Any) -> tuple[Floats, Floats]:
    torch = import_torch()
    if torch.nn.utils.parametrize.is_parametrized(leaf):
        # a copy, since a parametrization may change its buffers whenever it computes the weight
        with torch.no_grad():
            leaf = copy.deepcopy(leaf).eval()
            state = {"weight": leaf.weight} | ({} if leaf.bias is None else {"bias": leaf.bias})
    else:
        state = leaf.state_dict()
    return linear_layers(state)[0]


def _scale_and_shift(leaf: Any) -> tuple[Array, Array]:
    """Return a and c of a BatchNorm's prediction a x + c (Ioffe and Szegedy 2015)."""
    if leaf.running_mean is None:
        raise InvalidArgument(
            f"The module has {clip(str(leaf))}, which keeps no mean and variance of the training, so its "
            "predictions depend on the batch; train it with track_running_stats=True."
        )
    mean, variance, weight, bias = (
        default if tensor is None else np.asarray(as_array(name, tensor), np.float64)
        for name, tensor, default in (
            ("running_mean", leaf.running_mean, 0.0),
            ("running_var", leaf.running_var, 1.0),
            ("weight", leaf.weight, 1.0),
            ("bias", leaf.bias, 0.0),
        )
    )
    scale = weight / np.sqrt(variance + leaf.eps)
    return scale, bias - scale * mean


def _normed_outputs(
    layer: tuple[Floats, Floats], norm: tuple[Array, Array], leaf: Any
) -> tuple[Floats, Floats]:
    """Fold a BatchNorm into the Linear before it: a (x W + b) + c."""
    weight, bias = (np.asarray(array, np.float64) for array in layer)
    scale, shift = norm
    if len(scale) != len(bias):
        raise _misfit(leaf, len(bias))
    return _as_before(layer, weight * scale, bias * scale + shift)


def _normed_inputs(
    layer: tuple[Floats, Floats], norm: tuple[Array, Array], leaf: Any
) -> tuple[Floats, Floats]:
    """Fold a BatchNorm into the Linear after it: (a x + c) W + b."""
    weight, bias = (np.asarray(array, np.float64) for array in layer)
    scale, shift = norm
    if len(scale) != len(weight):
        raise _misfit(leaf, len(weight))
    return _as_before(layer, scale[:, None] * weight, bias + shift @ weight)


def _as_before(layer: tuple[Floats, Floats], weight: Array, bias: Array) -> tuple[Floats, Floats]:
    dtype = np.float64 if layer[0].dtype == np.float64 else np.float32
    return weight.astype(dtype), bias.astype(dtype)


def _misfit(leaf: Any, n_features: int) -> InvalidArgument:
    return InvalidArgument(
        f"The module has {clip(str(leaf))} beside {n_features} outputs or inputs of a Linear, which it does "
        "not fit."
    )


def _is_plain(module: Any) -> bool:
    """Tell whether a module computes the same as one of its class that was made without arguments."""
    kind = type(module)
    settings = set(getattr(kind, "__constants__", ())) - {"inplace"}
    return all(getattr(module, name) == getattr(kind(), name) for name in settings)


def _unknown(leaf: Any) -> InvalidArgument:
    if "Lazy" in type(leaf).__name__:
        return InvalidArgument(
            f"The module has {clip(str(leaf))}, which has no weights before its first batch; run the module "
            "on a batch first."
        )
    place = f"The module has {clip(str(leaf))} where Clearprop has nothing like it"
    if next(leaf.children(), None) is not None:
        return InvalidArgument(
            f"{place}, since its forward may compute anything; give the torch.nn.Sequential in it, or its "
            "state_dict() and activation=."
        )
    return InvalidArgument(
        f"{place}; only Linears with {', '.join(MODULES.values())} or Identity between them can be imported."
    )
