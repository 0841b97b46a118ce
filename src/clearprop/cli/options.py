"""Options of several verbs, declared once so that they mean the same, and the terminal's width."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from clearprop.display.text import printable, valid_unicode
from clearprop.utils.errors import InvalidArgument

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="A folder that is looked at first for a data set's files; CLEARPROP_DATA sets it for good.",
        show_default=False,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        help="The column of a table that holds the labels: its name, or its number from 1 on; if not given, "
        "label, class, target or y, else the first.",
        show_default=False,
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(
        help="Of a table with missing cells: fill in the mean of the training rows (mean), drop the row "
        "(drop), or refuse the file (refuse, if not given).",
        show_default=False,
    ),
]
KeepIndex = Annotated[
    bool, typer.Option("--keep-index", help="Keep columns of a table that count or name its rows.")
]
SkipDamaged = Annotated[
    bool,
    typer.Option("--skip-damaged", help="Leave damaged images of a folder out, and name them."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps (the last two with --engine torch).")]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


def check_free(option: str, path: Path | None, overwrite: bool, source: Path) -> None:
    """Raise InvalidArgument where a file would be replaced that was not to be, or that is read from."""
    if path is None:
        return
    if path.is_dir():
        raise InvalidArgument(f"{option} is {path}, which is a folder; name a file in it.")
    if path.exists():
        if source.exists() and path.samefile(source):
            raise InvalidArgument(f"{option} is {path}, which is read from; choose another file.")
        if not overwrite:
            raise InvalidArgument(f"{path} is there already; choose another {option}, or add --overwrite.")


def print_notes(notes: Sequence[str]) -> None:
    """Print on standard error how data was read."""
    for note in notes:
        print(printable(note), file=sys.stderr)


def command_line() -> str:
    """Return the command that was typed, quoted so that it can be typed again."""
    return valid_unicode(shlex.join(["clearprop", *sys.argv[1:]]))


def resume_command(out: Path) -> str:
    """Return the command that goes on from where the one that was typed left off."""
    typed = [argument for argument in sys.argv[1:] if argument != "--resume"]
    named = any(argument.split("=")[0] == "--out" for argument in typed)
    return shlex.join(["clearprop", *typed, *([] if named else ["--out", str(out)]), "--resume"])


def terminal_columns() -> int | None:
    """Return how wide the terminal of standard output is; None for a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
