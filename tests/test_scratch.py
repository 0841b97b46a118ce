"""The lesson does what its formulas say; it is the oracle that both engines are tested against."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from clearprop import scratch

Array = NDArray[np.floating]
Function = Callable[[Array], Array]

ACTIVATIONS = {
    "sigmoid": (scratch.sigmoid, scratch.dsigmoid),
    "tanh": (scratch.tanh, scratch.dtanh),
    "relu": (scratch.relu, scratch.drelu),
}
PUBLISHED = {
    "one_hot_encode": "labels",
    "resize_and_flatten": "images size",
    "glorot_init": "n_inputs neurons n_outputs rng",
    "sigmoid": "x",
    "relu": "x",
    "tanh": "x",
    "softmax": "x",
    "dsigmoid": "a",
    "drelu": "x",
    "dtanh": "x",
    "gradient_w": "x w b y",
    "gradient_b": "x w b y",
    "cross_entropy": "y_p y_t",
    "average_every": "data n",
    "average_every_200_elements": "data",
    "forward_prop": "x parameters h g_act",
    "backprop": "activation_output parameters y k cl d_act",
    "gradient_descent": "parameters losses eta",
    "train_batch2": "x_train y_one_hot_train parameters total_layers epochs eta batch_size g_act d_act rng",
}
HIDDEN = {1: [5], 2: [5, 4], 3: [6, 5, 4], 4: [6, 5, 4, 5]}
FEATURES, CLASSES, ROWS = 4, 3, 6
STEP = 1.5e-3
# a kink of relu nearer than this could be crossed by the finite differences
CLEARANCE = 0.02


# ---- The data ----------------------------------------------------------------------------------------


def test_one_hot_has_one_column_for_each_value_in_sorted_order() -> None:
    encoded = scratch.one_hot_encode([7, 2, 7, 5])
    assert encoded.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


@given(hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(-5, 5)))
def test_one_hot_can_be_read_back(labels: NDArray[np.int64]) -> None:
    encoded = scratch.one_hot_encode(labels)
    assert encoded.dtype == np.float32
    assert np.array_equal(encoded.sum(axis=1), np.ones(len(labels)))
    assert np.array_equal(np.unique(labels)[encoded.argmax(axis=1)], labels)


def test_one_hot_takes_class_names() -> None:
    assert scratch.one_hot_encode(["dog", "cat"]).tolist() == [[0, 1], [1, 0]]


def test_one_hot_of_no_labels_is_empty() -> None:
    assert scratch.one_hot_encode([]).shape == (0, 0)


def test_images_are_enlarged_to_rows_of_784_pixels(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 8, 8), dtype=np.uint8)
    rows = scratch.resize_and_flatten(images)
    assert rows.shape == (3, 784)
    assert rows.dtype == np.uint8


def test_enlarging_keeps_the_picture_the_right_way_round() -> None:
    images = np.zeros((1, 8, 8), dtype=np.uint8)
    images[0, :4, 4:] = 200
    corners = scratch.resize_and_flatten(images).reshape(28, 28)[[0, 0, 27, 27], [0, 27, 0, 27]]
    assert corners.tolist() == [0, 200, 0, 0]


def test_size_is_height_then_width() -> None:
    images = np.zeros((1, 4, 4), dtype=np.uint8)
    images[0, 0] = 255
    picture = scratch.resize_and_flatten(images, size=(4, 10)).reshape(4, 10)
    assert (picture[0] == 255).all()
    assert (picture[1:] == 0).all()


def test_images_of_the_right_size_keep_every_pixel(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (4, 28, 28), dtype=np.uint8)
    assert np.array_equal(scratch.resize_and_flatten(images), images.reshape(4, 784))


def test_resizing_no_images_gives_no_rows() -> None:
    assert scratch.resize_and_flatten(np.empty((0, 8, 8), dtype=np.uint8)).shape == (0, 784)


FLOAT_TYPES = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">f8"])


@FLOAT_TYPES
@pytest.mark.parametrize("white", [1.0, 255.0])
def test_float_images_keep_their_type_and_their_range(
    dtype: str, white: float, rng: np.random.Generator
) -> None:
    grey = rng.integers(0, 256, (5, 9, 7), dtype=np.uint8)
    rows = scratch.resize_and_flatten((grey * (white / 255)).astype(dtype))
    assert rows.shape == (5, 784)
    assert rows.dtype == np.dtype(dtype)
    assert rows.min() >= 0
    assert rows.max() <= white
    # bytes are rounded to whole grey levels, once for each direction
    expected = scratch.resize_and_flatten(grey) * (white / 255)
    tolerance = (1.1 + (0.13 if np.dtype(dtype).itemsize == 2 else 0)) * white / 255
    np.testing.assert_allclose(rows.astype(np.float64), expected, rtol=0, atol=tolerance)


@FLOAT_TYPES
def test_float_images_of_the_right_size_keep_every_bit(dtype: str, rng: np.random.Generator) -> None:
    images = rng.random((4, 28, 28)).astype(dtype)
    rows = scratch.resize_and_flatten(images)
    np.testing.assert_array_equal(rows, images.reshape(4, 784))
    assert not np.shares_memory(rows, images)


@given(hnp.arrays(np.float64, (2, 3, 4), elements=st.floats(0, 255)))
def test_resizing_scales_with_the_images(images: Array) -> None:
    rows = scratch.resize_and_flatten(images)
    np.testing.assert_allclose(scratch.resize_and_flatten(images / 255), rows / 255, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, bool, complex])
def test_resizing_refuses_images_that_are_neither_bytes_nor_floats(dtype: type) -> None:
    with pytest.raises(ValueError, match=rf"images are {np.dtype(dtype)}, but must be uint8 or floats"):
        scratch.resize_and_flatten(np.ones((1, 8, 8), dtype))


# ---- Activations and their derivatives ---------------------------------------------------------------


def test_activations_have_their_textbook_values() -> None:
    x = np.array([-2.0, 0.0, 1.0])
    np.testing.assert_allclose(scratch.sigmoid(x), 1 / (1 + np.exp(-x)), rtol=1e-15)
    np.testing.assert_allclose(scratch.tanh(x), 2 / (1 + np.exp(-2 * x)) - 1, rtol=1e-15, atol=1e-16)
    assert scratch.relu(x).tolist() == [0.0, 0.0, 1.0]


def test_activations_are_finite_at_the_ends_of_the_range() -> None:
    x = np.array([-1e308, 1e308])
    assert scratch.sigmoid(x).tolist() == [0.0, 1.0]
    assert scratch.dsigmoid(x).tolist() == [0.0, 0.0]
    assert scratch.tanh(x).tolist() == [-1.0, 1.0]
    assert scratch.dtanh(x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_derivative_is_taken_at_the_pre_activation(name: str) -> None:
    activation, derivative = ACTIVATIONS[name]
    a = np.linspace(-4, 4, 80)
    assert np.abs(a).min() > CLEARANCE
    slope = _central_difference(lambda step: activation(a + step))
    np.testing.assert_allclose(derivative(a), slope, rtol=1e-8, atol=1e-12)


def test_the_slope_of_relu_at_zero_is_zero() -> None:
    assert scratch.drelu(np.array([-0.0, 0.0])).tolist() == [0.0, 0.0]


finite_rows = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements={"allow_nan": False, "allow_infinity": False},
)


@given(finite_rows)
def test_softmax_of_any_finite_input_is_a_distribution(x: Array) -> None:
    p = scratch.softmax(x)
    assert p.dtype == x.dtype
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6 if x.dtype == np.float32 else 1e-14)


@given(hnp.arrays(np.float64, (2, 5), elements=st.floats(-50, 50)), st.floats(-1000, 1000))
def test_softmax_does_not_change_when_every_number_is_shifted(x: Array, shift: float) -> None:
    np.testing.assert_allclose(scratch.softmax(x + shift), scratch.softmax(x), rtol=1e-11)


def test_softmax_is_exact_where_a_plain_exponential_overflows() -> None:
    x = np.array([[1e308, -1e308, 1e308], [-1e308, -1e308, -1e308], [0.0, np.log(2), np.log(5)]])
    expected = [[1 / 2, 0, 1 / 2], [1 / 3, 1 / 3, 1 / 3], [1 / 8, 2 / 8, 5 / 8]]
    np.testing.assert_allclose(scratch.softmax(x), expected, rtol=1e-15)


def test_softmax_of_infinite_numbers_is_the_limit() -> None:
    inf = np.inf
    x = np.array([[inf, 0, inf], [-inf, -inf, -inf], [-inf, 1, 1], [inf, np.nan, 0]])
    expected = [[1 / 2, 0, 1 / 2], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2], [np.nan] * 3]
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(scratch.softmax(x), expected)


def test_softmax_does_not_wrap_small_integers_around() -> None:
    assert scratch.softmax(np.array([[0, 255]], dtype=np.uint8)).argmax() == 1


# ---- One neuron --------------------------------------------------------------------------------------


def test_gradients_of_a_single_neuron_match_finite_differences(rng: np.random.Generator) -> None:
    x, w, b, y = rng.normal(size=(7, 4)), rng.normal(size=4), 0.3, rng.uniform(size=7)

    def loss(w: Array, b: float) -> float:
        return float(np.mean((scratch.sigmoid(x @ w + b) - y) ** 2) / 2)

    by_weight = [_central_difference(lambda step, unit=unit: loss(w + step * unit, b)) for unit in np.eye(4)]
    by_bias = _central_difference(lambda step: loss(w, b + step))
    np.testing.assert_allclose(scratch.gradient_w(x, w, b, y), by_weight, rtol=1e-8)
    assert scratch.gradient_b(x, w, b, y) == pytest.approx(by_bias, rel=1e-8)


def test_a_single_neuron_takes_one_example_without_a_batch_axis() -> None:
    x, w, b, y = np.array([0.5, -1.0]), np.array([2.0, 1.0]), 0.25, 1.0
    prediction = 1 / (1 + np.exp(-0.25))
    delta = (prediction - y) * prediction * (1 - prediction)
    np.testing.assert_allclose(scratch.gradient_w(x, w, b, y), delta * x, rtol=1e-14)
    assert scratch.gradient_b(x, w, b, y) == pytest.approx(delta, rel=1e-14)


def test_a_single_neuron_refuses_targets_that_would_be_broadcast() -> None:
    with pytest.raises(ValueError, match=r"y has shape \(3, 1\), but must have \(3,\)"):
        scratch.gradient_w(np.ones((3, 2)), np.ones(2), 0.0, np.ones((3, 1)))


# ---- The loss and its averages -----------------------------------------------------------------------


def test_cross_entropy_is_the_mean_over_the_batch() -> None:
    loss = scratch.cross_entropy(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([[1, 0], [0, 1]]))
    assert loss == pytest.approx((np.log(2) - np.log(0.9)) / 2, rel=1e-15)


def test_cross_entropy_of_a_perfect_prediction_is_zero() -> None:
    assert scratch.cross_entropy(np.eye(3), np.eye(3)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_is_finite_where_the_truth_has_probability_zero(dtype: type[np.floating]) -> None:
    loss = scratch.cross_entropy(np.array([[0, 1]], dtype=dtype), np.array([[1, 0]], dtype=dtype))
    assert loss == pytest.approx(-np.log(np.finfo(dtype).tiny), rel=1e-6)


def test_cross_entropy_refuses_labels_that_are_not_one_hot() -> None:
    with pytest.raises(ValueError, match=r"y_p has shape \(2, 2\) and y_t \(2,\)"):
        scratch.cross_entropy(np.full((2, 2), 0.5), np.array([0, 1]))


def test_a_last_shorter_group_is_averaged_too() -> None:
    assert scratch.average_every([1, 3, 5, 7, 20], 2) == [2, 6, 20]


def test_no_data_has_no_averages() -> None:
    assert scratch.average_every([], 3) == []
    assert scratch.average_every_200_elements([]) == []


def test_averages_of_200_elements() -> None:
    assert scratch.average_every_200_elements([1.0] * 200 + [4.0] * 200 + [7.0]) == [1, 4, 7]


def test_averages_refuse_a_group_of_no_elements() -> None:
    with pytest.raises(ValueError, match=r"n is 0, but must be at least 1"):
        scratch.average_every([1.0], 0)


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.integers(1, 12))
def test_averages_weighted_by_their_groups_give_the_mean_of_all(data: list[float], n: int) -> None:
    averages = scratch.average_every(data, n)
    sizes = [min(n, len(data) - start) for start in range(0, len(data), n)]
    assert len(averages) == len(sizes)
    assert np.dot(averages, sizes) == pytest.approx(sum(data), rel=1e-9, abs=1e-6)


# ---- The network -------------------------------------------------------------------------------------


def test_glorot_weights_fill_their_bounds_and_biases_are_zero(rng: np.random.Generator) -> None:
    parameters = scratch.glorot_init(60, [50, 40], 10, rng)
    assert list(parameters) == ["w1", "b1", "w2", "b2", "w3", "b3"]
    for i, (fan_in, fan_out) in enumerate([(60, 50), (50, 40), (40, 10)], start=1):
        weight, bound = parameters[f"w{i}"], np.sqrt(6 / (fan_in + fan_out))
        assert weight.shape == (fan_in, fan_out)
        assert -bound <= weight.min() < -0.98 * bound
        assert 0.98 * bound < weight.max() <= bound
        assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        assert np.array_equal(parameters[f"b{i}"], np.zeros(fan_out))


def test_glorot_repeats_with_an_equal_generator() -> None:
    first, second = (scratch.glorot_init(3, [4], 2, np.random.default_rng(8)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_forward_prop_keeps_every_layer(rng: np.random.Generator) -> None:
    x, parameters = rng.normal(size=(6, 8)), scratch.glorot_init(8, [5, 4], 3, rng)
    outputs = scratch.forward_prop(x, parameters, 4, scratch.tanh)
    assert list(outputs) == ["h0", "a1", "h1", "a2", "h2", "a3", "h3"]
    assert outputs["h0"] is x
    np.testing.assert_allclose(outputs["a1"], x @ parameters["w1"] + parameters["b1"])
    np.testing.assert_allclose(outputs["h1"], np.tanh(outputs["a1"]))
    np.testing.assert_allclose(outputs["a3"], outputs["h2"] @ parameters["w3"] + parameters["b3"])
    np.testing.assert_allclose(outputs["h3"], scratch.softmax(outputs["a3"]))


def test_the_layer_counts_are_those_of_the_published_report() -> None:
    rng = np.random.default_rng(0)
    parameters = scratch.glorot_init(784, [500, 250, 100], 10, rng)
    outputs = scratch.forward_prop(rng.uniform(size=(2, 784)), parameters, 5, scratch.relu)
    assert outputs["h4"].shape == (2, 10)
    gradients = scratch.backprop(outputs, parameters, np.eye(10)[:2], 4, 10, scratch.drelu)
    assert list(gradients) == ["dw1", "db1", "dw2", "db2", "dw3", "db3", "dw4", "db4"]
    assert all(gradients[f"d{name}"].shape == parameters[name].shape for name in parameters)


def test_h_and_k_mixed_up_are_told_apart(rng: np.random.Generator) -> None:
    parameters = scratch.glorot_init(4, [3], 2, rng)
    with pytest.raises(ValueError, match=r"h is 2, but these parameters have 3 layers, input and output"):
        scratch.forward_prop(np.ones((1, 4)), parameters, 2, scratch.relu)
    outputs = scratch.forward_prop(np.ones((1, 4)), parameters, 3, scratch.relu)
    with pytest.raises(ValueError, match=r"k is 3, but these parameters have 2 layers, without the output"):
        scratch.backprop(outputs, parameters, np.eye(2)[:1], 3, 2, scratch.drelu)


def test_backprop_refuses_a_truth_that_does_not_fit_the_classes(rng: np.random.Generator) -> None:
    parameters = scratch.glorot_init(4, [3], 2, rng)
    outputs = scratch.forward_prop(np.ones((5, 4)), parameters, 3, scratch.relu)
    with pytest.raises(ValueError, match=r"y has shape \(5,\), but must have \(5, 2\)"):
        scratch.backprop(outputs, parameters, np.zeros(5), 2, 2, scratch.drelu)


@pytest.mark.parametrize("depth", HIDDEN)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_gradient_matches_finite_differences(name: str, depth: int) -> None:
    activation, derivative = ACTIVATIONS[name]
    _check_gradients(HIDDEN[depth], activation, derivative)


def test_every_gradient_of_softmax_regression_matches_finite_differences() -> None:
    _check_gradients([], scratch.relu, scratch.drelu)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_training_step_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the PyTorch engine is not installed")
    activation, derivative = ACTIVATIONS[name]
    x, y, parameters = _problem([6, 5, 4], np.random.default_rng(3))
    theirs = {key: torch.tensor(value, requires_grad=True) for key, value in parameters.items()}
    signal = torch.tensor(x)
    for i in range(1, 4):
        signal = getattr(torch, name)(signal @ theirs[f"w{i}"] + theirs[f"b{i}"])
    logits = signal @ theirs["w4"] + theirs["b4"]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y.argmax(axis=1)))
    loss.backward()
    torch.optim.SGD(theirs.values(), lr=0.1).step()

    after, _, losses = scratch.train_batch2(x, y, parameters, 5, 1, 0.1, ROWS, activation, derivative)
    assert losses[0] == pytest.approx(loss.item(), rel=1e-13)
    for key, value in after.items():
        np.testing.assert_allclose(value, theirs[key].detach().numpy(), rtol=1e-12, atol=1e-14)


# ---- Training ----------------------------------------------------------------------------------------


def test_gradient_descent_makes_new_parameters_and_leaves_the_old(rng: np.random.Generator) -> None:
    parameters = scratch.glorot_init(4, [3], 2, rng)
    before = {name: value.copy() for name, value in parameters.items()}
    gradients = {f"d{name}": rng.normal(size=value.shape) for name, value in parameters.items()}
    after = scratch.gradient_descent(parameters, gradients, 0.5)
    for name, value in before.items():
        assert np.array_equal(parameters[name], value)
        assert np.array_equal(after[name], value - 0.5 * gradients[f"d{name}"])


def test_training_is_the_published_steps_one_after_another() -> None:
    x, y, start = _problem([5, 4], np.random.default_rng(5))
    trained, _, losses = scratch.train_batch2(
        x, y, start, 4, 2, 0.3, 4, scratch.tanh, scratch.dtanh, rng=np.random.default_rng(6)
    )
    shuffle, parameters, expected = np.random.default_rng(6), start, []
    for _ in range(2):
        order = shuffle.permutation(ROWS)
        # six examples in batches of four: the second batch has the two that are left
        for rows in (order[:4], order[4:]):
            outputs = scratch.forward_prop(x[rows], parameters, 4, scratch.tanh)
            expected.append(scratch.cross_entropy(outputs["h3"], y[rows]))
            gradients = scratch.backprop(outputs, parameters, y[rows], 3, CLASSES, scratch.dtanh)
            parameters = scratch.gradient_descent(parameters, gradients, 0.3)
    assert losses == expected
    assert all(np.array_equal(trained[name], parameters[name]) for name in parameters)


def test_training_leaves_the_parameters_it_was_given() -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    before = {name: value.copy() for name, value in parameters.items()}
    after, _, _ = scratch.train_batch2(x, y, parameters, 3, 1, 0.3, 4, scratch.relu, scratch.drelu)
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
    assert not np.array_equal(after["w1"], before["w1"])


def test_every_epoch_sees_every_example_in_a_new_order() -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    # without learning, the loss of a batch of one tells which example it is
    _, _, losses = scratch.train_batch2(
        x, y, parameters, 3, 3, 0.0, 1, scratch.tanh, scratch.dtanh, rng=np.random.default_rng(7)
    )
    epochs = [losses[:ROWS], losses[ROWS : 2 * ROWS], losses[2 * ROWS :]]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert len(set(epochs[0])) == ROWS
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_loss_of_an_epoch_weighs_each_batch_by_its_examples() -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    _, train_losses, batch_losses = scratch.train_batch2(
        x, y, parameters, 3, 2, 0.1, 4, scratch.tanh, scratch.dtanh
    )
    expected = [np.average(batch_losses[:2], weights=[4, 2]), np.average(batch_losses[2:], weights=[4, 2])]
    np.testing.assert_allclose(train_losses, expected, rtol=1e-14)


def test_a_batch_larger_than_the_data_is_one_batch() -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    _, _, losses = scratch.train_batch2(x, y, parameters, 3, 2, 0.1, 64, scratch.tanh, scratch.dtanh)
    assert len(losses) == 2


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_keeps_the_dtype_of_the_parameters(name: str, dtype: type[np.floating]) -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    typed = {key: value.astype(dtype) for key, value in parameters.items()}
    after, _, _ = scratch.train_batch2(x.astype(dtype), y, typed, 3, 1, 0.1, 4, *ACTIVATIONS[name])
    assert {value.dtype for value in after.values()} == {np.dtype(dtype)}


def test_training_refuses_images_and_labels_that_differ_in_number() -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    with pytest.raises(ValueError, match=r"x_train has 5 rows, y_one_hot_train 6"):
        scratch.train_batch2(x[:5], y, parameters, 3, 1, 0.1, 4, scratch.tanh, scratch.dtanh)


def test_training_refuses_a_batch_of_no_examples() -> None:
    x, y, parameters = _problem([5], np.random.default_rng(5))
    with pytest.raises(ValueError, match=r"batch_size is -4, but must be at least 1"):
        scratch.train_batch2(x, y, parameters, 3, 1, 0.1, -4, scratch.tanh, scratch.dtanh)


def test_the_lesson_learns_to_read_digits() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    x = (scratch.resize_and_flatten(images) / 255).astype(np.float32)
    y = scratch.one_hot_encode(digits.target)
    rng = np.random.default_rng(0)
    train, test = np.split(rng.permutation(len(x)), [1437])
    start = {
        name: value.astype(np.float32) for name, value in scratch.glorot_init(784, [64, 32], 10, rng).items()
    }
    trained, train_losses, batch_losses = scratch.train_batch2(
        x[train], y[train], start, 4, 12, 0.1, 64, scratch.relu, scratch.drelu, rng=rng
    )
    prediction = scratch.forward_prop(x[test], trained, 4, scratch.relu)["h3"].argmax(axis=1)
    assert len(batch_losses) == 12 * 23
    assert train_losses[-1] < train_losses[0] / 5
    assert np.mean(prediction == digits.target[test]) > 0.9


# ---- The file ----------------------------------------------------------------------------------------


def test_the_lesson_imports_only_numpy_expit_and_pillow() -> None:
    tree = ast.parse(Path(scratch.__file__).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names}
    assert imported == {
        "__future__.annotations",
        "numpy",
        "numpy.typing.ArrayLike",
        "numpy.typing.NDArray",
        "PIL.Image",
        "scipy.special.expit",
    }


@pytest.mark.parametrize(("name", "arguments"), PUBLISHED.items())
def test_every_function_has_its_published_name_and_arguments(name: str, arguments: str) -> None:
    assert " ".join(inspect.signature(getattr(scratch, name)).parameters) == arguments


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_function_says_its_arguments_and_what_it_returns(name: str) -> None:
    text = inspect.getdoc(getattr(scratch, name))
    assert text is not None
    assert "Parameters\n" in text
    assert "Returns\n" in text


def test_the_guide_to_the_published_study_names_every_function() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "published-study.md").read_text(encoding="utf-8")
    assert [name for name in PUBLISHED if f"`{name}`" not in guide] == []


# ---- How the gradients are checked -------------------------------------------------------------------


def _central_difference(f: Callable[[float], Any]) -> Any:
    """The five-point central difference at 0, exact up to the fourth power of the step."""
    return (8 * (f(STEP) - f(-STEP)) - (f(2 * STEP) - f(-2 * STEP))) / (12 * STEP)


def _problem(hidden: list[int], rng: np.random.Generator) -> tuple[Array, Array, dict[str, Array]]:
    """Six examples of three classes, and a network whose biases are not zero."""
    sizes = [FEATURES, *hidden, CLASSES]
    parameters = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
        parameters[f"w{i}"] = rng.normal(0, 2 / np.sqrt(fan_in), (fan_in, fan_out))
        parameters[f"b{i}"] = rng.normal(0, 0.5, fan_out)
    y = np.eye(CLASSES)[rng.permutation(ROWS) % CLASSES]
    return rng.normal(size=(ROWS, FEATURES)), y, parameters


def _check_gradients(hidden: list[int], activation: Function, derivative: Function) -> None:
    k = len(hidden) + 1
    for seed in range(50):
        x, y, parameters = _problem(hidden, np.random.default_rng(seed))
        outputs = scratch.forward_prop(x, parameters, k + 1, activation)
        if all(np.abs(outputs[f"a{i}"]).min() > CLEARANCE for i in range(1, k)):
            break
    else:
        pytest.fail("no seed keeps every pre-activation clear of the kink")

    def loss(name: str, index: tuple[int, ...], step: float) -> float:
        moved = {**parameters, name: parameters[name].copy()}
        moved[name][index] += step
        return scratch.cross_entropy(scratch.forward_prop(x, moved, k + 1, activation)[f"h{k}"], y)

    gradients = scratch.backprop(outputs, parameters, y, k, CLASSES, derivative)
    for name, parameter in parameters.items():
        gradient = gradients[f"d{name}"]
        expected = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            expected[index] = _central_difference(partial(loss, name, index))
        distance = np.linalg.norm(gradient - expected)
        assert distance / (np.linalg.norm(gradient) + np.linalg.norm(expected)) < 1e-8, name
        # each weight and bias on its own; those of a dead relu unit are 0 both times
        np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=0, err_msg=name)
