"""Predictions for the rows of a table: read as the training table was, printed or written as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.cli.options import print_notes
from clearprop.display.text import printable
from clearprop.utils.errors import ClearpropWarning, DataError, InvalidArgument

if TYPE_CHECKING:
    from clearprop.data.tables.schema import TableSchema
    from clearprop.model.model import Model


def predict_table(
    model: Model,
    model_path: Path,
    table: Path,
    out: Path | None,
    with_probabilities: bool,
    as_json: bool,
    label: str | None,
    missing: str | None,
) -> int:
    """Predict the class of each row of a table.

    Parameters
    ----------
    model : Model
    model_path, table : pathlib.Path
    out : pathlib.Path or None
        The CSV file to write; None prints.
    with_probabilities : bool
        Give the probability of every class.
    as_json : bool
        JSON in place of CSV.
    label, missing : str or None
        As for ``ReadOptions``; None is what the model was trained with.

    Returns
    -------
    int
        How many rows have no prediction, since cells are missing in them.

    Raises
    ------
    DataError
        If the table has not the columns the model was trained with.
    InvalidArgument
        If the model tells no classes apart, or its numbers overflow.
    """
    from clearprop.data.formats.read_path import read_table_for_model, table_source
    from clearprop.data.loading import existing_path
    from clearprop.data.tables.filling import filled
    from clearprop.data.tables.schema import TableSchema
    from clearprop.utils.files import write_atomic

    if model.network.output != "softmax":
        raise InvalidArgument(
            f'{model_path} has output="{model.network.output}", but classes are told apart with a softmax; '
            "use it in Python, with clearprop.load."
        )
    existing_path(table)
    n_features = model.network.layer_sizes[0]
    if model.table:
        schema = TableSchema.from_dict(model.table, n_features)
    else:
        schema = _schema_by_order(table_source(table, None, label), n_features, label)
    # a row that was left out of the training for its gaps is kept here, without a prediction
    policy = missing or ("keep" if schema.missing == "drop" else schema.missing)
    rows = read_table_for_model(table, schema, labels=False, missing="keep" if policy == "drop" else policy)
    for note in rows.notes:
        if note.warns:
            warnings.warn(note.text, ClearpropWarning, stacklevel=2)
    print_notes([note.text for note in rows.notes if not note.warns])
    probabilities = model.predict_proba(filled(rows.x, rows.missing, schema.fill))
    if not np.isfinite(probabilities).all():
        raise InvalidArgument(f"{model_path} has numbers that overflow on {table}; train the model again.")
    gaps: NDArray[np.bool_] = np.zeros(len(rows.x), bool)
    if policy in ("keep", "drop") and rows.missing is not None:
        gaps = np.any(rows.missing, axis=1)
        print(
            printable(
                f"{int(gaps.sum()):,} rows of {table} have no prediction, since cells are missing in "
                f"them, the first in line {rows.lines[gaps.argmax()]}; --missing mean fills them."
            ),
            file=sys.stderr,
        )
    names = model.class_names or tuple(map(str, range(probabilities.shape[1])))
    write = _json_text if as_json else _csv_text
    text = write(names, probabilities, gaps, with_probabilities)
    if out is None:
        print(text, end="")
    else:
        print(write_atomic(out, text))
    return int(gaps.sum())


def _schema_by_order(source: Any, n_features: int, label: str | None) -> TableSchema:
    """Return the schema of a table of numbers, in their order, for a model that knows no columns."""
    from clearprop.data.tables.labels import choose_label, find_column
    from clearprop.data.tables.schema import Column, TableSchema

    fill = np.zeros(n_features)
    columns = [Column("", "number")] * n_features
    if source.n_columns not in (n_features, n_features + 1):
        raise DataError(
            f"{source.place} has {source.n_columns} columns, but the model takes {n_features} features and "
            "does not know their names; give it these, with or without the labels."
        )
    at = n_features
    if source.n_columns == n_features + 1:
        at = choose_label(source) if label is None else find_column(source, label)
    columns.insert(at, Column("", "label"))
    return TableSchema(tuple(columns), False, "refuse", fill)


def _csv_text(
    names: tuple[str, ...], probabilities: NDArray[Any], gaps: NDArray[np.bool_], every: bool
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "class", "probability", *(f"probability_{name}" for name in names if every)])
    best = probabilities.argmax(axis=1).tolist()
    for number, (row, gap) in enumerate(zip(probabilities.tolist(), gaps.tolist(), strict=True), start=1):
        if gap:
            writer.writerow([number, "", "", *("" for _ in names if every)])
            continue
        k = best[number - 1]
        shares = [f"{share:.6g}" for share in row] if every else []
        writer.writerow([number, names[k], f"{row[k]:.6g}", *shares])
    return text.getvalue()


def _json_text(
    names: tuple[str, ...], probabilities: NDArray[Any], gaps: NDArray[np.bool_], every: bool
) -> str:
    found: list[dict[str, Any]] = []
    for number, (row, gap) in enumerate(zip(probabilities, gaps.tolist(), strict=True), start=1):
        k = int(row.argmax())
        one: dict[str, Any] = {"row": number, "class": None if gap else names[k]}
        one["probability"] = None if gap else float(row[k])
        if every and not gap:
            one["probabilities"] = dict(zip(names, row.tolist(), strict=True))
        found.append(one)
    return json.dumps(found, allow_nan=False, indent=1) + "\n"
