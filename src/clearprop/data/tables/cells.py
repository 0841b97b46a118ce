"""Single cells of a table: missing cells, numbers and dates are told apart."""

from __future__ import annotations

import re

import numpy as np

FLOAT32_MAX = float(np.finfo(np.float32).max)

# in lower case; in every column
_MISSING = frozenset({"", "nan", "-nan", "null", "<na>", "#n/a", "#na", "nat"})
#: Texts, in lower case, that stand for a missing cell where the column is a feature.
MISSING = _MISSING | {"na", "n/a", "?"}
# a text column may mean these as values
MISSING_NUMBERS = MISSING | {"none", "-", "--", "."}
#: Texts, in lower case, that stand for a missing label; "NA" or "?" may be the name of a class.
MISSING_LABELS = _MISSING

#: How numbers are written: 1234.5, 1.234,5 or 1,234.5.
FORMS = ("point", "comma", "thousands")
_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)?(?:,[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")
#: A number whose points, if it has any, can only part its thousands.
POINTS_PART_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+")

_TIME = (
    r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_DATE = re.compile(
    r"(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2[0-9]{2,4})" + _TIME
)

#: Pairs of texts, in lower case, that are one feature: the first 0, the second 1.
BOOLEANS = (("false", "true"), ("no", "yes"))


def is_number(cell: str) -> bool:
    """Tell whether NumPy reads a cell as a number; NaN and infinity are numbers too."""
    # Python also takes 1_000 and digits of other scripts for numbers, NumPy does not
    if not cell.isascii() or "_" in cell:
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def number(cell: str, form: str) -> float | None:
    """Return the number in a cell, or None if it is none of this form.

    Parameters
    ----------
    cell : str
        Without white space around it.
    form : str
        Of ``FORMS``.
    """
    if form == "comma" and _COMMA.fullmatch(cell) and any(c.isdigit() for c in cell):
        return float(cell.replace(".", "").replace(",", "."))
    if form == "thousands" and _THOUSANDS.fullmatch(cell):
        return float(cell.replace(",", ""))
    if form != "comma" and is_number(cell):
        return float(cell)
    return None


def is_date(cell: str) -> bool:
    """Tell whether a cell is a date, with or without a time of day."""
    return _DATE.fullmatch(cell) is not None


def shown(cell: str) -> str:
    """Return the start of a cell for a message, in quotes."""
    return f'"{cell[:40]}"'
