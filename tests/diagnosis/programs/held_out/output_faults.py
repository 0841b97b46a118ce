"""Programs whose output layer, loss or targets do not fit each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import (
    blobs,
    clinic,
    curve,
    fizz_buzz,
    gate,
    recordings,
    rentals,
    rings,
    shapes,
    tags,
    windows,
)
from ..real_data import breast_cancer, diabetes, digits, iris, one_hot, wine

TORCH = "torch_default"


@failing("softmax_on_one_unit")
def xor_softmax_on_one_unit() -> Written:
    x, y, test = gate((0, 1, 1, 0))
    right = Program(
        (Layer(8, "tanh"), Layer(1, "sigmoid")), "squared_error", "sgd", 0.5, batch_size=1, epochs=800
    )
    return Written(right.with_output(activation="softmax"), x, y[:, None], test, remedied=right)


@failing("softmax_on_one_unit")
def shapes_cross_entropy_of_one_softmax_unit() -> Written:
    x, y, test = shapes(800, 14, seed=2)
    right = Program(
        (Layer(64, "relu"), Layer(32, "relu", dropout=0.2), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "rmsprop",
        batch_size=24,
        epochs=15,
        scale_inputs=1 / 255,
    )
    wrong = replace(right.with_output(activation="softmax"), loss="cross_entropy")
    return Written(wrong, x, y, test, remedied=right)


@failing("output_activation_does_not_fit_loss")
def iris_linear_before_cross_entropy() -> Written:
    x, y, test = iris()
    wrong = Program(
        (Layer(10, "relu"), Layer(10, "relu"), Layer(3)),
        "cross_entropy",
        "adam",
        0.01,
        batch_size=8,
        epochs=50,
    )
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_output(activation="softmax"))


@failing("output_activation_does_not_fit_loss")
def recordings_softmax_twice() -> Written:
    x, y, test = recordings(1500, 10, seed=6)
    wrong = Program(
        (Layer(64, "relu", TORCH), Layer(64, "relu", TORCH), Layer(10, "softmax", TORCH)),
        "cross_entropy_from_logits",
        "sgd",
        0.01,
        batch_size=64,
        epochs=40,
        scale_inputs="standard",
    )
    right = replace(wrong.with_output(activation="linear"), batch_size=16)
    return Written(wrong, x, y, test, remedied=right)


@failing("output_activation_cannot_reach_targets")
def step_from_minus_two_to_two_with_sigmoid() -> Written:
    x, y, _ = curve(lambda v: 2 * np.tanh(2 * v), -2, 2, 600, 0.1, seed=4)
    test = curve(lambda v: 2 * np.tanh(2 * v), -2, 2, 600, 0.1, seed=4).test
    wrong = Program(
        (Layer(24, "relu"), Layer(1, "sigmoid")), "squared_error", "adam", 0.01, batch_size=20, epochs=40
    )
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_output(activation="linear"))


@failing("output_activation_cannot_reach_targets")
def windows_of_size_twenty_with_tanh() -> Written:
    x, y, test = windows(900, 10, seed=3)
    scaled = (x, 20 * y, (test[0], 20 * test[1]))
    wrong = Program(
        (Layer(32, "tanh"), Layer(1, "tanh")), "absolute_error", "adam", 0.02, batch_size=32, epochs=60
    )
    right = wrong.with_output(activation="linear")
    return Written(wrong, scaled[0], scaled[1], scaled[2], "numbers", remedied=right)


@failing("relu_on_output", "output_activation_cannot_reach_targets")
def cube_with_relu_output() -> Written:
    x, y, test = curve(lambda v: v**3, -1.5, 1.5, 500, seed=1)
    wrong = Program((Layer(48, "relu"), Layer(1, "relu")), "squared_error", "adam", 0.01, epochs=60)
    return Written(wrong, x, y.ravel(), test, "numbers", remedied=wrong.with_output(activation="linear"))


@failing("relu_on_output", "output_activation_does_not_fit_loss")
def breast_cancer_relu_before_binary_cross_entropy() -> Written:
    x, y, test = breast_cancer(seed=3)
    wrong = Program(
        (Layer(20, "relu"), Layer(20, "relu"), Layer(1, "relu", ("normal", 0.01))),
        "binary_cross_entropy",
        "sgd",
        0.05,
        epochs=30,
        scale_inputs="standard",
    )
    right = wrong.with_output(activation="sigmoid")
    return Written(wrong, x, y, test, remedied=right)


@failing("wrong_loss_for_task")
def digits_squared_error_and_sgd() -> Written:
    x, y, test = digits(seed=5)
    wrong = Program(
        (Layer(64, "relu"), Layer(10, "softmax")),
        "squared_error",
        "sgd",
        0.01,
        epochs=20,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, one_hot(y), test, remedied=replace(wrong, loss="cross_entropy"))


@failing("wrong_loss_for_task")
def tags_with_cross_entropy_from_logits() -> Written:
    x, _, (test_x, _) = tags(1000, 16, 6, seed=5)
    y, test = (x[:, :6] > -0.6).astype(float), (test_x, (test_x[:, :6] > -0.6).astype(float))
    wrong = Program(
        (Layer(48, "relu", TORCH), Layer(6, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adam",
        5e-3,
        epochs=25,
    )
    right = replace(wrong, loss="binary_cross_entropy_from_logits")
    return Written(wrong, x, y, test, "labels", remedied=right)


@failing("wrong_loss_for_task")
def rentals_cross_entropy_of_one_linear_unit() -> Written:
    x, y, test = rentals(seed=2)
    wrong = Program(
        (Layer(32, "relu"), Layer(32, "relu"), Layer(1)), "cross_entropy", "adam", 5e-3, epochs=40
    )
    right = replace(wrong, loss="squared_error")
    return Written(wrong, x, y[:, None], test, "numbers", remedied=right)


@failing("wrong_output_units")
def wine_two_units_for_three_classes() -> Written:
    x, y, test = wine(seed=2)
    wrong = Program(
        (Layer(16, "relu"), Layer(2, "softmax")),
        "cross_entropy",
        "adam",
        0.01,
        batch_size=16,
        epochs=30,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_output(units=3))


@failing("wrong_output_units")
def diabetes_whose_targets_broadcast() -> Written:
    x, y, test = diabetes(seed=1)
    wrong = Program(
        (Layer(32, "relu", TORCH), Layer(1, "linear", TORCH)),
        "squared_error",
        "adam",
        5e-3,
        epochs=15,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(wrong, x, y, test, "numbers", remedied=wrong, remedied_rows=(x, y[:, None]))


@failing("wrong_output_units")
def fizz_buzz_with_one_sigmoid() -> Written:
    x, y, test = fizz_buzz()
    right = Program(
        (Layer(256, "relu"), Layer(4, "softmax")), "cross_entropy", "adam", 5e-3, batch_size=64, epochs=200
    )
    wrong = replace(right.with_output(units=1, activation="sigmoid"), loss="binary_cross_entropy")
    return Written(wrong, x, y, test, remedied=right, within_reach=0.9)


@failing("missing_hidden_nonlinearity")
def three_rings_without_nonlinearity() -> Written:
    x, y, test = rings(1000, 3, 0.05, seed=3)
    wrong = Program(
        (Layer(64, "linear", TORCH), Layer(64, "linear", TORCH), Layer(3, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adam",
        0.01,
        epochs=50,
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(activation="relu"))


@failing("missing_hidden_nonlinearity")
def parabola_without_nonlinearity() -> Written:
    x, y, test = curve(np.square, -1, 1, 1000, 0.05, seed=2)
    wrong = Program((Layer(10), Layer(10), Layer(10), Layer(1)), "squared_error", "adam", 0.01, epochs=40)
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_hidden(activation="relu"))


@failing("metric_misused")
def windows_watched_by_accuracy() -> Written:
    x, y, test = windows(900, seed=4)
    wrong = Program(
        (Layer(32, "relu"), Layer(1)),
        "absolute_error",
        "adam",
        0.01,
        epochs=20,
        metric="accuracy",
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, metric=None))


@failing("softmax_on_one_unit")
def clinic_one_softmax_unit_and_high_rate() -> Written:
    x, y, test = clinic(1200, seed=9)
    right = Program(
        (Layer(16, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        5e-3,
        epochs=25,
        scale_inputs="minmax",
    )
    wrong = replace(right.with_output(activation="softmax"), learning_rate=3.0)
    return Written(wrong, x, y, test, remedied=right)


@failing("missing_hidden_nonlinearity")
def quadrants_linear_layers_and_squared_error() -> Written:
    x, _, (test_x, _) = blobs(1000, 2, 1, seed=5)
    centre = x.mean(axis=0)
    y, truth = (((each - centre).prod(axis=1) > 0).astype(int) for each in (x, test_x))
    test = (test_x, truth)
    wrong = Program(
        (Layer(16), Layer(16), Layer(1, "sigmoid")),
        "squared_error",
        "rmsprop",
        0.01,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(activation="tanh"))
