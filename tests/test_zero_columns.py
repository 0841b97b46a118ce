"""Zero columns: sorted to the end, and left out of the products block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clearprop.engines.kernels.zero_columns import (
    MIN_COLUMNS,
    MIN_FOUR_BLOCKS_ROWS,
    MIN_TWO_BLOCKS_ROWS,
    blocks_of,
    cuts_of,
    sort_columns,
)


@given(
    arrays(
        np.uint8, st.tuples(st.integers(1, 300), st.just(MIN_COLUMNS)), elements=st.sampled_from([0, 0, 0, 9])
    ),
    st.integers(7, MIN_COLUMNS),
)
def test_sorted_rows_are_zero_beyond_their_widths(x: np.ndarray, zeros: int) -> None:
    x[:, MIN_COLUMNS - zeros :] = 0
    columns = sort_columns(x)
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
def test_rows_that_gain_nothing_are_not_sorted(x: np.ndarray) -> None:
    assert sort_columns(x) is None


@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=40),
    st.sampled_from([1, MIN_TWO_BLOCKS_ROWS, MIN_FOUR_BLOCKS_ROWS]),
    st.booleans(),
)
def test_blocks_cover_all_numbers_that_are_not_zero_once(widths: list[int], times: int, sort: bool) -> None:
    ends = np.repeat(widths, times)
    if sort:
        ends.sort()
    features = 90
    blocks = blocks_of(ends, cuts_of(len(ends)), features)
    covered = np.zeros((len(ends), 1 + features), np.intp)
    for row, start, stop in blocks:
        covered[row:, start:stop] += 1
    # the column of ones comes first
    used = np.arange(1 + features) <= ends[:, None]
    assert covered[used].min() == covered.max() == 1
    assert blocks[-1].stop == np.flatnonzero(covered.any(axis=0))[-1] + 1


def test_larger_batches_have_more_blocks() -> None:
    assert cuts_of(MIN_TWO_BLOCKS_ROWS - 1) == (31,)
    assert cuts_of(64) == (48, 64)
    assert cuts_of(512) == (192, 320, 448, 512)
    # columns that few rows use are multiplied for few rows
    widths = np.repeat([20, 40, 60, 80], 128)
    assert [(row, stop) for row, _, stop in blocks_of(widths, cuts_of(512), 100)] == [
        (0, 48),
        (192, 64),
        (320, 96),
    ]
