"""Figures of the benchmark: bars with their range for each contestant, and time against size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from clearprop.bench.judging import Outcome, Result
from clearprop.bench.peers import CLEARPROP, FLOOR
from clearprop.bench.tables import duration
from clearprop.display.plots.style import (
    DASHES,
    FONT_SIZE,
    GRID,
    INK,
    MARKERS,
    MUTED,
    SERIES,
    SMALL,
    Drawing,
    drawing,
    new_figure,
)

DPI = 160
PANEL_WIDTH = 6.4
INCHES_A_BAR = 0.3
BARS_KEY = "bar: median · line: the runs, least to most · number: Clearprop's median over this one"


def bars_figure(results: Sequence[Result]) -> Drawing:
    """Draw workloads without a group: a bar for each contestant's median, a line for the range of its runs.

    Parameters
    ----------
    results : sequence of Result
        At least one; none belongs to a group.
    """
    with drawing():
        heights = [INCHES_A_BAR * len(_measured(result)) + 0.75 for result in results]
        figure = new_figure(sum(heights) + 0.25, width=PANEL_WIDTH)
        panels = figure.subplots(len(results), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, result in zip(panels, results, strict=True):
            _bars(axes, result)
        figure.supxlabel(BARS_KEY, fontsize=SMALL, color=MUTED)
    return figure


def growth_figure(groups: Sequence[Sequence[Result]]) -> Drawing:
    """Draw time against size on logarithmic axes, one panel for each group of workloads.

    Parameters
    ----------
    groups : sequence of sequence of Result
        At least one; the workloads of a group are named by numbers, ascending.
    """
    with drawing():
        rows = -(-len(groups) // 2)
        figure = new_figure(2.6 * rows + 0.3, width=PANEL_WIDTH + 0.6)
        panels = figure.subplots(rows, 2, squeeze=False).ravel()
        for axes, group in zip(panels, groups, strict=False):
            _growth(axes, group)
        for axes in panels[len(groups) :]:
            axes.set_visible(False)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


def grouped(results: Sequence[Result]) -> list[list[Result]]:
    """Return the results of each group whose workloads are numbers, which can be drawn as a line."""
    groups = [
        list(in_group) for name, in_group in groupby(results, lambda result: result.workload.group) if name
    ]
    return [group for group in groups if all(_number(result) for result in group)]


def _bars(axes: Axes, result: Result) -> None:
    outcomes = _measured(result)
    longest = max((max(outcome.seconds) for outcome in outcomes), default=1.0)
    for row, outcome in enumerate(outcomes):
        compared = not outcome.problem
        color = SERIES[0] if outcome.peer == CLEARPROP else MUTED
        axes.barh(
            row,
            outcome.median,
            height=0.62,
            color=color if compared and outcome.peer != FLOOR else "none",
            edgecolor=color,
            hatch="////" if outcome.peer == FLOOR else "xxxx" if not compared else None,
            linewidth=0.8,
            alpha=1.0 if outcome.peer == CLEARPROP else 0.75,
        )
        spread = [min(outcome.seconds), max(outcome.seconds)]
        axes.plot(spread, [row, row], color=INK, linewidth=1.4, marker="|")
        axes.text(
            max(outcome.seconds) + 0.015 * longest,
            row,
            duration(outcome.median) + _ratio_words(result, outcome),
            va="center",
            fontsize=SMALL,
        )
    axes.set_yticks(range(len(outcomes)), [outcome.title for outcome in outcomes])
    axes.set_ylim(len(outcomes) - 0.4, -0.6)
    axes.set_xlim(0, 1.33 * longest)
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.locator_params(axis="x", nbins=5)
    axes.grid(visible=False, axis="y")
    rows = f", {result.workload.rows:,} rows" if result.workload.kind in ("train", "instruments") else ""
    axes.set_title(f"{result.workload.title}{rows}", fontsize=FONT_SIZE)


def _ratio_words(result: Result, outcome: Outcome) -> str:
    if outcome.problem:
        return ", not compared"
    found = [each for each in result.comparisons if each.against == outcome.contestant]
    return f" · {found[0].ratio:.2f}" if found else ""


def _growth(axes: Axes, group: Sequence[Result]) -> None:
    names = list(dict.fromkeys(outcome.contestant for result in group for outcome in _measured(result)))
    for number, name in enumerate(names):
        points = [
            (_number(result), outcome)
            for result in group
            for outcome in _measured(result)
            if outcome.contestant == name
        ]
        floor = name == FLOOR
        axes.plot(
            [at for at, _ in points],
            [outcome.median for _, outcome in points],
            linestyle=":" if floor else DASHES[number % 3],
            color=MUTED if floor else SERIES[number % len(SERIES)],
            marker="" if floor else MARKERS[number % len(MARKERS)],
            label=points[0][1].title,
        )
        axes.fill_between(
            [at for at, _ in points],
            [min(outcome.seconds) for _, outcome in points],
            [max(outcome.seconds) for _, outcome in points],
            color=MUTED if floor else SERIES[number % len(SERIES)],
            alpha=0.18,
            linewidth=0,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(visible=True, which="both", color=GRID, linewidth=0.4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(group[0].workload.group)
    axes.set_title("Time of an epoch")


def _tick(seconds: float, position: int) -> str:
    """Return a tick's duration without trailing zeros."""
    number, _, unit = duration(seconds).partition(" ")
    return f"{float(number.replace(',', '')):g} {unit}" if seconds else "0"


def _measured(result: Result) -> list[Outcome]:
    return [outcome for outcome in result.outcomes if outcome.seconds]


def _number(result: Result) -> int:
    """Return a workload's position on its axis; 0 if its name is not a number."""
    text = result.workload.at.replace(",", "")
    return int(text) if text.isdigit() else 0
