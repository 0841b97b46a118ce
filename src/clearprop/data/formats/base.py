"""Opening a data file: what goes wrong becomes one sentence that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from numpy.typing import NDArray

from clearprop.utils.errors import DataError

# what is read at once from a file whose header may promise anything
CHUNK = 1 << 20
# deflate, the compression of gzip and zip, cannot do better than this
MOST_COMPRESSED = 1032


class Arrays(NamedTuple):
    """What a source holds: features and labels, and those of its own test set where it has one."""

    x: NDArray[Any]
    y: NDArray[Any]
    x_test: NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that must not be empty.

    Parameters
    ----------
    path : pathlib.Path

    Yields
    ------
    binary file

    Raises
    ------
    DataError
        If it is empty, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise DataError(f"{path} is empty.")
            yield file
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_exactly(stream: IO[bytes], size: int) -> bytearray:
    """Read a number of bytes, or fewer where the stream ends before.

    Memory grows with what is there, not with what was promised.

    Parameters
    ----------
    stream : binary file
    size : int

    Returns
    -------
    bytearray
        Of which an array can be a writable view, without a copy.
    """
    buffer = bytearray()
    while len(buffer) < size:
        chunk = stream.read(min(CHUNK, size - len(buffer)))
        if not chunk:
            break
        buffer += chunk
    return buffer
