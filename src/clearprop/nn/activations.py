"""The table of activations: each one's value and derivative, and its names in PyTorch and ONNX.

Value and derivative work in place on any memory layout, since they are elementwise. Everything else in the
project that depends on an activation (both engines, import and export, the command line's help, the tests)
reads this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# of torch.nn.LeakyReLU
LEAKY_SLOPE = 0.01


@dataclass(frozen=True, slots=True)
class Activation:
    """An elementwise function and its derivative.

    Parameters
    ----------
    value : callable
        ``value(x)`` overwrites the pre-activations ``x``, of any shape, with the outputs. An infinite ``x``
        gives the limit and NaN gives NaN, without a warning.
    times_derivative : callable
        ``times_derivative(gradient, output)`` multiplies ``gradient`` in place by the derivative at
        the point whose output is ``output`` (of the same shape), which is overwritten as scratch space.
        Every function of the table has a derivative that its output determines.
    torch : str
        The class in ``torch.nn`` that computes the same, made without arguments.
    onnx : tuple of (str, ...)
        The ONNX operators (of operator set 13) that compute the same, one after another. Each has the result
        of the one before as its first input, then the operands after its name: a number, or ``"x"`` for the
        pre-activations. ONNX Runtime must have them in float64.
    """

    value: Callable[[Array], None]
    times_derivative: Callable[[Array, Array], None]
    torch: str
    onnx: tuple[tuple[str | float, ...], ...]


def _identity(x: Array) -> None:
    """f(x) = x."""


def _identity_derivative(gradient: Array, output: Array) -> None:
    """F' = 1."""


def _relu(x: Array) -> None:
    """f(x) = max(0, x)."""
    # NumPy's maximum takes twice as long beside a lone 0
    x.clip(0, np.inf, out=x)


def _relu_derivative(gradient: Array, output: Array) -> None:
    """F' = 1 where f > 0, else 0; at the kink 0, as PyTorch takes it."""
    # written as 0 and 1 in place: a tenth of the time of np.sign, and nothing of a batch's size is allocated
    np.greater(output, 0, out=output, casting="unsafe")
    gradient *= output


def _sigmoid(x: Array) -> None:
    """f(x) = 1 / (1 + exp(-x)); exp may overflow to infinity, and 1 / infinity is the right 0."""
    with np.errstate(over="ignore"):
        np.negative(x, out=x)
        np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


def _sigmoid_derivative(gradient: Array, output: Array) -> None:
    """F' = f (1 - f)."""
    gradient *= output
    np.subtract(1, output, out=output)
    gradient *= output


def _tanh(x: Array) -> None:
    """f(x) = tanh(x)."""
    np.tanh(x, out=x)


def _tanh_derivative(gradient: Array, output: Array) -> None:
    """F' = 1 - f²."""
    np.square(output, out=output)
    np.subtract(1, output, out=output)
    gradient *= output


def _leaky_relu(x: Array) -> None:
    """f(x) = max(x, 0.01 x) (Maas, Hannun and Ng 2013)."""
    np.maximum(x, LEAKY_SLOPE * x, out=x)


def _leaky_relu_derivative(gradient: Array, output: Array) -> None:
    """F' = 1 where f > 0, else 0.01; at the kink 0.01, as PyTorch takes it."""
    np.greater(output, 0, out=output, casting="unsafe")
    np.maximum(output, LEAKY_SLOPE, out=output)
    gradient *= output


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "identity": Activation(_identity, _identity_derivative, "Identity", ()),
        "relu": Activation(_relu, _relu_derivative, "ReLU", (("Relu",),)),
        "leaky_relu": Activation(
            _leaky_relu, _leaky_relu_derivative, "LeakyReLU", (("Mul", LEAKY_SLOPE), ("Max", "x"))
        ),
        "sigmoid": Activation(_sigmoid, _sigmoid_derivative, "Sigmoid", (("Sigmoid",),)),
        "tanh": Activation(_tanh, _tanh_derivative, "Tanh", (("Tanh",),)),
    }
)
