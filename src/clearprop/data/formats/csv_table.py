"""CSV: a table of cells in a text file, whatever its separator and encoding."""

from __future__ import annotations

import csv
import io
import itertools
import os
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from clearprop.data.formats.base import opened
from clearprop.data.formats.csv_dialect import (
    SAMPLE_ROWS,
    Dialect,
    find_encoding,
    find_separator,
    is_header,
    reader_of,
)
from clearprop.data.options import Note, ReadOptions
from clearprop.data.tables.cells import is_number
from clearprop.data.tables.reading import TableRows, read_table
from clearprop.data.tables.source import ROWS_IN_A_CHUNK, Chunk, distinct_names
from clearprop.utils.errors import DataError

MAX_LINE = 1 << 25
MAX_COLUMNS = 1_000_000
ENCODING_NAMES = {"cp1252": "Windows-1252"}


def read_csv(path: str | os.PathLike[str], options: ReadOptions | None = None) -> TableRows:
    """Read features and labels from a CSV file.

    Cells are separated by commas, semicolons, tabs, vertical bars or spaces. The first line may name the
    columns. Blank lines are skipped.

    Parameters
    ----------
    path : path-like
        A file in UTF-8, UTF-16 or UTF-32, or else Windows-1252.
    options : ReadOptions or None

    Returns
    -------
    TableRows
        x is (n, features), of uint8 where all cells are whole numbers from 0 to 255, else of float32; y is
        (n,) of numbers, or of str where a label is not a number.

    Raises
    ------
    DataError
        Naming line and column (both count from 1, and columns by their names if they have any) of the first
        cell that is wrong, or the first line with more or fewer cells than the others.
    """
    options = options or ReadOptions()
    source = CsvSource(Path(path), label=options.label)
    rows = read_table(source, options)
    return rows._replace(notes=[*rows.notes, *source.notes])


