"""The columns of the data in such an order that a batch ends early."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clearprop.engines.kernels.zero_columns import MANY, MIN_COLUMNS, MIN_CUT, bands_of, column_order, cuts_of


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


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=40),
    st.sampled_from([1, MIN_CUT, MANY]),
    st.booleans(),
)
def test_bands_hold_all_that_is_not_zero_and_no_column_twice(
    widths: list[int], times: int, sort: bool
) -> None:
    ends = np.repeat(widths, times)
    if sort:
        ends.sort()
    features = 90
    bands = bands_of(ends, cuts_of(len(ends)), features)
    held = np.zeros((len(ends), 1 + features), np.intp)
    for row, start, stop in bands:
        held[row:, start:stop] += 1
    # the ones come first
    used = np.arange(1 + features) <= ends[:, None]
    assert held[used].min() == held.max() == 1
    assert bands[-1].stop == np.flatnonzero(held.any(axis=0))[-1] + 1


def test_a_batch_is_cut_more_often_the_more_rows_it_has() -> None:
    assert cuts_of(MIN_CUT - 1) == (31,)
    assert cuts_of(64) == (48, 64)
    assert cuts_of(512) == (192, 320, 448, 512)
    # of what few rows use, few rows are multiplied
    widths = np.repeat([20, 40, 60, 80], 128)
    assert [(row, stop) for row, _, stop in bands_of(widths, cuts_of(512), 100)] == [
        (0, 48),
        (192, 64),
        (320, 96),
    ]
