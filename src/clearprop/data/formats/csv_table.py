"""CSV: a table of numbers with a column of labels."""

from __future__ import annotations

import csv
import io
import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from clearprop.data.formats.base import Arrays, opened
from clearprop.utils.errors import DataError

LABEL_COLUMNS = ("label", "class", "target", "y")
FLOAT32_MAX = float(np.finfo(np.float32).max)


class _Layout(NamedTuple):
    """The columns of a table, read from its first lines."""

    n_columns: int
    label: int
    names: list[str] | None
    # header lines before the first row of data
    n_lines: int

    def column(self, i: int) -> str:
        """Return the name of a column for error messages."""
        return f'column "{self.names[i]}"' if self.names else f"column {i + 1}"


def read_csv(path: str | os.PathLike[str]) -> Arrays:
    """Read features and labels from a table with commas between its cells.

    The first line may name the columns. The labels are the column named "label", "class", "target" or "y"
    (in this order, capitals or not), else the first column. Blank lines are skipped.

    Parameters
    ----------
    path : path-like
        A file in UTF-8.

    Returns
    -------
    Arrays
        x, (n, features) of uint8 where all features are whole and from 0 to 255, else of float32; and y,
        (n,) of numbers, or of str where a label is not a number.

    Raises
    ------
    DataError
        Naming line and column (both count from 1, and columns by their names if they have any) of the first
        cell that is not a finite number, or the first line with more or fewer cells than the others.
    """
    path = Path(path)
    layout = _read_layout(path)
    # NumPy reads whole numbers four times as fast, and uint8 takes a quarter of the memory
    for dtype in (np.uint8, np.float32):
        # earlier versions of NumPy only warn if a fraction would be cut off (_read_table raises it)
        with suppress(ValueError, Warning):
            x, labels = _read_table(path, layout, dtype)
            if all(labels) and (dtype is np.uint8 or np.isfinite(x).all()):
                return Arrays(x, _numbers_or_text(labels))
    raise _fault(path, layout)


def _read_table(
    path: Path, layout: _Layout, dtype: type[np.uint8 | np.float32]
) -> tuple[NDArray[Any], list[str]]:
    labels: list[str] = []

    def keep_label(text: str) -> int:
        labels.append(text.strip())
        return 0

    with _text(path) as file, warnings.catch_warnings():
        warnings.simplefilter("error")
        table = np.loadtxt(
            itertools.islice(file, layout.n_lines, None),
            dtype,
            comments=None,
            delimiter=",",
            quotechar='"',
            converters={layout.label: keep_label},
            ndmin=2,
        )
    if table.shape != (len(labels), layout.n_columns):
        raise ValueError("the header has another number of columns")
    return np.delete(table, layout.label, axis=1), labels


def _numbers_or_text(labels: list[str]) -> NDArray[Any]:
    different = sorted(set(labels))
    values: NDArray[Any]
    if all(_is_number(label) for label in different):
        values = np.array([float(label) for label in different])
    else:
        values = np.array(different)
    codes = {label: i for i, label in enumerate(different)}
    return values[[codes[label] for label in labels]]


def _read_layout(path: Path) -> _Layout:
    with _records(path) as records:
        number, first = next(records, (0, []))
        second = next(records, (0, []))[1]
    if not first:
        raise DataError(f"{path} has zero rows.")
    if len(first) < 2:
        raise DataError(
            f"{path} has one column only; a label and at least one feature, with a comma between them, are "
            "needed."
        )
    lowered = [cell.lower() for cell in first]
    named = [name for name in LABEL_COLUMNS if name in lowered]
    label = lowered.index(named[0]) if named else 0
    words = [not _is_number(cell) and cell != "" for cell in first]
    # a first row of data with a single bad cell must not be mistaken for a header and be lost
    is_header = bool(named) or (
        words[0] and (sum(words[1:]) > len(words[1:]) / 2 or (bool(second) and _is_number(second[0])))
    )
    if not is_header:
        return _Layout(len(first), label, None, 0)
    if not second:
        raise DataError(f"{path} has zero rows below its header.")
    return _Layout(len(first), label, first, number)


def _fault(path: Path, layout: _Layout) -> DataError:
    """Return the error for a table that could not be read, searching it cell by cell."""
    with _records(path) as records:
        for number, cells in records:
            if number <= layout.n_lines:
                continue
            where = f"line {number} of {path}"
            if len(cells) != layout.n_columns:
                return DataError(
                    f"There are {len(cells)} cells in {where}, but {layout.n_columns} in its first line."
                )
            for i, cell in enumerate(cells):
                place = f"{layout.column(i)} in {where}"
                if cell == "":
                    return DataError(f"The cell of {place} is empty; fill it in or leave the line out.")
                if i == layout.label:
                    continue
                if not _is_number(cell):
                    return DataError(
                        f'The cell of {place} is "{cell[:40]}", but must be a number; the labels are taken '
                        f"from {layout.column(layout.label)}, and another column is if it is named label."
                    )
                if not abs(float(cell)) <= FLOAT32_MAX:
                    return DataError(
                        f"The cell of {place} is {cell[:40]}, but features must be finite numbers of at most "
                        "3.4e38; fill it in or leave the line out."
                    )
    return DataError(f"{path} cannot be read as a table of numbers with commas between them.")


def _is_number(cell: str) -> bool:
    # Python also takes 1_000 and digits of other scripts for numbers, NumPy does not
    if not cell.isascii() or "_" in cell:
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


@contextmanager
def _records(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open the rows of cells that are not blank, each with the number of its last line."""
    with _text(path) as file:
        reader = csv.reader(file)
        try:
            yield ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells)
        except csv.Error as error:
            raise DataError(f"Line {reader.line_num} of {path} is no CSV: {error}.") from error


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    with opened(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8.") from error
