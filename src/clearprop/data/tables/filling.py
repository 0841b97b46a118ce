"""Missing cells are filled with the mean of their feature, over the training rows that have it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS_AT_ONCE = 4096


def means(x: NDArray[Any], missing: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return the mean of each feature over the rows that have it; 0 where no row has.

    Parameters
    ----------
    x : ndarray (n, features) of uint8 or float32
    missing : ndarray (n, features) of bool, or None

    Returns
    -------
    ndarray (features,) of float64
    """
    if missing is None:
        return x.mean(axis=0, dtype=np.float64)  # type: ignore[no-any-return]
    total = np.zeros(x.shape[1])
    for start in range(0, len(x), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        total += np.where(missing[part], 0, x[part]).sum(axis=0, dtype=np.float64)
    return total / np.maximum(len(x) - missing.sum(axis=0), 1)  # type: ignore[no-any-return]


def filled(x: NDArray[Any], missing: NDArray[np.bool_] | None, fill: NDArray[np.float64]) -> NDArray[Any]:
    """Return the rows with missing features filled; the same array where none is missing.

    Parameters
    ----------
    x : ndarray (n, features)
    missing : ndarray (n, features) of bool, or None
    fill : ndarray (features,) of float64
    """
    if missing is None:
        return x
    whole = x.copy()
    rows, columns = np.nonzero(missing)
    whole[rows, columns] = fill[columns]
    return whole
