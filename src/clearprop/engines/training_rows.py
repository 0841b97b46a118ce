"""The NumPy engine's training rows: data, targets, weights and scaling, with sorted columns if that pays off.

They are in this process's own memory, or in memory shared with workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task
from clearprop.engines.kernels.zero_columns import sort_columns
from clearprop.engines.sparse_rows import sparse_rows


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows a network is trained on.

    Parameters
    ----------
    x : ndarray (n, features), SparseRows, or a SciPy CSR matrix whose batches are made dense
    y : ndarray (n,) of intp, or (n, n_outputs) of the training dtype
    sample_weight : ndarray (n,) of the training dtype, or None
    shift, factor : ndarray () or (features,) of the training dtype
        The scaling.
    order : ndarray (features,) of intp, or None
        The number of each column of ``x`` in the data, if the columns are sorted.
    widths : ndarray (n,) of intp, or None
        For each row the number of sorted columns up to the last one that is not zero.
    """

    x: Any
    y: NDArray[Any]
    sample_weight: FloatArray | None
    shift: FloatArray
    factor: FloatArray
    order: NDArray[np.intp] | None = None
    widths: NDArray[np.intp] | None = None

    def absent(self) -> list[str]:
        """Return the names of the fields that are None."""
        return [field.name for field in fields(self) if getattr(self, field.name) is None]

    def copy_to(self, arrays: Mapping[str, NDArray[Any]]) -> Rows:
        """Return the same rows in other arrays, by the names of the fields."""
        for field in fields(self):
            array, target = getattr(self, field.name), arrays[field.name]
            if array is not None and not np.may_share_memory(array, target):
                np.copyto(target, array)
        return Rows.from_arrays(arrays, self.absent())

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], absent: Sequence[str]) -> Rows:
        """Return the rows in arrays, by the names of the fields; the absent fields are None."""
        found: dict[str, Any] = {
            field.name: None if field.name in absent else arrays[field.name] for field in fields(cls)
        }
        return cls(**found)

    def unused(self, weight: FloatArray) -> FloatArray:
        """Return the rows of a first weight ``(features, units)`` whose inputs are zero in all rows."""
        if self.order is None or self.widths is None:
            return weight[:0]
        return weight[self.order[int(self.widths.max()) :]]


def rows_for(task: Task, out: NDArray[Any] | None = None) -> Rows:
    """Return a task's rows, with their columns sorted where that pays off.

    Parameters
    ----------
    task : Task
    out : ndarray (n, features) or None, default None
        An array for sorted rows; None makes a new one.
    """
    dtype, weight = task.dtype, task.sample_weight
    shift, factor = (np.asarray(value, dtype) for value in (task.scaling.shift, task.scaling.factor))
    # zeros do not stay zero if they are shifted or moved by an adversary
    is_dense = bool(shift.any()) or bool(task.recipe.adversarial_epsilon)
    columns = None if is_dense else sort_columns(task.x, out)
    # a dropout mask of the inputs is drawn for zeros, too
    can_stay_sparse = not (is_dense or task.network.input_dropout)
    scaled = sparse_rows(task.x, task.scaling, dtype) if can_stay_sparse else None
    if scaled is not None:
        factor = np.ones((), dtype)
    if columns is not None and factor.ndim:
        factor = factor[columns.order]
    x = task.x if columns is None else columns.rows
    return Rows(
        x=x if scaled is None else scaled,
        # multiplied by the batch size, labels of a narrow type would overflow
        y=task.y.astype(np.intp if task.network.output == "softmax" else dtype, copy=False),
        sample_weight=None if weight is None else weight.astype(dtype, copy=False),
        shift=shift,
        factor=factor,
        order=None if columns is None else columns.order,
        widths=None if columns is None else columns.widths,
    )
