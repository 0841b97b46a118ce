"""Memory layout of a batch and of parameters: contiguous for elementwise work, with room for the bias.

A batch ``(batch, units)`` is stored row by row ("C") or unit by unit ("F"), with one column before the first
unit. As inputs of a layer that column holds ones, which a product multiplies with the bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from clearprop.engines.base import FloatArray

Order = Literal["C", "F"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Three views of the same memory.

    Row by row, the bias column lies between the rows, and NumPy takes four times as long for an array with
    gaps. So elementwise functions are applied to the whole, bias column included, which is then filled again.

    Parameters
    ----------
    array : ndarray (batch, 1 + units)
        The bias column, then the units.
    units : ndarray (batch, units)
        For matrix products.
    whole : ndarray
        Contiguous memory with all units, for elementwise functions.
    order : {"C", "F"}
        Stored row by row, or unit by unit.
    """

    array: FloatArray
    units: FloatArray
    whole: FloatArray
    order: Order

    def overwritten_column(self) -> FloatArray | None:
        """Return the bias column ``(batch,)`` if it is part of the whole."""
        return self.array[:, 0] if self.whole.size > self.units.size else None


def batch_in(memory: FloatArray, batch: int, order: Order) -> Batch:
    """Return a batch at the beginning of memory that has room for as many rows or more.

    Parameters
    ----------
    memory : ndarray (1 + units, max_batch), C order
    batch : int
    order : {"C", "F"}
    """
    flat = memory.ravel()[: len(memory) * batch]
    if order == "C":
        array = flat.reshape(batch, len(memory))
        return Batch(array, array[:, 1:], flat, order)
    return Batch(flat.reshape(-1, batch).T, flat[batch:].reshape(-1, batch).T, flat[batch:], order)


def make_batch(batch: int, units: int, order: Order, dtype: np.dtype[Any]) -> Batch:
    """Return a batch of zeros."""
    return batch_in(np.zeros((1 + units, batch), dtype), batch, order)


def shapes_of(layer_sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the shape of each layer's parameters, ``(1 + fan_in, fan_out)``: the bias, then the weight."""
    return [(1 + fan_in, fan_out) for fan_in, fan_out in pairwise(layer_sizes)]


def layers_in(flat: FloatArray, shapes: Sequence[tuple[int, int]]) -> list[FloatArray]:
    """Return views of each layer's parameters in a flat array; the first layer is stored last.

    So the rows of the first weight that an update may skip (see ``zero_columns``) are at the array's end.
    """
    layers, start = [], 0
    for rows, columns in reversed(shapes):
        layers.append(flat[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return layers[::-1]
