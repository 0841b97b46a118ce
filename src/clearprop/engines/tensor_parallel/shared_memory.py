"""Memory that several processes see: arrays by name, which vanish with the last process that holds them."""

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

#: For each array its type, its shape and where it starts; plain JSON values.
Layout = dict[str, tuple[str, list[int], int]]

# each array starts on a page of its own, so that no two are in one line of the cache
PAGE = 4096


def lay_out(arrays: Mapping[str, tuple[Any, Sequence[int]]]) -> tuple[Layout, int]:
    """Give every array a place.

    Parameters
    ----------
    arrays : mapping of str to (dtype, shape)

    Returns
    -------
    layout : Layout
    size : int
        How many bytes they take together.
    """
    layout: Layout = {}
    end = 0
    for name, (dtype, shape) in arrays.items():
        kind = np.dtype(dtype)
        layout[name] = (kind.str, list(shape), end)
        end += -(-max(kind.itemsize * int(np.prod(shape, dtype=np.int64)), 1) // PAGE) * PAGE
    return layout, end


class SharedMemory(Mapping[str, NDArray[Any]]):
    """Arrays in the memory behind a file descriptor, zero where nobody has written.

    Parameters
    ----------
    descriptor : int
        Of ``create``, or what a process was given of it; the memory has the size the layout needs.
    layout : Layout
    """

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._layout = layout
        # 0 is all there is
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
    """Return the descriptor of new memory; it has no name, so that nothing of it can be left behind.

    Raises
    ------
    OSError
        If the system gives none.
    """
    descriptor = os.memfd_create("clearprop")
    if descriptor > 2:
        return descriptor
    # one of the standard streams was closed; where its number is used again, so is this
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)
