"""C ← beta C + alpha A B (GEMM), called in the OpenBLAS that NumPy itself loaded; and its number of threads.

NumPy's matrix product has no alpha and beta. With them a step of gradient descent, W ← W - η hᵀ d, needs no
array for the gradient. Two BLAS libraries in one process slow each other down, so this calls the library that
NumPy uses, where it can be reached (the OpenBLAS of the wheels on PyPI). Elsewhere the engine uses NumPy's
product.
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

# constants of CBLAS: CblasRowMajor, CblasNoTrans, CblasTrans
_ROW_MAJOR, _NO_TRANSPOSE, _TRANSPOSE = 101, 111, 112
# the letter of each type in the names of the BLAS
_TYPES: dict[str, tuple[str, Any]] = {"float32": ("s", ctypes.c_float), "float64": ("d", ctypes.c_double)}


class Gemm(Protocol):
    """A GEMM of three arrays given before: output ← beta · output + alpha · left @ right."""

    def __call__(
        self, rows: int, inner: int, alpha: float, beta: float, start: tuple[int, int, int] = ORIGIN
    ) -> None:
        """Compute it for a block of each array.

        Parameters
        ----------
        rows : int
            Rows of output and left.
        inner : int
            Columns of left and rows of right, which are summed over.
        alpha, beta : float
        start : (int, int, int)
            The first row of output and left, the first column of left and row of right, and the first column
            of output and right. The columns of output and right extend to the end.
        """


#: ``prepare(output, left, right)`` returns the GEMM of three arrays, which its caller keeps where they are.
#: All have one dtype; the output is stored row by row, the others row by row or column by column.
PrepareGemm = Callable[[FloatArray, FloatArray, FloatArray], Gemm]


@cache
def gemm_for(dtype: str) -> PrepareGemm | None:
    """Return the function that prepares a GEMM for arrays of a dtype, "float32" or "float64".

    Returns
    -------
    callable or None
        None for other dtypes, and where NumPy's OpenBLAS cannot be reached.
    """
    letter, scalar = _TYPES.get(dtype, ("", None))
    cblas_gemm = _function(f"cblas_{letter}gemm64_") if letter else None
    if cblas_gemm is None:
        return None
    integer, pointer, flag = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int
    cblas_gemm.argtypes = [
        *(flag, flag, flag, integer, integer, integer),
        *(scalar, pointer, integer, pointer, integer, scalar, pointer, integer),
    ]
    cblas_gemm.restype = None

    def prepare(output: FloatArray, left: FloatArray, right: FloatArray) -> Gemm:
        # addresses and strides, not arrays, which the returned function would keep alive
        columns = right.shape[1]
        left_transpose, left_address, left_leading = _operand(left)
        right_transpose, right_address, right_leading = _operand(right)
        output_address, output_leading = output.ctypes.data, output.strides[0] // output.itemsize
        output_row, output_column = output.strides
        (left_row, left_column), (right_row, right_column) = left.strides, right.strides

        def gemm(
            rows: int, inner: int, alpha: float, beta: float, start: tuple[int, int, int] = ORIGIN
        ) -> None:
            row, summed, column = start
            cblas_gemm(
                *(_ROW_MAJOR, left_transpose, right_transpose, rows, columns - column, inner, alpha),
                *(left_address + row * left_row + summed * left_column, left_leading),
                *(right_address + summed * right_row + column * right_column, right_leading, beta),
                *(output_address + row * output_row + column * output_column, output_leading),
            )

        return gemm

    return prepare if _is_right(prepare, dtype) else None


def _operand(array: FloatArray) -> tuple[int, int, int]:
    """Return whether a factor is transposed, its address, and its leading dimension."""
    row_stride, column_stride = array.strides
    if column_stride == array.itemsize:
        return _NO_TRANSPOSE, array.ctypes.data, max(row_stride // array.itemsize, array.shape[1])
    return _TRANSPOSE, array.ctypes.data, max(column_stride // array.itemsize, array.shape[0])


@cache
def _function(name: str) -> Any:
    """Return a function of the BLAS that NumPy's own core is linked with, or None."""
    try:
        core = importlib.import_module("numpy._core._multiarray_umath")
        # a symbol is looked up in a library and in those it is linked with
        library = ctypes.CDLL(core.__file__)
    except (ImportError, OSError):
        return None
    # the wheels on PyPI prefix the names of their OpenBLAS; the suffix 64_ stands for 64-bit integers
    return getattr(library, f"scipy_{name}", None) or getattr(library, name, None)


def _is_right(prepare: PrepareGemm, dtype: str) -> bool:
    """Tell whether the function that was found is a GEMM; a wrong one must never train anything."""
    left = np.arange(6, dtype=dtype).reshape(3, 2)
    right = np.arange(8, dtype=dtype).reshape(4, 2).T
    output = np.ones((3, 4), dtype=dtype)
    expected = 0.5 * output - 2 * (left @ right)
    gemm = prepare(output, left, right)
    gemm(3, 2, -2.0, 0.5)
    is_right_as_a_whole = (output == expected).all()
    expected[1:, 2:] += left[1:, 1:] @ right[1:, 2:]
    gemm(2, 1, 1.0, 1.0, (1, 1, 2))
    return bool(is_right_as_a_whole and (output == expected).all())


class BlasThreads:
    """The number of threads of NumPy's BLAS, one number for the whole process; 1 while there is a limit."""

    def __init__(self) -> None:
        self._get, self._set = (_function(f"openblas_{verb}_num_threads64_") for verb in ("get", "set"))
        # the owners of all limits, and the number before the first of them
        self._owners: set[Hashable] = set()
        self._unlimited = 0
        self._lock = threading.Lock()

    def count(self) -> int | None:
        """Return the number without any limit, or None where that BLAS cannot be reached."""
        if self._get is None or self._set is None:
            return None
        with self._lock:
            return self._unlimited if self._owners else int(self._get())

    def limit(self, owner: Hashable) -> None:
        """Limit the BLAS to one thread, in all threads of the process, until ``release`` for the same owner.

        Nothing happens where that BLAS cannot be reached.
        """
        if self._get is None or self._set is None:
            return
        with self._lock:
            if not self._owners:
                self._unlimited = int(self._get())
            # if a signal interrupts after this, ``release`` restores the number all the same
            self._owners.add(owner)
            self._set(1)

    def release(self, owner: Hashable) -> None:
        """End an owner's limit, if there is one; the last to do so restores the number of before."""
        with self._lock:
            if owner in self._owners:
                if len(self._owners) == 1:
                    self._set(self._unlimited)
                self._owners.discard(owner)

    def restore_after_fork(self) -> None:
        """Restore the number in a forked child, which has none of the threads that limit it."""
        self._lock = threading.Lock()
        if self._owners:
            self._set(self._unlimited)
            self._owners.clear()


BLAS_THREADS = BlasThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BLAS_THREADS.restore_after_fork)
