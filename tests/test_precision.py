"""Probabilities in float32 are right to 1e-6, and the predicted class is always the most probable one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clearprop as cp
from clearprop.model import precision
from clearprop.nn.parameters import copy_parameters


def near_ties(output: str, seed: int, scale: float = 1.0) -> tuple[cp.Model, np.ndarray]:
    """Return a model whose outputs nearly agree, or lie near zero, and rows that it is unsure of."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(50, 40))
    outputs = np.repeat(scale * rng.normal(size=(40, 1)), 3, axis=1) + 1e-7 * rng.normal(size=(40, 3))
    bias = np.zeros(3)
    rows = rng.normal(size=(60, 50)).astype(np.float32)
    if output == "sigmoid":
        # a bias that takes each output to zero for one of the rows
        bias = -(np.maximum(rows[:3] @ first, 0) @ outputs).diagonal()
    parameters = copy_parameters([(first, np.zeros(40)), (outputs, bias)], np.float32)
    return cp.Model(cp.Network((50, 40, 3), output=output), parameters, class_names=("a", "b", "c")), rows


def in_float64(model: cp.Model) -> cp.Model:
    return replace(model, parameters=copy_parameters(model.parameters, np.float64))


def test_float32_is_within_half_of_1e_6_of_float64_on_all_of_mnist(
    mnist_model: cp.Model, mnist: cp.Dataset
) -> None:
    assert mnist.test is not None
    x = mnist.test.x
    given = mnist_model.predict_proba(x)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, in_float64(mnist_model).predict_proba(x), rtol=0, atol=5e-7)
    assert (mnist_model.predict(x) == given.argmax(axis=1)).all()


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-3, 1.0, 30.0]))
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_what_is_predicted_is_what_is_most_probable(output: str, seed: int, scale: float) -> None:
    model, rows = near_ties(output, seed, scale)
    probabilities = model.predict_proba(rows)
    expected = probabilities.argmax(axis=1) if output == "softmax" else probabilities > 0.5
    np.testing.assert_array_equal(model.predict(rows), expected)
    np.testing.assert_allclose(probabilities, in_float64(model).predict_proba(rows), rtol=0, atol=1e-6)


def test_rows_are_taken_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = near_ties("softmax", 0)
    at_once = model.predict_proba(rows)
    monkeypatch.setattr(precision, "CHUNK_ROWS", 7)
    np.testing.assert_allclose(model.predict_proba(rows), at_once, rtol=0, atol=1e-7)


def test_a_row_the_network_is_sure_of_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = near_ties("softmax", 0)
    weight, _ = model.parameters[1]
    bias = np.array([0, 200, 0], np.float32)
    sure = replace(model, parameters=[model.parameters[0], (0 * weight, bias)])
    monkeypatch.setattr(precision, "logits", None)
    assert (sure.predict(rows) == 1).all()
    assert (sure.predict_proba(rows)[:, 1] == 1).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_network_that_has_diverged_still_predicts(output: str) -> None:
    model, rows = near_ties(output, 0)
    huge = [(weight * np.float32(1e30), bias) for weight, bias in model.parameters]
    diverged = replace(model, parameters=huge)
    probabilities, predicted = diverged.predict_proba(rows), diverged.predict(rows)
    assert probabilities.shape == (60, 3)
    assert predicted.shape == ((60,) if output == "softmax" else (60, 3))
    # logits of 1e60 are infinite or NaN in float32, depending on the order of summation, and none in float64
    np.testing.assert_array_equal(probabilities, in_float64(diverged).predict_proba(rows).astype(np.float32))
    if output == "softmax":
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_array_equal(predicted, probabilities.argmax(axis=1))
    else:
        np.testing.assert_array_equal(predicted, probabilities > 0.5)


def of_logits(values: list[float], dtype: type, output: str = "softmax") -> tuple[cp.Model, np.ndarray]:
    """Return a model that gives every row the same three logits, its biases, and two rows."""
    parameters = [(np.zeros((2, 3), dtype), np.array(values, dtype))]
    return cp.Model(cp.Network((2, 3), output=output), parameters, class_names=("a", "b", "c")), np.eye(2)


ENDS = st.sampled_from([np.inf, -np.inf, 1e38, -1e38, 1.0, 1.0 + 2**-22, 0.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(values=st.lists(ENDS, min_size=3, max_size=3))
def test_any_logits_give_probabilities_and_the_most_probable_class(dtype: type, values: list[float]) -> None:
    model, rows = of_logits(values, dtype)
    with np.errstate(all="raise", under="ignore"):
        probabilities, predicted = model.predict_proba(rows), model.predict(rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(predicted, probabilities.argmax(axis=1))
    if np.isinf(max(values)):
        largest = np.array(values) == max(values)
        np.testing.assert_array_equal(probabilities, np.tile((largest / largest.sum()).astype(dtype), (2, 1)))


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_logits_give_nan_probabilities_without_a_warning(dtype: type, output: str) -> None:
    model, rows = of_logits([0, np.nan, 1], dtype, output)
    with np.errstate(all="raise", under="ignore"):
        probabilities, predicted = model.predict_proba(rows), model.predict(rows)
    expected = [True] * 3 if output == "softmax" else [False, True, False]
    assert np.isnan(probabilities).tolist() == [expected] * 2
    # none of them is more probable than not
    if output == "sigmoid":
        assert predicted.tolist() == [[0, 0, 1]] * 2


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_rows_that_overflow_in_float32_are_looked_at_again(output: str) -> None:
    values = [[1, 9, 1], [np.inf, 1, 1], [1, -np.inf, 2], [1, 5, 9], [1, np.nan, 2], [0, 1e-7, -9]]
    assert precision.close_rows(np.array(values, np.float32), output).tolist() == [1, 2, 4, 5]


def test_large_logits_that_tie_are_looked_at_again_beside_rows_that_do_not() -> None:
    # 0.01 less than 1e6 is 1e6 in float32
    values = np.array([[1e6, 1, 2], [1e6, 1e6, 2], [3, 3, 2]], np.float32)
    assert precision.close_rows(values, "softmax").tolist() == [1, 2]
