"""The input of a training step in NumPy: rows fetched from the training data, scaled, and cut into blocks.

Where the columns of the training rows are sorted by how often they are zero (see ``zero_columns``), a batch
sorted by its widths is cut into a few blocks of columns, and everything outside them is zero.

Where one factor scales all columns of bytes, it is folded into the first layer's products ("folded scale"),
and the inputs are filled in a third of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, take_rows
from clearprop.engines.kernels.zero_columns import blocks_of, cuts_of
from clearprop.engines.numpy_layers import DenseLayer
from clearprop.engines.training_rows import Rows


class InputLoader:
    """Fills the inputs of the first layer.

    Parameters
    ----------
    rows : Rows
    can_fold : bool
        Whether the first layer's products can multiply by a factor and leave out blocks.
    is_adversarial : bool
        Whether something is added to the scaled inputs, so that no factor can be folded.
    can_sort : bool
        Whether the rows of a batch may be sorted; not where dropout draws a mask for each row in order.

    Attributes
    ----------
    folded_factor : float
        The factor that the first layer has to multiply its inputs by; 1 where ``load`` scales them.
    """

    def __init__(self, rows: Rows, *, can_fold: bool, is_adversarial: bool, can_sort: bool) -> None:
        self._rows = rows
        self._is_shifted = bool(rows.shift.any())
        is_scaled = bool((rows.factor != 1).any())
        is_one_factor = is_scaled and not rows.factor.ndim and not self._is_shifted and bool(rows.factor)
        # unscaled bytes are far from overflowing
        folds = can_fold and is_one_factor and rows.x.dtype == np.uint8 and not is_adversarial
        self.folded_factor = float(rows.factor) if folds else 1.0
        self._is_scaled = is_scaled and self.folded_factor == 1
        self._sorting_widths = rows.widths if can_fold and can_sort else None

    def sort(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return row numbers in an order with small blocks; a step is the same in all orders."""
        widths = self._sorting_widths
        return numbers if widths is None else numbers[widths[numbers].argsort(kind="stable")]

    def buffer(self, batch: int) -> NDArray[Any]:
        """Return a buffer ``(batch, features)`` for rows as they are stored."""
        return np.empty((batch, self._rows.x.shape[1]), self._rows.x.dtype)

    def load(
        self, numbers: NDArray[np.intp], stored: NDArray[Any], layer: DenseLayer, mask: FloatArray | None
    ) -> None:
        """Fill a layer's inputs with a batch, and tell the layer which blocks are not zero.

        Parameters
        ----------
        numbers : ndarray (batch,) of intp
            The row numbers.
        stored : ndarray (batch, features)
            See ``buffer``.
        layer : DenseLayer
        mask : ndarray (batch, features) or None
            The dropout mask that the inputs are multiplied by.
        """
        rows, inputs = self._rows, layer.inputs.array
        take_rows(rows.x, numbers, stored)
        if rows.order is not None and rows.widths is not None:
            cuts = (len(numbers),) if self._sorting_widths is None else cuts_of(len(numbers))
            blocks = blocks_of(rows.widths[numbers], cuts, stored.shape[1])
            layer.use_blocks(blocks)
            inputs = inputs[:, : blocks[-1].stop]
            width = inputs.shape[1] - 1
            if self._is_scaled:
                factor = rows.factor[:width] if rows.factor.ndim else rows.factor
                np.multiply(stored[:, :width], factor, out=inputs[:, 1:])
            else:
                inputs[:, 1:] = stored[:, :width]
            # the mask was drawn for the columns as they are in the data
            mask = None if mask is None else mask[:, rows.order[:width]]
        elif self._is_shifted:
            np.subtract(stored, rows.shift, out=inputs[:, 1:])
            inputs[:, 1:] *= rows.factor
        elif self._is_scaled:
            np.multiply(stored, rows.factor, out=inputs[:, 1:])
        else:
            inputs[:, 1:] = stored
        if mask is not None:
            inputs[:, 1:] *= mask
