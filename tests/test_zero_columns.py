"""The columns of the data in such an order that a batch ends early."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clearprop.engines.zero_columns import MIN_COLUMNS, column_order


@given(
    arrays(
        np.uint8, st.tuples(st.integers(1, 300), st.just(MIN_COLUMNS)), elements=st.sampled_from([0, 0, 0, 9])
    ),
    st.integers(7, MIN_COLUMNS),
)
def test_the_sorted_rows_are_the_rows_and_nothing_lies_beyond_their_widths(x: np.ndarray, zeros: int) -> None:
    x[:, MIN_COLUMNS - zeros :] = 0
    columns = column_order(x)
    assert columns is not None
    assert (columns.rows == x[:, columns.order]).all()
    for row, width in zip(columns.rows, columns.widths, strict=True):
        assert not row[width:].any()
        assert width == 1 or row[width - 1]
    assert columns.widths.max() == max(1, np.count_nonzero(x.any(axis=0)))


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((5, 100), np.float32),
        np.zeros((5, MIN_COLUMNS - 1), np.uint8),
        np.zeros((0, 100), np.uint8),
        np.ones((5, 100), np.uint8),
    ],
    ids=["floats", "few columns", "no rows", "no zeros"],
)
def test_nothing_is_sorted_where_nothing_is_gained(x: np.ndarray) -> None:
    assert column_order(x) is None
