"""Programs whose steps are wrong: learning rate, epochs, batch size, and scales of inputs and targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import clinic, curve, houses, parity, spirals, windows
from ..real_data import breast_cancer, diabetes, diabetes_as_measured, digits, iris, one_hot, wine


@failing("learning_rate_too_high")
def digits_adam_with_rate_one() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(64, "relu"), Layer(32, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        1.0,
        epochs=10,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, learning_rate=1e-3))


@failing("learning_rate_too_high")
def windows_sgd_diverges() -> Written:
    x, y, test = windows()
    wrong = Program((Layer(24, "relu"), Layer(24, "relu"), Layer(1)), "squared_error", "sgd", 1.0, epochs=20)
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, learning_rate=0.02))


@failing("learning_rate_too_high")
def iris_rmsprop_jumps() -> Written:
    x, y, test = iris()
    wrong = Program(
        (Layer(10, "relu"), Layer(10, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "rmsprop",
        0.8,
        batch_size=10,
        epochs=50,
    )
    return Written(wrong, x, one_hot(y), test, remedied=replace(wrong, learning_rate=5e-3))


@failing("learning_rate_too_low")
def digits_adam_with_rate_one_millionth() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(64, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        1e-6,
        epochs=20,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, learning_rate=1e-3))


@failing("learning_rate_too_low")
def sine_sgd_creeps() -> Written:
    x, y, test = curve(np.sin, -3, 3, 800)
    wrong = Program(
        (Layer(40, "tanh"), Layer(1)), "squared_error", "momentum", 1e-6, batch_size=16, epochs=60
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, learning_rate=0.02))


@failing("too_few_epochs", "learning_rate_too_low")
def digits_two_epochs_of_sgd() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(64, "relu"), Layer(64, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "sgd",
        epochs=2,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, epochs=40))


@failing("too_few_epochs", "learning_rate_too_low")
def parity_after_a_few_epochs() -> Written:
    x, y, test = parity(5)
    wrong = Program(
        (Layer(32, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        5e-3,
        batch_size=8,
        epochs=6,
    )
    return Written(wrong, x, y[:, None], test, remedied=replace(wrong, epochs=400))


@failing("batch_size_too_large", "too_few_epochs", "learning_rate_too_low")
def digits_all_rows_in_one_batch() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(64, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        batch_size=2000,
        epochs=12,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, batch_size=32))


@failing("batch_size_too_large", "too_few_epochs", "learning_rate_too_low")
def houses_batch_of_all_rows() -> Written:
    x, y, test = houses(2000)
    wrong = Program(
        (Layer(32, "relu"), Layer(32, "relu"), Layer(1)),
        "squared_error",
        "sgd",
        batch_size=1500,
        epochs=15,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, batch_size=20))


@failing("inputs_not_scaled")
def wine_raw_columns() -> Written:
    x, y, test = wine()
    wrong = Program(
        (Layer(16, "relu"), Layer(3, "softmax")), "cross_entropy", "sgd", 0.01, batch_size=8, epochs=30
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, scale_inputs="standard"))


@failing("inputs_not_scaled", "dead_relu")
def breast_cancer_raw_relu() -> Written:
    x, y, test = breast_cancer(seed=1)
    wrong = Program(
        (Layer(30, "relu"), Layer(15, "relu"), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", epochs=60
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, scale_inputs="standard"))


@failing("inputs_not_scaled")
def breast_cancer_raw_tanh() -> Written:
    x, y, test = breast_cancer()
    start = "torch_default"
    wrong = Program(
        (Layer(30, "tanh", start), Layer(15, "tanh", start), Layer(1, "sigmoid", start)),
        "binary_cross_entropy",
        "sgd",
        0.01,
        batch_size=16,
        epochs=30,
    )
    right = replace(wrong, scale_inputs="standard")
    return Written(wrong, x, y[:, None].astype(float), test, remedied=right)


@failing("targets_not_scaled")
def houses_price_in_dollars() -> Written:
    x, y, test = houses()
    wrong = Program(
        (Layer(32, "relu"), Layer(16, "relu"), Layer(1)),
        "squared_error",
        "adam",
        epochs=40,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, scale_targets="standard"))


@failing("targets_not_scaled", "learning_rate_too_high")
def diabetes_sgd_on_raw_targets() -> Written:
    x, y, test = diabetes()
    wrong = Program(
        (Layer(32, "relu"), Layer(32, "relu"), Layer(1)),
        "squared_error",
        "sgd",
        0.01,
        epochs=25,
        scale_inputs="standard",
    )
    return Written(wrong, x, y[:, None], test, "numbers", remedied=replace(wrong, scale_targets="standard"))


@failing("inputs_not_scaled", "targets_not_scaled")
def diabetes_nothing_scaled() -> Written:
    x, y, test = diabetes_as_measured()
    wrong = Program((Layer(16, "tanh"), Layer(1)), "squared_error", "adam", 2e-3, batch_size=16, epochs=30)
    right = replace(wrong, scale_inputs="standard", scale_targets="standard")
    return Written(wrong, x, y[:, None], test, "numbers", remedied=right)


@failing("learning_rate_too_high")
def clinic_rate_ten_and_few_epochs() -> Written:
    x, y, test = clinic(seed=5)
    wrong = Program(
        (Layer(20, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "nesterov",
        10.0,
        epochs=15,
        scale_inputs="minmax",
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, learning_rate=0.05))


@failing("too_few_epochs", "learning_rate_too_low")
def spirals_three_epochs() -> Written:
    x, y, test = spirals(1200)
    wrong = Program(
        (Layer(64, "relu"), Layer(64, "relu"), Layer(3, "softmax")), "cross_entropy", "adam", 2e-3, epochs=3
    )
    return Written(wrong, x, one_hot(y), test, remedied=replace(wrong, epochs=60))
