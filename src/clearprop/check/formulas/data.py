"""Labels as one-hot rows, means of groups, predictions and accuracy, right and mistaken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clearprop.check.formulas.base import Array, Atom, Formula, Outputs, Settings, Values, single


def one_hot(values: Values, settings: Settings) -> Outputs:
    """Return a row for each label, 1 in the column of its class."""
    labels, form = values["labels"], settings.get("form", "right")
    classes = int(labels.max()) + 1
    first_met = {label: i for i, label in enumerate(dict.fromkeys(labels.tolist()))}
    columns = {
        "reversed": classes - 1 - labels,
        "first met": np.array([first_met[label] for label in labels.tolist()]),
        "one later": (labels + 1) % classes,
        "one earlier": (labels - 1) % classes,
        "sorted rows": np.sort(labels),
    }.get(form, labels)
    rows = np.eye(classes)[columns]
    shapes: dict[str, Callable[[], Array]] = {
        "transposed": lambda: rows.T,
        "flat": rows.ravel,
        "one more": lambda: np.hstack([rows, np.zeros((len(rows), 1))]),
        "one more before": lambda: np.hstack([np.zeros((len(rows), 1)), rows]),
        "one less": lambda: rows[:, :-1],
        "one less before": lambda: rows[:, 1:],
        "extra axis": lambda: rows[:, None, :],
        "complement": lambda: 1 - rows,
        "labels": lambda: labels.astype(float),
        "label values": lambda: rows * labels[:, None],
        "square": lambda: np.eye(classes),
    }
    return {"out": np.asarray(shapes[form]() if form in shapes else rows)}


_ORDER = "one_hot_wrong_column_order"
ONE_HOT = Formula(
    one_hot,
    single(
        (
            Atom(_ORDER, {"form": "reversed"}, "the columns are in falling order"),
            Atom(
                _ORDER,
                {"form": "first met"},
                "the columns are in the order in which the labels are first met",
            ),
            Atom(_ORDER, {"form": "one later"}, "the columns are shifted by one to the right"),
            Atom(_ORDER, {"form": "one earlier"}, "the columns are shifted by one to the left"),
            Atom("one_hot_shape", {"form": "transposed"}, "it is (classes, n) instead of (n, classes)"),
            Atom("one_hot_shape", {"form": "flat"}, "it is flat"),
            Atom("one_hot_shape", {"form": "one more"}, "it has one column too many, at the end"),
            Atom(
                "one_hot_shape", {"form": "one more before"}, "it has one column too many, at the beginning"
            ),
            Atom("one_hot_shape", {"form": "one less"}, "the last class has no column"),
            Atom("one_hot_shape", {"form": "one less before"}, "the first class has no column"),
            Atom("one_hot_shape", {"form": "extra axis"}, "it has an axis too many"),
            Atom("one_hot_shape", {"form": "labels"}, "the labels themselves are returned"),
            Atom("one_hot_shape", {"form": "square"}, "it has a row for each class instead of each label"),
            Atom("unexplained", {"form": "complement"}, "0 and 1 are exchanged"),
            Atom("unexplained", {"form": "label values"}, "the entry is the label instead of 1"),
            Atom(_ORDER, {"form": "sorted rows"}, "the rows are sorted by label"),
        )
    ),
)


def _groups(data: Array, size: int, settings: Settings) -> Array:
    """Return the mean of each group of so many values, the last one shorter."""
    form = settings.get("form", "right")
    whole = len(data) // size * size
    starts = range(0, whole if form == "last dropped" else len(data), size)
    groups = [data[start : start + size] for start in starts]
    if form == "first dropped":
        groups = groups[1:]
    if form == "last divided by size":
        return np.array([group.sum() / size for group in groups])
    if form == "sums":
        return np.array([group.sum() for group in groups])
    if form == "medians":
        return np.array([np.median(group) for group in groups])
    if form == "every nth":
        return data[::size]
    if form == "one less":
        return np.array([data[start : start + size - 1].mean() for start in starts])
    if form == "one more":
        return np.array([data[start : start + size + 1].mean() for start in starts])
    if form == "moving":
        return np.convolve(data, np.ones(size) / size, "valid")
    if form == "running":
        return np.array([data[: start + size].mean() for start in starts])
    if form == "exactly last dropped":
        return np.array([group.mean() for group in groups[:-1]])
    return np.array([group.mean() for group in groups])


def average_groups(values: Values, settings: Settings) -> Outputs:
    """Return the means of groups for data with a shorter last group, and for data without one."""
    group = values["group"]
    with np.errstate(all="ignore"):
        return {"out": _groups(values["data"], group, settings)}


AVERAGE_GROUPS = Formula(
    average_groups,
    single(
        (
            Atom("average_drops_last_group", {"form": "last dropped"}, "the last, shorter group has no mean"),
            Atom("average_drops_last_group", {"form": "exactly last dropped"}, "the last group has no mean"),
            Atom(
                "average_drops_last_group",
                {"form": "last divided by size"},
                "the last, shorter group is divided by the size of a full one",
            ),
            Atom("unexplained", {"form": "first dropped"}, "the first group has no mean"),
            Atom("unexplained", {"form": "sums"}, "it returns sums instead of means"),
            Atom("unexplained", {"form": "medians"}, "it returns medians instead of means"),
            Atom(
                "unexplained", {"form": "every nth"}, "it returns one value of each group instead of its mean"
            ),
            Atom("unexplained", {"form": "one less"}, "each group lacks its last value"),
            Atom("unexplained", {"form": "one more"}, "each group has a value of the next one"),
            Atom("unexplained", {"form": "moving"}, "it returns a moving average"),
            Atom("unexplained", {"form": "running"}, "it averages everything up to each group's end"),
        )
    ),
)


def cost_derivative(values: Values, settings: Settings) -> Outputs:
    """∂C/∂h = h - y for C = ½ |h - y|²."""
    p, y = values["p"], values["truth"]
    form = settings.get("form", "right")
    forms: dict[str, Callable[[], Array]] = {
        "doubled": lambda: 2 * (p - y),
        "sum": lambda: p + y,
        "square": lambda: (p - y) ** 2,
    }
    forms["alone"] = lambda: p
    if form in forms:
        return {"out": np.asarray(forms[form]())}
    return {"out": settings.get("sign", 1) * (p - y)}


COST_DERIVATIVE = Formula(
    cost_derivative,
    single(
        (
            Atom("gradient_sign_flipped", {"sign": -1}, "it is y - h instead of h - y"),
            Atom("unexplained", {"form": "alone"}, "y is not subtracted"),
            Atom("unexplained", {"form": "doubled"}, "it is 2 (h - y); the cost has the factor ½"),
            Atom("unexplained", {"form": "sum"}, "it is h + y instead of h - y"),
            Atom("unexplained", {"form": "square"}, "it is the squared error, not its derivative"),
        )
    ),
)


def predictions(values: Values, settings: Settings) -> Outputs:
    """Return the class of the greatest probability."""
    p = values["p"]
    form = settings.get("form", "right")
    forms: dict[str, Callable[[], Array]] = {
        "right": lambda: p.argmax(axis=1),
        "batch": lambda: p.argmax(axis=0),
        "all": lambda: np.asarray(p.argmax()),
        "smallest": lambda: p.argmin(axis=1),
        "values": lambda: p.max(axis=1),
    }
    return {"out": forms[form]()}


PREDICTIONS = Formula(
    predictions,
    single(
        (
            Atom(
                "unexplained", {"form": "batch"}, "it takes the maximum over the batch, not over the classes"
            ),
            Atom("unexplained", {"form": "all"}, "it takes one maximum for the whole batch"),
            Atom("unexplained", {"form": "smallest"}, "it takes the smallest probability"),
            Atom("unexplained", {"form": "values"}, "it returns the probabilities, not the classes"),
        )
    ),
)


def accuracy(values: Values, settings: Settings) -> Outputs:
    """Return the share of right predictions."""
    right = values["predicted"] == values["labels"]
    forms = {"count": right.sum, "errors": lambda: np.mean(~right), "percent": lambda: 100 * right.mean()}
    form = settings.get("form", "right")
    return {"out": np.asarray(forms[form]() if form in forms else right.mean())}


ACCURACY = Formula(
    accuracy,
    single(
        (
            Atom(
                "unexplained",
                {"form": "count"},
                "it returns the number of right predictions, not their share",
            ),
            Atom("unexplained", {"form": "errors"}, "it returns the share of wrong predictions"),
            Atom("unexplained", {"form": "percent"}, "it returns percent"),
        )
    ),
)
