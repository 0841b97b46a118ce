"""The layers of a PyTorch state_dict: found in a checkpoint, computed from its tensors, put in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.model.conversion.from_layers import BFloat16, Floats, check_count
from clearprop.model.conversion.layer_order import Shape, layer_order
from clearprop.model.conversion.torch_files import UnorderedState, import_torch
from clearprop.model.files.safetensors_reader import clip
from clearprop.utils.errors import InvalidArgument

# of torch.optim.swa_utils.AveragedModel: counts the averaged models, and does not affect predictions
_COUNTERS = {"n_averaged"}
_BATCH_NORM = {"running_mean", "running_var", "num_batches_tracked"}
# parts of names of a second network, which a training keeps beside the one that it trains
_SECOND = {"ema", "target", "teacher", "shadow", "swa", "momentum"}
_SEARCH_DEPTH = 3
_PARAMETRIZED = "parametrizations.weight"
_PARAMETER = re.compile(
    r"(?:(.*)\.)?((?:weight|bias)(?:_(?:g|v|u|orig|mask))?|parametrizations\.weight\.(?:original[01]?|0\._[uv]))",
    re.DOTALL,
)

Array = NDArray[np.floating[Any]]


def find_state_dict(source: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the state_dict of a network in a checkpoint, which may hold an optimizer's and more beside it.

    Parameters
    ----------
    source : mapping
        A state_dict itself, or a checkpoint, such as Lightning's, with one in it or in a mapping of it.

    Raises
    ------
    InvalidArgument
        If there are several, such as a network's and its moving average.
    """
    if any(_is_weight(name, value) for name, value in source.items()):
        return source
    level: list[tuple[str, Mapping[Any, Any]]] = [("", source)]
    seen = {id(source)}
    for _ in range(_SEARCH_DEPTH):
        below: list[tuple[str, Mapping[Any, Any]]] = []
        for path, mapping in level:
            for name, value in mapping.items():
                # an optimizer's memory has tensors of the weights' shapes
                if not isinstance(name, str) or not isinstance(value, Mapping) or "param_groups" in value:
                    continue
                if id(value) not in seen:
                    seen.add(id(value))
                    below.append((f"{path}{name}", value))
        found = [(path, value) for path, value in below if _is_state_dict(value)]
        if len(found) > 1:
            names = ", ".join(clip(path) for path, _ in found[:4])
            raise InvalidArgument(
                f"The checkpoint has {len(found)} state_dicts: {names}; give or save only the one to import."
            )
        if found:
            return found[0][1]
        level = [(f"{path}.", value) for path, value in below]
    return source


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(name, str) and _is_tensor(each) for name, each in value.items()) and any(
        _is_weight(name, each) for name, each in value.items()
    )


def _is_tensor(value: Any) -> bool:
    # a lazy module's tensor has no shape yet
    return hasattr(value, "dtype") and (hasattr(value, "detach") or hasattr(value, "__array__"))


def _is_weight(name: Any, value: Any) -> bool:
    match = _PARAMETER.fullmatch(name) if isinstance(name, str) else None
    return match is not None and "weight" in match[2] and _is_tensor(value)


def linear_layers(state: Mapping[Any, Any]) -> list[tuple[Floats, Floats]]:
    """Return the layers of a state_dict of Linears, in the network's order.

    A weight may be one that ``torch.nn.utils`` computes: by weight_norm, spectral_norm or pruning.

    Parameters
    ----------
    state : mapping of str to tensor or ndarray

    Returns
    -------
    list of (ndarray or BFloat16 (fan_in, fan_out), ndarray or BFloat16 (fan_out,))

    Raises
    ------
    InvalidArgument
        If it has anything but Linears, or several orders of them fit.
    """
    tensors = _tensors_by_layer(state)
    # before anything is made of them
    check_count(len(tensors))
    layers, shapes = [], []
    may_be_transposed = True
    for stem, parts in tensors.items():
        weight, bias = _linear(stem, {suffix: as_array(name, state[name]) for suffix, name in parts.items()})
        if bias is None:
            bias = np.zeros(len(weight), weight.dtype)
        elif weight.shape[0] != weight.shape[1]:
            may_be_transposed = False
        layers.append((weight.T, bias))
        shapes.append(Shape(stem or "weight", weight.shape[1], weight.shape[0]))
    _check_single(shapes)
    order = layer_order(
        shapes,
        is_ordered=not (isinstance(state, UnorderedState) or _is_sorted(list(state))),
        may_be_transposed=may_be_transposed,
    )
    return [layers[position] for position in order]


