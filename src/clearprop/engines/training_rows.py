"""What an engine in NumPy trains on, as it keeps it: in this process, or where a team sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory


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

    def moved_to(self, memory: SharedMemory) -> Rows:
        """Return the same in memory that has an array of each name."""
        for field in fields(self):
            array, place = getattr(self, field.name), memory[field.name]
            if array is not None and not np.may_share_memory(array, place):
                np.copyto(place, array)
        return Rows.found_in(memory, self.absent())

    @classmethod
    def found_in(cls, memory: SharedMemory, absent: Sequence[str]) -> Rows:
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
