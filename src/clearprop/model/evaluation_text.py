"""An evaluation as plain text: the report of the classes, and the confusion matrix."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clearprop.display.text import folded, printable, table_lines

# a space at which no line is broken
UNBROKEN = "\N{NO-BREAK SPACE}"


def report_text(
    dataset_name: str,
    accuracy: float,
    n_rows: int,
    report: Mapping[str, Mapping[str, float]],
    only_prediction: str | None,
    width: int | None,
) -> str:
    """Return accuracy and the figures of each class.

    Parameters
    ----------
    dataset_name : str
    accuracy : float
        From 0 to 1.
    n_rows : int
    report : mapping of str to mapping
        For each class and each mean: precision, recall, f1 and support.
    only_prediction : str or None
        The class every row is predicted as, if it is only one.
    width : int or None
        Columns of the terminal; None is no limit.
    """
    rows: list[tuple[str, str] | None] = [("", "precision  recall     f1  support")]
    for name, figures in report.items():
        if name == "macro avg":
            rows.append(None)
        shares = f"{figures['precision']:9.2f}  {figures['recall']:6.2f}  {figures['f1']:5.2f}"
        rows.append((printable(name), f"{shares}  {figures['support']:7,.0f}"))
    name = printable(dataset_name)
    lines = [
        *folded(f"{name}: accuracy {accuracy:.4f} on {n_rows:,} rows", width),
        "",
        *table_lines(rows, width),
    ]
    if only_prediction is not None:
        sentence = (
            f"Every row is predicted as {printable(only_prediction)}: the network has collapsed to one class."
        )
        lines += ["", *folded(sentence, width)]
    return "\n".join(lines)


def confusion_text(confusion: NDArray[np.int64], class_names: Sequence[str], width: int) -> str:
    """Return the confusion matrix, or a line for each true class where there is no room for it.

    Parameters
    ----------
    confusion : ndarray (n_classes, n_classes) of int64
        Rows are true classes, columns predictions.
    class_names : sequence of str
    width : int
        Columns of the terminal.
    """
    names = [printable(name) for name in class_names]
    columns = [
        [name, *(str(count) if count else "." for count in counts)]
        for name, counts in zip(names, confusion.T.tolist(), strict=True)
    ]
    table = [["", *names], *columns]
    widths = [max(map(len, column)) for column in table]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return _confusion_lines(confusion, names, width)
    lines = [
        "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True))
        for row in zip(*table, strict=True)
    ]
    return "\n".join([*folded("Confusion matrix (rows: true class, columns: prediction)", width), *lines])


def _confusion_lines(confusion: NDArray[np.int64], names: Sequence[str], width: int) -> str:
    lines = folded("Confusion matrix (true class: rows right, then what the others were taken for)", width)
    digits = len(str(confusion.sum(axis=1).max()))
    # the text before the other classes has one length, unless they would get less than half the width
    before = max(map(len, names)) + len(": ") + 2 * digits + len(" of   ")
    aligned = before <= width // 2
    indent = " " * (before if aligned else 4)
    for label, (name, counts) in enumerate(zip(names, confusion.tolist(), strict=True)):
        others = sorted(set(range(len(names))) - {label}, key=lambda other: (-counts[other], other))
        start = f"{name}: {counts[label]:>{digits}} of {sum(counts):>{digits}}  "
        taken = ", ".join(
            f"{names[other]} {counts[other]}".replace(" ", UNBROKEN) for other in others if counts[other]
        )
        wrapped = textwrap.wrap(
            f"{start:>{before if aligned else 0}}{taken}",
            width,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        lines += [line.replace(UNBROKEN, " ") for line in wrapped]
    return "\n".join(lines)
