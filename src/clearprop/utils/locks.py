"""A lock that one process at a time can hold, and that vanishes with its holder, however that one ends.

The operating system keeps it, so it is held by a process and not by a file: the file is where it hangs, and
tells others who holds it. One that a killed process left behind holds nobody up.
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

# what flock and locking say when another process has the lock, and what they say where there are no locks
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


@contextlib.contextmanager
def hold(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock that hangs on a file for as long as the block runs; the file is removed after it.

    Where the file system has no locks, a warning says so and the block runs without.

    Parameters
    ----------
    path : path-like
        A file in the folder that is to be had alone; the folder is made.

    Raises
    ------
    FolderInUse
        If another process holds it, or this one already does.
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
        _give_back(place, descriptor)


def _take(place: Path) -> int:
    """Return the descriptor that holds the lock."""
    place.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            # its last holder may have removed the file between opening and locking: then the lock is worth
            # nothing, since others would hang theirs on a new file
            if not _is_at(place, descriptor):
                os.close(descriptor)
                continue
            # not atomically, for this one file must stay the same file
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _signature())
        except OSError as error:
            if error.errno in TAKEN:
                os.close(descriptor)
                raise FolderInUse(
                    f"{place.parent} is in use by {_holder(place)}; wait until it ends, or choose another."
                ) from None
            if error.errno not in UNKNOWN:
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


def _give_back(place: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        # while the lock is held, so that nobody's lock hangs on a file that is gone; Windows removes no open
        # file, and there the next holder takes it over
        place.unlink()
    os.close(descriptor)


def _is_at(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place))
    except FileNotFoundError:
        return False


def _signature() -> bytes:
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": f"{since} UTC"}).encode()


def _holder(place: Path) -> str:
    """Return who holds a lock, in words."""
    for _ in range(5):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(place.read_bytes())
            return f"process {told['pid']} on {told['host']} since {told['since']}"
        # it was taken just now, and who took it is still writing
        time.sleep(0.02)
    return "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # on Windows a locked byte cannot be read, so it is one far behind the end
        os.lseek(descriptor, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
