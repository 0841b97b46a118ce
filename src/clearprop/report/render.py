"""The templates of the report, filled in: one HTML page, and Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from clearprop.display.html import environment

TEMPLATES = Path(__file__).parent / "templates"
_LINE_ENDS = re.compile(r"[\r\n\t\v\f\u2028\u2029]+")
# characters with a meaning in Markdown
_SIGNS = re.compile(r"([\\`*_\[\]|#~!])")


def render_html(content: dict[str, Any]) -> str:
    """Return the report as one HTML page that needs no other file.

    Parameters
    ----------
    content : dict
        As ``page.gather`` returns it.
    """
    style = Markup((TEMPLATES / "report.css").read_text("utf-8"))  # our own file, not data
    return environment(TEMPLATES).get_template("report.html.jinja").render(content, style=style)


def render_markdown(content: dict[str, Any]) -> str:
    """Return the report as Markdown whose pictures are the files in ``figures``.

    Parameters
    ----------
    content : dict
        As ``page.gather`` returns it.
    """
    markdown = environment(TEMPLATES)
    markdown.finalize = _plain_in_markdown
    return markdown.get_template("report.md.jinja").render(content)


def _plain_in_markdown(value: Any) -> Any:
    """Return text escaped for Markdown: on one line, with every special character escaped."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        # Markdown first, HTML second: escape() must not see its own ampersands again
        return escape(_SIGNS.sub(r"\\\1", _LINE_ENDS.sub(" ", value)))
    return value
