"""Rows and targets as people give them, checked and made arrays."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.utils.errors import DataError

Array = NDArray[np.floating[Any]]


def check_data(part: str, x: Any, y: Any) -> tuple[Array, NDArray[Any]]:
    """Return rows ``(n, features)`` of float32 and their targets, if they are finite numbers that fit.

    Raises
    ------
    DataError
        Naming the array and what is wrong.
    """
    if x is None or y is None:
        raise DataError(f"The {part}{'x' if x is None else 'y'} is missing; give rows x and their targets y.")
    rows, targets = _numbers(f"{part}x", x), _numbers(f"{part}y", y)
    if rows.ndim == 0 or targets.ndim == 0 or not len(rows) or not rows.size or not targets.size:
        raise DataError(f"The {part}data is empty: x has the shape {rows.shape} and y {targets.shape}.")
    if len(rows) != len(targets):
        raise DataError(
            f"The {part}x has {len(rows):,} rows and y {len(targets):,}; give each row one target."
        )
    flat = np.ascontiguousarray(rows.reshape(len(rows), -1), np.float32)
    if not np.isfinite(flat).all():
        raise DataError(f"The {part}x has numbers too large for float32; scale the columns.")
    if targets.ndim > 2:
        targets = targets.reshape(len(targets), -1)
    return flat, targets


def _numbers(name: str, values: Any) -> NDArray[Any]:
    with contextlib.suppress(AttributeError):
        # of PyTorch
        values = values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"The rows of {name} have different lengths; give a table of numbers.") from None
    if array.dtype.kind == "O":
        with contextlib.suppress(ValueError, TypeError):
            array = array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {array.dtype}, but must hold numbers; encode words as class numbers.")
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    bad = ~np.isfinite(array)
    if bad.any():
        where = np.argwhere(bad)[0]
        raise DataError(
            f"{name} holds {int(bad.sum()):,} numbers that are NaN or infinite, the first in row {where[0]}; "
            "remove or fill them."
        )
    return array
