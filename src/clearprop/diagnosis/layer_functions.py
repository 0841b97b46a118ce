"""Forward and backward of activations and batch normalization, rows first, for the training of a Program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from clearprop.nn.activations import ACTIVATIONS

Array = NDArray[np.floating[Any]]

#: Names here of activations that the table of ``clearprop.nn.activations`` names otherwise.
_IN_TABLE = {"linear": "identity"}
_SQRT_2 = float(np.sqrt(2.0))
_NORMAL_HEIGHT = float(1 / np.sqrt(2 * np.pi))

# of torch.nn.BatchNorm1d
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


def activate(name: str, z: Array) -> Array:
    """Return the outputs ``(n, units)`` of an activation for pre-activations of the same shape."""
    if name == "softmax":
        out: Array = z - z.max(axis=1, keepdims=True)
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)
        return out
    if name == "elu":
        # Clevert et al. 2016, with α = 1
        return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))
    if name == "gelu":
        # Hendrycks and Gimpel 2016: z Φ(z)
        return z * _normal_share(z)
    out = z.copy()
    ACTIVATIONS[_IN_TABLE.get(name, name)].value(out)
    return out


def through_activation(name: str, gradient: Array, z: Array, out: Array) -> Array:
    """Return the gradient for the pre-activations, given that for the outputs; may overwrite ``gradient``."""
    if name == "softmax":
        through: Array = out * (gradient - (gradient * out).sum(axis=1, keepdims=True))
        return through
    if name == "elu":
        return gradient * np.where(z > 0, 1, out + 1).astype(z.dtype)
    if name == "gelu":
        density = _NORMAL_HEIGHT * np.exp(-0.5 * z * z)
        return gradient * (_normal_share(z) + z * density).astype(z.dtype)
    if name != "linear":
        ACTIVATIONS[name].times_derivative(gradient, out.copy())
    return gradient


def _normal_share(z: Array) -> Array:
    share: Array = (0.5 * (1 + erf(z / _SQRT_2))).astype(z.dtype)
    return share


@dataclass(slots=True)
class BatchNorm:
    """Batch normalization of one layer (Ioffe and Szegedy 2015), and the running statistics it predicts with.

    Attributes
    ----------
    mean, variance : ndarray (units,)
        Running averages over batches.
    """

    mean: Array
    variance: Array
    _normal: Array = field(default_factory=lambda: np.empty(0))
    _deviation: Array = field(default_factory=lambda: np.empty(0))

    def train(self, z: Array, scale: Array, shift: Array) -> Array:
        """Normalize a batch by its own statistics, and remember them."""
        mean, variance = z.mean(axis=0), z.var(axis=0)
        unbiased = variance * (len(z) / max(len(z) - 1, 1))
        self.mean += BATCH_NORM_MOMENTUM * (mean - self.mean)
        self.variance += BATCH_NORM_MOMENTUM * (unbiased - self.variance)
        self._deviation = np.sqrt(variance + z.dtype.type(BATCH_NORM_EPSILON))
        self._normal = (z - mean) / self._deviation
        return self._normal * scale + shift

    def predict(self, z: Array, scale: Array, shift: Array) -> Array:
        """Normalize rows by the running statistics."""
        deviation = np.sqrt(self.variance + z.dtype.type(BATCH_NORM_EPSILON))
        return (z - self.mean) / deviation * scale + shift

    def backward(self, gradient: Array, scale: Array) -> tuple[Array, Array, Array]:
        """Return the gradients for the batch, the scale and the shift, of the last ``train``."""
        normal = self._normal
        of_shift = gradient.sum(axis=0)
        of_scale = (gradient * normal).sum(axis=0)
        n = len(gradient)
        of_batch = (scale / self._deviation) * (gradient - of_shift / n - normal * (of_scale / n))
        return of_batch, of_scale, of_shift
