"""The parameters of a Program: one flat array that the optimizer updates, and a view of it for each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.layer_functions import BatchNorm
from clearprop.diagnosis.program import PLAIN_INITIALIZATIONS, Layer, Program
from clearprop.nn.initialization import INITIALIZATIONS

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class LayerArrays:
    """The arrays of one layer; scale, shift and ``norm`` are of its batch normalization, if it has one.

    Attributes
    ----------
    weight : ndarray (fan_in, units)
    bias : ndarray (units,)
    scale, shift : ndarray (units,) or None
    norm : BatchNorm or None
    """

    weight: Array
    bias: Array
    scale: Array | None
    shift: Array | None
    norm: BatchNorm | None


@dataclass(frozen=True, slots=True)
class ProgramArrays:
    """Parameters and gradients of all layers.

    Attributes
    ----------
    flat : ndarray
        Parameters of the layers that are trained, which ``layers`` views.
    layers : list of LayerArrays
    """

    flat: Array
    layers: list[LayerArrays]


def initial_arrays(program: Program, n_features: int, rng: np.random.Generator, dtype: Any) -> ProgramArrays:
    """Draw the parameters a program starts from; the same stream gives the same numbers in every dtype."""
    fan_in, drawn = n_features, []
    for layer in program.layers:
        drawn.append(_drawn(layer, fan_in, rng))
        fan_in = layer.units
    flat = np.zeros(_size_of(program, n_features), dtype)
    arrays = ProgramArrays(flat, views(program, n_features, flat))
    for own, (weight, bias) in zip(arrays.layers, drawn, strict=True):
        own.weight[:] = weight
        own.bias[:] = bias
        if own.scale is not None:
            own.scale[:] = 1
    return arrays


def views(program: Program, n_features: int, flat: Array) -> list[LayerArrays]:
    """Return a view of a flat array for each layer; a layer that is not trained gets arrays of its own."""
    fan_in, place, layers = n_features, 0, []
    for layer in program.layers:
        shapes: list[tuple[int, ...]] = [(fan_in, layer.units), (layer.units,)]
        shapes += [(layer.units,)] * (2 if layer.batch_norm else 0)
        arrays: list[Array | None] = []
        for shape in shapes:
            size = int(np.prod(shape))
            if layer.trainable:
                arrays.append(flat[place : place + size].reshape(shape))
                place += size
            else:
                arrays.append(np.zeros(shape, flat.dtype))
        norm = None
        if layer.batch_norm:
            norm = BatchNorm(np.zeros(layer.units, flat.dtype), np.ones(layer.units, flat.dtype))
        else:
            arrays += [None, None]
        weight, bias, scale, shift = arrays
        assert weight is not None
        assert bias is not None
        layers.append(LayerArrays(weight, bias, scale, shift, norm))
        fan_in = layer.units
    return layers


def _size_of(program: Program, n_features: int) -> int:
    fan_in, size = n_features, 0
    for layer in program.layers:
        if layer.trainable:
            size += (fan_in + 1 + (2 if layer.batch_norm else 0)) * layer.units
        fan_in = layer.units
    return size


def _drawn(
    layer: Layer, fan_in: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shape = (fan_in, layer.units)
    start = layer.initialization
    if isinstance(start, str) and start in INITIALIZATIONS:
        return INITIALIZATIONS[start](rng, fan_in, layer.units)
    kind, size = PLAIN_INITIALIZATIONS[start] if isinstance(start, str) else start
    bias = np.zeros(layer.units)
    if kind == "constant":
        return np.full(shape, size), bias
    return (rng.uniform(-size, size, shape) if kind == "uniform" else rng.normal(0, size, shape)), bias
