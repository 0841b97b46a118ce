"""The templates of the report, filled in: one HTML page, and Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from clearprop.templating import environment

TEMPLATES = Path(__file__).parent / "templates"
# what Markdown would take for its own signs
_SIGNS = re.compile(r"([\\`*_\[\]|#~!])")


def render_html(content: dict[str, Any]) -> str:
    """Return the report as one HTML page that needs no other file.

    Parameters
    ----------
    content : dict
        As ``content.gather`` returns it.
    """
    style = Markup((TEMPLATES / "report.css").read_text("utf-8"))  # our own file, not data
    return environment(TEMPLATES).get_template("report.html.jinja").render(content, style=style)


def render_markdown(content: dict[str, Any]) -> str:
    """Return the report as Markdown whose pictures are the files in ``figures``.

    Parameters
    ----------
    content : dict
        As ``content.gather`` returns it.
    """
    markdown = environment(TEMPLATES)
    markdown.finalize = _plain_in_markdown
    return markdown.get_template("report.md.jinja").render(content)


def _plain_in_markdown(value: Any) -> Any:
    """Return text as Markdown shows it unchanged: on one line, with no sign that means something."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return Markup(_SIGNS.sub(r"\\\1", str(escape(" ".join(value.split())))))
    return value
