"""The softmax: probabilities of any logits, infinite ones included, without a warning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def softmax(logits: Array) -> Array:
    """Turn logits into probabilities, column by column, without a warning for any logits.

    Parameters
    ----------
    logits : ndarray (n_classes, batch)
        The largest of each column is subtracted first, so no exponential overflows.

    Returns
    -------
    ndarray (n_classes, batch)
        exp(z) / Σ exp(z); every column sums to one. Where the largest logit of a column is infinite, its
        limit: the classes of the largest logit share the probability equally, which are all classes where
        all logits are -∞. A column with a NaN is NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities = softmax_or_nan(logits)
        # every class of a column is NaN, or none is
        if np.isnan(np.add.reduce(probabilities[0])):
            infinite = np.isnan(probabilities[0])
            columns = logits[:, infinite]
            are_largest = columns == np.maximum.reduce(columns, axis=0)
            # NaN equals nothing: 0 / 0
            probabilities[:, infinite] = are_largest / are_largest.sum(axis=0)
    return probabilities


def softmax_or_nan(logits: Array) -> Array:
    """Return exp(z) / Σ exp(z); NaN in the columns whose largest logit is not finite."""
    probabilities: Array = logits - np.maximum.reduce(logits, axis=0)
    np.exp(probabilities, out=probabilities)
    probabilities /= np.add.reduce(probabilities, axis=0)
    return probabilities
