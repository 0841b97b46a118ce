"""Softmax and the cross-entropy, right and mistaken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clearprop.check.formulas.base import Array, Atom, Formula, Outputs, Settings, Values, single


def _shift(z: Array, shift: str) -> Array | float:
    """Return the largest number of each row, each column or of all, which is subtracted first."""
    if shift == "classes":
        return z.max(axis=1, keepdims=True)
    return z.max(axis=0, keepdims=True) if shift == "batch" else np.max(z)


def softmax(z: Array, axis: str = "classes", form: str = "exp", shift: str = "") -> Array:
    """Softmax over the classes of each row, or a mistaken relative of it.

    Parameters
    ----------
    z : ndarray (n, classes)
    axis : {"classes", "batch", "all", "misaligned"}
        What the exponentials are summed over; "misaligned" divides column j by the sum of row j.
    shift : {"", "classes", "batch", "all"}
        What the subtracted maximum is taken over; it cancels only if it is that of the sum.
    form : {"exp", "negative", "power of 2", "not normalized", "no exp", "log", "twice", "square"}
    """
    if form == "twice":
        return softmax(softmax(z, axis), axis)
    sign = -1 if form == "negative" else np.log(2) if form == "power of 2" else 1
    powers = (
        z
        if form == "no exp"
        else z**2
        if form == "square"
        else np.exp(sign * z - _shift(sign * z, shift or ("classes" if axis == "classes" else "all")))
    )
    if form == "not normalized":
        return np.exp(z)
    if form == "not normalized, shifted":
        return np.exp(z - z.max(axis=1, keepdims=True))
    total = {
        "classes": lambda: powers.sum(axis=1, keepdims=True),
        "batch": lambda: powers.sum(axis=0, keepdims=True),
        "all": lambda: powers.sum(),
        "misaligned": lambda: powers.sum(axis=1),
        "misaligned batch": lambda: powers.sum(axis=0)[:, None],
    }[axis]()
    return np.log(powers / total) if form == "log" else powers / total


def softmax_settings(settings: Settings) -> dict[str, str]:
    """Return the settings that belong to the softmax."""
    return {key: settings[key] for key in ("axis", "form", "shift") if key in settings}


def _softmax_outputs(values: Values, settings: Settings) -> Outputs:
    with np.errstate(all="ignore"):
        return {"out": softmax(values["x"], **softmax_settings(settings))}


_AXES = {
    "batch": ("softmax_wrong_axis", "it sums over the batch instead of over the classes"),
    "all": ("softmax_normalized_over_whole_batch", "it divides by one sum for the whole batch"),
    "misaligned": (
        "softmax_wrong_axis",
        "the sums are not kept as a column (keepdims=True), so that column j is divided by the sum of row j",
    ),
    "misaligned batch": (
        "softmax_wrong_axis",
        "the sums are not kept as a row (keepdims=True), so that sample i is divided by the sum of class i",
    ),
}
SOFTMAX_ATOMS = (
    *(
        Atom(identity, {"axis": axis, "shift": shift}, text)
        for axis, (identity, text) in _AXES.items()
        for shift in ("all", "classes", "batch")
    ),
    Atom("softmax_wrong", {"form": "not normalized"}, "the exponentials are not divided by their sum"),
    Atom(
        "softmax_wrong",
        {"form": "not normalized, shifted"},
        "the exponentials are not divided by their sum",
    ),
    Atom("softmax_wrong", {"form": "negative"}, "it takes exp(-x) instead of exp(x)"),
    Atom("softmax_wrong", {"form": "no exp"}, "the exponential is missing"),
    Atom("softmax_wrong", {"form": "log"}, "it returns the logarithm of the probabilities"),
    Atom("softmax_wrong", {"form": "power of 2"}, "it takes powers of 2 instead of e"),
    Atom("softmax_wrong", {"form": "twice"}, "softmax is applied twice"),
    Atom("softmax_wrong", {"form": "square"}, "it takes squares instead of exponentials"),
)

SOFTMAX = Formula(_softmax_outputs, single(SOFTMAX_ATOMS), otherwise="softmax_wrong")


def cross_entropy(p: Array, truth: Array, settings: Settings) -> Array:
    """Return -1/n Σ t ln p, or for two classes -1/n Σ t ln p + (1 - t) ln(1 - p), or a mistaken relative."""
    n, classes = p.shape
    logs: dict[str, Callable[[Array], Array]] = {
        "e": np.log,
        "2": np.log2,
        "10": np.log10,
        "1p": np.log1p,
        "none": lambda v: v,
    }
    log = logs[settings.get("log", "e")]
    terms = settings.get("terms", "right")
    binary = settings.get("binary", False)
    if terms == "log of sum":
        total = n * log(np.sum(truth * p))
    elif terms == "all":
        total = np.sum(log(p))
    elif terms == "wrong classes":
        total = np.sum((1 - truth) * log(p))
    elif terms == "positive":
        total = np.sum(truth * log(p))
    elif terms == "negative":
        total = np.sum((1 - truth) * log(1 - p))
    elif terms == "difference":
        total = np.sum(truth * log(p)) - np.sum((1 - truth) * log(1 - p))
    elif binary:
        one = logs.get(settings.get("first log", ""), log)(p)
        other = logs.get(settings.get("second log", ""), log)(1 - p)
        total = np.sum(truth * one + (1 - truth) * other)
    elif terms == "two classes":
        total = np.sum(truth * log(p) + (1 - truth) * log(1 - p))
    else:
        total = np.sum(truth * log(p))
    divisor = {
        "n": n,
        "sum": 1,
        "entries": n * classes,
        "classes": classes,
        "twice": n * n,
        "half": 2 * n,
        "multiplied": 1 / n,
    }[settings.get("average", "n")]
    return np.asarray(settings.get("sign", -1) * settings.get("factor", 1) * total / divisor)


def _loss_outputs(values: Values, settings: Settings) -> Outputs:
    with np.errstate(all="ignore"):
        return {"loss": cross_entropy(values["p"], values["truth"], settings)}


LOSS_ATOMS = (
    Atom("cross_entropy_not_averaged", {"average": "sum"}, "it is the sum over the batch"),
    Atom(
        "cross_entropy_averaged_over_classes",
        {"average": "entries"},
        "it is the mean of all n · classes terms",
    ),
    Atom(
        "cross_entropy_averaged_over_classes",
        {"average": "classes"},
        "the sum is divided by the number of classes, not of rows",
    ),
    Atom("cross_entropy_not_averaged", {"average": "twice"}, "it is divided by n twice"),
    Atom("cross_entropy_not_averaged", {"average": "half"}, "it is divided by 2 n instead of n"),
    Atom("cross_entropy_not_averaged", {"average": "multiplied"}, "it is multiplied by n instead of divided"),
    Atom("cross_entropy_sign", {"sign": 1}, "the minus sign is missing"),
    Atom("cross_entropy_wrong_log", {"log": "2"}, "it takes log2"),
    Atom("cross_entropy_wrong_log", {"log": "10"}, "it takes log10"),
    Atom("cross_entropy_wrong_log", {"log": "1p"}, "it takes log(1 + p)"),
    Atom("cross_entropy_wrong_log", {"log": "none"}, "the logarithm is missing"),
    Atom("cross_entropy_wrong_log", {"terms": "log of sum"}, "the logarithm is taken of the sum"),
    *(
        Atom("cross_entropy_not_averaged", {"factor": factor}, f"it is {factor:g} times the mean")
        for factor in (2.0, 0.5, 3.0)
    ),
)
MULTICLASS_ATOMS = (
    *LOSS_ATOMS,
    Atom("unexplained", {"terms": "all"}, "it sums ln p over all classes instead of the true one"),
    Atom("unexplained", {"terms": "wrong classes"}, "it sums ln p over the wrong classes, (1 - t) ln p"),
    Atom(
        "unexplained", {"terms": "two classes"}, "it is the formula for two classes, with (1 - t) ln(1 - p)"
    ),
)
BINARY_ATOMS = (
    *LOSS_ATOMS,
    Atom("unexplained", {"terms": "positive"}, "the term (1 - t) ln(1 - p) is missing"),
    Atom("unexplained", {"terms": "negative"}, "the term t ln p is missing"),
    *(
        Atom("cross_entropy_wrong_log", {f"{term} log": base}, f"the {term} term takes log{base}")
        for term in ("first", "second")
        for base in ("2", "10")
    ),
    Atom("cross_entropy_sign", {"terms": "difference"}, "the two terms have different signs"),
    Atom("cross_entropy_sign", {"terms": "difference", "sign": 1}, "the two terms have different signs"),
)

CROSS_ENTROPY = Formula(_loss_outputs, single(MULTICLASS_ATOMS))
BINARY_CROSS_ENTROPY = Formula(
    lambda values, settings: _loss_outputs(values, {"binary": True, **settings}), single(BINARY_ATOMS)
)
