"""HTML pages: one for a submission, and the overview of a class with which mistakes how often."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from clearprop.check.outputs.checked import (
    Checked,
    Hints,
    capitalized,
    mistakes_counted,
    number,
    shown_evidence,
    shown_sentence,
)
from clearprop.check.outputs.text import status_text
from clearprop.check.submission.notes import place
from clearprop.check.verdicts import Status
from clearprop.display.html import environment
from clearprop.display.text import printable
from clearprop.utils.files import write_atomic

TEMPLATES = Path(__file__).parent / "templates"
_STATUSES = (Status.RIGHT, Status.WRONG, Status.MISSING, Status.NOT_JUDGED)


def submission_page(checked: Checked, hints: Hints, overview: str = "") -> str:
    """Return the page of a submission.

    Parameters
    ----------
    checked : Checked
    hints : {"locate", "explain", "fix"}
    overview : str
        Address of the class's page; empty for none.

    Returns
    -------
    str
        A document of its own, without script, font or address of another host.
    """
    return (
        _pages()
        .get_template("submission.html.jinja")
        .render(_common(), checked=checked, hints=hints, overview=overview)
    )


def class_page(checked: Sequence[Checked], addresses: Sequence[str]) -> str:
    """Return the overview of a class.

    Parameters
    ----------
    checked : sequence of Checked
    addresses : sequence of str
        Of the submissions' pages, relative to this one.
    """
    names = list(dict.fromkeys(function.name for one in checked for function in one.functions))
    tallies = [(name, {status: _count(checked, name, status) for status in _STATUSES}) for name in names]
    return (
        _pages()
        .get_template("class.html.jinja")
        .render(
            _common(),
            rows=list(zip(checked, addresses, strict=True)),
            counted=mistakes_counted(checked),
            tallies=tallies,
            right=sum(one.passed for one in checked),
            unjudged=sum(bool(one.problem) for one in checked),
        )
    )


def write_pages(target: Path, checked: Sequence[Checked], hints: Hints, *, single: bool) -> None:
    """Write a submission's page, or a class's overview with a folder of pages beside it.

    Parameters
    ----------
    target : pathlib.Path
        ``class.html`` gets its pages in ``class-pages/``.
    checked : sequence of Checked
    hints : {"locate", "explain", "fix"}
    single : bool
        True writes the one page only.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    if single:
        write_atomic(target, submission_page(checked[0], hints))
        return
    folder = target.with_name(f"{target.stem}-pages")
    addresses = []
    for one in checked:
        name = _page_name(one.name)
        write_atomic(folder / name, submission_page(one, hints, f"../{target.name}"), sync=False)
        addresses.append(f"{folder.name}/{name}")
    write_atomic(target, class_page(checked, addresses))


def _page_name(name: str) -> str:
    """Return a file name of plain characters that no other submission's name has."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:60]
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain or 'submission'}-{digest}.html"


def _count(checked: Sequence[Checked], name: str, status: Status) -> int:
    return sum(
        function.name == name and function.status is status for one in checked for function in one.functions
    )


def _common() -> dict[str, Any]:
    return {
        # our own file, not a submission's text
        "style": Markup((TEMPLATES / "check.css").read_text(encoding="utf-8")),
        "number": number,
        "place": place,
        "printable": printable,
        "sentence_of": lambda mistake, hints: capitalized(shown_sentence(mistake, hints)),
        "evidence_of": shown_evidence,
        "status_of": status_text,
        "slug": lambda status: str(status).replace(" ", "-"),
    }


@cache
def _pages() -> Environment:
    return environment(TEMPLATES)
