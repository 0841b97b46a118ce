"""HTML from Jinja templates with autoescape: the only way HTML is made in Clearprop."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"
# width and height of a sparkline, in SVG user units
SPARK_BOX = (160, 32)


def environment(folder: Path) -> Environment:
    """Return an environment for the templates in a folder; a missing value is an error, never a blank.

    Parameters
    ----------
    folder : pathlib.Path
    """
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def card(name: str, **values: Any) -> str:
    """Return a self-contained piece of HTML for a notebook, without style sheet, script or font.

    Parameters
    ----------
    name : str
        A template of this package, such as ``"run"``.
    **values
        The template's variables.

    Returns
    -------
    str
        HTML with the colours of the surrounding page.
    """
    return _cards().get_template(f"{name}.html.jinja").render(values)


def spark_points(values: Sequence[float]) -> str:
    """Return values as the points of an SVG polyline in ``SPARK_BOX``, the largest on top.

    Parameters
    ----------
    values : sequence of float
        At least one, none below zero.
    """
    width, height = SPARK_BOX
    top = max(values) or 1.0
    step = width / max(len(values) - 1, 1)
    # a single value is drawn as a level line
    drawn = [*values, *values] if len(values) == 1 else values
    return " ".join(
        f"{number * step:.1f},{height - height * value / top:.1f}" for number, value in enumerate(drawn)
    )


@cache
def _cards() -> Environment:
    return environment(TEMPLATES)
