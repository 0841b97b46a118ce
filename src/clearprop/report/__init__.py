"""The report: results.json rendered as one HTML page and as Markdown; nothing is trained."""

from __future__ import annotations

import os
from pathlib import Path

from clearprop.study.results import read_results
from clearprop.utils.files import write_atomic

__all__ = ["write_report"]

HTML_FILE = "report.html"
MARKDOWN_FILE = "report.md"


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write a study's report from its results.

    Parameters
    ----------
    folder : path-like
        Holds ``results.json``, and ``runs`` with each run's parameters; gets ``report.html``, ``report.md``
        and ``figures``. The same results give the same bytes.

    Returns
    -------
    pathlib.Path
        Where ``report.html`` is.

    Raises
    ------
    StudyError
        If there are no results, or they are damaged.
    OutputError
        If a file cannot be written.
    """
    results = read_results(folder)
    # matplotlib is imported only now that something is drawn
    from clearprop.report.page import gather
    from clearprop.report.render import render_html, render_markdown

    content = gather(Path(folder), results)
    write_atomic(Path(folder) / MARKDOWN_FILE, render_markdown(content))
    return write_atomic(Path(folder) / HTML_FILE, render_html(content))
