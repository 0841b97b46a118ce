"""Data frames: a table in memory, of pandas, polars or Arrow, which are known by what they do alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.tables.source import ROWS_IN_A_CHUNK, Cells, Chunk, distinct_names
from clearprop.utils.errors import DataError

FORMS = ("point",)


class FrameSource:
    """The rows of a table whose columns are arrays, as a TableSource.

    Parameters
    ----------
    place : str
        The table, in messages.
    names : sequence of str
    read : callable
        Gives the columns, some rows at a time; each call begins anew.
    """

    def __init__(self, place: str, names: Sequence[str], read: Callable[[], Iterator[list[Cells]]]) -> None:
        self.place = place
        self.names: tuple[str, ...] | None = distinct_names(names)
        self.n_columns = len(names)
        self.forms: tuple[str, ...] = FORMS
        self._read = read

    def where(self, line: int) -> str:
        """Return the place of a row for messages."""
        return f"row {line} of {self.place} (rows count from 1)"

    def chunks(self) -> Iterator[Chunk]:
        """Give the rows from the first to the last."""
        row = 1
        for columns in self._read():
            n = max((len(cells) for cells in columns if cells is not None), default=0)
            if n:
                yield Chunk(range(row, row + n), columns)
            row += n

    def numbers(self, texts: Collection[int]) -> None:
        """Return None: there is no quicker way than the columns."""


def is_frame(value: object) -> bool:
    """Tell whether a value is a data frame: it has columns that become arrays.

    ``columns`` are the names in pandas and polars; Arrow has ``column_names``.
    """
    return (hasattr(value, "columns") and hasattr(value, "__getitem__") and hasattr(value, "to_numpy")) or (
        hasattr(value, "column_names") and hasattr(value, "column")
    )


def frame_source(frame: Any) -> FrameSource:
    """Return the rows of a data frame of pandas, polars or Arrow.

    Parameters
    ----------
    frame : DataFrame or Table

    Raises
    ------
    DataError
        If the frame has no column.
    """
    kind = f"{type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
    if hasattr(frame, "column_names"):
        labels = list(frame.column_names)
        columns = [frame.column(i) for i in range(len(labels))]
    else:
        labels = list(frame.columns)
        columns = _columns_of(frame, labels)
    if not labels:
        raise DataError(f"The {kind} has no columns; a label and at least one feature are needed.")
    cells = [cells_of(column) for column in columns]

    def read() -> Iterator[list[Cells]]:
        n = max((len(values) for values in cells if values is not None), default=0)
        for start in range(0, n, ROWS_IN_A_CHUNK):
            part = slice(start, start + ROWS_IN_A_CHUNK)
            yield [None if values is None else values[part] for values in cells]

    return FrameSource(f"the {kind}", [str(label) for label in labels], read)


def _columns_of(frame: Any, labels: Sequence[Any]) -> list[Any]:
    if hasattr(frame, "iloc"):
        # by position, since two columns of pandas may have one name
        return [frame.iloc[:, i] for i in range(len(labels))]
    return [frame[label] for label in labels]


def cells_of(column: Any) -> Cells:
    """Return a column as numbers, NaN where one is missing, or as texts; None where its values are neither.

    Parameters
    ----------
    column : Series or array of a data frame, or ndarray
    """
    values = column if isinstance(column, np.ndarray) else _to_numpy(column)
    if values.ndim != 1:
        return None
    kind = values.dtype.kind
    if kind in "iuf":
        return values.astype(np.float64)
    if kind in "bMm":
        return [_text(value) for value in values.astype(str).tolist()]
    plain = values.tolist()
    if any(isinstance(value, (bytes, bytearray, list, dict, set, tuple, np.ndarray)) for value in plain):
        return None
    numbers = _as_numbers(plain)
    return [_text(value) for value in plain] if numbers is None else numbers


def _to_numpy(column: Any) -> NDArray[Any]:
    try:
        return np.asarray(column.to_numpy())
    except (TypeError, ValueError, ImportError):
        # such as strings of polars without pyarrow, or Arrow's arrays of a type that NumPy has not
        return np.array(column.to_pylist() if hasattr(column, "to_pylist") else column.to_list(), object)


def _as_numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return Python numbers, with None and its like for missing ones, or None if they are others."""
    from numbers import Number

    if any(isinstance(value, bool) for value in values):
        return None
    present = [value for value in values if not _is_missing(value)]
    if not present or not all(isinstance(value, Number) or _is_decimal(value) for value in present):
        return None
    try:
        return np.array([np.nan if _is_missing(value) else float(value) for value in values])
    except (TypeError, OverflowError):
        return None


def _is_missing(value: Any) -> bool:
    # pandas.NA is neither equal to itself nor a number, and its text is <NA>
    return value is None or str(value) in ("<NA>", "NaT", "nan")


def _is_decimal(value: Any) -> bool:
    return type(value).__name__ == "Decimal"


def _text(value: Any) -> str:
    return "" if _is_missing(value) else str(value).strip()
