"""Zero inputs need no arithmetic: columns sorted by how often they are zero, and batches cut into blocks.

In images of digits most pixels are zero, and those at the border nearly always. With the columns sorted by
how often they are not zero, a batch is zero after its first columns, and the first layer's products leave
out the rest: those inputs add nothing to the outputs, and their weights get no gradient.

A batch whose rows are sorted by width, their number of columns up to the last one that is not zero, is cut
into blocks: the last of its columns are multiplied for few rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.kernels.row_order import widths_of

# a first layer with fewer inputs gains nothing
MIN_COLUMNS = 64
# rows processed in one go: so few that a count of them fits the type of the data
CHUNK_ROWS = 255
# a column is rare if this fraction of rows or fewer is not zero there; sorting pays off if this fraction of
# columns is rare
RARE_ROW_FRACTION, MIN_RARE_COLUMN_FRACTION = 0.001, 0.1
# rows of a batch that is worth cutting into two blocks, and into four; and where it is cut. On MNIST two
# blocks need 0.8 of the first layer's work with one block, four need 0.7
MIN_TWO_BLOCKS_ROWS, MIN_FOUR_BLOCKS_ROWS = 32, 512
TWO_BLOCKS_CUTS, FOUR_BLOCKS_CUTS = (0.75,), (0.375, 0.625, 0.875)
# numbers in a vector register of the widest kind
VECTOR_COLUMNS = 16


class Block(NamedTuple):
    """Some columns of a batch, which are zero in all rows before a first one.

    Parameters
    ----------
    row : int
        The first row in which they are used.
    start, stop : int
        The columns.
    """

    row: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class SortedColumns:
    """Rows with their columns sorted, the least often zero first.

    Attributes
    ----------
    order : ndarray (features,) of intp
        The number of each sorted column in the data.
    rows : ndarray (n, features) of uint8
        The data with its columns sorted.
    widths : ndarray (n,) of intp
        For each row the number of columns up to the last one that is not zero; at least 1.
    """

    order: NDArray[np.intp]
    rows: NDArray[np.uint8]
    widths: NDArray[np.intp]


def sort_columns(x: Any, out: NDArray[np.uint8] | None = None) -> SortedColumns | None:
    """Sort the columns of some rows.

    Parameters
    ----------
    x : ndarray (n, features), or a SciPy CSR matrix
    out : ndarray (n, features) of uint8, or None
        An array for the sorted rows; None makes a new one.

    Returns
    -------
    SortedColumns or None
        None where sorting does not pay off: for rows of another type than uint8, and if few columns are zero.
    """
    n, features = x.shape
    # the rows are copied; bytes are small enough for that
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or features < MIN_COLUMNS or not n:
        return None
    counts = np.zeros(features, dtype=np.intp)
    for start in range(0, n, CHUNK_ROWS):
        counts += (x[start : start + CHUNK_ROWS] != 0).view(np.uint8).sum(axis=0, dtype=np.uint8)
    if np.mean(counts <= RARE_ROW_FRACTION * n) < MIN_RARE_COLUMN_FRACTION:
        return None
    order = np.argsort(-counts, kind="stable")
    rows = np.empty_like(x) if out is None else out
    widths = np.empty(n, dtype=np.intp)
    positions = np.arange(1, features + 1, dtype=np.min_scalar_type(features))
    for start in range(0, n, CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        # "clip" skips the check of every index
        np.take(x[start : start + CHUNK_ROWS], order, axis=1, out=chunk, mode="clip")
        widths[start : start + CHUNK_ROWS] = widths_of(chunk, positions)
    return SortedColumns(order, rows, widths)


def cuts_of(batch: int) -> tuple[int, ...]:
    """Return the rows that the blocks of a batch end before, the last one being its number of rows."""
    if batch < MIN_TWO_BLOCKS_ROWS:
        fractions: tuple[float, ...] = ()
    else:
        fractions = TWO_BLOCKS_CUTS if batch < MIN_FOUR_BLOCKS_ROWS else FOUR_BLOCKS_CUTS
    return (*(int(batch * fraction) for fraction in fractions), batch)


def blocks_of(widths: NDArray[np.intp], cuts: Sequence[int], features: int) -> list[Block]:
    """Return the blocks of a batch, whose first column is the column of ones.

    Parameters
    ----------
    widths : ndarray (batch,) of intp
        See ``SortedColumns``; for small blocks in ascending order.
    cuts : sequence of int
        See ``cuts_of``.
    features : int
        The number of columns after the column of ones.

    Returns
    -------
    list of Block
        No two share a column. All columns from the last one's stop on are zero.
    """
    blocks, row, start = [], 0, 0
    for cut in cuts:
        width = 1 + int(widths[:cut].max())
        stop = min(-(-width // VECTOR_COLUMNS) * VECTOR_COLUMNS, 1 + features)
        if stop > start:
            blocks.append(Block(row, start, stop))
            start = stop
        row = cut
    return blocks
