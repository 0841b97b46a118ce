"""The weight of each row's class: ``class_weight`` over all classes of the estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from clearprop.estimator.labels import MULTILABEL, Labels
from clearprop.utils.arguments import check_number
from clearprop.utils.errors import InvalidArgument


def row_weights(class_weight: Any, y: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Return the weight of each row's class.

    Parameters
    ----------
    class_weight : dict, "balanced", or list of them
        A class that a dict does not name has weight 1. Label indicators take a list with an entry for each
        label, or "balanced"; a row's weight is then the product of those of its labels.
    y : ndarray (n,), or indicators (n, n_classes)
        Some rows' labels; not all classes need to occur.
    labels : Labels

    Returns
    -------
    ndarray (n,) of float64

    Raises
    ------
    InvalidArgument
        If a weight is no number from 0 on, or ``class_weight`` does not fit the labels.
    """
    _check(class_weight)
    if labels.kind != MULTILABEL:
        if isinstance(class_weight, list):
            raise InvalidArgument(
                'class_weight is a list, but y is no label indicators; give a dict of weights, or "balanced".'
            )
        return _column_weights(class_weight, y, labels.classes)
    of_labels = [class_weight] * y.shape[1] if isinstance(class_weight, str) else class_weight
    if not isinstance(of_labels, list):
        raise InvalidArgument(
            "class_weight is a dict, but y holds label indicators; give a list with a dict for each label, "
            'or "balanced".'
        )
    if len(of_labels) != y.shape[1]:
        raise InvalidArgument(
            f"class_weight has {len(of_labels)} entries, but y has {y.shape[1]} labels; give one for each."
        )
    columns = [_column_weights(each, y[:, label], np.array([0, 1])) for label, each in enumerate(of_labels)]
    together: NDArray[np.float64] = np.prod(columns, axis=0, dtype=np.float64)
    return together


def is_balanced(class_weight: Any) -> bool:
    """Whether any weight depends on how frequent the classes are."""
    given = class_weight if isinstance(class_weight, list) else [class_weight]
    return any(isinstance(each, str) and each == "balanced" for each in given)


def _column_weights(class_weight: Any, column: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
    # scikit-learn counts the classes for "balanced" only, and then each must occur
    classes = np.unique(column) if is_balanced(class_weight) else classes
    weights: NDArray[np.float64] = compute_class_weight(class_weight, classes=classes, y=column)
    return weights[np.searchsorted(classes, column)]


def _check(given: Any) -> None:
    """Raise InvalidArgument unless every class that is named has a number from 0 on as its weight."""
    if isinstance(given, list) and given:
        # each of several labels has its own
        fields = {f"class_weight[{label}]": its for label, its in enumerate(given)}
    else:
        fields = {"class_weight": given}
    for field, of_label in fields.items():
        if isinstance(of_label, dict):
            for name, weight in of_label.items():
                check_number(f"{field}[{name!r}]", weight, minimum=0)
        elif of_label not in (None, "balanced"):
            raise InvalidArgument(f'{field} is {of_label!r}, but must be a dict of weights or "balanced".')
