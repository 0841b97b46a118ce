"""Checks of rows, labels and numbers of rows; each error names the first that is wrong."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.utils.errors import DataError, InvalidArgument

# checks over all rows go block by block, which bounds their memory
ROWS_AT_ONCE = 4096


def check_labels(name: str, y: NDArray[Any], class_names: tuple[str, ...]) -> None:
    """Raise DataError, naming label and row, if a label is not a class number."""
    wrong = np.flatnonzero((y < 0) | (y >= len(class_names)))
    if wrong.size:
        raise DataError(
            f"Label {y[wrong[0]]} at row {wrong[0]} of {name} (rows count from 0) is outside the classes, "
            f"0 to {len(class_names) - 1}."
        )


def check_finite(name: str, x: NDArray[Any]) -> None:
    """Raise DataError, naming row and column, if a number is NaN or infinite."""
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), ROWS_AT_ONCE):
        finite = np.isfinite(x[start : start + ROWS_AT_ONCE])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise DataError(
                f"Row {start + row}, column {column} of {name} (both count from 0) is "
                f"{x[start + row, column]}; features must be finite (and at most 3.4e38), so fill it in or "
                "leave the row out."
            )


def count_of(field: str, value: object, n: int) -> int:
    """Return a number of rows from a number or a share."""
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0:
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Integral) and 0 <= float(value) < 1:
        count = round(float(value) * n)
        if float(value) > 0 and count == 0:
            raise InvalidArgument(f"{field} is {value!r}, which of {n:,} rows is not one; ask for more.")
        return count
    raise InvalidArgument(
        f"{field} is {value!r}, but must be a number of rows (a whole number, 0 or more) or a share of them "
        "(from 0.0, below 1.0)."
    )
