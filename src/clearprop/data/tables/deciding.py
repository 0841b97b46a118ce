"""From the facts about the columns of a training file to its schema, with a sentence for each decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from clearprop.data.tables.cells import BOOLEANS, MISSING_NUMBERS, number, shown
from clearprop.data.tables.labels import has_no_name, may_be_index
from clearprop.data.tables.scan import ColumnFacts
from clearprop.data.tables.schema import Column, TableSchema
from clearprop.data.tables.source import TableSource, column_called
from clearprop.utils.errors import DataError

# so many values are categories even if a table is so short that hardly one comes twice
FEW_VALUES = 10
MOST_NAMED = 8

#: Why a column is left out -> how the sentence about such columns goes on, for one and for several.
REASONS = {
    "index": ("counts or names the rows", "count or name the rows"),
    "empty": ("is empty", "are empty"),
    "dates": ("holds dates", "hold dates"),
    "one text": ("holds one text only", "hold one text only"),
    "texts": ("holds too many different texts", "hold too many different texts"),
    "unreadable": ("holds neither numbers nor texts", "hold neither numbers nor texts"),
}


@dataclass(slots=True)
class Decisions:
    """The decisions about the columns.

    Attributes
    ----------
    columns : list of Column
    left_out : dict of str to list of int
        Reason -> positions.
    encoded : list of int
        Positions of the columns that are one-hot encoded.
    """

    columns: list[Column] = field(default_factory=list)
    left_out: dict[str, list[int]] = field(default_factory=dict)
    encoded: list[int] = field(default_factory=list)


def decide(
    source: TableSource, facts: Sequence[ColumnFacts], label: int, missing: str, keep_index: bool
) -> tuple[TableSchema, Decisions]:
    """Decide the purpose of each column.

    Parameters
    ----------
    source : TableSource
    facts : sequence of ColumnFacts
        One a column.
    label : int
        The position of the label column.
    missing : str
        Of ``MISSING_POLICIES``.
    keep_index : bool
        Keep columns that count or name the rows.

    Returns
    -------
    TableSchema
        Its ``fill`` is NaN: it is measured on the training rows.
    Decisions

    Raises
    ------
    DataError
        If a column of numbers has a cell that is none, or no column is left.
    """
    made = Decisions()
    for i, about in enumerate(facts):
        name = source.names[i] if source.names else ""
        if i == label:
            made.columns.append(Column(name, "label"))
            continue
        reason = _reason(source.names, i, about, keep_index)
        column = None if reason else _feature(source, i, about)
        if column is None:
            made.left_out.setdefault(reason or _reason_of_texts(about), []).append(i)
            column = Column(name, "left out")
        elif column.kind == "category":
            made.encoded.append(i)
        made.columns.append(column)
    n_features = sum(column.n_features for column in made.columns)
    if n_features == 0:
        why = " ".join(notes_about_left_out(source, made))
        raise DataError(f"No column of {source.place} is left as a feature beside the label. {why}".rstrip())
    schema = TableSchema(tuple(made.columns), source.names is not None, missing, np.full(n_features, np.nan))
    return schema, made


def notes_about_left_out(source: TableSource, made: Decisions) -> list[str]:
    """Return a sentence about the columns that are left out for each reason."""
    notes = []
    for reason, positions in made.left_out.items():
        one, several = REASONS[reason]
        many = len(positions) > 1
        remedy = "; --keep-index (keep_index=True) keeps it" if reason == "index" else ""
        notes.append(
            f"{_columns(source, positions)} of {source.place} {'are' if many else 'is'} left out, since "
            f"{'they' if many else 'it'} {several if many else one}{remedy}."
        )
    return notes


def note_about_encoded(source: TableSource, made: Decisions) -> list[str]:
    """Return a sentence about the columns that are one-hot encoded, if there are any."""
    if not made.encoded:
        return []
    many = len(made.encoded) > 1
    n_features = sum(made.columns[i].n_features for i in made.encoded)
    return [
        f"{_columns(source, made.encoded)} of {source.place} {'are' if many else 'is'} one-hot encoded: each "
        f"of {'their' if many else 'its'} {n_features} values is a feature."
    ]


def _columns(source: TableSource, positions: Sequence[int]) -> str:
    names = source.names
    if len(positions) == 1:
        if names and has_no_name(names[positions[0]]):
            return f"Column {positions[0] + 1}, which has no name,"
        called = column_called(names, positions[0])
        return called[0].upper() + called[1:]
    listed = [f'"{names[i]}"' if names and names[i] else str(i + 1) for i in positions]
    if len(listed) > MOST_NAMED:
        return f"Columns {', '.join(listed[:MOST_NAMED])} and {len(listed) - MOST_NAMED} more"
    return f"Columns {', '.join(listed[:-1])} and {listed[-1]}"


def _reason(names: Sequence[str] | None, i: int, about: ColumnFacts, keep_index: bool) -> str | None:
    """Return why a column is no feature whatever its cells are, or None."""
    if not about.readable:
        return "unreadable"
    if about.present == 0:
        return "empty"
    # numbers with a fraction measure something
    counts = names and may_be_index(names[i]) and not about.points and about.all_different()
    if names and not keep_index and (has_no_name(names[i]) or counts):
        return "index"
    return "dates" if about.dates and about.dates == about.present - about.blank else None


def _reason_of_texts(about: ColumnFacts) -> str:
    return "one text" if about.values is not None and len(about.values) == 1 else "texts"


def _feature(source: TableSource, i: int, about: ColumnFacts) -> Column | None:
    """Return a column that becomes features, or None for one of texts that cannot."""
    name = source.names[i] if source.names else ""
    if about.form(source.forms) is not None:
        _check_size(source, i, about)
        return Column(name, "number")
    if about.values is not None and any(
        {value.lower() for value in about.values} <= set(pair) for pair in BOOLEANS
    ):
        return Column(name, "boolean")
    values = about.values
    n_numbers = max(about.numbers.values(), default=0)
    n_texts = about.present - about.blank - n_numbers
    few = (
        values is not None
        and 1 < len(values) < about.present
        and (len(values) <= FEW_VALUES or len(values) <= about.present / 2)
    )
    if n_numbers >= about.present / 2 and n_texts:
        # a text that comes again among numbers is a value ("5 or more"), one that does not is a mistake
        texts = (
            [] if values is None else [n for value, n in values.items() if not _reads(value, source.forms)]
        )
        if not (few and all(n > 1 for n in texts)):
            raise _bad_cell(source, i, about)
    return Column(name, "category", tuple(sorted(values))) if few and values is not None else None


def _reads(value: str, forms: Sequence[str]) -> bool:
    return value.lower() in MISSING_NUMBERS or any(number(value, form) is not None for form in forms)


def _bad_cell(source: TableSource, i: int, about: ColumnFacts) -> DataError:
    line, cell = about.first_text or (0, "")
    return DataError(
        f"The cell of {column_called(source.names, i)} in {source.where(line)} is {shown(cell)}, but must be "
        "a number, as most cells of the column are; correct it or leave the line out."
    )


def _check_size(source: TableSource, i: int, about: ColumnFacts) -> None:
    if about.first_infinite is not None:
        line, cell = about.first_infinite
        raise DataError(
            f"The cell of {column_called(source.names, i)} in {source.where(line)} is {cell[:40]}, but "
            "features must be finite numbers of at most 3.4e38; fill it in or leave the line out."
        )


def forms_of_columns(source: TableSource, facts: Sequence[ColumnFacts]) -> list[str]:
    """Return the form in which each column writes its numbers.

    "1.234" is a thousand and more where the file has decimal commas elsewhere.
    """
    found = [about.form(source.forms) for about in facts]
    commas = "comma" in found
    forms = []
    for form, about in zip(found, facts, strict=True):
        if commas and form == "point" and about.points and about.only_thousands:
            form = "comma"
        forms.append(form or max(source.forms, key=lambda form: about.numbers.get(form, 0)))
    return forms
