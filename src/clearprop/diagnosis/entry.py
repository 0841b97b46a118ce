"""diagnose: checks what it is given, and investigates it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.finding import Diagnosis
from clearprop.diagnosis.investigation import investigate
from clearprop.diagnosis.program import Program
from clearprop.utils.arguments import check_number
from clearprop.utils.errors import DataError, InvalidArgument
from clearprop.utils.randomness import check_seed

Array = NDArray[np.floating[Any]]

SECONDS = 60.0
#: Less leaves no time for a single remedy.
FEWEST_SECONDS = 1.0


def diagnose(
    subject: Any,
    x: Any = None,
    y: Any = None,
    *,
    validation: tuple[Any, Any] | None = None,
    seed: int = 0,
    seconds: float = SECONDS,
    **settings: Any,
) -> Diagnosis:
    """Find out why a training fails, by trying the remedies.

    Parameters
    ----------
    subject : Program
        The training.
    x : array-like (n, ...)
        Training rows; what is not flat is flattened.
    y : array-like (n,) or (n, columns)
        Class numbers, one-hot rows or numbers, as the program is given them.
    validation : (x, y) or None, default None
        Rows to measure on. None sets a quarter of the rows aside; of fewer than 40 rows (or 24 distinct
        ones), the rows that are trained on are measured.
    seed : int, default 0
    seconds : float, default 60
        The budget, which is kept.

    Returns
    -------
    Diagnosis

    Raises
    ------
    DataError
        If rows or targets are empty, not finite, not numbers, or fit nothing.
    InvalidArgument
        If an argument has a value that is not allowed.
    """
    if not isinstance(subject, Program):
        raise InvalidArgument(
            f"The training to diagnose is of type {type(subject).__name__}, but must be a Program."
        )
    if settings:
        raise InvalidArgument(
            f"A Program has no setting {next(iter(settings))!r}; change the Program itself."
        )
    budget = check_seconds(seconds)
    check_seed(seed)
    rows, targets = check_data("", x, y)
    held = None
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise InvalidArgument("validation must be a pair (x, y) of rows and their targets.")
        held = check_data("validation ", *validation)
        if held[0].shape[1:] != rows.shape[1:] or held[1].shape[1:] != targets.shape[1:]:
            raise DataError(
                f"The validation rows have the shapes {held[0].shape} and {held[1].shape}, but the training "
                f"rows {rows.shape} and {targets.shape}; give both the same columns."
            )
    return investigate(subject, rows, targets, held, seed, budget)


def check_seconds(seconds: float) -> float:
    """Return the budget, if something can be tried within it."""
    budget = check_number("seconds", seconds, above=0.0)
    if budget < FEWEST_SECONDS:
        raise InvalidArgument(
            f"seconds is {budget:g}, which is too little to try anything; give at least {FEWEST_SECONDS:g}."
        )
    return budget


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
