"""Atomic file writes: temporary name, fsync, rename. A reader never sees half a file."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from clearprop.utils.errors import OutputError

# errors of fsync on file systems that do not have it
_NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def write_atomic(
    path: str | os.PathLike[str],
    content: str | bytes,
    *,
    sync: bool = True,
    keep_as: str | os.PathLike[str] | None = None,
) -> Path:
    """Write a file under a temporary name in the same folder, flush it, then rename it.

    Parameters
    ----------
    path : path-like
        The file to write; missing folders are made.
    content : str or bytes
        Text is encoded as UTF-8; half a character, such as of a file name that is not UTF-8, is escaped.
    sync : bool, default True
        Wait until the disk has the data (fsync), if the file system allows it. Without it the file still
        survives the death of the process, but perhaps not a loss of power.
    keep_as : path-like or None
        A new name for an earlier file at ``path``; it exists under one of the two names at any moment.

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    OutputError
        If the folder is not writable or the disk is full; an earlier file is untouched.
    """
    target = Path(path)
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = _open_temporary(target)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                _sync(file.fileno())
        if keep_as is not None and target.exists():
            os.replace(target, keep_as)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(_sentence(target, error)) from error
    finally:
        # after a successful rename the temporary name is gone already
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return target


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write a value as JSON, atomically; NaN and infinity, unknown to JSON, raise ValueError."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # a path that is not UTF-8 is a path again when JSON's own escapes are read
        text = json.dumps(value, indent=1, allow_nan=False)
    return write_atomic(path, text + "\n")


def remove_leftovers(folder: str | os.PathLike[str], names: Collection[str]) -> None:
    """Remove the temporary files that ``write_atomic`` left in a process that was killed.

    No other process may be writing to the folder.
    """
    for name in names:
        for path in Path(folder).glob(f".{name}.{'?' * 8}"):
            with contextlib.suppress(OSError):
                path.unlink()


def make_folder(path: str | os.PathLike[str], of: Collection[str] = ()) -> Path:
    """Make a folder and check that files can be written in it, before hours of work depend on it.

    Parameters
    ----------
    path : path-like
    of : collection of str
        Expected file names: a folder that is not empty must have at least one of them, so that nothing is
        written into a folder of another purpose. Empty allows any folder.

    Raises
    ------
    OutputError
        If it is not a folder, holds other things, or cannot be made or written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = {entry.name for entry in folder.iterdir()}
        if of and present and present.isdisjoint(of):
            raise OutputError(
                f"{folder} holds other things, such as {min(present)}; choose a new or an empty folder."
            )
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(_sentence(folder, error)) from error
    return folder


def _open_temporary(target: Path) -> tuple[int, Path]:
    """Create a file beside the target, with the permissions that the umask leaves to any new file."""
    # mkstemp would make it private, and some file systems refuse to change the permissions afterwards
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    while True:
        temporary = target.parent / f".{target.name}.{os.urandom(4).hex()}"
        try:
            return os.open(temporary, flags, 0o666), temporary
        except FileExistsError:
            continue


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not isinstance(error, PermissionError) and error.errno not in _NO_FSYNC:
            raise


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "the disk is full; free some space and run the same command again"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "writing there is not permitted; choose another folder"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        remedy = "a file stands where a folder is needed; choose another folder"
    else:
        remedy = f"{error.strerror or error}; choose another place"
    return f"Cannot write {path}: {remedy}."
