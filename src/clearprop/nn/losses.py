"""The losses that training minimizes: each gives its value and its gradient with respect to the logits.

Each has its formula a second time, for PyTorch, which derives the gradient from it: so one engine checks
the other. The recipe, both engines and the tests read the table ``LOSSES``.

Arrays are features-first, ``(n_outputs, batch)``, as the NumPy engine keeps them. Every loss is the mean
over the batch, or with ``sample_weight`` the weighted mean Σ wᵢ lossᵢ / Σ wᵢ.

A loss that is not finite tells the training loop that the training has diverged, so a loss takes no limit
where ``softmax`` does. With a logit of +∞ or NaN it is NaN or infinite, as PyTorch's is; a logit of -∞
alone leaves a cross-entropy finite where it belongs to a class that has no part in the target. NumPy's
warnings of overflow and invalid values are for the caller to ignore, once for a whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.softmax import softmax_or_nan

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss; called as its function is.

    Parameters
    ----------
    function : callable
        ``function(logits, targets, label_smoothing, sample_weight)`` returns the loss and its gradient for
        the logits. The targets are labels for a softmax, and else numbers of the logits' shape.
    output : str
        The network's output that it fits.
    torch_rows : callable
        ``torch_rows(torch, logits, targets, label_smoothing)`` returns the loss of every row ``(n,)`` from
        tensors ``(n, n_outputs)``; labels are ``(n,)``. It gets the module ``torch`` as an argument.
    smooths_labels : bool, default False
        Whether the targets are labels or probabilities, which can be smoothed.
    """

    function: Callable[..., tuple[float, Array]]
    output: str
    torch_rows: Callable[[Any, Any, Any, float], Any]
    smooths_labels: bool = False

    def __call__(
        self, logits: Array, targets: Any, label_smoothing: float = 0.0, sample_weight: Array | None = None
    ) -> tuple[float, Array]:
        """Return the loss of a batch and its gradient for the logits."""
        return self.function(logits, targets, label_smoothing, sample_weight)