def _is_sorted(names: Sequence[str]) -> bool:
    """Tell whether names are sorted as text: a module has the weight before the bias, and the text after."""
    biases = {name for name in names if name.rpartition(".")[2] == "bias"}
    weights = {f"{name.removesuffix('bias')}weight" for name in biases}
    return list(names) == sorted(names) and not weights.isdisjoint(names)


def _tensors_by_layer(state: Mapping[Any, Any]) -> dict[str, dict[str, str]]:
    """Return for each layer the names of its tensors, by their last part."""
    layers: dict[str, dict[str, str]] = {}
    for name in state:
        if not isinstance(name, str):
            raise InvalidArgument(
                f"The state_dict has {clip(name)} for a name, but must have text; only a stack of Linears "
                "can be imported."
            )
        stem, _, kind = name.rpartition(".")
        if kind in _BATCH_NORM:
            raise InvalidArgument(
                f"The state_dict has a BatchNorm, {clip(stem)}, and does not tell its eps, nor whether an "
                "activation comes before it; give clearprop.from_torch the module instead, which does."
            )
    for name, tensor in state.items():
        if name in _COUNTERS:
            continue
        match = _PARAMETER.fullmatch(name)
        if match is None:
            raise InvalidArgument(
                f"The state_dict has {clip(name)}, which no Linear has; only a stack of Linears can be "
                "imported."
            )
        if match[2] in ("weight", "bias") and not _is_tensor(tensor):
            raise InvalidArgument(f"{clip(name)} is {clip(tensor)}, but must be a tensor.")
        layers.setdefault(match[1] or "", {})[match[2]] = name
    return layers


def _check_single(layers: Sequence[Shape]) -> None:
    """Refuse a network with its moving average, which would be taken for one network of twice the depth."""
    firsts: list[Shape] = []
    seconds: list[Shape] = []
    for layer in layers:
        is_second = not _SECOND.isdisjoint(re.split(r"[._]", layer.name.lower()))
        (seconds if is_second else firsts).append(layer)
    sizes = [sorted((layer.fan_in, layer.fan_out) for layer in each) for each in (firsts, seconds)]
    if seconds and sizes[0] == sizes[1]:
        raise InvalidArgument(
            f"The state_dict has a second network: {clip(seconds[0].name)} beside {clip(firsts[0].name)}; "
            "give only the tensors of one."
        )


def _weight_norm(g: Array, v: Array) -> Array:
    """W = g v / |v|, where each norm is over the axes along which g has one number (Salimans 2016)."""
    if v.ndim != 2 or g.shape not in ((), (v.shape[0], 1), (1, v.shape[1])):
        raise ValueError
    norms = {(): "ij,ij->", (1, v.shape[1]): "ij,ij->j", (v.shape[0], 1): "ij,ij->i"}[g.shape]
    squares = np.einsum(norms, v, v, dtype=np.float64)
    weight: Array = v * (g / np.sqrt(squares).reshape(g.shape)).astype(v.dtype)
    return weight


def _masked(original: Array, mask: Array) -> Array:
    if mask.shape != original.shape:
        raise ValueError
    return original * mask


def _spectral_norm(original: Array, u: Array, v: Array) -> Array:
    """W / σ, with σ = uᵀ W v (Miyato et al. 2018)."""
    weight: Array = original / np.einsum("i,ij,j->", u, original, v, dtype=np.float64).astype(original.dtype)
    return weight


#: For the tensors of a weight, or of a bias, the function that computes it.
_FORMULAS: dict[tuple[str, ...], Callable[..., Array]] = {
    ("weight_g", "weight_v"): _weight_norm,
    (f"{_PARAMETRIZED}.original0", f"{_PARAMETRIZED}.original1"): _weight_norm,
    ("weight_orig", "weight_mask"): _masked,
    ("bias_orig", "bias_mask"): _masked,
    ("weight_orig", "weight_u", "weight_v"): _spectral_norm,
    (f"{_PARAMETRIZED}.original", f"{_PARAMETRIZED}.0._u", f"{_PARAMETRIZED}.0._v"): _spectral_norm,
}


