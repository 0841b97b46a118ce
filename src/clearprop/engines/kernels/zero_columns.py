"""Zeros that need no arithmetic: the columns of the data in such an order that a batch ends early.

In images of digits most pixels are zero, and those at the border nearly always. With the columns sorted by
how often they are not zero, all that a batch holds lies in its first columns, and the products of the first
layer need no more: the rest of the inputs is zero, and so is the gradient of the weights that it meets.

A batch whose rows are sorted by where they end is cut into bands: the last of its columns meet few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.kernels.row_order import widths_of

# a first layer as small as this gains nothing
MIN_COLUMNS = 64
# rows looked at in one go: so many that a count of them fits the type of the data
CHUNK = 255
# a column that is not zero in fewer rows than this is seldom in a batch; so many columns make it worth while
RARE, MIN_RARE = 0.001, 0.1
# rows of a batch that is worth cutting, and of one that is worth cutting more often; and where: into two
# products or four, which leaves MNIST's first layer 0.8 or 0.7 of the work that one would be
MIN_CUT, MANY = 32, 512
CUTS, MANY_CUTS = (0.75,), (0.375, 0.625, 0.875)
# columns to a vector of the widest kind
VECTOR = 16


class Band(NamedTuple):
    """Some columns of a batch, which are zero before one of its rows.

    Parameters
    ----------
    row : int
        Where they begin to be used.
    start, stop : int
        The first of them, and the one after the last.
    """

    row: int
    start: int
    stop: int


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
        widths[start : start + CHUNK] = widths_of(piece, places)
    return ColumnOrder(order, rows, widths)


def cuts_of(batch: int) -> tuple[int, ...]:
    """Return before which rows a batch is cut, its end included."""
    fractions = () if batch < MIN_CUT else CUTS if batch < MANY else MANY_CUTS
    return (*(int(batch * fraction) for fraction in fractions), batch)


def bands_of(widths: NDArray[np.intp], cuts: Sequence[int], features: int) -> list[Band]:
    """Return the bands of a batch, whose first column is one of ones.

    Parameters
    ----------
    widths : ndarray (batch,) of intp
        How many columns hold all that is not zero in a row; in ascending order, or the bands are wide.
    cuts : sequence of int
        See ``cuts_of``.
    features : int
        The columns besides that of ones.

    Returns
    -------
    list of Band
        No two share a column; the last one's stop is how many columns are needed at all.
    """
    bands, row, start = [], 0, 0
    for cut in cuts:
        width = 1 + int(widths[:cut].max())
        stop = min(-(-width // VECTOR) * VECTOR, 1 + features)
        if stop > start:
            bands.append(Band(row, start, stop))
            start = stop
        row = cut
    return bands
