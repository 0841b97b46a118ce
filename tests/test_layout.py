"""The memory layout of a batch: one memory, viewed as a whole and as units."""

from __future__ import annotations

import numpy as np
import pytest

from clearprop.engines.kernels.layout import batch_in, make_batch


@pytest.mark.parametrize("order", ["C", "F"])
def test_whole_is_contiguous_and_has_all_units(order: str) -> None:
    batch = make_batch(4, 3, order, np.dtype(np.float32))  # type: ignore[arg-type]
    batch.units[:] = np.arange(12).reshape(4, 3)
    assert batch.whole.flags.c_contiguous
    batch.whole[:] *= 2
    np.testing.assert_array_equal(batch.array[:, 1:], 2 * np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(batch.array[:, 0], 0)
    row_step, unit_step = batch.units.strides
    assert (row_step > unit_step) is (order == "C")


@pytest.mark.parametrize("order", ["C", "F"])
def test_smaller_batch_uses_the_beginning_of_the_memory(order: str) -> None:
    memory = np.zeros((4, 10))
    batch = batch_in(memory, 2, order)  # type: ignore[arg-type]
    batch.units[:] = 1
    assert batch.array.shape == (2, 4)
    assert memory.sum() == 6
    assert not memory.ravel()[8:].any()
