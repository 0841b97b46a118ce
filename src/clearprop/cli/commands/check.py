"""clearprop check: which functions of a submission are wrong, and which mistakes they have."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearprop.cli.options import Quiet, terminal_columns
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    from clearprop.check.outputs.checked import Checked, Hints

MISTAKES_FOUND = 3
DEFECT = 1


def check(
    paths: Annotated[
        list[Path], typer.Argument(help="Python files, notebooks, or folders of them.", metavar="PATH...")
    ],
    template: Annotated[
        str | None,
        typer.Option(
            help="lesson, kaggle, nielsen, cs231n, coursera, or an assignment.toml; the names in the file "
            "decide if not given.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page; of a folder an overview, with a page for each.", show_default=False),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a table for a grade book.", show_default=False)
    ] = None,
    gradescope: Annotated[
        Path | None, typer.Option(help="Write Gradescope's results.json.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Submissions checked at the same time; one a core if not given.", show_default=False
        ),
    ] = None,
    hints: Annotated[str, typer.Option(help="How much is given away: locate, explain or fix.")] = "fix",
    trust: Annotated[
        bool, typer.Option("--trust", help="Run submissions also where the system does not contain them.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Say which functions of a submission are wrong, and which mistakes they have.

    Each submission runs in a process of its own, without your files and the network.
    Exit code 0: all right; 3: something is wrong or missing.

    Example: clearprop check homework.py
    """
    from clearprop.check.checking import check_all
    from clearprop.check.outputs.checked import HINTS
    from clearprop.check.submission.files import find
    from clearprop.utils.arguments import check_choice

    check_choice("--hints", hints, HINTS)
    if jobs is not None and jobs < 1:
        raise InvalidArgument(f"--jobs is {jobs}; it must be at least 1.")
    found = find(paths)
    for option, path in (("--html", html), ("--csv", csv), ("--gradescope", gradescope)):
        _check_target(option, path, [file.path for file in found])
    if gradescope is not None and len(found) != 1:
        raise InvalidArgument(
            f"--gradescope is for one submission, and here are {len(found)}; name one file."
        )
    single = len(found) == 1 and not any(path.is_dir() for path in paths)
    running = check_all(paths, template, jobs=jobs or os.cpu_count() or 1, trust=trust)
    checked = []
    width = max(len(file.name) for file in found)
    with_lines = not single and not as_json
    for one in _shown(running, len(found), quiet or single):
        checked.append(one)
        if with_lines:
            print(_class_line(one, min(width, 50)), flush=True)
    _write_files(checked, hints, html, csv, gradescope, single)  # type: ignore[arg-type]
    _print(checked, hints, as_json, single)  # type: ignore[arg-type]
    for one in checked:
        if one.defect:
            print(one.defect, file=sys.stderr)
    if any(one.defect for one in checked):
        raise typer.Exit(DEFECT)
    if not all(one.passed for one in checked):
        raise typer.Exit(MISTAKES_FOUND)


def _check_target(option: str, path: Path | None, sources: Iterable[Path]) -> None:
    """Raise InvalidArgument where a submission or a folder would be replaced."""
    if path is None:
        return
    if path.is_dir():
        raise InvalidArgument(f"{option} is {path}, which is a folder; name a file in it.")
    if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
        raise InvalidArgument(f"{option} is {path}, which is a submission; choose another file.")


def _class_line(checked: Checked, width: int) -> str:
    from clearprop.check.outputs.text import class_line

    return class_line(checked, width)


def _shown(running: Iterator[Checked], total: int, quiet: bool) -> Iterator[Checked]:
    """Yield what is checked, with a bar on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield from running
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    # lines for standard output pass above the bar only where both are the same terminal
    with Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=total)
        for one in running:
            bar.advance(task)
            yield one


def _write_files(
    checked: list[Checked],
    hints: Hints,
    html: Path | None,
    csv: Path | None,
    gradescope: Path | None,
    single: bool,
) -> None:
    from clearprop.check.outputs.machine import csv_text, gradescope_results
    from clearprop.check.outputs.pages import write_pages
    from clearprop.utils.files import write_atomic, write_json

    if html is not None:
        write_pages(html, checked, hints, single=single)
    if csv is not None:
        write_atomic(csv, csv_text(checked))
    if gradescope is not None:
        write_json(gradescope, gradescope_results(checked[0], hints))


def _print(checked: list[Checked], hints: Hints, as_json: bool, single: bool) -> None:
    from clearprop.check.outputs.machine import as_plain
    from clearprop.check.outputs.text import class_text, full_text

    if as_json:
        plain = [as_plain(one, hints) for one in checked]
        print(json.dumps(plain[0] if single else {"submissions": plain}, allow_nan=False))
    elif single:
        print(full_text(checked[0], hints, terminal_columns()))
    else:
        print(class_text(checked))
