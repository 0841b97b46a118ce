"""Zeros that need no arithmetic: the columns of the data in such an order that a batch ends early.

In images of digits most pixels are zero, and those at the border nearly always. With the columns sorted by
how often they are not zero, all that a batch holds lies in its first columns, and the products of the first
layer need no more: the rest of the inputs is zero, and so is the gradient of the weights that it meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# a first layer as small as this gains nothing
MIN_COLUMNS = 64
# rows looked at in one go: so many that a count of them fits the type of the data
CHUNK = 255
# a column that is not zero in fewer rows than this is seldom in a batch; so many columns make it worth while
RARE, MIN_RARE = 0.001, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class ColumnOrder:
    """Rows with their columns sorted, the most used first.

    Attributes
    ----------
    order : ndarray (features,) of intp
        Which column of the data each sorted column is.
    rows : ndarray (n, features) of uint8
        The data with its columns sorted.
    widths : ndarray (n,) of intp
        How many sorted columns hold all that is not zero in a row.
    """

    order: NDArray[np.intp]
    rows: NDArray[np.uint8]
    widths: NDArray[np.intp]


def column_order(x: Any, out: NDArray[np.uint8] | None = None) -> ColumnOrder | None:
    """Sort the columns of some rows.

    Parameters
    ----------
    x : ndarray (n, features), or a SciPy CSR matrix
    out : ndarray (n, features) of uint8, or None
        Where to put the sorted rows; a new array if None.

    Returns
    -------
    ColumnOrder or None
        None where it would not pay: for rows of another type than uint8, and where few columns are zero.
    """
    n, features = x.shape
    # the rows are copied, which bytes are small enough for
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or features < MIN_COLUMNS or not n:
        return None
    counts = np.zeros(features, dtype=np.intp)
    for start in range(0, n, CHUNK):
        counts += (x[start : start + CHUNK] != 0).view(np.uint8).sum(axis=0, dtype=np.uint8)
    if np.mean(counts <= RARE * n) < MIN_RARE:
        return None
    order = np.argsort(-counts, kind="stable")
    rows = np.empty_like(x) if out is None else out
    widths = np.empty(n, dtype=np.intp)
    places = np.arange(1, features + 1, dtype=np.min_scalar_type(features))
    for start in range(0, n, CHUNK):
        piece = rows[start : start + CHUNK]
        # "clip" skips the check of every index
        np.take(x[start : start + CHUNK], order, axis=1, out=piece, mode="clip")
        np.maximum.reduce((piece != 0) * places, axis=1, out=widths[start : start + CHUNK])
    # a row of zeros has one to carry
    np.maximum(widths, 1, out=widths)
    return ColumnOrder(order, rows, widths)
