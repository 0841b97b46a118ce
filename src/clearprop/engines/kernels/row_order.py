"""A greedy column order for predictions: the fewest columns in which any row of a chunk is not zero.

In images most bytes are zero, mostly the same ones from image to image. The columns are sorted so that the
last one that is not zero comes early for as many rows as possible, and the rows by that column (their width).
Then a chunk of a thousand rows of MNIST needs 455 of the 784 columns.

Columns are moved in words of up to four bytes, which takes a quarter of the time and costs 20 more columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# sizes of a word, in bytes
WORD_BYTES = (4, 2, 1)
# rows from which the order of words is found, and how many rounds the greedy search takes
SAMPLE_ROWS, GREEDY_ROUNDS = 512, 32
# the fraction of words that must be left out, in an average row, for sorting to pay off
MIN_SKIPPED_FRACTION = 0.1
# numbers processed in one go
CHUNK_NUMBERS = 2**18


@dataclass(frozen=True, slots=True, eq=False)
class RowOrder:
    """An order of rows by width, and of the words that they consist of.

    Attributes
    ----------
    rows : ndarray (n,) of intp
        The row numbers, in ascending order of width.
    widths : ndarray (n,) of int
        For each of these rows the number of sorted words up to the last one that is not zero; at least 1.
    words : ndarray (n_words,) of intp
        The number of each sorted word in a row.
    """

    rows: NDArray[np.intp]
    widths: NDArray[Any]
    words: NDArray[np.intp]

    def sort_weight(self, weight: NDArray[Any]) -> NDArray[Any]:
        """Return a first layer's weight ``(features, units)`` with its rows in the order of the columns."""
        by_word = weight.reshape(len(self.words), -1)
        return by_word.take(self.words, axis=0).reshape(weight.shape)

    def fetch(self, x: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.uint8]:
        """Return a chunk of the sorted rows without the last columns, which are zero.

        Parameters
        ----------
        x : ndarray (n, features) of uint8, C order
            The rows that this is an order of.
        start, stop : int
            The chunk.

        Returns
        -------
        ndarray (stop - start, columns) of uint8
            The first sorted columns; all others are zero.
        """
        width = int(self.widths[stop - 1])
        words = _words(x).take(self.rows[start:stop], axis=0)
        return words.take(self.words[:width], axis=1).view(np.uint8)


def row_order(x: NDArray[Any]) -> RowOrder | None:
    """Return a good order of rows.

    Parameters
    ----------
    x : ndarray (n, features)

    Returns
    -------
    RowOrder or None
        None where sorting does not pay off, and for rows that are not uint8 in C order.
    """
    # rows in another order would all be copied with every chunk
    if x.dtype != np.uint8 or not x.flags.c_contiguous or not x.size:
        return None
    words = _words(x)
    n_words = words.shape[1]
    max_width = (1 - MIN_SKIPPED_FRACTION) * n_words
    sample = words[:: max(1, len(x) // SAMPLE_ROWS)]
    used = sample != 0
    # the width of a row is at least its number of words that are not zero
    if np.count_nonzero(used) > max_width * len(used):
        return None
    order = _greedy_order(used)
    positions = np.empty(n_words, np.min_scalar_type(n_words))
    positions[order] = np.arange(1, 1 + n_words)
    if widths_of(sample, positions).mean() > max_width:
        return None
    widths = widths_of(words, positions)
    if widths.mean() > max_width:
        return None
    # a stable sort of small integers is a radix sort
    rows = widths.argsort(kind="stable")
    return RowOrder(rows, widths[rows], order)


def widths_of(x: NDArray[Any], positions: NDArray[Any]) -> NDArray[Any]:
    """Return for each row the number of sorted columns up to the last one that is not zero.

    Parameters
    ----------
    x : ndarray (n, columns)
    positions : ndarray (columns,) of int
        Of each column in the sorted order, from 1.

    Returns
    -------
    ndarray (n,)
        With the dtype of the positions; at least 1, so that a row of zeros has a column, too.
    """
    widths = np.empty(len(x), positions.dtype)
    max_rows = max(1, CHUNK_NUMBERS // len(positions))
    for start in range(0, len(x), max_rows):
        chunk = slice(start, start + max_rows)
        np.maximum.reduce((x[chunk] != 0) * positions, axis=1, out=widths[chunk])
    return np.maximum(widths, 1, out=widths)


def _words(x: NDArray[np.uint8]) -> NDArray[Any]:
    # from words that are not aligned, NumPy's take copies all of them first
    size = next(size for size in WORD_BYTES if x.shape[1] % size == 0 and x.ctypes.data % size == 0)
    return x.view(f"u{size}")


def _greedy_order(used: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Sort columns from the last: the one used by the fewest rows, then the one used by the fewest others.

    Parameters
    ----------
    used : ndarray (n, columns) of bool

    Returns
    -------
    ndarray (columns,) of intp
    """
    n, columns = used.shape
    numbers, by_column = used.view(np.uint8), np.ascontiguousarray(used.T)
    # larger than any count, for columns that have their position
    done = n + 1
    counts = numbers.sum(axis=0, dtype=np.intp)
    others = np.ones(n, np.bool_)
    order = np.empty(columns, np.intp)
    for number in range(GREEDY_ROUNDS, 0, -1):
        start, stop = (columns * edge // GREEDY_ROUNDS for edge in (number - 1, number))
        rarest = counts.argsort(kind="stable")[: stop - start]
        order[start:stop] = rarest[::-1]
        users = by_column[rarest].any(axis=0) & others
        counts -= numbers[users].sum(axis=0, dtype=np.intp)
        counts[order[start:]] = done
        others ^= users
    return order
