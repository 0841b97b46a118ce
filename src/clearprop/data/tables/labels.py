"""The label column of a table: named by the user, by its header, or the first; and the labels in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.tables.cells import MISSING_LABELS, is_number
from clearprop.data.tables.scan import ColumnFacts
from clearprop.data.tables.source import TableSource, column_called
from clearprop.utils.arguments import nearest
from clearprop.utils.errors import DataError

#: Names of columns that are taken as the label, in this order.
LABEL_COLUMNS = ("label", "class", "target", "y")
# a table with such a column is not likely to have its labels in the first
_LIKELY_LABELS = frozenset(
    [
        "labels",
        "classes",
        "class_label",
        "class_name",
        "target_class",
        "target_name",
        "targets",
        "outcome",
        "output",
        "result",
        "response",
        "species",
        "diagnosis",
        "survived",
        "quality",
        "variety",
        "category",
        "churn",
        "income",
        "exited",
        "is_fraud",
        "fraud",
        "spam",
        "is_spam",
        "sentiment",
        "income_class",
        "clicked",
        "purchased",
        "attrition",
        "loan_status",
        "default",
        "cultivar",
    ]
)
# such a column counts or names the rows if all its cells differ
_INDEX_NAME = re.compile(
    r"(?:.*[_\W ])?(?:id|idx|index|uuid|guid)|.*[a-z](?:Id|ID)|"
    r"row(?:[_ ]?(?:names?|numbers?|nr|no|num|count))?|rownames?|"
    r"(?:serial|record|case|sample|sr|s)[_. ]*(?:no|nr|number|num)\.?|[sr]no|nr\.?|no\.?|num|number|"
    r"obs(?:ervation)?|lfd\.? ?nr\.?|#|level_0|unnamed[: ].*|__index_level_[0-9]+__"
)
_NO_NAME = re.compile(r"unnamed: ?[0-9]+(?:_level_[0-9]+)?|__index_level_[0-9]+__", re.IGNORECASE)
#: A table of at least so many rows, with a label of its own in most of them, holds values and not classes.
MIN_ROWS_TO_JUDGE = 20
HOW_TO_NAME = "name the column of the labels with --label (label= in Python)"


def has_no_name(name: str) -> bool:
    """Tell whether a header leaves a column without a name, as pandas and R write their index."""
    return name == "" or _NO_NAME.fullmatch(name) is not None


def may_be_index(name: str) -> bool:
    """Tell whether a column of this name may count or name the rows."""
    return has_no_name(name) or bool(_INDEX_NAME.fullmatch(name) or _INDEX_NAME.fullmatch(name.lower()))


def find_column(source: TableSource, wanted: str | int) -> int:
    """Return the position of the column that a user names.

    Parameters
    ----------
    source : TableSource
    wanted : str or int
        A name, capitals or not; or as text the number of a column, counted from 1; or as int its position,
        counted from 0. Negative numbers count from the end.

    Raises
    ------
    DataError
        If there is no such column, or several that differ in their capitals only.
    """
    names = source.names or ()
    text = str(wanted)
    if text in names:
        return names.index(text)
    alike = [i for i, name in enumerate(names) if name.lower() == text.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    if not alike and re.fullmatch(r"-?[0-9]{1,9}", text):
        position = int(text) - (isinstance(wanted, str) and int(text) > 0)
        if -source.n_columns <= position < source.n_columns and text != "0":
            return position % source.n_columns
        if text == "0" and isinstance(wanted, int):
            return 0
    has = ", ".join(f'"{name}"' for name in names[:20]) or f"{source.n_columns} columns without names"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    suggestion = nearest(wanted, names) if names else " Give its number, counted from 1."
    raise DataError(f'{source.place} has no column "{text}" for the labels; it has {has}{more}.{suggestion}')


def choose_label(source: TableSource) -> int:
    """Return the position of the label column where the user names none.

    It is the column named "label", "class", "target" or "y", else the first.

    Raises
    ------
    DataError
        If the first column cannot hold the labels, by its name or by that of another.
    """
    if source.names is None:
        return 0
    lowered = [name.lower() for name in source.names]
    named = [name for name in LABEL_COLUMNS if name in lowered]
    if named:
        return lowered.index(named[0])
    first = source.names[0]
    likely = [name for name in source.names if re.sub(r"[\W_]+", "_", name.lower()) in _LIKELY_LABELS]
    if likely and first not in likely:
        raise DataError(
            f'{source.place} has no column named label, class, target or y; "{likely[0]}" may be it, but the '
            f"first is {column_called(source.names, 0)}, so {HOW_TO_NAME}, such as --label {likely[0]}."
        )
    if may_be_index(first):
        raise DataError(
            f"{source.place} has no column named label, class, target or y, and its first, "
            f"{column_called(source.names, 0)}, seems to count or name the rows; {HOW_TO_NAME}."
        )
    return 0


def check_default_label(source: TableSource, facts: Sequence[ColumnFacts]) -> None:
    """Raise DataError if the first column was taken as the label and another is likelier by its cells."""
    last = len(facts) - 1
    numbers, texts = (facts[i].form(source.forms) is not None for i in (0, last))
    values = facts[last].values
    if not numbers or texts or values is None or not 2 <= len(values) < facts[last].n:
        return
    names = source.names
    raise DataError(
        f"No column of {source.place} is named label, class, target or y; the last, "
        f"{column_called(names, last)}, holds names, but the first, {column_called(names, 0)}, holds "
        f"numbers, so {HOW_TO_NAME}, such as --label {names[last] if names and names[last] else last + 1}."
    )


def label_values(labels: Sequence[str]) -> NDArray[Any]:
    """Return labels as numbers if all are numbers, else as text."""
    different = sorted(set(labels))
    values: NDArray[Any]
    if all(is_number(label) for label in different):
        values = np.array([float(label) for label in different])
    else:
        values = np.array(different)
    codes = {label: i for i, label in enumerate(different)}
    return values[[codes[label] for label in labels]]


def check_label_values(source: TableSource, label: int, values: NDArray[Any]) -> None:
    """Raise DataError if the labels are values to predict, and no classes."""
    called = column_called(source.names, label)
    advice = f"a column of values is learnt by clearprop.MLPRegressor in Python; for classes, {HOW_TO_NAME}"
    if values.dtype.kind == "f":
        wrong = np.flatnonzero(values != np.floor(values))
        if wrong.size:
            raise DataError(
                f"The labels of {source.place}, in {called}, hold {values[wrong[0]]:g}, which is not a whole "
                f"number and no name of a class; {advice}."
            )
    n_different = len(np.unique(values))
    if len(values) >= MIN_ROWS_TO_JUDGE and n_different > len(values) / 2:
        raise DataError(
            f"The labels of {source.place}, in {called}, are {n_different:,} different ones in "
            f"{len(values):,} rows, which are no classes; {advice}."
        )


def is_missing_label(cell: str) -> bool:
    """Tell whether a row has no label."""
    return cell.lower() in MISSING_LABELS
