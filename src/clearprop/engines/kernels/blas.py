"""What NumPy's matrix product cannot do: scale what it gives, and add it to what its output already holds.

With it a plain gradient step, w ← β w - η hᵀ d, needs no array for the gradient. Of two BLAS libraries in one
process each slows the other down, so this calls the very library NumPy itself uses, where it is within reach
(the OpenBLAS of the wheels on PyPI). Elsewhere the engine takes the plain way.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import threading
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

ORIGIN = (0, 0, 0)

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112
_KINDS: dict[str, tuple[str, Any]] = {"float32": ("s", ctypes.c_float), "float64": ("d", ctypes.c_double)}


class AddProduct(Protocol):
    """A product of arrays that were named before, added to another one."""

    def __call__(
        self, rows: int, inner: int, scale: float, keep: float, start: tuple[int, int, int] = ORIGIN
    ) -> None:
        """Do output ← keep · output + scale · left @ right with a part of each.

        Parameters
        ----------
        rows : int
            How many rows of output and left.
        inner : int
            How many columns of left and rows of right it sums over.
        scale, keep : float
        start : (int, int, int)
            First row of output and left, first column of left and row of right, and first column of output
            and right, whose columns run to the end.
        """


#: ``prepare(output, left, right)`` makes that of arrays that its caller keeps, and where they are. All are
#: of one type; the output lies row after row, the others so or column after column.
PrepareProduct = Callable[[FloatArray, FloatArray, FloatArray], AddProduct]


@cache
def add_product(dtype: str) -> PrepareProduct | None:
    """Return what adds products of "float32" or "float64"; None for other types, and without that BLAS."""
    letter, scalar = _KINDS.get(dtype, ("", None))
    gemm = _function(f"cblas_{letter}gemm64_") if letter else None
    if gemm is None:
        return None
    whole, pointer, flag = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    gemm.argtypes = [
        *(flag, flag, flag, whole, whole, whole),
        *(scalar, pointer, whole, pointer, whole, scalar, pointer, whole),
    ]
    gemm.restype = None

    def prepare(output: FloatArray, left: FloatArray, right: FloatArray) -> AddProduct:
        # numbers, not arrays, which would live on with this
        columns = right.shape[1]
        left_kind, left_at, left_apart = _operand(left)
        right_kind, right_at, right_apart = _operand(right)
        output_at, output_apart = output.ctypes.data, output.strides[0] // output.itemsize
        output_row, output_column = output.strides
        (left_row, left_column), (right_row, right_column) = left.strides, right.strides

        def add(
            rows: int, inner: int, scale: float, keep: float, start: tuple[int, int, int] = ORIGIN
        ) -> None:
            row, summed, column = start
            gemm(
                *(_ROW_MAJOR, left_kind, right_kind, rows, columns - column, inner, scale),
                *(left_at + row * left_row + summed * left_column, left_apart),
                *(right_at + summed * right_row + column * right_column, right_apart, keep),
                *(output_at + row * output_row + column * output_column, output_apart),
            )

        return add

    return prepare if _is_right(prepare, dtype) else None


def _operand(array: FloatArray) -> tuple[int, int, int]:
    """Return how a factor lies, where, and how far apart its rows or columns are."""
    by_row, by_column = array.strides
    if by_column == array.itemsize:
        return _PLAIN, array.ctypes.data, max(by_row // array.itemsize, array.shape[1])
    return _TRANSPOSED, array.ctypes.data, max(by_column // array.itemsize, array.shape[0])


@cache
def _function(name: str) -> Any:
    """Return a function of the BLAS that NumPy's own core is linked with, or None."""
    try:
        core = importlib.import_module("numpy._core._multiarray_umath")
        # looking a name up in a library looks in those it is linked with, too
        library = ctypes.CDLL(core.__file__)
    except (ImportError, OSError):
        return None
    # the wheels on PyPI prefix the names of their OpenBLAS; the suffix promises 64-bit integers
    return getattr(library, f"scipy_{name}", None) or getattr(library, name, None)


def _is_right(prepare: PrepareProduct, dtype: str) -> bool:
    """Tell whether the function found does what its name says; a wrong one must never train anything."""
    left = np.arange(6, dtype=dtype).reshape(3, 2)
    right = np.arange(8, dtype=dtype).reshape(4, 2).T
    output = np.ones((3, 4), dtype=dtype)
    expected = 0.5 * output - 2 * (left @ right)
    add = prepare(output, left, right)
    add(3, 2, -2.0, 0.5)
    is_whole = (output == expected).all()
    expected[1:, 2:] += left[1:, 1:] @ right[1:, 2:]
    add(2, 1, 1.0, 1.0, (1, 1, 2))
    return bool(is_whole and (output == expected).all())


class Threads:
    """How many threads that BLAS multiplies with: one number for the whole process, 1 while it is held."""

    def __init__(self) -> None:
        self._get, self._set = (_function(f"openblas_{verb}_num_threads64_") for verb in ("get", "set"))
        # who holds it at one, and what it was before the first of them
        self._holders: set[Hashable] = set()
        self._before = 0
        self._lock = threading.Lock()

    def count(self) -> int | None:
        """Return it, as it is when nobody holds it at one, or None where that BLAS is out of reach."""
        if self._get is None or self._set is None:
            return None
        with self._lock:
            return self._before if self._holders else int(self._get())

    def hold(self, who: Hashable) -> None:
        """Have it multiply with one thread, whoever asks, until ``release``; out of reach, it is let be."""
        if self._get is None or self._set is None:
            return
        with self._lock:
            if not self._holders:
                self._before = int(self._get())
            # from here on what a signal cuts off is made up for by ``release``
            self._holders.add(who)
            self._set(1)

    def release(self, who: Hashable) -> None:
        """Let go, if it is held; the last to do so gives back what was."""
        with self._lock:
            if who in self._holders:
                if len(self._holders) == 1:
                    self._set(self._before)
                self._holders.discard(who)

    def let_go(self) -> None:
        """Give back what was, in a process that has none of the threads that held it: a fork."""
        self._lock = threading.Lock()
        if self._holders:
            self._set(self._before)
            self._holders.clear()


THREADS = Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=THREADS.let_go)
