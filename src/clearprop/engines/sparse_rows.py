"""CSR rows whose first product stays sparse: it visits the stored numbers only.

A product with few stored numbers costs their count times the units of the first layer, in time, and nothing
of the size of (rows, features) is ever made. Rows that are mostly stored numbers are made dense batch by
batch instead, since a dense product is some twenty times as fast for each number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray
from clearprop.nn.scaling import Scaling

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# the largest fraction of stored numbers for which a product is quicker sparse
MAX_DENSITY = 0.05
# rows of more features stay sparse whatever their density: a dense batch of 256 would take 128 MB in float64
MAX_DENSE_FEATURES = 2**16
# the most numbers of a dense chunk of sparse rows
MAX_CHUNK_NUMBERS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Scaled rows of a network's input, to be multiplied as they are.

    Parameters
    ----------
    matrix : csr_array or csr_matrix (n, features) of float32 or float64
    """

    matrix: csr_array

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def take(self, rows: NDArray[np.intp] | slice) -> SparseRows:
        """Return some of the rows."""
        return SparseRows(self.matrix[rows])

    def times(self, weight: FloatArray) -> FloatArray:
        """Return rows @ weight, ``(n, units)``."""
        product: FloatArray = self.matrix @ weight
        return product

    def transposed_times(self, gradient: FloatArray) -> tuple[NDArray[Any], FloatArray]:
        """Return rowsᵀ @ gradient without the features that no row has.

        Parameters
        ----------
        gradient : ndarray (n, units)

        Returns
        -------
        features : ndarray (k,) of int
            Those that some row has, in ascending order.
        product : ndarray (k, units)
            Their rows of rowsᵀ @ gradient; all others are zero.
        """
        rows = self.matrix
        is_used = np.zeros(rows.shape[1], bool)
        is_used[rows.indices] = True
        features = np.flatnonzero(is_used)
        # renumbering by a table takes a tenth of the time of sorting the indices
        column_of = np.empty(rows.shape[1], rows.indices.dtype)
        column_of[features] = np.arange(len(features))
        # of the same class, so that SciPy need not be imported where no rows are sparse
        used = type(rows)((rows.data, column_of[rows.indices], rows.indptr), shape=(len(self), len(features)))
        return features, used.T @ np.ascontiguousarray(gradient)


def sparse_rows(x: Any, scaling: Scaling, dtype: np.dtype[Any]) -> SparseRows | None:
    """Return rows for sparse products; None where they are dense, or quicker as dense ones.

    Parameters
    ----------
    x : ndarray or SciPy CSR matrix (n, features)
    scaling : Scaling
        A shift makes every zero another number, and the rows dense.
    dtype : dtype
        To compute in.
    """
    if (
        isinstance(x, np.ndarray)
        or bool(np.any(scaling.shift))
        or not bool(np.all(np.isfinite(scaling.factor)))
    ):
        return None
    n_rows, features = x.shape
    if x.nnz > MAX_DENSITY * n_rows * features and features <= MAX_DENSE_FEATURES:
        return None
    factor = np.asarray(scaling.factor, dtype)
    data = x.data.astype(dtype, copy=False)
    if (factor != 1).any():
        data = data * (factor[x.indices] if factor.ndim else factor)
    # an entry that is stored twice counts as the sum, in every product
    return SparseRows(type(x)((data, x.indices, x.indptr), shape=x.shape))


def dense_chunks(x: Any, max_rows: int) -> Iterator[NDArray[Any]]:
    """Yield the rows of a CSR matrix as dense arrays ``(≤ max_rows, features)`` of bounded size."""
    n_rows, features = x.shape
    chunk = max(1, min(max_rows, MAX_CHUNK_NUMBERS // max(features, 1)))
    for start in range(0, n_rows, chunk):
        yield x[start : start + chunk].toarray()