def cross_entropy(
    logits: Array, labels: Labels, label_smoothing: float = 0.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
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
    sample_weight : ndarray (batch,) or None
        How much each column counts; their sum is not 0.

    Returns
    -------
    loss : float
        -Σ t log softmax(z), the mean over the batch.
    gradient : ndarray (n_classes, batch)
        (softmax(z) - t) / batch.
    """
    n_classes, batch = logits.shape
    # row after row, so that a class of a column has one number to find it by in all the arrays
    shifted = np.subtract(logits, np.maximum.reduce(logits, axis=0), order="C")
    truth = labels * batch + _places(batch)
    gradient: Array = np.exp(shifted)
    total = np.add.reduce(gradient, axis=0)
    # log softmax(z) = z - log Σ exp(z): taking the log of a rounded probability would lose the tail
    log_total = np.log(total)
    loss = _mean(log_total - shifted.ravel()[truth], sample_weight)
    # the part of each column in the mean goes into the numbers of a column, not into all of the gradient
    share = 1 / batch if sample_weight is None else sample_weight / sample_weight.sum()
    gradient *= share / total
    gradient.ravel()[truth] -= (1 - label_smoothing) * share
    if label_smoothing:
        smooth_loss = _mean(log_total - shifted.mean(axis=0), sample_weight)
        loss = (1 - label_smoothing) * loss + label_smoothing * smooth_loss
        gradient -= label_smoothing / n_classes * share
    return loss, gradient


def double_softmax(
    logits: Array, labels: Labels, label_smoothing: float = 0.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """Return the cross-entropy of a softmax applied twice, a common mistake, and its gradient.

    ``torch.nn.CrossEntropyLoss`` applies a softmax itself; given probabilities p instead of logits
    it computes cross_entropy(softmax(p)). Since p lies in [0, 1], the loss cannot fall below
    log(1 + (K - 1) / e), about 1.461 for ten classes, and its gradients are small.

    Parameters
    ----------
    logits : ndarray (n_classes, batch)
    labels : ndarray (batch,) of int
    label_smoothing : float, default 0.0
    sample_weight : ndarray (batch,) or None

    Returns
    -------
    loss : float
        The mean over the batch.
    gradient : ndarray (n_classes, batch)
        p (g - Σ p g), where g is the cross-entropy's gradient with respect to p = softmax(z).
    """
    # not its limit, which would hide divergence
    probabilities = softmax_or_nan(logits)
    loss, gradient = cross_entropy(probabilities, labels, label_smoothing, sample_weight)
    gradient -= (probabilities * gradient).sum(axis=0)
    gradient *= probabilities
    return loss, gradient


def binary_cross_entropy(
    logits: Array, targets: Array, label_smoothing: float = 0.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """Return the cross-entropy of a sigmoid for each output, summed over the outputs, and its gradient.

    Parameters
    ----------
    logits : ndarray (n_outputs, batch)
        The last layer's pre-activations z.
    targets : ndarray (n_outputs, batch)
        The truth t of each output, from 0 to 1.
    label_smoothing : float, default 0.0
        The share s of each target that is moved to the middle: (1 - s) t + s / 2.
    sample_weight : ndarray (batch,) or None

    Returns
    -------
    loss : float
        -Σ t log σ(z) + (1 - t) log(1 - σ(z)), the mean over the batch.
    gradient : ndarray (n_outputs, batch)
        (σ(z) - t) / batch.
    """
    if label_smoothing:
        targets = (1 - label_smoothing) * targets + label_smoothing / 2
    # of the two forms of σ the one whose exponential is at most 1, so nothing overflows and no tail is lost
    small: Array = np.exp(-np.abs(logits))
    losses = np.maximum(logits, 0) - logits * targets + np.log1p(small)
    gradient: Array = np.where(logits >= 0, 1, small) / (1 + small) - targets
    _share(gradient, sample_weight)
    return _mean(losses.sum(axis=0), sample_weight), gradient


def squared_error(
    outputs: Array, targets: Array, label_smoothing: float = 0.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """Return half the squared error, summed over the outputs, and its gradient.

    Parameters
    ----------
    outputs, targets : ndarray (n_outputs, batch)
    label_smoothing : float
        Not used: there are no labels.
    sample_weight : ndarray (batch,) or None

    Returns
    -------
    loss : float
        ½ Σ (z - t)², the mean over the batch.
    gradient : ndarray (n_outputs, batch)
        (z - t) / batch.
    """
    gradient: Array = outputs - targets
    loss = _mean(np.square(gradient).sum(axis=0) / 2, sample_weight)
    _share(gradient, sample_weight)
    return loss, gradient


def poisson(
    logits: Array, targets: Array, label_smoothing: float = 0.0, sample_weight: Array | None = None
) -> tuple[float, Array]:
    """Return half the Poisson deviance of exp(z), summed over the outputs, and its gradient.

    Parameters
    ----------
    logits : ndarray (n_outputs, batch)
        The logarithms z of the predicted means.
    targets : ndarray (n_outputs, batch)
        Counts or rates t, none below zero.
    label_smoothing : float
        Not used: there are no labels.
    sample_weight : ndarray (batch,) or None

    Returns
    -------
    loss : float
        Σ t log t - t z - t + exp(z), the mean over the batch; 0 where exp(z) = t.
    gradient : ndarray (n_outputs, batch)
        (exp(z) - t) / batch.
    """
    gradient: Array = np.exp(logits)
    # t log t is 0 at t = 0
    constant = targets * np.log(np.where(targets > 0, targets, 1)) - targets
    loss = _mean((constant - targets * logits + gradient).sum(axis=0), sample_weight)
    gradient -= targets
    _share(gradient, sample_weight)
    return loss, gradient


@lru_cache(maxsize=64)
def _places(batch: int) -> NDArray[np.intp]:
    """Return the number of each column, kept since the sizes of batches are few."""
    places = np.arange(batch)
    places.flags.writeable = False
    return places


def _mean(losses: Array, sample_weight: Array | None) -> float:
    if sample_weight is None:
        return float(np.add.reduce(losses)) / losses.size
    return float(losses @ sample_weight / sample_weight.sum())


def _share(gradient: Array, sample_weight: Array | None) -> None:
    """Scale each column in place by the part it has in the mean."""
    if sample_weight is None:
        gradient /= gradient.shape[1]
    else:
        gradient *= sample_weight / sample_weight.sum()


def _cross_entropy_rows(torch: Any, logits: Any, labels: Any, smoothing: float) -> Any:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


def _binary_cross_entropy_rows(torch: Any, logits: Any, targets: Any, smoothing: float) -> Any:
    cross_entropy_of = torch.nn.functional.binary_cross_entropy_with_logits
    return cross_entropy_of(logits, (1 - smoothing) * targets + smoothing / 2, reduction="none").sum(dim=1)


def _poisson_rows(torch: Any, logits: Any, targets: Any, smoothing: float) -> Any:
    return (torch.xlogy(targets, targets) - targets * logits - targets + logits.exp()).sum(dim=1)


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "cross_entropy": Loss(cross_entropy, "softmax", _cross_entropy_rows, smooths_labels=True),
        # a published mistake, reproduced: in PyTorch this loss gets probabilities instead of logits
        "double_softmax": Loss(double_softmax, "softmax", _cross_entropy_rows, smooths_labels=True),
        "binary_cross_entropy": Loss(
            binary_cross_entropy, "sigmoid", _binary_cross_entropy_rows, smooths_labels=True
        ),
        "squared_error": Loss(
            squared_error, "identity", lambda torch, z, t, smoothing: (z - t).square().sum(dim=1) / 2
        ),
        "poisson": Loss(poisson, "exponential", _poisson_rows),
    }
)

#: The losses that fit each output; with the first, the gradient for the logits is prediction - target.
LOSSES_OF_OUTPUT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        output: tuple(name for name, loss in LOSSES.items() if loss.output == output)
        for output in dict.fromkeys(loss.output for loss in LOSSES.values())
    }
)


def double_softmax_floor(n_classes: int) -> float:
    """Return the least value the loss can take with the softmax applied twice: log(1 + (K - 1) / e)."""
    return float(np.log1p((n_classes - 1) / np.e))
