"""A matplotlib figure as inline SVG with the page's font and colours."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup

from clearprop.display.plots.style import GRID, INK, MUTED, PAPER, SERIES, Drawing, drawing

#: The colours of a figure, and their variables in the style sheet.
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    PAPER: "--paper",
    **{color: f"--series-{number}" for number, color in enumerate(SERIES, start=1)},
}
_NAMESPACE = re.compile(r"^\{[^}]*\}")
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_COLOR = re.compile("|".join(VARIABLES), re.IGNORECASE)
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")


def inline_svg(figure: Drawing, name: str, title: str) -> Markup:
    """Return a figure as an ``<svg>`` element.

    Colours become CSS variables and text takes the page's font, so the figure follows the page's dark theme
    and its print style. The same figure gives the same characters.

    Parameters
    ----------
    figure : Drawing
    name : str
        Begins every id, so that two figures on a page share none.
    title : str
        The alternative text.

    Returns
    -------
    markupsafe.Markup
    """
    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with drawing(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(file.getvalue())
    _tidy(root)
    referred = {
        match
        for element in root.iter()
        for value in element.attrib.values()
        for match in [*_REFERENCE.findall(value), value.removeprefix("#") if value.startswith("#") else ""]
    }
    for element in root.iter():
        element.attrib = _attributes(element, name, referred)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    described = ElementTree.Element("title", id=f"{name}-title")
    described.text = title
    root.insert(0, described)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title", "class": "chart"}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # serialized from a tree, so it is escaped


def _tidy(element: ElementTree.Element) -> None:
    """Remove namespaces, which a page does not need, and elements that draw nothing."""
    element.tag = _NAMESPACE.sub("", element.tag)
    element.tail = None
    if element.tag != "text":
        element.text = None
    for child in list(element):
        _tidy(child)
        if child.tag in ("metadata", "style") or (child.tag in ("g", "defs") and not len(child)):
            element.remove(child)


def _attributes(element: ElementTree.Element, name: str, referred: set[str]) -> dict[str, str]:
    kept = {}
    for attribute, value in element.attrib.items():
        key = _NAMESPACE.sub("", attribute)
        if key == "id":
            # only elements that are referred to need an id
            if value in referred:
                kept["id"] = f"{name}-{value}"
        elif key == "href" and value.startswith("#"):
            kept["href"] = f"#{name}-{value[1:]}"
        else:
            value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
            value = _FONT_FAMILY.sub("", value)
            if key in ("d", "x", "y", "transform"):
                # a hundredth of a point cannot be seen, and halves the file
                value = _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", value)
            kept[key] = _COLOR.sub(lambda match: f"var({VARIABLES[match[0].lower()]})", value)
    return kept
