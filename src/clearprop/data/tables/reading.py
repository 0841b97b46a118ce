"""A table -> features and labels: with a schema decided here, or with that of a trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.data.options import Note, ReadOptions
from clearprop.data.tables.deciding import (
    decide,
    forms_of_columns,
    note_about_encoded,
    notes_about_left_out,
)
from clearprop.data.tables.encoding import EncodedTable, encode, positions, rows_without_label
from clearprop.data.tables.labels import (
    LABEL_COLUMNS,
    check_default_label,
    check_label_values,
    choose_label,
    find_column,
    label_values,
    may_be_index,
)
from clearprop.data.tables.scan import ColumnFacts, facts_of_texts, scan
from clearprop.data.tables.schema import TableSchema
from clearprop.data.tables.source import TableSource, column_called
from clearprop.utils.errors import DataError

MOST_LINES = 5


class TableRows(NamedTuple):
    """Rows of a table.

    Attributes
    ----------
    x : ndarray (n, features) of uint8 or float32
        NaN where a cell is missing.
    y : ndarray (n,) of numbers or str
        Empty where the labels were not asked for.
    schema : TableSchema
    missing : ndarray (n, features) of bool, or None
        The features of missing cells, if there are any.
    lines : ndarray (n,) of int64
        The number of each row in messages.
    notes : list of Note
    """

    x: NDArray[Any]
    y: NDArray[Any]
    schema: TableSchema
    missing: NDArray[np.bool_] | None
    lines: NDArray[np.int64]
    notes: list[Note]


def read_table(source: TableSource, options: ReadOptions | None = None) -> TableRows:
    """Read a training table, and decide its schema.

    Parameters
    ----------
    source : TableSource
    options : ReadOptions or None

    Raises
    ------
    DataError
        If the table is no training data; the text names the place and the remedy.
    """
    options = options or ReadOptions()
    if source.n_columns < 2:
        raise DataError(
            f"{source.place} has one column only; a label and at least one feature, with a comma, semicolon "
            "or tab between them, are needed."
        )
    label = choose_label(source) if options.label is None else find_column(source, options.label)
    policy = options.missing or "refuse"
    watched = {i for i, name in enumerate(source.names or ()) if i != label and may_be_index(name)}
    rows = _read_numbers(source, label, watched, policy, options.keep_index)
    if rows is None:
        facts = scan(source, watched)
        if options.label is None and not _is_label_name(source, label):
            check_default_label(source, facts)
        schema, made = decide(source, facts, label, policy, options.keep_index)
        places: list[int | None] = list(range(source.n_columns))
        encoded = encode(source, schema, places, forms_of_columns(source, facts), facts[0].n)
        notes = [Note(text, True) for text in notes_about_left_out(source, made)]
        notes += [Note(text) for text in note_about_encoded(source, made)]
        rows = _treat_missing(source, encoded, schema, places, policy, notes)
    check_label_values(source, label, rows.y)
    called = column_called(source.names, label)
    return rows._replace(notes=[Note(f"The labels of {source.place} are taken from {called}."), *rows.notes])


def apply_schema(
    source: TableSource, schema: TableSchema, *, labels: bool, missing: str | None = None
) -> TableRows:
    """Read a table as the training table was read: the same columns, found by name, into the same features.

    Parameters
    ----------
    source : TableSource
    schema : TableSchema
    labels : bool
        Whether the labels are needed.
    missing : str or None
        Of ``MISSING_POLICIES``; None is the schema's own. ``"keep"`` leaves NaN where a cell is missing.

    Raises
    ------
    DataError
        If a column is missing, or a cell is wrong; the text names the place.
    """
    places = positions(schema, source, labels=labels)
    rows = _numbers_in_order(source, schema, places, labels=labels)
    if rows is not None:
        return rows
    facts = scan(source, ())
    encoded = encode(source, schema, places, forms_of_columns(source, facts), facts[0].n)
    if not labels:
        encoded = encoded._replace(labels=None)
    notes = _notes_about_unknown(source, encoded.unknown)
    return _treat_missing(source, encoded, schema, places, missing or schema.missing, notes)


def _is_label_name(source: TableSource, label: int) -> bool:
    return source.names is not None and source.names[label].lower() in LABEL_COLUMNS


def _read_numbers(
    source: TableSource, label: int, watched: set[int], policy: str, keep_index: bool
) -> TableRows | None:
    """Read a table of numbers without a gap, the common case, the quick way; None for any other."""
    quick = source.numbers({label, *watched})
    if quick is None:
        return None
    table, texts = quick
    n = len(table)
    facts = [
        facts_of_texts(texts[i], source.forms)
        if i in texts
        else ColumnFacts(n=n, numbers=dict.fromkeys(source.forms, n), values=None)
        for i in range(source.n_columns)
    ]
    schema, made = decide(source, facts, label, policy, keep_index)
    kept = [i for i, column in enumerate(schema.columns) if column.n_features]
    if watched & set(kept) or rows_without_label(texts[label]).any():
        return None
    # of many columns a few are left out: deleting them is quicker than choosing the others
    x = np.ascontiguousarray(np.delete(table, sorted(set(range(source.n_columns)) - set(kept)), axis=1))
    notes = [Note(text, True) for text in notes_about_left_out(source, made)]
    return TableRows(x, label_values(texts[label]), schema, None, np.arange(1, n + 1), notes)


def _numbers_in_order(
    source: TableSource, schema: TableSchema, places: Sequence[int | None], *, labels: bool
) -> TableRows | None:
    """Read a table of numbers without a gap the quick way; None for any other."""
    kept = [
        place
        for column, place in zip(schema.columns, places, strict=True)
        if column.kind == "number" and place is not None
    ]
    if len(kept) != schema.n_features or any(column.kind == "category" for column in schema.columns):
        return None
    quick = source.numbers(set(range(source.n_columns)) - set(kept))
    if quick is None:
        return None
    table, texts = quick
    y = np.empty(0)
    if labels:
        found = texts[places[schema.label] or 0]
        if rows_without_label(found).any():
            return None
        y = label_values(found)
    x = table if kept == list(range(source.n_columns)) else np.ascontiguousarray(table[:, kept])
    return TableRows(x, y, schema, None, np.arange(1, len(table) + 1), [])


def _treat_missing(
    source: TableSource,
    encoded: EncodedTable,
    schema: TableSchema,
    places: Sequence[int | None],
    policy: str,
    notes: list[Note],
) -> TableRows:
    x, labels, lines = encoded.x, encoded.labels, encoded.lines
    kept = np.ones(len(x), bool)
    if labels is not None:
        without = rows_without_label(labels)
        if without.any() and policy != "drop":
            called = column_called(source.names, places[schema.label] or 0)
            raise DataError(
                f"The cell of {called} in {source.where(int(lines[without.argmax()]))} is empty, so the row "
                'has no label; fill it in, or leave such rows out with --missing drop (missing="drop").'
            )
        kept &= ~without
    missing = None
    if encoded.first_missing is not None:
        line, place, cell = encoded.first_missing
        if policy == "refuse":
            state = f"{cell[:40]}, but features must be finite numbers" if cell else "empty"
            raise DataError(
                f"The cell of {column_called(source.names, place)} in {source.where(line)} is {state}; fill "
                "it in, or choose --missing mean or --missing drop (missing= in Python)."
            )
        missing = np.isnan(x)
        if policy == "drop":
            kept &= ~missing.any(axis=1)
        elif policy == "mean":
            notes.append(_note_about_filled(source, schema, missing))
    if not kept.all():
        notes.append(
            Note(
                f"{int((~kept).sum()):,} of the {len(x):,} rows of {source.place} are left out, since cells "
                "are missing in them.",
                True,
            )
        )
        if not kept.any():
            raise DataError(f"Every row of {source.place} has a missing cell; choose --missing mean.")
        x, lines = x[kept], lines[kept]
        missing = None if policy == "drop" or missing is None else missing[kept]
        labels = None if labels is None else [labels[i] for i in np.flatnonzero(kept).tolist()]
    y = np.empty(0) if labels is None else label_values(labels)
    return TableRows(x, y, schema, missing, lines, notes)


def _note_about_filled(source: TableSource, schema: TableSchema, missing: NDArray[np.bool_]) -> Note:
    counts, start = [], 0
    for i, column in enumerate(schema.columns):
        if column.n_features:
            n = int(missing[:, start].sum())
            start += column.n_features
            if n:
                counts.append(f"{n:,} in {column_called([c.name for c in schema.columns], i)}")
    shown = ", ".join(counts[:MOST_LINES]) + (f", and more in {len(counts) - 5} columns" * (len(counts) > 5))
    return Note(
        f"Missing cells of {source.place} ({shown}) are filled with the mean of the training rows.", True
    )


def _notes_about_unknown(source: TableSource, unknown: Counter[tuple[str, str]]) -> list[Note]:
    if not unknown:
        return []
    shown = [f'"{value[:40]}" in column "{name}" ({n:,} rows)' for (name, value), n in unknown.most_common(3)]
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return [
        Note(
            f"{source.place} has values that the training data has not, {', '.join(shown)}{more}; the "
            "features of such a column are all 0 there.",
            True,
        )
    ]
