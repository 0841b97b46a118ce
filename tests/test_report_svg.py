"""Inline SVG figures: the page's colours, unique ids, and text that stays text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
from report_fixtures import DIGITS, confusion, history

from clearprop.display import plots
from clearprop.display.plots.style import Drawing
from clearprop.report.figures.svg import inline_svg
from clearprop.training.history import History


def some_figure() -> Drawing:
    return plots.plot_history(History(**history(4, accuracies=[0.2, 0.4, 0.6, 0.8])))


def test_colours_are_css_variables() -> None:
    svg = inline_svg(some_figure(), "losses", "Losses")
    assert not re.findall(r"#[0-9a-fA-F]{6}", svg)
    assert {"--ink", "--muted", "--line", "--series-1", "--series-2", "--series-3"} <= set(
        re.findall(r"var\((--[\w-]+)\)", svg)
    )


def test_text_stays_text_in_the_page_font() -> None:
    svg = inline_svg(some_figure(), "losses", "Losses")
    assert {"Validation accuracy", "epoch", "0.800"} <= {
        text.text for text in ElementTree.fromstring(svg).iter("text")
    }
    assert "font-family" not in svg


def test_ids_begin_with_the_name_and_references_resolve() -> None:
    root = ElementTree.fromstring(inline_svg(some_figure(), "losses", "Losses"))
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    assert all(name.startswith("losses-") for name in ids)
    values = [value for element in root.iter() for value in element.attrib.values()]
    referred = {
        name
        for value in values
        for name in re.findall(r"^#(.*)|url\(#(.*?)\)", value)
        for name in name
        if name
    }
    assert referred
    assert referred <= set(ids)


def test_svg_has_no_external_links() -> None:
    many = plots.plot_confusion(np.eye(30, dtype=int), [str(number) for number in range(30)])
    for figure in (some_figure(), many):
        assert "http" not in inline_svg(figure, "figure", "A figure")


def test_title_and_names_are_escaped() -> None:
    hostile = "</svg><script>"
    figure = plots.plot_confusion(confusion(0.9, 2), [hostile[:12], "b"])
    svg = inline_svg(figure, "confusion", hostile)
    assert hostile not in svg
    root = ElementTree.fromstring(svg)
    assert root.find("title").text == hostile
    assert hostile[:12] in {text.text for text in root.iter("text")}


def test_same_figure_gives_the_same_svg() -> None:
    one, other = (inline_svg(plots.plot_confusion(confusion(0.8), DIGITS), "c", "C") for _ in range(2))
    assert one == other
