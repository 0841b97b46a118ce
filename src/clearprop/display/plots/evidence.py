"""Evidence of what happened in a training: gradients, dead units and predictions, and a remedy's effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from clearprop.display.plots.style import (
    DASHES,
    MARKERS,
    SERIES,
    Drawing,
    drawing,
    mark_points,
    new_figure,
    shortened,
)

#: More classes than this are not named one by one.
MOST_NAMES = 12


def plot_evidence(
    epochs: Sequence[int],
    gradients: Sequence[Sequence[float]],
    silent: Sequence[Sequence[float]],
    predicted: Sequence[Sequence[int]],
    class_names: Sequence[str],
    *,
    silent_title: str = "Dead units (%)",
) -> Drawing:
    """Draw what the instruments saw over the epochs: three small charts under one another.

    Parameters
    ----------
    epochs : sequence of int (looks,)
        At least one.
    gradients : sequence (looks,) of sequence of float (layers,)
        The gradient size of every layer.
    silent : sequence (looks,) of sequence of float (hidden layers,)
        Shares of dead units, or of saturated outputs.
    predicted : sequence (looks,) of sequence of int (classes,)
        Predictions of each class.
    class_names : sequence of str
    silent_title : str
        The title of the second chart.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shares = np.asarray(predicted, float)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    with drawing():
        figure = new_figure(5.6)
        gradient, dead, classes = figure.subplots(3, 1, height_ratios=(1.1, 0.8, 1.2))
        for layer, sizes in enumerate(np.asarray(gradients, float).T):
            _layer_line(gradient, epochs, sizes, layer)
        gradient.set_title("Gradient size by layer")
        if np.min(gradients) > 0:
            gradient.set_yscale("log")
            gradient.yaxis.set_major_formatter("{x:g}")
            gradient.yaxis.set_minor_formatter(NullFormatter())
        gradient.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="layer", title_fontsize="small")
        for layer, values in enumerate(100 * np.asarray(silent, float).T):
            _layer_line(dead, epochs, values, layer)
        dead.set_title(silent_title)
        dead.set_ylim(-4, 104)
        for column, row in np.ndindex(shares.shape):
            # the shade is the share of the predictions
            shade = min(1.0, 0.05 + shares[column, row])
            classes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=SERIES[0], alpha=shade))
        classes.set_xlim(-0.5, len(epochs) - 0.5)
        classes.set_ylim(shares.shape[1] - 0.5, -0.5)
        classes.grid(visible=False)
        classes.set_title("Predictions by class: the stronger the colour, the more")
        classes.set_xlabel("epoch")
        step = max(1, -(-len(epochs) // 8))
        classes.set_xticks(range(0, len(epochs), step), [str(each) for each in epochs[::step]])
        if len(class_names) <= MOST_NAMES:
            classes.set_yticks(range(len(class_names)), [shortened(name, 10) for name in class_names])
        else:
            classes.set_ylabel("class")
            classes.yaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (gradient, dead):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def plot_changes(before: Sequence[float], after: Mapping[str, Sequence[float]]) -> Drawing:
    """Draw the skill of short trainings: as the experiment is, and with one change each.

    Parameters
    ----------
    before : sequence of float
        Skills at equal parts of the training.
    after : mapping of str to sequence of float
        Likewise, by the change.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with drawing():
        figure = new_figure(3.2)
        axes = figure.add_subplot()
        for number, (name, skills) in enumerate({"as it is": before, **after}.items()):
            done = [100 * (place + 1) / len(skills) for place in range(len(skills))]
            axes.plot(
                done,
                skills,
                color=SERIES[number % len(SERIES)],
                marker=MARKERS[number % len(MARKERS)],
                linestyle=DASHES[number % len(DASHES)],
                label=name,
            )
        axes.set_title("Skill on held-out rows: 0 is guessing, 1 is perfect")
        axes.set_xlabel("part of the short training (%)")
        axes.set_ylim(-0.15, 1.05)
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _layer_line(axes: Axes, epochs: Sequence[int], values: NDArray[np.float64], layer: int) -> None:
    axes.plot(
        epochs,
        values,
        color=SERIES[layer % len(SERIES)],
        linestyle=DASHES[layer % len(DASHES)],
        marker=mark_points(len(epochs)),
        label=str(layer + 1),
    )
