"""Rows of bytes in such an order that few columns hold all that is not zero in a chunk of them.

In images most bytes are zero, and much the same ones from image to image. The columns are sorted so that the
last one that is not zero comes early for as many rows as possible, and the rows by where that is. Then MNIST
needs 455 of its 784 columns in a chunk of a thousand rows.

Columns are moved in words of up to four bytes, which takes a quarter of the time, for 20 columns more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# of a word, in bytes
SIZES = (4, 2, 1)
# rows the order of words is found from, and in how many rounds
SAMPLE, ROUNDS = 512, 32
# the share of words that must be left out to pay for all this, in an average row
WORTH_SORTING = 0.1
# numbers looked at in one go
LOOKED_AT = 2**18


@dataclass(frozen=True, slots=True, eq=False)
class RowOrder:
    """Rows and the words that they consist of, in the order in which they are worth looking at.

    Attributes
    ----------
    rows : ndarray (n,) of intp
        Those that need few words first.
    widths : ndarray (n,) of int
        For each of these rows how many of the sorted words hold all that is not zero.
    words : ndarray (n_words,) of intp
        Which word of a row each sorted one is.
    """

    rows: NDArray[np.intp]
    widths: NDArray[Any]
    words: NDArray[np.intp]

    def of_weight(self, weight: NDArray[Any]) -> NDArray[Any]:
        """Return a first layer's weight ``(features, units)`` with its rows in the order of the columns."""
        by_word = weight.reshape(len(self.words), -1)
        return by_word.take(self.words, axis=0).reshape(weight.shape)

    def fetch(self, x: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.uint8]:
        """Return what some rows hold, as far as it is not zero.

        Parameters
        ----------
        x : ndarray (n, features) of uint8, C order
            What was put in order.
        start, stop : int
            Which of the sorted rows.

        Returns
        -------
        ndarray (stop - start, columns)
            The first of the sorted columns; all others are zero.
        """
        width = int(self.widths[stop - 1])
        words = _words(x).take(self.rows[start:stop], axis=0)
        return words.take(self.words[:width], axis=1).view(np.uint8)


def row_order(x: NDArray[Any]) -> RowOrder | None:
    """Return a good order of rows; None where it would not pay.

    Parameters
    ----------
    x : ndarray (n, features)
        Of another type than uint8, or in another layout than row after row, it has none.
    """
    # rows of another layout would all be copied with every chunk
    if x.dtype != np.uint8 or not x.flags.c_contiguous or not x.size:
        return None
    words = _words(x)
    n_words = words.shape[1]
    most_used = (1 - WORTH_SORTING) * n_words
    sample = words[:: max(1, len(x) // SAMPLE)]
    used = sample != 0
    # rows are at least as wide as they have words that are not zero
    if np.count_nonzero(used) > most_used * len(used):
        return None
    order = _rarest_last(used)
    places = np.empty(n_words, np.min_scalar_type(n_words))
    places[order] = np.arange(1, 1 + n_words)
    if widths_of(sample, places).mean() > most_used:
        return None
    widths = widths_of(words, places)
    if widths.mean() > most_used:
        return None
    # small numbers are sorted in steps of a byte, as long as the sort is stable
    rows = widths.argsort(kind="stable")
    return RowOrder(rows, widths[rows], order)


def widths_of(x: NDArray[Any], places: NDArray[Any]) -> NDArray[Any]:
    """Return how many sorted columns hold all that is not zero in each row.

    Parameters
    ----------
    x : ndarray (n, columns)
    places : ndarray (columns,) of int
        Of each column, from 1.

    Returns
    -------
    ndarray (n,)
        Of the type of the places; at least 1, since a row of zeros has one to carry.
    """
    widths = np.empty(len(x), places.dtype)
    most = max(1, LOOKED_AT // len(places))
    for start in range(0, len(x), most):
        piece = slice(start, start + most)
        np.maximum.reduce((x[piece] != 0) * places, axis=1, out=widths[piece])
    return np.maximum(widths, 1, out=widths)


def _words(x: NDArray[np.uint8]) -> NDArray[Any]:
    # NumPy takes from words that lie across their bounds by copying all of them first
    size = next(size for size in SIZES if x.shape[1] % size == 0 and x.ctypes.data % size == 0)
    return x.view(f"u{size}")


def _rarest_last(used: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Sort columns: last those that fewest rows use, before them those that fewest of the other rows do.

    Parameters
    ----------
    used : ndarray (n, columns) of bool
    """
    n, columns = used.shape
    numbers, by_column = used.view(np.uint8), np.ascontiguousarray(used.T)
    # what is in order counts more than anything can
    done = n + 1
    counts = numbers.sum(axis=0, dtype=np.intp)
    others = np.ones(n, np.bool_)
    order = np.empty(columns, np.intp)
    for number in range(ROUNDS, 0, -1):
        start, stop = (columns * edge // ROUNDS for edge in (number - 1, number))
        rarest = counts.argsort(kind="stable")[: stop - start]
        order[start:stop] = rarest[::-1]
        gone = by_column[rarest].any(axis=0) & others
        counts -= numbers[gone].sum(axis=0, dtype=np.intp)
        counts[order[start:]] = done
        others ^= gone
    return order
