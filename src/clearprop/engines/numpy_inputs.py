"""The input of a training step in NumPy: rows fetched from the training data, scaled, and cut into blocks.

Where the columns of the training rows are sorted by how often they are zero (see ``zero_columns``), a batch
sorted by its widths falls into a few blocks of columns, and everything outside them is zero.

Where one factor scales all columns of bytes, it is folded into the first layer's products, so that the inputs
are filled in a third of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, take_rows
from clearprop.engines.kernels.zero_columns import Band, bands_of, cuts_of
from clearprop.engines.training_rows import Rows


class InputLoader:
    """Fills the inputs of a batch.

    Parameters
    ----------
    rows : Rows
        The training rows as they are stored.
    can_fold : bool
        Whether the first layer's products can multiply with a factor and leave out blocks.
    is_moved : bool
        Whether something is added to the inputs after they are scaled, so that no factor can be folded.
    can_sort : bool
        Whether the rows of a batch may be sorted; not where a mask is drawn for each of them in order.

    Attributes
    ----------
    folded_factor : float
        What the first layer has to multiply its inputs with; 1 where they are scaled as they are filled.
    """

    def __init__(self, rows: Rows, can_fold: bool, is_moved: bool, can_sort: bool) -> None:
        self.rows = rows
        self._is_shifted = bool(rows.shift.any())
        is_scaled = bool((rows.factor != 1).any())
        is_one_factor = is_scaled and not rows.factor.ndim and not self._is_shifted and bool(rows.factor)
        # bytes are far from overflowing as they are
        folds = can_fold and is_one_factor and rows.x.dtype == np.uint8 and not is_moved
        self.folded_factor = float(rows.factor) if folds else 1.0
        self._is_scaled = is_scaled and self.folded_factor == 1
        self._sorted_by = rows.widths if can_fold and can_sort else None

    def sorted(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return row numbers so that the batch has narrow blocks; a step is the same for all orders."""
        widths = self._sorted_by
        return numbers if widths is None else numbers[widths[numbers].argsort(kind="stable")]

    def load(
        self, numbers: NDArray[np.intp], stored: NDArray[Any], inputs: FloatArray, mask: FloatArray | None
    ) -> list[Band] | None:
        """Fill the inputs of a batch.

        Parameters
        ----------
        numbers : ndarray (batch,) of intp
            Which rows.
        stored : ndarray (batch, features)
            A buffer of the type of the stored rows.
        inputs : ndarray (batch, 1 + features)
            What is filled, behind its first column.
        mask : ndarray (batch, features) or None
            What dropout multiplies the inputs with.

        Returns
        -------
        list of Band or None
            The blocks that have been filled, all other inputs being zero; None where all are filled.
        """
        rows, blocks = self.rows, None
        take_rows(rows.x, numbers, stored)
        if rows.order is not None and rows.widths is not None:
            cuts = (len(numbers),) if self._sorted_by is None else cuts_of(len(numbers))
            blocks = bands_of(rows.widths[numbers], cuts, stored.shape[1])
            inputs = inputs[:, : blocks[-1].stop]
            width = inputs.shape[1] - 1
            if self._is_scaled:
                factor = rows.factor[:width] if rows.factor.ndim else rows.factor
                np.multiply(stored[:, :width], factor, out=inputs[:, 1:])
            else:
                inputs[:, 1:] = stored[:, :width]
            # drawn for the columns as they are stored
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
        return blocks
