"""Shared by the format readers: the arrays they return, and safe opening and reading of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from numpy.typing import NDArray

from clearprop.data.options import Note
from clearprop.utils.errors import DataError

# a header may promise any size, so memory grows chunk by chunk with the bytes that really come
CHUNK_BYTES = 1 << 20
# unpacked bytes per packed byte: the limit of deflate, the compression of gzip and zip
MAX_DEFLATE_RATIO = 1032


class Arrays(NamedTuple):
    """Features and labels of a source, and of its own test set if it has one."""

    x: NDArray[Any]
    y: NDArray[Any]
    x_test: NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None

    @property
    def notes(self) -> Sequence[Note]:
        """Sentences about how the source was read."""
        return ()


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, and report failures as a DataError that names it.

    Parameters
    ----------
    path : pathlib.Path

    Yields
    ------
    binary file

    Raises
    ------
    DataError
        If the file is empty, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise DataError(f"{path} is empty.")
            yield file
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_exactly(stream: IO[bytes], size: int) -> bytearray:
    """Read a number of bytes, or fewer if the stream ends earlier.

    Memory grows with the bytes that the stream really has, not with ``size``.

    Parameters
    ----------
    stream : binary file
    size : int

    Returns
    -------
    bytearray
        An array can be a writable view of it, without a copy.
    """
    buffer = bytearray()
    while len(buffer) < size:
        chunk = stream.read(min(CHUNK_BYTES, size - len(buffer)))
        if not chunk:
            break
        buffer += chunk
    return buffer
