"""Options that several verbs share, so that they mean the same everywhere."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="A folder that is looked at first for a data set's files; CLEARPROP_DATA sets it for good.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps (the last two with --engine torch).")]


def command_line() -> str:
    """Return the command that was typed, quoted so that it can be typed again."""
    return shlex.join(["clearprop", *sys.argv[1:]])


def resume_command(out: Path) -> str:
    """Return the command that goes on from where the one that was typed left off."""
    typed = [argument for argument in sys.argv[1:] if argument != "--resume"]
    named = any(argument.split("=")[0] == "--out" for argument in typed)
    return shlex.join(["clearprop", *typed, *([] if named else ["--out", str(out)]), "--resume"])
