"""The losses: plain formulas, weighted means, and no overflow where a formula written down would have one."""

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
from clearprop.scratch import softmax

Array = NDArray[np.floating[Any]]
N_OUTPUTS, N_ROWS = 3, 5
EVERY_LOSS = pytest.mark.parametrize("loss", sorted(LOSSES))

logits = hnp.arrays(np.float64, (N_OUTPUTS, N_ROWS), elements=st.floats(-8, 8))
weights = hnp.arrays(np.float64, N_ROWS, elements=st.floats(0.1, 10))
labels = hnp.arrays(np.int64, N_ROWS, elements=st.integers(0, N_OUTPUTS - 1))


def targets_of(loss: str, classes: NDArray[np.int64]) -> NDArray[Any]:
    """Return targets that fit a loss, made of classes: labels, 0 and 1, or counts."""
    if loss in LOSSES_OF_OUTPUT["softmax"]:
        return classes
    of_each: NDArray[np.float64] = (classes * np.arange(1, N_OUTPUTS + 1)[:, np.newaxis]) % 3 * 1.0
    return np.minimum(of_each, 1) if loss == "binary_cross_entropy" else of_each


def plain_losses(loss: str, z: Array, targets: NDArray[Any]) -> Array:
    """Return each column's loss, as the books write it."""
    if loss in LOSSES_OF_OUTPUT["softmax"]:
        p = softmax(z.T).T
        p = softmax(p.T).T if loss == "double_softmax" else p
        return -np.log(p[targets, np.arange(N_ROWS)])
    if loss == "binary_cross_entropy":
        p = 1 / (1 + np.exp(-z))
        return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum(axis=0)
    if loss == "squared_error":
        return ((z - targets) ** 2).sum(axis=0) / 2
    ratio = np.where(targets > 0, targets, 1) / np.exp(z)
    return (targets * np.log(ratio) - targets + np.exp(z)).sum(axis=0)


@EVERY_LOSS
@given(z=logits, classes=labels)
def test_a_loss_is_the_mean_of_its_formula(loss: str, z: Array, classes: NDArray[np.int64]) -> None:
    targets = targets_of(loss, classes)
    value, _ = LOSSES[loss](z, targets)
    assert value == pytest.approx(plain_losses(loss, z, targets).mean(), rel=1e-9, abs=1e-12)


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
    expected = np.average(plain_losses(loss, z, targets), weights=weight)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@EVERY_LOSS
@given(z=logits, classes=labels, times=hnp.arrays(np.int64, N_ROWS, elements=st.integers(0, 3)))
def test_a_weight_of_two_is_a_row_that_comes_twice_and_one_of_zero_a_row_that_does_not(
    loss: str, z: Array, classes: NDArray[np.int64], times: NDArray[np.int64]
) -> None:
    times[0] = max(times[0], 1)
    smoothing = 0.2 if loss in LOSSES_OF_OUTPUT["softmax"] else 0.0
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