class CsvSource:
    """The rows of a CSV file, as a TableSource.

    Parameters
    ----------
    path : pathlib.Path
    label : str, int or None
        The label column, if the user named one.
    known : collection of str
        Names of columns that a model was trained with.
    """

    def __init__(self, path: Path, label: str | int | None = None, known: Collection[str] = ()) -> None:
        self.path = path
        self.place = str(path)
        with opened(path) as file:
            encoding = find_encoding(file)
        with _text(path, encoding) as text:
            self._dialect = Dialect(encoding, *find_separator(text))
        self.forms = ("point", "thousands", "comma") if self._dialect.separator == "," else ("point", "comma")
        with self._records() as records:
            sample = list(itertools.islice(records, SAMPLE_ROWS))
        if not sample:
            raise DataError(f"{path} has zero rows.")
        first = sample[0][1]
        # numpy.savetxt writes its header as a comment
        first[0] = first[0].removeprefix("#").lstrip() or first[0]
        self.names: tuple[str, ...] | None = None
        self._last_header_line = 0
        if is_header([cells for _, cells in sample], label, known):
            if len(sample) == 1:
                raise DataError(f"{path} has zero rows below its header.")
            second = sample[1][1]
            # R's write.table names the columns but not the first, which names the rows from "1" on
            if (
                len(second) == len(first) + 1
                and (second[0] == "1" or not is_number(second[0]))
                and second[-1]
            ):
                first = ["", *first]
            self.names = distinct_names(first)
            self._last_header_line = sample[0][0]
        self.n_columns = len(first)

    @property
    def notes(self) -> list[Note]:
        """Sentences about how the file is written."""
        name = ENCODING_NAMES.get(self._dialect.encoding)
        if name is None:
            return []
        return [
            Note(f"{self.place} is not UTF-8, so it was read as {name}; save it as UTF-8 to be sure.", True)
        ]

    def where(self, line: int) -> str:
        """Return the place of a row for messages."""
        return f"line {line} of {self.place}"

    def chunks(self) -> Iterator[Chunk]:
        """Give the rows from the first to the last."""
        with self._records() as records:
            rows = self._checked(records)
            while some := list(itertools.islice(rows, ROWS_IN_A_CHUNK)):
                lines = [line for line, _ in some]
                columns = [list(column) for column in zip(*(cells for _, cells in some), strict=True)]
                yield Chunk(lines, columns)  # type: ignore[arg-type]

    def numbers(self, texts: Collection[int]) -> tuple[NDArray[Any], dict[int, list[str]]] | None:
        """Read a table of numbers at once, or return None if it may be none."""
        with self._records() as records:
            for _, cells in itertools.islice(self._checked(records), SAMPLE_ROWS):
                if not all(is_number(cell) or i in texts for i, cell in enumerate(cells)):
                    return None
        # NumPy reads whole numbers four times as fast, and uint8 takes a quarter of the memory
        for dtype in (np.uint8, np.float32):
            # earlier versions of NumPy only warn if a fraction would be cut off (_load raises it)
            try:
                table, found = self._load(dtype, texts)
            except (ValueError, Warning):
                continue
            if dtype is np.uint8 or np.isfinite(table).all():
                return table, found
        return None

    def _load(
        self, dtype: type[np.uint8 | np.float32], texts: Collection[int]
    ) -> tuple[NDArray[Any], dict[int, list[str]]]:
        found: dict[int, list[str]] = {i: [] for i in texts}

        def keep(cells: list[str]) -> Callable[[str], int]:
            def converter(text: str) -> int:
                cells.append(text.strip())
                return 0

            return converter

        dialect = self._dialect
        skipped = max(self._last_header_line, dialect.skip)
        with _text(self.path, dialect.encoding) as file, warnings.catch_warnings():
            warnings.simplefilter("error")
            table = np.loadtxt(
                itertools.islice(file, skipped, None),
                dtype,
                comments=None,
                delimiter=None if dialect.separator == " " else dialect.separator,
                quotechar='"',
                converters={i: keep(cells) for i, cells in found.items()},
                ndmin=2,
            )
        n_texts = {len(cells) for cells in found.values()} or {len(table)}
        if n_texts != {len(table)} or table.shape[1] != self.n_columns:
            raise ValueError("the header has another number of columns")
        return table, found

    def _checked(self, records: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
        """Give the rows below the header, and raise DataError for one with too many or too few cells."""
        n = self.n_columns
        for line, cells in records:
            if line <= self._last_header_line:
                continue
            if len(cells) > n and not any(cells[n:]):
                # a separator at the end of each line
                cells = cells[:n]
            if len(cells) != n:
                raise DataError(
                    f"There are {len(cells)} cells in {self.where(line)}, but {n} in its first line."
                )
            yield line, cells

    def _lines(self, file: TextIO) -> Iterator[str]:
        """Give the lines of the file; one without an end would take all memory."""
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE or line.count(self._dialect.separator) > MAX_COLUMNS:
                raise DataError(
                    f"Line {number} of {self.path} has more than {MAX_LINE:,} characters or {MAX_COLUMNS:,} "
                    "cells, which no table has; give each row a line of its own."
                )
            yield line

    @contextmanager
    def _records(self) -> Iterator[Iterator[tuple[int, list[str]]]]:
        """Open the rows of cells that are not blank, each with the number of its last line."""
        with _text(self.path, self._dialect.encoding) as file:
            skip = self._dialect.skip
            reader = reader_of(itertools.islice(self._lines(file), skip, None), self._dialect.separator)
            try:
                yield (
                    (reader.line_num + skip, list(map(str.strip, cells)))  # type: ignore[attr-defined]
                    for cells in reader
                    if any(cells)
                )
            except csv.Error as error:
                line = reader.line_num + skip  # type: ignore[attr-defined]
                raise DataError(f"Line {line} of {self.path} is no CSV: {error}.") from error


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[TextIO]:
    with opened(path) as file, io.TextIOWrapper(file, encoding=encoding) as text:
        try:
            yield text
        except UnicodeError as error:
            if encoding == "cp1252":
                raise DataError(f"{path} is no text in UTF-8 or Windows-1252; save it as UTF-8.") from error
            raise DataError(f"{path} is not {encoding.upper()} text ({error}); save it as UTF-8.") from error
