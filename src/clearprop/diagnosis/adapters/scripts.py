"""A Python script that defines ``program``, ``x`` and ``y`` as a subject."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path

from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.program import Program
from clearprop.utils.errors import InvalidArgument


def read_script(path: Path) -> Subject:
    """Run a script and return what it defines; it is run as Python runs it, with all its effects.

    Parameters
    ----------
    path : pathlib.Path
        A file that defines ``program`` (a Program), ``x`` and ``y``, and may define ``validation``, a pair.

    Raises
    ------
    InvalidArgument
        If the script is not there, raises an error, or does not define the names.
    """
    if not path.is_file():
        raise InvalidArgument(f"There is no script {path}.")
    # modules beside the script are found, as they are when Python runs it
    sys.path.insert(0, str(path.resolve().parent))
    try:
        names = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        raise InvalidArgument(f"{path} {_failed(path, error)}; correct the script first.") from error
    finally:
        sys.path.pop(0)
    missing = [name for name in ("program", "x", "y") if name not in names]
    if missing:
        raise InvalidArgument(
            f"{path} does not define {' and '.join(missing)}; define program (a Program), x and y."
        )
    if not isinstance(names["program"], Program):
        raise InvalidArgument(
            f"program in {path} is of type {type(names['program']).__name__}, but must be a Program of "
            "clearprop.diagnosis."
        )
    return Subject(names["program"], names["x"], names["y"], names.get("validation"))


def _failed(path: Path, error: BaseException) -> str:
    """Return which error a script raised, and in which of its lines."""
    line = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).name == path.name and frame.lineno is not None:
            line = f" in line {frame.lineno}"
    if isinstance(error, SyntaxError) and error.lineno is not None:
        line = f" in line {error.lineno}"
    said = " ".join(str(error).split())[:200]
    return f"raises {type(error).__name__}{line}{f' ({said})' if said else ''}"
