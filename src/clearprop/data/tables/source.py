"""TableSource: rows of cells from a file or a data frame, read as often as needed, a chunk at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

ROWS_IN_A_CHUNK = 4096

#: The cells of a column: texts without white space around them, or numbers with NaN for missing ones; None
#: for values of a type that is neither (lists, structures, bytes).
Cells = Sequence[str] | NDArray[Any] | None


class Chunk(NamedTuple):
    """Some rows of a table: the number of each row in messages, and the cells of each column."""

    lines: Sequence[int]
    columns: list[Cells]


class TableSource(Protocol):
    """A reader of tables.

    Attributes
    ----------
    place : str
        The file or the object, in messages.
    names : tuple of str or None
        The columns' names, all different but for empty ones; None in a file without a header.
    n_columns : int
    forms : tuple of str
        How numbers may be written, of ``cells.FORMS``, the likeliest first.
    """

    @property
    def place(self) -> str:
        """The file or the object, in messages."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns, or None."""

    @property
    def n_columns(self) -> int:
        """Number of columns."""

    @property
    def forms(self) -> tuple[str, ...]:
        """How numbers may be written."""

    def chunks(self) -> Iterator[Chunk]:
        """Give the rows from the first to the last."""

    def numbers(self, texts: Collection[int]) -> tuple[NDArray[Any], dict[int, list[str]]] | None:
        """Read a table of numbers at once, or return None if it may be none.

        Parameters
        ----------
        texts : collection of int
            Columns whose cells are given as text.

        Returns
        -------
        ndarray (rows, columns) of uint8 or float32, and dict of int to list of str
            The cells of all columns (0 in those of texts), all finite, and the texts.
        """

    def where(self, line: int) -> str:
        """Return the place of a row for messages, such as "line 3 of a.csv"."""


def column_called(names: Sequence[str] | None, i: int) -> str:
    """Return a column for messages: its name, or its number counted from 1."""
    return f'column "{names[i]}"' if names and names[i] else f"column {i + 1}"


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of columns with ".1", ".2", ... after those that come again, as pandas does."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        unique, number = name, 0
        while name and unique in seen:
            number += 1
            candidate = f"{name}.{number}"
            unique = candidate if candidate not in taken else name
        seen.add(unique)
        result.append(unique)
    return tuple(result)
