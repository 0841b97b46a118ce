"""How networks, runs and evaluations look in a notebook: small pieces of HTML that need nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from clearprop.templating import environment

if TYPE_CHECKING:
    from clearprop.evaluation import Evaluation
    from clearprop.network import Network
    from clearprop.run import Run

TEMPLATES = Path(__file__).parent / "templates"
# a sparkline's box, in units of its own
SPARK_WIDTH, SPARK_HEIGHT = 160, 32


def network_html(network: Network) -> str:
    """Return a network as a table of its layers, with the parameters of each.

    Parameters
    ----------
    network : Network

    Returns
    -------
    str
        HTML that takes its colours from the page, without scripts.
    """
    activations = [*network.activations, network.output]
    layers = [
        {"inputs": fan_in, "units": fan_out, "activation": activation, "parameters": (fan_in + 1) * fan_out}
        for (fan_in, fan_out), activation in zip(pairwise(network.layer_sizes), activations, strict=True)
    ]
    return _filled("network.html.jinja", network=network, layers=layers)


def run_html(run: Run) -> str:
    """Return a training's outcome: its last epoch, and its losses as a small line.

    Parameters
    ----------
    run : Run

    Returns
    -------
    str
        HTML that takes its colours from the page, without scripts.
    """
    curves = {
        name: points(run.history.column(column))
        for name, column in (("train", "train_loss"), ("validation", "validation_loss"))
        if run.history.epochs[0][column] is not None
    }
    return _filled(
        "run.html.jinja",
        run=run,
        last=run.history.epochs[-1],
        curves=curves,
        box=(SPARK_WIDTH, SPARK_HEIGHT),
    )


def evaluation_html(evaluation: Evaluation) -> str:
    """Return an evaluation as its accuracy and a table of the classes.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
        HTML that takes its colours from the page, without scripts.
    """
    return _filled("evaluation.html.jinja", evaluation=evaluation, only=evaluation.only_prediction)


def progress_html(title: str, share: float, facts: Mapping[str, str]) -> str:
    """Return the progress of a training as a bar with a few facts.

    Parameters
    ----------
    title : str
    share : float
        How much is done, from 0 to 1.
    facts : mapping of str to str
        What is shown beside the bar, such as ``{"epoch": "3/15", "loss": "0.4211"}``.

    Returns
    -------
    str
        HTML that takes its colours from the page, without scripts.
    """
    return _filled("progress.html.jinja", title=title, share=min(max(share, 0.0), 1.0), facts=facts)


def points(values: Sequence[float]) -> str:
    """Return values as the points of an SVG polyline in the sparkline's box, the largest on top.

    Parameters
    ----------
    values : sequence of float
        At least one, none below zero.
    """
    top = max(values) or 1.0
    step = SPARK_WIDTH / max(len(values) - 1, 1)
    # a single value is drawn as a level line
    drawn = [*values, *values] if len(values) == 1 else values
    return " ".join(
        f"{number * step:.1f},{SPARK_HEIGHT - SPARK_HEIGHT * value / top:.1f}"
        for number, value in enumerate(drawn)
    )


def _filled(name: str, **values: Any) -> str:
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    return environment(TEMPLATES)
