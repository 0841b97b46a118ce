"""What an engine in NumPy trains on, as it keeps it: in this process, or where a team sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task
from clearprop.engines.kernels.zero_columns import column_order


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is trained on, as an engine keeps it.

    Parameters
    ----------
    x : ndarray (n, features), or a SciPy CSR matrix
    y : ndarray (n,) of int, or (n, n_outputs) of the type computed in
    sample_weight : ndarray (n,) of the type computed in, or None
    shift, factor : ndarray () or (features,) of the type computed in
        The scaling.
    order : ndarray (features,) of intp, or None
        Which column of the data each column of ``x`` is, if it is sorted.
    widths : ndarray (n,) of intp, or None
        How many sorted columns hold all that is not zero in a row.
    """

    x: Any
    y: NDArray[Any]
    sample_weight: FloatArray | None
    shift: FloatArray
    factor: FloatArray
    order: NDArray[np.intp] | None = None
    widths: NDArray[np.intp] | None = None

    def absent(self) -> list[str]:
        """Return the names of those that are None."""
        return [field.name for field in fields(self) if getattr(self, field.name) is None]

    def moved_to(self, memory: Mapping[str, NDArray[Any]]) -> Rows:
        """Return the same in memory that has an array of each name."""
        for field in fields(self):
            array, place = getattr(self, field.name), memory[field.name]
            if array is not None and not np.may_share_memory(array, place):
                np.copyto(place, array)
        return Rows.found_in(memory, self.absent())

    @classmethod
    def found_in(cls, memory: Mapping[str, NDArray[Any]], absent: Sequence[str]) -> Rows:
        """Return those that lie in memory by name, but for some that are None."""
        found: dict[str, Any] = {
            field.name: None if field.name in absent else memory[field.name] for field in fields(cls)
        }
        return cls(**found)

    def unused(self, weight: FloatArray) -> FloatArray:
        """Return the rows of a first weight ``(features, units)`` whose inputs are zero in all rows."""
        if self.order is None or self.widths is None:
            return weight[:0]
        return weight[self.order[int(self.widths.max()) :]]


def rows_for(task: Task, out: NDArray[Any] | None = None) -> Rows:
    """Return a task's rows as a training step takes them, their columns sorted where that pays.

    Parameters
    ----------
    task : Task
    out : ndarray (n, features) or None, default None
        Where to put sorted rows; a new array if None.
    """
    dtype, weight = task.dtype, task.sample_weight
    shift, factor = (np.asarray(value, dtype) for value in (task.scaling.shift, task.scaling.factor))
    # a zero that is shifted is none, and an adversary moves every one
    dense = bool(shift.any()) or bool(task.recipe.adversarial_epsilon)
    columns = None if dense else column_order(task.x, out)
    if columns is not None and factor.ndim:
        factor = factor[columns.order]
    return Rows(
        x=task.x if columns is None else columns.rows,
        # narrow labels would overflow where they are multiplied
        y=task.y.astype(np.intp if task.network.output == "softmax" else dtype, copy=False),
        sample_weight=None if weight is None else weight.astype(dtype, copy=False),
        shift=shift,
        factor=factor,
        order=None if columns is None else columns.order,
        widths=None if columns is None else columns.widths,
    )
