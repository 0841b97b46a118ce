"""The losses: plain formulas, weighted means, no overflow where a formula as written would have one.

And the output functions: probabilities of any logits, finite, infinite or NaN, without a warning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from clearprop.engines.prediction import OUTPUT_FUNCTIONS
from clearprop.nn.losses import LOSSES, LOSSES_OF_OUTPUT
from clearprop.nn.network import OUTPUTS
from clearprop.nn.softmax import softmax
from clearprop.scratch import softmax as lesson_softmax

Array = NDArray[np.floating[Any]]
N_OUTPUTS, N_ROWS = 3, 5
EVERY_LOSS = pytest.mark.parametrize("loss", sorted(LOSSES))

FLOATS = st.sampled_from([np.float32, np.float64])
BATCHES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda shape: (shape[0] + 1, shape[1]))
# few numbers, so that ties and several infinities in a column are common
EXTREMES = st.sampled_from([np.inf, -np.inf, 3e38, -3e38, 1.0, 0.0, -0.0])

logits = hnp.arrays(np.float64, (N_OUTPUTS, N_ROWS), elements=st.floats(-8, 8))
weights = hnp.arrays(np.float64, N_ROWS, elements=st.floats(0.1, 10))
labels = hnp.arrays(np.int64, N_ROWS, elements=st.integers(0, N_OUTPUTS - 1))


def targets_of(loss: str, classes: NDArray[np.int64]) -> NDArray[Any]:
    """Return targets that fit a loss, made of classes: labels, 0 and 1, or counts."""
    if LOSSES[loss].output == "softmax":
        return classes
    of_each: NDArray[np.float64] = (classes * np.arange(1, N_OUTPUTS + 1)[:, np.newaxis]) % 3 * 1.0
    return np.minimum(of_each, 1) if LOSSES[loss].output == "sigmoid" else of_each


def plain_softmax(z: Array) -> Array:
    return lesson_softmax(z.T).T


def of_true_class(p: Array, labels: NDArray[Any]) -> Array:
    return p[labels, np.arange(N_ROWS)]


def plain_binary_cross_entropy(z: Array, targets: Array) -> Array:
    p = 1 / (1 + np.exp(-z))
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum(axis=0)


def plain_poisson(z: Array, targets: Array) -> Array:
    ratio = np.where(targets > 0, targets, 1) / np.exp(z)
    return (targets * np.log(ratio) - targets + np.exp(z)).sum(axis=0)


# each column's loss, as the books write it
FORMULAS = {
    "cross_entropy": lambda z, labels: -np.log(of_true_class(plain_softmax(z), labels)),
    "double_softmax": lambda z, labels: -np.log(of_true_class(plain_softmax(plain_softmax(z)), labels)),
    "binary_cross_entropy": plain_binary_cross_entropy,
    "squared_error": lambda z, targets: ((z - targets) ** 2).sum(axis=0) / 2,
    "poisson": plain_poisson,
}


@EVERY_LOSS
@given(z=logits, classes=labels)
def test_a_loss_is_the_mean_of_its_formula(loss: str, z: Array, classes: NDArray[np.int64]) -> None:
    targets = targets_of(loss, classes)
    value, _ = LOSSES[loss](z, targets)
    assert value == pytest.approx(FORMULAS[loss](z, targets).mean(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("output", OUTPUTS)
@given(z=logits, classes=labels)
def test_the_gradient_of_the_loss_of_an_output_is_prediction_minus_target(
    output: str, z: Array, classes: NDArray[np.int64]
) -> None:
    loss = LOSSES_OF_OUTPUT[output][0]
    targets = targets_of(loss, classes)
    _, gradient = LOSSES[loss](z, targets)
    truth = np.eye(N_OUTPUTS)[targets].T if output == "softmax" else targets
    expected = (OUTPUT_FUNCTIONS[output](z) - truth) / N_ROWS
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-14)


@EVERY_LOSS
@given(z=logits, classes=labels, weight=weights)
def test_with_weights_it_is_the_weighted_mean(
    loss: str, z: Array, classes: NDArray[np.int64], weight: Array
) -> None:
    targets = targets_of(loss, classes)
    value, _ = LOSSES[loss](z, targets, sample_weight=weight)
    expected = np.average(FORMULAS[loss](z, targets), weights=weight)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@EVERY_LOSS
@given(z=logits, classes=labels, times=hnp.arrays(np.int64, N_ROWS, elements=st.integers(0, 3)))
def test_a_weight_of_two_is_a_row_that_comes_twice_and_one_of_zero_a_row_that_does_not(
    loss: str, z: Array, classes: NDArray[np.int64], times: NDArray[np.int64]
) -> None:
    times[0] = max(times[0], 1)
    smoothing = 0.2 if LOSSES[loss].smooths_labels else 0.0
    columns = np.repeat(np.arange(N_ROWS), times)
    targets = targets_of(loss, classes)
    repeated = targets[columns] if targets.ndim == 1 else targets[:, columns]
    value, gradient = LOSSES[loss](z, targets, smoothing, times.astype(np.float64))
    other_value, other_gradient = LOSSES[loss](z[:, columns], repeated, smoothing)
    assert value == pytest.approx(other_value, rel=1e-9, abs=1e-12)
    for column in range(N_ROWS):
        of_column = other_gradient[:, columns == column].sum(axis=1)
        np.testing.assert_allclose(gradient[:, column], of_column, rtol=1e-9, atol=1e-12)


@EVERY_LOSS
@given(z=logits, classes=labels, weight=weights, factor=st.floats(1e-3, 1e3))
def test_only_the_ratios_of_the_weights_count(
    loss: str, z: Array, classes: NDArray[np.int64], weight: Array, factor: float
) -> None:
    targets = targets_of(loss, classes)
    value, gradient = LOSSES[loss](z, targets, sample_weight=weight)
    other_value, other_gradient = LOSSES[loss](z, targets, sample_weight=factor * weight)
    assert value == pytest.approx(other_value, rel=1e-9)
    np.testing.assert_allclose(gradient, other_gradient, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_binary_cross_entropy_of_extreme_logits_is_exact(dtype: type) -> None:
    z = np.array([[1e4, -1e4, 1e4, -1e4, 0, -40]], dtype=dtype)
    targets = np.array([[1, 0, 0, 1, 0.5, 0]], dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        losses = [LOSSES["binary_cross_entropy"](z[:, [i]], targets[:, [i]]) for i in range(6)]
    assert [value for value, _ in losses] == pytest.approx([0, 0, 1e4, 1e4, np.log(2), np.exp(-40)])
    assert [float(gradient[0, 0]) for _, gradient in losses] == pytest.approx([0, 0, 1, -1, 0, np.exp(-40)])
    assert all(gradient.dtype == dtype for _, gradient in losses)


@given(z=logits, classes=labels, share=st.floats(0.01, 0.99))
def test_smoothing_moves_the_targets_of_a_sigmoid_to_the_middle(
    z: Array, classes: NDArray[np.int64], share: float
) -> None:
    loss = LOSSES["binary_cross_entropy"]
    targets = targets_of("binary_cross_entropy", classes)
    value, gradient = loss(z, targets, share)
    other_value, other_gradient = loss(z, targets + share * (0.5 - targets))
    assert value == pytest.approx(other_value, rel=1e-12)
    np.testing.assert_allclose(gradient, other_gradient, rtol=1e-12, atol=1e-15)


def test_the_poisson_loss_is_zero_where_the_prediction_is_right() -> None:
    targets = np.array([[0.5, 1.0, 7.0]])
    value, gradient = LOSSES["poisson"](np.log(targets), targets)
    assert value == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


def any_logits(*, nan: bool) -> st.SearchStrategy[Array]:
    """Return finite and infinite logits ``(n_classes, batch)`` of both types, with NaN among them or not."""
    return FLOATS.flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            BATCHES,
            elements=EXTREMES.map(dtype)
            | st.floats(width=32 if dtype == np.float32 else 64, allow_nan=nan).map(dtype),
        )
    )


@given(z=any_logits(nan=False))
def test_softmax_of_any_logits_sums_to_one_without_a_warning(z: Array) -> None:
    with np.errstate(all="raise", under="ignore"):
        p = softmax(z)
    assert p.dtype == z.dtype
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p.sum(axis=0), 1, rtol=1e-6 if z.dtype == np.float32 else 1e-14)


@given(z=any_logits(nan=False))
def test_infinite_logits_share_the_probability_among_the_largest(z: Array) -> None:
    p = softmax(z)
    for column in np.flatnonzero(np.isinf(z.max(axis=0))):
        largest = z[:, column] == z[:, column].max()
        np.testing.assert_array_equal(p[~largest, column], 0)
        np.testing.assert_array_equal(p[largest, column], z.dtype.type(1 / largest.sum()))


@given(z=any_logits(nan=False))
def test_an_infinite_logit_is_the_limit_of_a_large_one(z: Array) -> None:
    z = z.astype(np.float64)
    z = np.where(np.isinf(z), z, np.clip(z, -1e100, 1e100))
    np.testing.assert_array_equal(softmax(z), softmax(np.clip(z, -1e300, 1e300)))


@given(z=any_logits(nan=True))
def test_a_nan_logit_makes_its_row_nan_and_no_other(z: Array) -> None:
    with np.errstate(all="raise", under="ignore"):
        p = softmax(z)
    has_nan = np.isnan(z).any(axis=0)
    assert np.isnan(p[:, has_nan]).all()
    np.testing.assert_array_equal(p[:, ~has_nan], softmax(z[:, ~has_nan]))


@given(z=any_logits(nan=True))
def test_the_lesson_gives_the_same_probabilities(z: Array) -> None:
    with np.errstate(all="raise", under="ignore"):
        p = lesson_softmax(np.ascontiguousarray(z.T))
    np.testing.assert_allclose(p.T, softmax(z), rtol=1e-6 if z.dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("output", OUTPUTS)
@given(z=any_logits(nan=True))
def test_an_output_function_keeps_its_range_for_any_logits_without_a_warning(output: str, z: Array) -> None:
    before = z.copy()
    with np.errstate(all="raise", under="ignore"):
        found = OUTPUT_FUNCTIONS[output](z)
    np.testing.assert_array_equal(z, before)
    assert found.dtype == z.dtype
    if output == "softmax":
        return
    np.testing.assert_array_equal(np.isnan(found), np.isnan(z))
    ends = {"sigmoid": (0, 1), "identity": (-np.inf, np.inf), "exponential": (0, np.inf)}[output]
    known = ~np.isnan(z)
    assert ((found[known] >= ends[0]) & (found[known] <= ends[1])).all()
    np.testing.assert_array_equal(found[z == -np.inf], ends[0])
    np.testing.assert_array_equal(found[z == np.inf], ends[1])


@EVERY_LOSS
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(z=logits, classes=labels, place=st.tuples(st.integers(0, 2), st.integers(0, 4)))
def test_a_logit_of_plus_infinity_or_nan_makes_no_loss_finite(
    loss: str, smoothing: float, dtype: type, z: Array, classes: NDArray[np.int64], place: tuple[int, int]
) -> None:
    # the training loop takes that for divergence
    for value in (np.inf, np.nan):
        z[place] = value
        with np.errstate(all="ignore"):
            found, _ = LOSSES[loss](z.astype(dtype), targets_of(loss, classes), smoothing)
        assert not np.isfinite(found)


@given(z=logits, classes=labels, column=st.integers(0, N_ROWS - 1))
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_a_class_that_is_ruled_out_costs_nothing_unless_it_has_a_part_in_the_target(
    smoothing: float, z: Array, classes: NDArray[np.int64], column: int
) -> None:
    ruled_out = (classes[column] + 1) % N_OUTPUTS
    z[ruled_out, column] = -np.inf
    with np.errstate(all="raise", under="ignore"):
        value, gradient = LOSSES["cross_entropy"](z, classes, smoothing)
    assert np.isfinite(value) == (smoothing == 0)
    assert np.isfinite(gradient).all()
    # no probability, so the gradient is that of the smoothed target alone
    assert gradient[ruled_out, column] == pytest.approx(-smoothing / N_OUTPUTS / N_ROWS)
    z[classes[column], column] = -np.inf
    with np.errstate(all="ignore"):
        assert LOSSES["cross_entropy"](z, classes, smoothing)[0] == np.inf
