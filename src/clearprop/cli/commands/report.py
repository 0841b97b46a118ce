"""clearprop report: render a study's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="The folder that clearprop study wrote.", metavar="DIR")],
) -> None:
    """Render report.html, report.md and the figures again from a study's results.

    Example: clearprop report results/activations-digits
    """
    from clearprop.report import write_report

    print(write_report(folder))
