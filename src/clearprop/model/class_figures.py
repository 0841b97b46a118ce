"""Figures of a classification: the confusion matrix; precision, recall, F1 and support of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def confusion_counts(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Return how often each class (row) was predicted as each (column)."""
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes * n_classes)
    matrix: NDArray[np.int64] = counts.reshape(n_classes, n_classes).astype(np.int64)
    return matrix


def report_figures(confusion: NDArray[np.int64], class_names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the figures of each class, their mean, and their mean weighted by support.

    As ``sklearn.metrics.classification_report`` gives them, in the last bit; importing it would take as long
    as training to 98% on MNIST does. A class that is never predicted has precision 0, which is the truth of
    a collapsed network.
    """
    right = confusion.diagonal().astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    figures = np.array(
        [
            _ratio(right, predicted),
            _ratio(right, support),
            # the harmonic mean of precision and recall: 2 right / (predicted + true)
            _ratio(2 * right, predicted + support),
        ]
    )
    columns = [*figures.T, figures.mean(axis=1), np.average(figures, axis=1, weights=support)]
    supports = [*support, support.sum(), support.sum()]
    return {
        name: {
            **dict(zip(("precision", "recall", "f1"), map(float, column), strict=True)),
            "support": float(n),
        }
        for name, column, n in zip(
            (*class_names, "macro avg", "weighted avg"), columns, supports, strict=True
        )
    }


def _ratio(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
