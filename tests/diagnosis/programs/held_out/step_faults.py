"""Programs whose steps are wrong: learning rate, epochs, batch size, and scales of inputs and targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import (
    clinic,
    curve,
    fizz_buzz,
    gate,
    houses,
    recordings,
    rentals,
    reviews,
    rings,
    shapes,
    spirals,
    windows,
)
from ..real_data import breast_cancer, diabetes_as_measured, digits, iris, one_hot, wine

TORCH = "torch_default"


@failing("learning_rate_too_high")
def spirals_adam_with_rate_two() -> Written:
    x, y, test = spirals(900, seed=7)
    wrong = Program(
        (Layer(64, "tanh"), Layer(64, "tanh"), Layer(3, "softmax")), "cross_entropy", "adam", 2.0, epochs=60
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, learning_rate=5e-3))


@failing("learning_rate_too_high")
def houses_momentum_diverges() -> Written:
    x, y, test = houses(800, seed=3)
    wrong = Program(
        (Layer(64, "relu", TORCH), Layer(64, "relu", TORCH), Layer(1, "linear", TORCH)),
        "squared_error",
        "momentum",
        0.8,
        epochs=20,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, learning_rate=0.005))


@failing("learning_rate_too_high")
def digits_sgd_with_rate_twenty() -> Written:
    x, y, test = digits(seed=7)
    wrong = Program(
        (Layer(100, "relu", TORCH), Layer(10, "linear", TORCH)),
        "cross_entropy_from_logits",
        "sgd",
        20.0,
        batch_size=50,
        epochs=10,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, learning_rate=0.1))


@failing("learning_rate_too_low")
def iris_sgd_with_rate_one_hundred_thousandth() -> Written:
    x, y, test = iris(seed=3)
    wrong = Program(
        (Layer(16, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "sgd",
        1e-5,
        batch_size=8,
        epochs=60,
        scale_inputs="standard",
    )
    return Written(wrong, x, one_hot(y), test, remedied=replace(wrong, learning_rate=0.05))


@failing("learning_rate_too_low")
def windows_rmsprop_creeps() -> Written:
    x, y, test = windows(1200, 16, seed=9)
    wrong = Program((Layer(32, "relu"), Layer(1)), "squared_error", "rmsprop", 1e-6, epochs=40)
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, learning_rate=2e-3))


@failing("too_few_epochs", "learning_rate_too_low")
def recordings_one_epoch() -> Written:
    x, y, test = recordings(800, 8, seed=11)
    wrong = Program(
        (Layer(32, "relu"), Layer(8, "softmax")),
        "cross_entropy",
        "adam",
        5e-4,
        epochs=1,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, epochs=40))


@failing("too_few_epochs", "learning_rate_too_low")
def fizz_buzz_five_epochs() -> Written:
    x, y, test = fizz_buzz()
    wrong = Program(
        (Layer(256, "relu"), Layer(4, "softmax")), "cross_entropy", "adam", 5e-3, batch_size=64, epochs=5
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, epochs=200), within_reach=0.9)


@failing("too_few_epochs", "learning_rate_too_low")
def sine_two_epochs() -> Written:
    x, y, test = curve(lambda v: np.sin(2 * v), -3, 3, 600, seed=3)
    wrong = Program((Layer(64, "tanh"), Layer(64, "tanh"), Layer(1)), "squared_error", "adam", 5e-3, epochs=3)
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, epochs=150))


@failing("batch_size_too_large", "too_few_epochs", "learning_rate_too_low")
def rings_all_rows_in_one_batch() -> Written:
    x, y, test = rings(3000, 3, seed=2)
    wrong = Program(
        (Layer(48, "relu"), Layer(3, "softmax")), "cross_entropy", "adam", 3e-3, batch_size=4096, epochs=25
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, batch_size=32))


@failing("batch_size_too_large", "too_few_epochs", "learning_rate_too_low")
def reviews_batch_of_all_rows_and_sgd() -> Written:
    x, y, test = reviews(1500, 600, seed=5)
    wrong = Program(
        (Layer(32, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "sgd",
        0.02,
        batch_size=1500,
        epochs=15,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, batch_size=8))


@failing("inputs_not_scaled")
def recordings_raw_coefficients() -> Written:
    x, y, test = recordings(1000, 6, seed=12)
    wrong = Program(
        (Layer(48, "relu", TORCH), Layer(6, "linear", TORCH)),
        "cross_entropy_from_logits",
        "momentum",
        0.01,
        epochs=30,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, scale_inputs="standard"))


@failing("inputs_not_scaled")
def wine_raw_columns_and_sigmoid() -> Written:
    x, y, test = wine(seed=6)
    wrong = Program(
        (Layer(16, "sigmoid"), Layer(3, "softmax")), "cross_entropy", "adam", 5e-3, batch_size=16, epochs=50
    )
    return Written(wrong, x, one_hot(y), test, remedied=replace(wrong, scale_inputs="standard"))


@failing("inputs_not_scaled")
def clinic_raw_columns_and_sgd() -> Written:
    x, y, test = clinic(1400, seed=7)
    wrong = Program(
        (Layer(16, "relu"), Layer(16, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "sgd",
        0.01,
        epochs=60,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, scale_inputs="standard", epochs=60))


@failing("targets_not_scaled")
def windows_of_a_series_in_thousands() -> Written:
    x, y, test = windows(900, seed=11)
    wrong = Program((Layer(32, "tanh"), Layer(1)), "squared_error", "adam", 2e-3, epochs=30)
    far = (x, 5000 + 3000 * y, (test[0], 5000 + 3000 * test[1]))
    right = replace(wrong, scale_targets="standard")
    return Written(wrong, far[0], far[1], far[2], "numbers", remedied=right)


@failing("targets_not_scaled", "learning_rate_too_high")
def houses_sgd_on_dollars() -> Written:
    x, y, test = houses(1200, seed=5)
    wrong = Program(
        (Layer(32, "tanh"), Layer(1)), "absolute_error", "sgd", 0.01, epochs=30, scale_inputs="minmax"
    )
    right = replace(wrong, scale_targets="standard", learning_rate=0.05)
    return Written(wrong, x, y, test, "numbers", remedied=right)


@failing("targets_not_scaled", "inputs_not_scaled")
def houses_nothing_scaled() -> Written:
    x, y, test = houses(900, seed=6)
    wrong = Program((Layer(32, "sigmoid"), Layer(1)), "squared_error", "adam", 5e-3, epochs=40)
    right = replace(wrong, scale_inputs="standard", scale_targets="standard")
    return Written(wrong, x, y, test, "numbers", remedied=right)


@failing("learning_rate_too_low", "too_few_epochs")
def xor_sgd_far_too_slow() -> Written:
    x, y, test = gate((0, 1, 1, 0))
    wrong = Program(
        (Layer(16, "tanh"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "sgd",
        1e-3,
        batch_size=4,
        epochs=500,
    )
    return Written(wrong, x, y[:, None], test, remedied=replace(wrong, learning_rate=1.0))


@failing("learning_rate_too_high")
def rentals_nesterov_diverges() -> Written:
    x, y, test = rentals(1200, seed=4)
    wrong = Program(
        (Layer(32, "relu"), Layer(32, "relu"), Layer(1)), "squared_error", "nesterov", 0.3, epochs=30
    )
    return Written(wrong, x, y[:, None], test, "numbers", remedied=replace(wrong, learning_rate=1e-3))


@failing("inputs_not_scaled")
def shapes_grey_values_and_sgd() -> Written:
    x, y, test = shapes(900, 16, seed=4)
    wrong = Program(
        (Layer(64, "relu"), Layer(64, "relu"), Layer(2, "softmax")), "cross_entropy", "sgd", 0.05, epochs=20
    )
    return Written(wrong, x, one_hot(y), test, remedied=replace(wrong, scale_inputs=1 / 255))


@failing("inputs_not_scaled", "learning_rate_too_high")
def breast_cancer_raw_with_high_rate() -> Written:
    x, y, test = breast_cancer(seed=6)
    wrong = Program(
        (Layer(24, "relu"), Layer(1, "sigmoid")), "binary_cross_entropy", "sgd", 0.1, batch_size=16, epochs=30
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, scale_inputs="standard"))


@failing("targets_not_scaled", "inputs_not_scaled")
def diabetes_as_measured_and_sgd() -> Written:
    x, y, test = diabetes_as_measured(seed=3)
    wrong = Program((Layer(24, "relu"), Layer(1)), "squared_error", "sgd", 0.01, batch_size=16, epochs=20)
    right = replace(wrong, scale_inputs="standard", scale_targets="standard")
    return Written(wrong, x, y[:, None], test, "numbers", remedied=right)
