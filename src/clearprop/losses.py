"""What training makes small: each loss knows its value and its gradient with respect to the logits.

Arrays are features-first, ``(n_classes, batch)``, as the NumPy engine keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]
Loss = Callable[[Array, Labels, float], tuple[float, Array]]


def softmax(logits: Array) -> Array:
    """Turn logits into probabilities, column by column.

    Parameters
    ----------
    logits : ndarray (n_classes, batch)
        Any finite numbers; the largest of each column is subtracted first, so nothing overflows.

    Returns
    -------
    ndarray (n_classes, batch)
        exp(z) / Σ exp(z); every column sums to one.
    """
    exponentials: Array = np.exp(logits - logits.max(axis=0))
    exponentials /= exponentials.sum(axis=0)
    return exponentials


def cross_entropy(logits: Array, labels: Labels, label_smoothing: float = 0.0) -> tuple[float, Array]:
    """Return the softmax cross-entropy and its gradient with respect to the logits.

    Parameters
    ----------
    logits : ndarray (n_classes, batch)
        The last layer's pre-activations z.
    labels : ndarray (batch,) of int
        The true class of each column.
    label_smoothing : float, default 0.0
        The share s of the target that is spread evenly over all K classes (Szegedy et al. 2016):
        t = (1 - s) one_hot + s / K.

    Returns
    -------
    loss : float
        -Σ t log softmax(z), the mean over the batch.
    gradient : ndarray (n_classes, batch)
        (softmax(z) - t) / batch.
    """
    n_classes, batch = logits.shape
    shifted = logits - logits.max(axis=0)
    gradient: Array = np.exp(shifted)
    total = gradient.sum(axis=0)
    gradient /= total
    columns = np.arange(batch)
    # log softmax(z) = z - log Σ exp(z): taking the log of a rounded probability would lose the tail
    log_total = np.log(total)
    loss = float(np.mean(log_total - shifted[labels, columns]))
    gradient[labels, columns] -= 1 - label_smoothing
    if label_smoothing:
        smooth_loss = float(np.mean(log_total - shifted.mean(axis=0)))
        loss = (1 - label_smoothing) * loss + label_smoothing * smooth_loss
        gradient -= label_smoothing / n_classes
    gradient /= batch
    return loss, gradient


def double_softmax(logits: Array, labels: Labels, label_smoothing: float = 0.0) -> tuple[float, Array]:
    """Return the cross-entropy of a softmax applied twice, a common mistake, and its gradient.

    ``torch.nn.CrossEntropyLoss`` applies a softmax itself; given probabilities p instead of logits
    it computes cross_entropy(softmax(p)). Since p lies in [0, 1], the loss cannot fall below
    log(1 + (K - 1) / e), about 1.461 for ten classes, and its gradients are small.

    Parameters
    ----------
    logits : ndarray (n_classes, batch)
    labels : ndarray (batch,) of int
    label_smoothing : float, default 0.0

    Returns
    -------
    loss : float
        The mean over the batch.
    gradient : ndarray (n_classes, batch)
        p (g - Σ p g), where g is the cross-entropy's gradient with respect to p = softmax(z).
    """
    probabilities = softmax(logits)
    loss, gradient = cross_entropy(probabilities, labels, label_smoothing)
    gradient -= (probabilities * gradient).sum(axis=0)
    gradient *= probabilities
    return loss, gradient


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"cross_entropy": cross_entropy, "double_softmax": double_softmax}
)


def double_softmax_floor(n_classes: int) -> float:
    """Return the least value the loss can take with the softmax applied twice: log(1 + (K - 1) / e)."""
    return float(np.log1p((n_classes - 1) / np.e))