def _linear(stem: str, arrays: dict[str, Floats]) -> tuple[Floats, Floats | None]:
    """Return a Linear's weight ``(fan_out, fan_in)`` and its bias, if it has one."""
    dot = f"{stem}." if stem else ""
    for kind in ("weight", "bias"):
        parts = sorted(suffix for suffix in arrays if kind in suffix)
        if parts in ([], [kind]):
            continue
        formula = next((each for each in _FORMULAS if sorted(each) == parts), None)
        if formula is None:
            raise InvalidArgument(
                f"The state_dict has {clip(dot + parts[0])}, from which no weight of a Linear can be "
                "computed; only a stack of Linears can be imported."
            )
        given = [arrays.pop(suffix) for suffix in formula]
        try:
            # a quotient by zero becomes NaN, which is refused as such
            with np.errstate(all="ignore"):
                arrays[kind] = _FORMULAS[formula](*(_at_least_float32(each) for each in given))
        except (ValueError, IndexError):
            raise InvalidArgument(
                f"{clip(dot + parts[0])} and {clip(dot + parts[1])} have shapes that do not fit; save the "
                "state_dict again."
            ) from None
    if "weight" not in arrays:
        raise InvalidArgument(
            f"The state_dict has {clip(f'{dot}bias')} without a weight, which no Linear has; only a stack of "
            "Linears can be imported."
        )
    weight, bias = arrays["weight"], arrays.get("bias")
    if weight.ndim != 2:
        others = ", and a LayerNorm or BatchNorm of one" if weight.ndim == 1 else ""
        raise InvalidArgument(
            f"{clip(f'{dot}weight')} has shape {clip(weight.shape)}, but a Linear has a weight of two "
            f"dimensions{others}; only a stack of Linears can be imported."
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        is_turned = bias.shape == weight.shape[1:]
        remedy = (
            "give the transpose of the weight" if is_turned else "only a stack of Linears can be imported"
        )
        raise InvalidArgument(
            f"{clip(f'{dot}bias')} has shape {clip(bias.shape)}, but its weight has {weight.shape[0]} "
            f"outputs (a Linear's weight is (outputs, inputs)); {remedy}."
        )
    return weight, bias


def _at_least_float32(array: Floats) -> Array:
    return np.asarray(array, np.result_type(array.dtype, np.float32))


def as_array(name: str, tensor: Any) -> Floats:
    """Return the numbers of a tensor, not copied if possible; InvalidArgument if they are no floats."""
    array: Floats
    if isinstance(tensor, (np.ndarray, BFloat16)):
        array = tensor
    elif hasattr(tensor, "detach"):
        array = _numpy(name, tensor)
    else:
        raise InvalidArgument(f"{clip(name)} is {clip(tensor)}, but must be a tensor.")
    if array.dtype.kind != "f":
        raise InvalidArgument(f"{clip(name)} has numbers of type {array.dtype}, but must have floats.")
    return array


def _numpy(name: str, tensor: Any) -> Floats:
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind.startswith("complex"):
        raise InvalidArgument(f"{clip(name)} has numbers of type {kind}, but must have floats.")
    try:
        values = tensor.detach().cpu()
        if kind == "bfloat16":
            return BFloat16(values.contiguous().view(import_torch().int16).numpy().view(np.uint16))
        # float32 holds each number of the smaller types, of which NumPy has not all
        array: Floats = (values if kind in ("float16", "float32", "float64") else values.float()).numpy()
    # of a tensor without numbers (meta device, lazy module), sparse or quantized, torch raises any of these
    except (RuntimeError, TypeError, ValueError, AttributeError):
        where = getattr(tensor, "device", None)
        lacks = (
            "is on the device meta, which holds no numbers"
            if str(where) == "meta"
            else ("has no numbers that can be copied, as in a lazy module before its first batch")
        )
        raise InvalidArgument(f"{clip(name)} {lacks}; give a network that has its weights.") from None
    return array
