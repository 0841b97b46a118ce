"""Figures of counts and shares: class balance, confusion matrix, accuracies with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike, NDArray

from clearprop.display.plots.style import (
    FONT_SIZE,
    GRID,
    INK,
    MUTED,
    PAPER,
    RIGHT,
    SERIES,
    SMALL,
    WIDTH,
    WRONG,
    Drawing,
    drawing,
    new_figure,
    shortened,
)

MOST_LETTERS = 44
#: With more classes the numbers in the cells would be too small to read.
MOST_NUMBERED_CLASSES = 20


def plot_class_counts(counts: Mapping[str, Sequence[int]], class_names: Sequence[str]) -> Drawing:
    """Draw the class balance of each part of the data.

    Parameters
    ----------
    counts : mapping of str to sequence of int (n_classes,)
        For each part of the data, such as "train" and "test", the rows of each class.
    class_names : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
        Shares in percent, so that parts of different size compare, with a line at the share of balanced
        classes.
    """
    positions = np.arange(len(class_names))
    width = 0.8 / len(counts)
    with drawing():
        figure = new_figure(2.8)
        axes = figure.add_subplot()
        for number, (part, values) in enumerate(counts.items()):
            shares = 100 * np.asarray(values) / sum(values)
            offset = (number - (len(counts) - 1) / 2) * width
            axes.bar(positions + offset, shares, 0.92 * width, color=SERIES[number], label=part)
        axes.axhline(100 / len(class_names), color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="even")
        axes.set_title("Share of each class, %")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=3, borderaxespad=0.0)
        axes.grid(visible=False, axis="x")
        _label_classes(axes, class_names, "x")
    return figure


def plot_confusion(confusion: ArrayLike, class_names: Sequence[str]) -> Drawing:
    """Draw a confusion matrix: rows are true classes, columns predictions.

    Parameters
    ----------
    confusion : array_like (n_classes, n_classes) of int
    class_names : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
        Each cell is shaded by its share of the row: blue where right, orange where wrong, and mistakes
        more strongly, since they are rarer.
    """
    matrix = np.asarray(confusion)
    n_classes = len(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    right = np.eye(n_classes, dtype=bool)
    strength = np.where(right, 0.85 * shares, np.sqrt(shares))
    with drawing():
        figure = new_figure(WIDTH * 0.94)
        axes = figure.add_subplot()
        if n_classes <= MOST_NUMBERED_CLASSES:
            _fill_cells(axes, strength, right)
            _write_counts(axes, matrix, strength)
        else:
            axes.imshow(_shades(strength, right), interpolation="none")
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        _label_classes(axes, class_names, "x")
        _label_classes(axes, class_names, "y")
    return figure


def _shades(strength: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return ``(n, n, 4)`` colours with the strength as opacity, so that they suit any background."""
    colors = np.where(right[..., np.newaxis], to_rgba(RIGHT), to_rgba(WRONG))
    colors[..., 3] = strength
    return colors


def _fill_cells(axes: Axes, strength: NDArray[np.float64], right: NDArray[np.bool_]) -> None:
    edges = np.arange(len(strength) + 1) - 0.5
    cells = axes.pcolormesh(edges, edges, strength, edgecolors=GRID, linewidth=0.5)
    cells.set_array(None)
    shades = _shades(strength, right).reshape(-1, 4).tolist()
    cells.set_facecolor([(red, green, blue, opacity) for red, green, blue, opacity in shades])
    axes.set_ylim(len(strength) - 0.5, -0.5)


def _write_counts(axes: Axes, matrix: NDArray[Any], strength: NDArray[np.float64]) -> None:
    size = min(SMALL, 200 / len(matrix) / max(2, len(str(matrix.max()))) * 1.6)
    for row, column in np.argwhere(matrix):
        axes.text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            fontsize=size,
            color=PAPER if strength[row, column] > 0.6 else INK,
        )


def _label_classes(axes: Axes, class_names: Sequence[str], which: str) -> None:
    """Write as many class names along an axis as fit."""
    step = -(-len(class_names) // 40)
    shown = [shortened(name) for name in class_names[::step]]
    upright = which == "y" or sum(len(name) + 1 for name in shown) <= 60
    size = SMALL if len(shown) <= 20 else 5.5
    positions = range(0, len(class_names), step)
    if which == "y":
        axes.set_yticks(positions, shown, fontsize=size)
    else:
        axes.set_xticks(positions, shown, fontsize=size)
        if not upright:
            for label in axes.get_xticklabels():
                label.set(rotation=45, ha="right", rotation_mode="anchor")


def plot_accuracies(
    accuracies: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float]] | None = None,
    published: Mapping[str, float] | None = None,
) -> Drawing:
    """Draw the accuracy of each experiment: a dot for each seed, a bar for the interval, a ring if published.

    Parameters
    ----------
    accuracies : mapping of str to sequence of float
        Name -> the accuracies of its seeds, at least one.
    intervals : mapping of str to (float, float), optional
        Name -> interval of the mean over seeds, for names with more than one seed.
    published : mapping of str to float, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    intervals, published = intervals or {}, published or {}
    with drawing():
        figure = new_figure(0.42 * len(accuracies) + 0.9)
        axes = figure.add_subplot()
        for number, (name, values) in enumerate(accuracies.items()):
            mean = float(np.mean(values))
            axes.plot([0, 1], [number, number], color=GRID, linewidth=0.8, zorder=1)
            if name in intervals:
                axes.plot(
                    np.clip(intervals[name], 0, 1),
                    [number, number],
                    color=RIGHT,
                    alpha=0.35,
                    linewidth=6,
                    zorder=2,
                )
            axes.scatter(values, [number] * len(values), s=22, color=RIGHT, zorder=3, linewidth=0)
            if name in published:
                axes.scatter(
                    published[name], number, s=60, facecolor="none", edgecolor=WRONG, linewidth=1.5, zorder=4
                )
            axes.text(
                0, number - 0.2, shortened(name, MOST_LETTERS), ha="left", va="bottom", fontsize=FONT_SIZE
            )
            axes.text(1.0, number - 0.2, f"{mean:.4f}", ha="right", va="bottom", fontsize=FONT_SIZE)
        axes.set_ylim(len(accuracies) - 0.5, -0.9)
        axes.set_xlim(-0.015, 1.015)
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel(_accuracy_key(bool(intervals), bool(published)))
    return figure


def _accuracy_key(intervals: bool, published: bool) -> str:
    words = ["test accuracy · dot: one seed"]
    words += ["bar: interval of the mean"] * intervals + ["ring: published"] * published
    return " · ".join(words)
