"""How weights start: glorot, he and PyTorch's own rule, all drawn by NumPy in float64.

Both engines cast the same float64 numbers, so a network starts alike in each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.parameters import Parameters

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]
# in quotes, since NumPy imports its generators, 11 ms, when they are first named
Rule = Callable[["np.random.Generator", int, int], Layer]


def _uniform(limit: Callable[[int, int], float]) -> Rule:
    def draw(rng: np.random.Generator, fan_in: int, fan_out: int) -> Layer:
        bound = limit(fan_in, fan_out)
        return rng.uniform(-bound, bound, (fan_in, fan_out)), np.zeros(fan_out)

    return draw


def _normal(deviation: Callable[[int, int], float]) -> Rule:
    def draw(rng: np.random.Generator, fan_in: int, fan_out: int) -> Layer:
        return rng.normal(0.0, deviation(fan_in, fan_out), (fan_in, fan_out)), np.zeros(fan_out)

    return draw


def _torch_default(rng: np.random.Generator, fan_in: int, fan_out: int) -> Layer:
    """Weights and biases from U(-1/√fan_in, 1/√fan_in), as ``torch.nn.Linear`` starts."""
    bound = 1.0 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, (fan_in, fan_out)), rng.uniform(-bound, bound, fan_out)


INITIALIZATIONS: Mapping[str, Rule] = MappingProxyType(
    {
        # Glorot and Bengio 2010: keeps the variance of signals and of gradients alike
        "glorot_uniform": _uniform(lambda fan_in, fan_out: math.sqrt(6.0 / (fan_in + fan_out))),
        "glorot_normal": _normal(lambda fan_in, fan_out: math.sqrt(2.0 / (fan_in + fan_out))),
        # He et al. 2015: doubles the variance, since relu drops half of every signal
        "he_uniform": _uniform(lambda fan_in, fan_out: math.sqrt(6.0 / fan_in)),
        "he_normal": _normal(lambda fan_in, fan_out: math.sqrt(2.0 / fan_in)),
        "torch_default": _torch_default,
    }
)


def initial_parameters(
    layer_sizes: Sequence[int],
    initialization: str,
    rng: np.random.Generator,
    dtype: np.dtype[Any] | type = np.float32,
) -> Parameters:
    """Draw the parameters a network starts from.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, input and output included.
    initialization : str
        A key of ``INITIALIZATIONS``.
    rng : numpy.random.Generator
        The stream to draw from; the same stream gives the same numbers in every dtype.
    dtype : dtype, default float32
        The type that the float64 numbers are rounded to.

    Returns
    -------
    list of (weight, bias)
        One ``(weight, bias)`` a layer, of shapes ``(fan_in, fan_out)`` and ``(fan_out,)``.
    """
    rule = INITIALIZATIONS[initialization]
    layers = [rule(rng, *fans) for fans in pairwise(layer_sizes)]
    return [(weight.astype(dtype), bias.astype(dtype)) for weight, bias in layers]
