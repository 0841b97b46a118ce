"""An order of rows and columns in which a chunk of rows is zero after its first columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clearprop.data.dataset import Dataset
from clearprop.engines.kernels.row_order import RowOrder, row_order

SHAPES = st.tuples(st.integers(1, 90), st.sampled_from([8, 10, 11, 64]))


@given(arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 0, 0, 0, 9])), st.integers(1, 90))
def test_fetched_rows_lack_only_zero_columns(x: np.ndarray, chunk: int) -> None:
    # rows of zeros need almost no columns, so that sorting always pays off
    x = np.concatenate([x, np.zeros((9 * len(x), x.shape[1]), np.uint8)])
    order = row_order(x)
    assert order is not None
    assert sorted(order.rows) == list(range(len(x)))
    assert (np.diff(order.widths.astype(np.intp)) >= 0).all()
    # the rows of the weight have the order of the columns
    columns = order.sort_weight(np.arange(x.shape[1])[:, None])[:, 0]
    assert sorted(columns) == list(range(x.shape[1]))
    for start in range(0, len(x), chunk):
        rows = x[order.rows[start : start + chunk]]
        fetched = order.fetch(x, start, min(start + chunk, len(x)))
        assert (fetched == rows[:, columns[: fetched.shape[1]]]).all()
        assert not rows[:, columns[fetched.shape[1] :]].any()


def columns_needed(order: RowOrder, n: int, chunk: int) -> float:
    size = 784 // len(order.words)
    return float(
        np.mean([int(order.widths[min(n, start + chunk) - 1]) * size for start in range(0, n, chunk)])
    )


def test_chunk_of_mnist_needs_little_more_than_half_of_its_columns(mnist: Dataset) -> None:
    assert mnist.test is not None
    order = row_order(mnist.test.x)
    assert order is not None
    assert columns_needed(order, 10_000, 1_000) < 460


@pytest.mark.parametrize(
    "x",
    [
        np.ones((90, 16), np.uint8),
        # enough zeros, but in other columns of each row
        np.random.default_rng(0).integers(0, 2, (900, 50), np.uint8),
        np.zeros((0, 16), np.uint8),
        np.zeros((90, 0), np.uint8),
    ],
    ids=["no zeros", "zeros anywhere", "no rows", "no columns"],
)
def test_rows_that_gain_nothing_have_no_order(x: np.ndarray) -> None:
    assert row_order(x) is None


def test_only_bytes_in_c_order_have_an_order() -> None:
    x = np.zeros((90, 16), np.uint8)
    assert row_order(x) is not None
    assert row_order(x.astype(np.float32)) is None
    assert row_order(x[::2]) is None
    assert row_order(np.asfortranarray(x)) is None


@pytest.mark.parametrize("columns", [8, 79, 784])
def test_rows_of_zeros_alone_make_sorting_pay_off(columns: int) -> None:
    x = np.ones((2000, columns), np.uint8)
    x[np.random.default_rng(0).random(2000) < 0.5] = 0
    order = row_order(x)
    assert order is not None
    assert (order.widths[:900] == 1).all()


def test_all_rows_decide_and_not_only_the_sample() -> None:
    x = np.ones((2048, 64), np.uint8)
    x[::4] = 0
    assert row_order(x) is not None
    # a fifth of the sample is zero still, but only a twentieth of all rows
    x[400::4] = 1
    assert row_order(x) is None
