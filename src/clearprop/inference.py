"""The forward pass over many rows, a chunk at a time, so that memory stays small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.activations import ACTIVATIONS
from clearprop.losses import softmax
from clearprop.parameters import Parameters
from clearprop.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]

# large enough for the matrix product to run at full speed, small enough to stay in cache
CHUNK = 512


def _sigmoid(values: FloatArray) -> FloatArray:
    result = values.copy()
    ACTIVATIONS["sigmoid"].value(result)
    return result


#: What turns logits ``(n_outputs, n)`` into predictions, for each output of a network; into new arrays.
OUTPUT_FUNCTIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {"softmax": softmax, "sigmoid": _sigmoid, "identity": np.copy, "exponential": np.exp}
)


def logits(
    parameters: Parameters, activations: Sequence[str], scaling: Scaling, x: NDArray[Any]
) -> FloatArray:
    """Return the last layer's pre-activations.

    Parameters
    ----------
    parameters : Parameters
        Their dtype is the one computed in.
    activations : sequence of str
        One a hidden layer.
    scaling : Scaling
    x : ndarray (n, features) of uint8 or float
        Rows as they are stored.

    Returns
    -------
    ndarray (n, n_outputs)
    """
    dtype = parameters[0][0].dtype
    n = len(x)
    result = np.empty((n, parameters[-1][1].size), dtype=dtype)
    # used again for every chunk: fresh memory would cost more than the arithmetic on it
    layers = [np.empty((min(n, CHUNK), len(weight)), dtype=dtype) for weight, _ in parameters]
    # a network that has diverged overflows here; whoever asked sees it in the result
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, n, CHUNK):
            rows = x[start : start + CHUNK]
            chunk = [*(layer[: len(rows)] for layer in layers), result[start : start + CHUNK]]
            scaling.apply(rows, dtype, out=chunk[0])
            for number, (weight, bias) in enumerate(parameters):
                outputs = np.matmul(chunk[number], weight, out=chunk[number + 1])
                outputs += bias
                if number < len(activations):
                    ACTIVATIONS[activations[number]].value(outputs)
    return result
