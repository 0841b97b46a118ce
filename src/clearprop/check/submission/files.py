"""Files of submissions: found in folders, read with bounds, never followed through links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clearprop.utils.errors import InvalidArgument

MAX_FILE_BYTES = 20 << 20
MAX_DEPTH = 5
MAX_ENTRIES = 50_000
SUFFIXES = (".py", ".ipynb")
_LEFT_OUT = frozenset(("__pycache__", ".ipynb_checkpoints", ".git", "__MACOSX"))


@dataclass(frozen=True, slots=True)
class Found:
    """A file to check.

    Parameters
    ----------
    name : str
        For people: its path below the folder that was named.
    path : pathlib.Path
    problem : str
        Why it is not read; the end of the sentence "alice.py ...". Empty if it can be.
    """

    name: str
    path: Path
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SubmissionFile:
    """A submission's bytes.

    Parameters
    ----------
    name : str
    data : bytes
    notebook : bool
    """

    name: str
    data: bytes
    notebook: bool


def find(paths: Iterable[str | os.PathLike[str]]) -> list[Found]:
    """Return the submissions that paths name.

    Parameters
    ----------
    paths : iterable of path-like
        Python files and notebooks, and folders, whose Python files and notebooks are taken, with those in
        folders below, in the order of their names.

    Returns
    -------
    list of Found
        Each file once.

    Raises
    ------
    InvalidArgument
        If a path does not exist or is no Python file, notebook or folder, or a folder has none.
    """
    found: dict[Path, Found] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            below = [Found(os.path.relpath(file, path), file, problem) for file, problem in _walk(path, 0)]
            if not below:
                raise InvalidArgument(f"{path} has no Python file and no notebook; name a folder that has.")
        elif not path.exists():
            raise InvalidArgument(
                f"{path} does not exist; name a Python file, a notebook or a folder of them."
            )
        elif path.suffix.lower() not in SUFFIXES:
            raise InvalidArgument(f"{path} is no .py or .ipynb file; name a Python file or a notebook.")
        else:
            below = [Found(path.name, path)]
        for file in below:
            found.setdefault(file.path.absolute(), file)
    return list(found.values())


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Yield the submissions below a folder with their problems."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)[:MAX_ENTRIES]
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        named = path.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
        if entry.is_symlink():
            if named:
                yield path, "is a symbolic link, which is not followed"
        elif entry.is_dir(follow_symlinks=False):
            if entry.name not in _LEFT_OUT and depth < MAX_DEPTH:
                yield from _walk(path, depth + 1)
        elif named:
            yield path, "" if entry.is_file(follow_symlinks=False) else "is no regular file"


def read(found: Found, *, follow: bool = False) -> SubmissionFile | str:
    """Return a submission's bytes, or why it is not read.

    Parameters
    ----------
    found : Found
    follow : bool, default False
        Follow a symbolic link: one that was named itself, not found in a folder.

    Returns
    -------
    SubmissionFile or str
        A text is the end of the sentence "alice.py ...".
    """
    if found.problem:
        return found.problem
    try:
        # a pipe must not block, and a link that came after the folder was listed must not be followed
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        descriptor = os.open(found.path, flags)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return "is no regular file"
        if status.st_size > MAX_FILE_BYTES:
            size = status.st_size / (1 << 20)
            return f"has {size:.0f} MB, and more than {MAX_FILE_BYTES >> 20} MB is not read"
        try:
            data = file.read(MAX_FILE_BYTES + 1)[:MAX_FILE_BYTES]
        except OSError as error:
            return f"cannot be read: {error.strerror}"
    return SubmissionFile(found.name, data, found.path.suffix.lower() == ".ipynb")
