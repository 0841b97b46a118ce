"""Training curves: losses by iteration and by epoch, of one run or of several runs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from clearprop.display.plots.style import (
    DASHES,
    MARKERS,
    SERIES,
    SMALL,
    Drawing,
    drawing,
    mark_points,
    new_figure,
    scale_losses,
    shortened,
)

if TYPE_CHECKING:
    from clearprop.training.history import History

#: The published study averages every 200 iterations; a short training gets smaller groups.
GROUPS = (200, 100, 50, 20, 10, 5, 2, 1)
FEWEST_POINTS = 25
MOST_LETTERS = 50


def readable_group(n_iterations: int) -> int:
    """Return the number of batch losses to average into one point.

    Parameters
    ----------
    n_iterations : int

    Returns
    -------
    int
        200, or the largest smaller round number that leaves at least 25 points.
    """
    return next((group for group in GROUPS if n_iterations >= group * FEWEST_POINTS), 1)


def plot_batch_losses(batch_losses: Sequence[float], group: int) -> Drawing:
    """Draw the training loss by iteration, averaged.

    Parameters
    ----------
    batch_losses : sequence of float (iterations,)
        At least one.
    group : int
        Iterations averaged into one point; the last point may have fewer.

    Returns
    -------
    matplotlib.figure.Figure
    """
    means = _group_means(batch_losses, group)
    iterations = [min((number + 1) * group, len(batch_losses)) for number in range(len(means))]
    with drawing():
        figure = new_figure(3.0)
        axes = figure.add_subplot()
        axes.plot(iterations, means, color=SERIES[0], marker=mark_points(len(means)))
        axes.set_title(
            "Training loss of each iteration" if group == 1 else f"Training loss, mean of {group} iterations"
        )
        axes.set_xlabel("iteration")
        axes.set_xlim(0, len(batch_losses) * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        scale_losses(axes, means)
    return figure


def plot_history(history: History) -> Drawing:
    """Draw the losses, and the validation accuracy if there is one, over the epochs.

    Parameters
    ----------
    history : History
        Of at least one epoch.

    Returns
    -------
    matplotlib.figure.Figure
    """
    accuracy = history.epochs[0]["validation_accuracy"] is not None
    with drawing():
        figure = new_figure(3.0)
        grid = figure.add_gridspec(2 if accuracy else 1, 1, height_ratios=[3, 2] if accuracy else [1])
        losses = figure.add_subplot(grid[0])
        _plot_losses(losses, history)
        last = losses
        if accuracy:
            last = figure.add_subplot(grid[1], sharex=losses)
            losses.tick_params(labelbottom=False)
            _plot_accuracy(last, history)
        _label_epochs(last, len(history.epochs))
    return figure


def _plot_losses(axes: Axes, history: History) -> None:
    epochs = history.column("epoch")
    shown = []
    for style, (part, name) in enumerate((("train", "train_loss"), ("validation", "validation_loss"))):
        values = history.column(name)
        if values[0] is not None:
            shown += values
            axes.plot(
                epochs,
                values,
                DASHES[style],
                color=SERIES[style],
                marker=mark_points(len(epochs)) and MARKERS[style],
                label=part,
            )
    axes.set_title("Loss")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, borderaxespad=0.0)
    scale_losses(axes, shown)


def _plot_accuracy(axes: Axes, history: History) -> None:
    epochs, values = history.column("epoch"), history.column("validation_accuracy")
    axes.plot(epochs, values, color=SERIES[2], marker=mark_points(len(epochs)))
    axes.annotate(
        f"{values[-1]:.3f}",
        (epochs[-1], values[-1]),
        xytext=(0, -6 if values[-1] > 0.5 else 6),
        textcoords="offset points",
        ha="right",
        va="top" if values[-1] > 0.5 else "bottom",
        fontsize=SMALL,
    )
    axes.set_title("Validation accuracy")
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.5, 1])


def _label_epochs(axes: Axes, n_epochs: int) -> None:
    axes.set_xlabel("epoch")
    axes.set_xlim(0.5 if n_epochs <= 30 else 0, n_epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def plot_loss_curves(histories: Mapping[str, Sequence[History]]) -> Drawing:
    """Draw the losses of several trainings in one figure, by epoch.

    Parameters
    ----------
    histories : mapping of str to sequence of History
        For each name the histories of its seeds, of at least one epoch each: the line is their mean, the
        band reaches from the lowest to the highest.

    Returns
    -------
    matplotlib.figure.Figure
    """
    parts = [("train_loss", "Training loss")]
    if any(_values(seeds, "validation_loss") is not None for seeds in histories.values()):
        parts.append(("validation_loss", "Validation loss"))
    with drawing():
        # room for the names below the panels, in one column so that the longest fits
        legend_height = 0.19 * len(histories) + 0.3
        figure = new_figure(2.3 * len(parts) + legend_height)
        grid = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (column, title) in zip(grid, parts, strict=True):
            shown: list[float] = []
            for number, seeds in enumerate(histories.values()):
                values = _values(seeds, column)
                if values is not None:
                    shown += values.ravel().tolist()
                    _plot_band(axes, number, values)
            axes.set_title(title)
            scale_losses(axes, shown)
        _label_epochs(grid[-1], max(len(seed.epochs) for seeds in histories.values() for seed in seeds))
        # the first panel has one line for each name, in this order
        lines = grid[0].get_lines()
        numbers = [str(number) for number in range(len(lines))]
        legend = figure.legend(lines, numbers, loc="outside lower left", ncols=1, handlelength=3.2)
        # set here, since matplotlib leaves out a label that starts with an underscore
        for text, name in zip(legend.get_texts(), histories, strict=True):
            text.set_text(shortened(name, MOST_LETTERS))
    return figure


def _values(seeds: Sequence[History], column: str) -> np.ndarray | None:
    """Return one row a seed, up to the epoch that all of them reached."""
    reached = min(len(seed.epochs) for seed in seeds)
    rows = [seed.column(column)[:reached] for seed in seeds]
    return None if rows[0][0] is None else np.array(rows, dtype=np.float64)


def _plot_band(axes: Axes, number: int, values: np.ndarray) -> None:
    color = SERIES[number % len(SERIES)]
    epochs = np.arange(1, values.shape[1] + 1)
    if len(values) > 1:
        axes.fill_between(
            epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0
        )
    axes.plot(
        epochs,
        values.mean(axis=0),
        DASHES[number % len(DASHES)],
        color=color,
        marker=MARKERS[number % len(MARKERS)],
        # a few markers are enough to tell lines apart
        markevery=max(1, len(epochs) // 8),
    )


def _group_means(values: Sequence[float], group: int) -> list[float]:
    """Return the mean of each ``group`` values in turn; a last, shorter group is averaged too."""
    return [float(np.mean(values[start : start + group])) for start in range(0, len(values), group)]
