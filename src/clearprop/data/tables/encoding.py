"""Second reading of a table: its cells become features and labels as a schema says, columns found by name."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.data.tables.cells import BOOLEANS, FLOAT32_MAX, MISSING, MISSING_NUMBERS, number, shown
from clearprop.data.tables.labels import is_missing_label
from clearprop.data.tables.schema import Column, TableSchema
from clearprop.data.tables.source import Cells, TableSource, column_called
from clearprop.utils.errors import DataError

MOST_NAMED = 8


class EncodedTable(NamedTuple):
    """Rows of a table as features.

    Attributes
    ----------
    x : ndarray (n, features) of float32
        NaN where a cell is missing.
    labels : list of str or None
        None where the table has no label column.
    lines : ndarray (n,) of int64
        The number of each row in messages.
    unknown : Counter of (str, str)
        How often each column had a value that the schema does not know.
    first_missing : (int, int, str) or None
        Line, column and text of the first missing cell of a feature.
    """

    x: NDArray[np.float32]
    labels: list[str] | None
    lines: NDArray[np.int64]
    unknown: Counter[tuple[str, str]]
    first_missing: tuple[int, int, str] | None


def positions(schema: TableSchema, source: TableSource, *, labels: bool) -> list[int | None]:
    """Return where each column of a schema stands in a table; None for a label column that may be absent.

    Parameters
    ----------
    schema : TableSchema
    source : TableSource
        Its columns may come in another order, and among others, if they have names.
    labels : bool
        Whether the label column must be there.

    Raises
    ------
    DataError
        If a column is missing.
    """
    own = schema.columns
    if schema.named and source.names is not None:
        exact = {name: i for i, name in reversed(list(enumerate(source.names)))}
        loose = {name.strip().lower(): i for name, i in exact.items()}
        found = [exact.get(column.name, loose.get(column.name.strip().lower())) for column in own]
    else:
        found = _by_order(schema, source)
    wanted = [i for i, column in enumerate(own) if column.n_features or (labels and column.kind == "label")]
    absent = [i for i in wanted if found[i] is None]
    if absent:
        names = [column_called([column.name for column in own], i) for i in absent[:MOST_NAMED]]
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        has = ", ".join(f'"{name}"' for name in (source.names or ())[:20]) or f"{source.n_columns} columns"
        raise DataError(
            f"{source.place} has no {' and no '.join(names)}{more}, which the model was trained with; it has "
            f"{has}."
        )
    return found


def _by_order(schema: TableSchema, source: TableSource) -> list[int | None]:
    n = len(schema.columns)
    if source.n_columns == n:
        return list(range(n))
    if source.n_columns == n - 1:
        label = schema.label
        return [None if i == label else i - (i > label) for i in range(n)]
    if source.n_columns == sum(column.n_features > 0 for column in schema.columns):
        places = iter(range(n))
        return [next(places) if column.n_features else None for column in schema.columns]
    raise DataError(
        f"{source.place} has {source.n_columns} columns without names, but the model was trained with {n}; "
        "give it as many, or a first line with their names."
    )


def encode(
    source: TableSource,
    schema: TableSchema,
    places: Sequence[int | None],
    forms: Sequence[str],
    n_rows: int,
) -> EncodedTable:
    """Read a table into features.

    Parameters
    ----------
    source : TableSource
    schema : TableSchema
    places : sequence of int or None
        Where each column of the schema stands in the table.
    forms : sequence of str
        How each column of the table writes its numbers.
    n_rows : int

    Raises
    ------
    DataError
        If a cell of a column of numbers is none.
    """
    x = np.zeros((n_rows, schema.n_features), np.float32)
    lines_of = np.empty(n_rows, np.int64)
    place_of_label = places[schema.label]
    labels: list[str] | None = None if place_of_label is None else []
    unknown: Counter[tuple[str, str]] = Counter()
    first_missing: tuple[int, int, str] | None = None
    row = 0
    for lines, columns in source.chunks():
        part = slice(row, row + len(lines))
        lines_of[part] = lines
        if labels is not None and place_of_label is not None:
            # the same text once, however many rows have it
            labels += map(sys.intern, map(str, as_texts(columns[place_of_label], len(lines))))
        start = 0
        for column, place in zip(schema.columns, places, strict=True):
            if not column.n_features:
                continue
            assert place is not None
            block = x[part, start : start + column.n_features]
            start += column.n_features
            missing = _encode_cells(
                source, column, place, columns[place], lines, forms[place], block, unknown
            )
            if missing is not None and (first_missing is None or lines[missing] < first_missing[0]):
                text = as_texts(columns[place], len(lines))[missing]
                first_missing = (lines[missing], place, text)
        row += len(lines)
    return EncodedTable(x[:row], labels, lines_of[:row], unknown, first_missing)


def as_texts(cells: Cells, n: int) -> Sequence[str]:
    """Return cells as texts; a whole number has no point, and a missing one is empty."""
    if cells is None:
        return [""] * n
    if isinstance(cells, np.ndarray):
        return ["" if value != value else _number_text(value) for value in cells.tolist()]
    return cells


def _number_text(value: float) -> str:
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)


def _encode_cells(
    source: TableSource,
    column: Column,
    place: int,
    cells: Cells,
    lines: Sequence[int],
    form: str,
    block: NDArray[np.float32],
    unknown: Counter[tuple[str, str]],
) -> int | None:
    """Write the features of some cells into a block of rows; return the first missing cell, or None."""
    if column.kind == "number":
        values = _numbers(source, place, cells, lines, form)
        block[:, 0] = values
        missing = np.isnan(values)
    else:
        texts = as_texts(cells, len(lines))
        missing = np.array([text.lower() in MISSING for text in texts])
        codes = _codes(column, texts)
        if column.kind == "boolean":
            block[:, 0] = codes
        else:
            known = np.flatnonzero(codes >= 0)
            block[known, codes[known]] = 1
        for i in np.flatnonzero((codes < 0) & ~missing).tolist():
            if column.kind == "boolean":
                block[i] = 0
            unknown[column.name, texts[i]] += 1
        block[missing] = np.nan
    return int(missing.argmax()) if missing.any() else None


def _codes(column: Column, texts: Sequence[str]) -> NDArray[np.int64]:
    if column.kind == "boolean":
        codes = {text: code for pair in BOOLEANS for code, text in enumerate(pair)} | {"0": 0, "1": 1}
        return np.array([codes.get(text.lower(), -1) for text in texts])
    codes = {text: code for code, text in enumerate(column.categories)}
    return np.array([codes.get(text, -1) for text in texts])


def _numbers(source: TableSource, place: int, cells: Cells, lines: Sequence[int], form: str) -> NDArray[Any]:
    values = cells.astype(np.float64) if isinstance(cells, np.ndarray) else None
    if values is None:
        texts = as_texts(cells, len(lines))
        values = _plain_numbers(texts) if form == "point" else None
        if values is None:
            numbers = (
                _one_number(source, place, cell, line, form) for line, cell in zip(lines, texts, strict=True)
            )
            values = np.fromiter(numbers, np.float64, len(texts))
    wrong = np.flatnonzero(np.abs(values) > FLOAT32_MAX)
    if wrong.size:
        raise DataError(
            f"The cell of {column_called(source.names, place)} in {source.where(lines[int(wrong[0])])} is "
            f"{values[wrong[0]]:g}, but features must be finite numbers of at most 3.4e38; fill it in or "
            "leave the line out."
        )
    return values


def _plain_numbers(texts: Sequence[str]) -> NDArray[Any] | None:
    """Return the numbers of cells of which none is missing, the quick way; None where some may be."""
    together = "".join(texts)
    if not together.isascii() or "_" in together:
        return None
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None


def _one_number(source: TableSource, place: int, cell: str, line: int, form: str) -> float:
    if cell.lower() in MISSING_NUMBERS:
        return float("nan")
    value = number(cell, form)
    if value is None:
        raise DataError(
            f"The cell of {column_called(source.names, place)} in {source.where(line)} is {shown(cell)}, but "
            "must be a number; correct it or leave the line out."
        )
    return value


def rows_without_label(labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows have no label, (n,) of bool."""
    return np.array([is_missing_label(label) for label in labels], bool)
