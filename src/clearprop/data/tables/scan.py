"""First reading of a table: facts about the cells of each column, in bounded memory."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearprop.data.tables.cells import (
    FLOAT32_MAX,
    MISSING,
    MISSING_NUMBERS,
    POINTS_PART_THOUSANDS,
    is_date,
    number,
)
from clearprop.data.tables.source import TableSource
from clearprop.utils.errors import DataError

#: A text column with more different values is not one-hot encoded.
MOST_VALUES = 50


@dataclass(slots=True)
class ColumnFacts:
    """Facts about the cells of a column.

    Attributes
    ----------
    n : int
        Rows.
    missing : int
        Cells that say nothing, in any feature.
    blank : int
        Cells that say nothing where the others are numbers, such as "-".
    numbers : dict of str to int
        Cells that are numbers, for each form in which numbers may be written.
    dates : int
    values : Counter of str or None
        How often each text occurs; None where there are more than ``MOST_VALUES``.
    first_missing, first_text, first_infinite : (int, str) or None
        Line and text of the first such cell.
    hashes : array of int or None
        A hash of every cell, for columns that may name the rows.
    points : bool
        Some cell has a point, or a fraction.
    only_thousands : bool
        Every point in the column's numbers can only part thousands.
    readable : bool
        False where the values are neither numbers nor texts.
    """

    n: int = 0
    missing: int = 0
    blank: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    dates: int = 0
    values: Counter[str] | None = field(default_factory=Counter)
    first_missing: tuple[int, str] | None = None
    first_text: tuple[int, str] | None = None
    first_infinite: tuple[int, str] | None = None
    hashes: array[int] | None = None
    points: bool = False
    only_thousands: bool = True
    readable: bool = True

    @property
    def present(self) -> int:
        """Number of cells that are not missing."""
        return self.n - self.missing

    def all_different(self) -> bool:
        """Tell whether no two cells are the same (but for a collision of hashes)."""
        return self.hashes is not None and len(np.unique(np.frombuffer(self.hashes, np.int64))) == self.n

    def form(self, forms: Sequence[str]) -> str | None:
        """Return the form that all cells have which are not missing, or None."""
        for form in forms:
            if 0 < self.numbers.get(form, 0) == self.present - self.blank:
                return form
        return None


def scan(source: TableSource, watched: Collection[int]) -> list[ColumnFacts]:
    """Read a table and return the facts about each column.

    Parameters
    ----------
    source : TableSource
    watched : collection of int
        Columns whose cells are compared with one another.

    Raises
    ------
    DataError
        If there are no rows, or as the source raises it.
    """
    facts = [ColumnFacts(hashes=array("q") if i in watched else None) for i in range(source.n_columns)]
    for lines, columns in source.chunks():
        for cells, about in zip(columns, facts, strict=True):
            about.n += len(lines)
            if cells is None:
                about.readable = False
            elif isinstance(cells, np.ndarray):
                _add_numbers(about, lines, cells, source.forms)
            else:
                _add_texts(about, lines, cells, source.forms)
    if not facts or not facts[0].n:
        raise DataError(f"{source.place} has zero rows below its header.")
    return facts


def facts_of_texts(cells: Sequence[str], forms: Sequence[str]) -> ColumnFacts:
    """Return the facts about a column that is in memory already, its cells compared with one another."""
    facts = ColumnFacts(n=len(cells), hashes=array("q"))
    _add_texts(facts, range(1, len(cells) + 1), cells, forms)
    return facts


def _add_numbers(
    facts: ColumnFacts, lines: Sequence[int], cells: NDArray[np.float64], forms: Sequence[str]
) -> None:
    missing = np.isnan(cells)
    n_missing = int(missing.sum())
    if n_missing and facts.first_missing is None:
        facts.first_missing = (lines[int(missing.argmax())], "")
    _note_infinite(facts, lines, cells)
    facts.missing += n_missing
    whole = cells == np.floor(cells)
    facts.points |= not bool((whole | missing).all())
    for form in forms:
        facts.numbers[form] = facts.numbers.get(form, 0) + len(cells) - n_missing
    if facts.hashes is not None:
        facts.hashes.extend(map(hash, cells.tolist()))
    _count(facts, [repr(value) for value in np.unique(cells[~missing])[: MOST_VALUES + 1].tolist()])


def _add_texts(facts: ColumnFacts, lines: Sequence[int], cells: Sequence[str], forms: Sequence[str]) -> None:
    if facts.hashes is not None:
        facts.hashes.extend(map(hash, cells))
    together = "".join(cells)
    if "." in together:
        facts.points = True
        if len(forms) > 1 and facts.only_thousands:
            facts.only_thousands = all(
                "." not in cell or POINTS_PART_THOUSANDS.fullmatch(cell) or cell.lower() in MISSING_NUMBERS
                for cell in cells
            )
    if "point" in forms and together.isascii() and "_" not in together and "," not in together:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                _note_infinite(facts, lines, values, cells)
                for form in forms:
                    if form != "comma" or "." not in together or facts.only_thousands:
                        facts.numbers[form] = facts.numbers.get(form, 0) + len(cells)
                _count(facts, cells)
                return
    for line, cell in zip(lines, cells, strict=True):
        _add_text(facts, line, cell, forms)


def _add_text(facts: ColumnFacts, line: int, cell: str, forms: Sequence[str]) -> None:
    lowered = cell.lower()
    if lowered in MISSING_NUMBERS and facts.first_missing is None:
        facts.first_missing = (line, cell)
    if lowered in MISSING:
        facts.missing += 1
        return
    _count(facts, [cell])
    if lowered in MISSING_NUMBERS:
        facts.blank += 1
        return
    is_any = False
    for form in forms:
        value = number(cell, form)
        if value is not None:
            is_any = True
            facts.numbers[form] = facts.numbers.get(form, 0) + 1
            if not abs(value) <= FLOAT32_MAX and facts.first_infinite is None:
                facts.first_infinite = (line, cell)
    if not is_any:
        facts.dates += is_date(cell)
        if facts.first_text is None:
            facts.first_text = (line, cell)


def _note_infinite(
    facts: ColumnFacts, lines: Sequence[int], values: NDArray[np.float64], cells: Sequence[str] | None = None
) -> None:
    wrong = np.flatnonzero(np.abs(values) > FLOAT32_MAX)
    if wrong.size and facts.first_infinite is None:
        first = int(wrong[0])
        facts.first_infinite = (lines[first], cells[first] if cells else f"{values[first]:g}")


def _count(facts: ColumnFacts, cells: Sequence[str]) -> None:
    if facts.values is None:
        return
    facts.values.update(cells)
    if len(facts.values) > MOST_VALUES:
        facts.values = None
