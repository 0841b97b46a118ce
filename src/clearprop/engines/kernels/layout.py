"""The arrays of a batch: row after row or unit after unit, and in either case in one piece for NumPy."""

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
    """Numbers ``(batch, units)``, with room before the first unit for what a bias is multiplied by.

    Where rows follow each other, that room lies between them, and NumPy takes four times as long over gaps.
    So what is done to each number is done to the whole, room included, and whoever needs something there
    writes it again.

    Parameters
    ----------
    array : ndarray (batch, 1 + units)
        All of it.
    units : ndarray (batch, units)
        All but the room, for products.
    whole : ndarray
        One piece of memory that holds all units, for what is done to each number.
    """

    array: FloatArray
    units: FloatArray
    whole: FloatArray

    def room(self) -> FloatArray | None:
        """Return the room ``(batch,)`` if it is part of the whole."""
        return self.array[:, 0] if self.whole.size > self.units.size else None


def lies_in(memory: FloatArray, batch: int, order: Order) -> Batch:
    """Return a batch in memory ``(1 + units, rows)`` for as many rows or more.

    Parameters
    ----------
    memory : ndarray (1 + units, rows), C order
    batch : int
    order : {"C", "F"}
        Row after row, or unit after unit.
    """
    flat = memory.ravel()[: len(memory) * batch]
    if order == "C":
        array = flat.reshape(batch, len(memory))
        return Batch(array, array[:, 1:], flat)
    return Batch(flat.reshape(-1, batch).T, flat[batch:].reshape(-1, batch).T, flat[batch:])


def make_batch(batch: int, units: int, order: Order, dtype: np.dtype[Any]) -> Batch:
    """Return a batch of zeros."""
    return lies_in(np.zeros((1 + units, batch), dtype), batch, order)


def shapes_of(layer_sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the shape of each layer's parameters, ``(1 + fan_in, fan_out)``: the bias, then the weight."""
    return [(1 + fan_in, fan_out) for fan_in, fan_out in pairwise(layer_sizes)]


def layers_in(flat: FloatArray, shapes: Sequence[tuple[int, int]]) -> list[FloatArray]:
    """Return each layer's part of a flat array; the first layer's is at its end.

    The rows of the first weight that an optimizer may leave out are last.
    """
    layers, start = [], 0
    for rows, columns in reversed(shapes):
        layers.append(flat[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return layers[::-1]
