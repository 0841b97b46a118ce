"""Verdicts on a trained classifier, from its confusion matrix alone: no engine is imported."""

from __future__ import annotations

from collections.abc import Sequence

Confusion = Sequence[Sequence[int]]


def predicted_classes(confusion: Confusion) -> list[int]:
    """Return the classes that were predicted at least once.

    Parameters
    ----------
    confusion : sequence of sequence of int (n_classes, n_classes)
        True classes as rows, predictions as columns.
    """
    return [column for column, counts in enumerate(zip(*confusion, strict=True)) if any(counts)]


def is_collapsed(confusion: Confusion) -> bool:
    """Tell whether one class is predicted for every row."""
    return len(predicted_classes(confusion)) == 1


def is_no_better_than_guessing(confusion: Confusion) -> bool:
    """Tell whether always guessing the most common class would be as good."""
    return sum(row[label] for label, row in enumerate(confusion)) <= max(map(sum, confusion))


def tells_classes_apart(confusion: Confusion) -> bool:
    """Tell whether every class is predicted, and more rows right than wrong."""
    right = sum(row[label] for label, row in enumerate(confusion))
    return len(predicted_classes(confusion)) == len(confusion) and 2 * right > sum(map(sum, confusion))
