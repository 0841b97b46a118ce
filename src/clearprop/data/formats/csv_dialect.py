"""How a CSV file is written: its encoding, the character between its cells, and whether it has a header."""

from __future__ import annotations

import codecs
import contextlib
import csv
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import IO, NamedTuple, TextIO

from clearprop.data.formats.base import CHUNK_BYTES
from clearprop.data.tables.cells import MISSING, is_number
from clearprop.data.tables.labels import LABEL_COLUMNS, has_no_name
from clearprop.utils.encodings import marked_encoding

SAMPLE_ROWS = 200
# a header that pandas makes of numbers has at least so many columns; two or three may be a row of data
MIN_COUNTED_HEADER = 5
# the likeliest first where a file can be read with several of them
SEPARATORS = ("\t", ";", "|", ",")
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class Dialect(NamedTuple):
    """The layout of a CSV file.

    Attributes
    ----------
    encoding : str
    separator : str
        The character between the cells; a space stands for any number of them.
    skip : int
        Lines before the header or the first row, such as Excel's "sep=;".
    """

    encoding: str
    separator: str
    skip: int


def find_encoding(file: IO[bytes]) -> str:
    """Return the encoding of a text: by its byte-order mark, else UTF-8 if it is valid, else Windows-1252.

    Parameters
    ----------
    file : binary file
        Read to its end.
    """
    start = file.read(CHUNK_BYTES)
    marked = marked_encoding(start)
    if marked is not None:
        return marked
    # UTF-16 without a mark: every other byte of plain text is zero
    head = start[:200]
    for encoding, zeros, others in (
        ("utf-16-le", head[1::2], head[::2]),
        ("utf-16-be", head[::2], head[1::2]),
    ):
        if len(head) >= 8 and zeros.count(0) > 0.8 * len(zeros) and not others.count(0):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        chunk = start
        while chunk:
            decoder.decode(chunk)
            chunk = file.read(CHUNK_BYTES)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def find_separator(text: TextIO) -> tuple[str, int]:
    """Return the character between the cells, and the number of lines to skip before them.

    Parameters
    ----------
    text : text file
        At its beginning.
    """
    lines = list(itertools.islice(_bounded(text), SAMPLE_ROWS))
    told = _EXCEL_SEPARATOR.fullmatch(lines[0]) if lines else None
    if told is not None:
        return told[1], 1
    n_comments = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
    separator = _separator_of(lines[n_comments:])
    if n_comments:
        # the last comment may be the header
        heads = rows_of([lines[n_comments - 1].removeprefix("#"), *lines[n_comments:]], separator)[:2]
        n_comments -= len({len(cells) for cells in heads}) == 1
    return separator, n_comments


def _separator_of(lines: Sequence[str]) -> str:
    for separator in (*SEPARATORS, " "):
        counts = [len(cells) for cells in rows_of(lines, separator)]
        if not counts or counts[0] < 2:
            continue
        # all lines agree but for a few, of which a reader then names the first
        usual = max(set(counts), key=counts.count)
        agree = counts.count(usual) / len(counts)
        if usual > 1 and agree > 0.8 and (separator != " " or set(counts[1:]) == {usual}):
            return separator
    return ","


def rows_of(lines: Iterator[str] | Sequence[str], separator: str) -> list[list[str]]:
    """Return the cells of some lines that are not blank; less of them where the CSV is wrong."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend([cell.strip() for cell in cells] for cells in reader_of(lines, separator) if any(cells))
    return rows


def reader_of(lines: Iterator[str] | Sequence[str] | TextIO, separator: str) -> Iterator[list[str]]:
    """Return the reader of the rows of cells."""
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def is_header(rows: Sequence[Sequence[str]], label: str | int | None, known: Collection[str] = ()) -> bool:
    """Tell whether the first row names the columns.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first rows of the table.
    label : str, int or None
        The name of the label column, if the user gave one.
    known : collection of str
        Names of columns that a model was trained with.
    """
    first, rest = rows[0], rows[1:]
    lowered = [cell.lower() for cell in first]
    if known:
        wanted = {name.lower() for name in known}
        if any(cell in wanted for cell in lowered if cell):
            return True
    elif any(name in lowered for name in LABEL_COLUMNS) or (
        isinstance(label, str) and label.lower() in lowered
    ):
        # a class may have the name of the label column
        column = next(i for i, cell in enumerate(lowered) if cell in (*LABEL_COLUMNS, str(label).lower()))
        numeric = isinstance(label, str) and is_number(label) and label not in LABEL_COLUMNS
        if not numeric and all(
            lowered[column] != cells[column].lower() for cells in rest if len(cells) > column
        ):
            return True
    counted = first[1:] if has_no_name(first[0]) else first
    if len(first) >= MIN_COUNTED_HEADER and counted == [str(i) for i in range(len(counted))]:
        return True
    words = [not is_number(cell) and cell.lower() not in MISSING for cell in first]
    second = rest[0] if rest else []
    leading = words[0] or has_no_name(first[0])
    # a first row of data with a single bad cell must not be mistaken for a header and be lost
    likely = leading and (
        sum(words[1:]) > len(words[1:]) / 2 or (words[0] and bool(second) and is_number(second[0]))
    )
    return likely and not _repeats(first, words, rest)


def _repeats(first: Sequence[str], words: Sequence[bool], rest: Sequence[Sequence[str]]) -> bool:
    """Tell whether a row of texts is a row of data, since its own texts come again below."""
    below = [set(column) for column in zip(*rest, strict=False)]
    return any(word and cell in cells for cell, word, cells in zip(first, words, below, strict=False))


def _bounded(text: TextIO) -> Iterator[str]:
    # a file may be one endless line
    while line := text.readline(CHUNK_BYTES):
        yield line
