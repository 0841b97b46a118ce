"""Parameters: the weights and biases that engines exchange and files hold."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: One ``(weight, bias)`` a layer: weight ``(fan_in, fan_out)``, bias ``(fan_out,)``, C order.
Parameters: TypeAlias = list[tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]]


def copy_parameters(parameters: Parameters, dtype: np.dtype[Any] | type | None = None) -> Parameters:
    """Return new C-ordered arrays, in another dtype if one is named."""
    return [
        (np.array(weight, dtype=dtype, order="C"), np.array(bias, dtype=dtype, order="C"))
        for weight, bias in parameters
    ]
