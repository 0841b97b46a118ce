"""Folder lock between processes: an advisory lock of the operating system (flock) on a lock file.

The operating system releases the lock when its process ends, in whatever way, so a lock file left behind by a
killed process blocks nobody. The content of the file only names the holder for error messages.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from clearprop.utils.errors import ClearpropWarning, FolderInUse, OutputError

# errors of flock and locking if another process has the lock, and if the file system has no locks
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextlib.contextmanager
def hold(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock on a file during the block; the file is removed at its end.

    On a file system without locks, a warning is issued and the block runs without a lock.

    Parameters
    ----------
    path : path-like
        The lock file, in the folder to lock; the folder is made.

    Raises
    ------
    FolderInUse
        If another process, or this one, holds the lock already.
    OutputError
        If the file cannot be written.
    """
    place = Path(path)
    try:
        descriptor = _take(place)
    except OSError as error:
        raise OutputError(f"Cannot write {place} ({error.strerror}); choose another folder.") from error
    try:
        yield
    finally:
        _release(place, descriptor)


def _take(place: Path) -> int:
    """Take the lock and return the file descriptor that holds it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            # the previous holder may have removed the file between our open and our lock; then others would
            # lock a new file of that name, so ours is worth nothing
            if not _is_same_file(place, descriptor):
                os.close(descriptor)
                continue
            # not by write_atomic: a rename would replace the locked file
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _signature())
        except OSError as error:
            if error.errno in TAKEN:
                os.close(descriptor)
                raise FolderInUse(
                    f"{place.parent} is in use by {_holder(place)}; wait until it ends, or choose another."
                ) from None
            if error.errno not in UNSUPPORTED:
                os.close(descriptor)
                raise
            warnings.warn(
                f"{place.parent} is on a file system without locks ({error.strerror}), so take care that no "
                "second process uses it at the same time.",
                ClearpropWarning,
                stacklevel=4,
            )
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _release(place: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        # before the lock is released, so that nobody else can hold a lock on the removed file; Windows does
        # not remove an open file, and there the next holder uses it again
        place.unlink()
    os.close(descriptor)


def _is_same_file(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place))
    except FileNotFoundError:
        return False


def _signature() -> bytes:
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": f"{since} UTC"}).encode()


def _holder(place: Path) -> str:
    """Return a description of the process that holds a lock."""
    for _ in range(5):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            holder = json.loads(place.read_bytes())
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        # the holder has just taken the lock and is still writing
        time.sleep(0.02)
    return "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # on Windows a locked byte cannot be read, so the byte to lock is far behind the end
        os.lseek(descriptor, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
