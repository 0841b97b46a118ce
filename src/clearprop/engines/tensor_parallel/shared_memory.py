"""Named NumPy arrays in memory shared by several processes, which is freed when the last of them ends."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

if sys.platform != "win32":
    import fcntl

#: For each array its dtype, its shape and its offset in bytes; plain JSON values.
Layout = dict[str, tuple[str, list[int], int]]

# each array starts on a page of its own, so that no two share a cache line
PAGE_BYTES = 4096


def lay_out(arrays: Mapping[str, tuple[Any, Sequence[int]]]) -> tuple[Layout, int]:
    """Give every array an offset in memory.

    Parameters
    ----------
    arrays : mapping of str to (dtype, shape)

    Returns
    -------
    layout : Layout
    size : int
        Bytes of all of them together.
    """
    layout: Layout = {}
    end = 0
    for name, (dtype, shape) in arrays.items():
        kind = np.dtype(dtype)
        layout[name] = (kind.str, list(shape), end)
        end += -(-max(kind.itemsize * int(np.prod(shape, dtype=np.int64)), 1) // PAGE_BYTES) * PAGE_BYTES
    return layout, end


class SharedMemory(Mapping[str, NDArray[Any]]):
    """Arrays in the memory behind a file descriptor, initially zero.

    Parameters
    ----------
    descriptor : int
        From ``create``, or inherited from another process; the memory has the size the layout needs.
    layout : Layout
    """

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._layout = layout
        # 0 maps all of it
        self._memory = mmap.mmap(descriptor, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)

    def __getitem__(self, name: str) -> NDArray[Any]:
        kind, shape, start = self._layout[name]
        n = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self._memory, kind, n, start).reshape(shape)


def create() -> int:
    """Return the descriptor of new memory; it has no name, so it cannot be left behind.

    Raises
    ------
    OSError
        If the system has none.
    """
    descriptor = os.memfd_create("clearprop")
    if descriptor > 2:
        return descriptor
    # a standard stream was closed and this took its number, which other code may use as that stream
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)
