"""Regressions that learn, with noise, with several outputs, with outputs of unusual activation."""

from __future__ import annotations

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, healthy
from ..made_data import curve, houses, linear, rentals, windows
from ..real_data import diabetes, digits

TORCH = "torch_default"


@healthy
def diabetes_noisy() -> Written:
    x, y, test = diabetes()
    program = Program(
        (Layer(16, "tanh"), Layer(1)),
        "squared_error",
        "adam",
        3e-3,
        epochs=25,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(program, x, y[:, None], test, "numbers")


@healthy
def one_layer_on_linear_numbers() -> Written:
    x, y, test = linear(500, 8, 5, 1.0)
    program = Program((Layer(1),), "squared_error", "sgd", 0.02, epochs=20)
    return Written(program, x, y, test, "numbers")


@healthy
def sine_tanh() -> Written:
    x, y, test = curve(np.sin, -3.14, 3.14, 800)
    program = Program(
        (Layer(32, "tanh"), Layer(32, "tanh"), Layer(1)), "squared_error", "adam", 5e-3, epochs=40
    )
    return Written(program, x, y.ravel(), test, "numbers")


@healthy
def houses_all_scaled() -> Written:
    x, y, test = houses()
    program = Program(
        (Layer(32, "relu"), Layer(32, "relu"), Layer(1)),
        "squared_error",
        "rmsprop",
        epochs=30,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(program, x, y, test, "numbers")


@healthy
def rentals_logarithm_of_rate() -> Written:
    x, y, test = rentals()
    program = Program(
        (Layer(32, "relu", TORCH), Layer(32, "relu", TORCH), Layer(1, "linear", TORCH)),
        "poisson",
        "adam",
        5e-3,
        epochs=40,
    )
    return Written(program, x, y[:, None], test, "numbers")


@healthy
def windows_absolute_error() -> Written:
    x, y, test = windows()
    program = Program((Layer(32, "elu"), Layer(1)), "absolute_error", "adam", 3e-3, epochs=30)
    return Written(program, x, y, test, "numbers")


@healthy
def digits_restored_by_autoencoder() -> Written:
    x, _, (test_x, _) = digits()
    x, test_x = x / 16, test_x / 16
    program = Program(
        (Layer(64, "relu"), Layer(32, "relu"), Layer(64, "relu"), Layer(64, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        3e-3,
        epochs=60,
    )
    return Written(program, x, x, (test_x, test_x), "numbers")


@healthy
def parabola_relu() -> Written:
    x, y, test = curve(np.square, -2, 2, 400, noise=0.2)
    program = Program((Layer(64, "relu"), Layer(1)), "squared_error", "adam", 0.01, batch_size=16, epochs=40)
    return Written(program, x, y, test, "numbers")


@healthy
def two_numbers_at_once() -> Written:
    x, _, (test_x, _) = linear(900, 3, 2, 0.1, seed=4)
    targets = [np.column_stack([each[:, 0] * each[:, 1], np.abs(each[:, 2])]) for each in (x, test_x)]
    program = Program((Layer(64, "gelu"), Layer(2)), "squared_error", "adam", 5e-3, epochs=40)
    return Written(program, x, targets[0], (test_x, targets[1]), "numbers")


@healthy
def positive_numbers_with_relu_output() -> Written:
    x, y, test = curve(lambda v: 1 + np.exp(v), -1, 1, 500)
    program = Program(
        (Layer(32, "tanh"), Layer(16, "tanh"), Layer(1, "relu", ("uniform", 0.3))),
        "squared_error",
        "adam",
        5e-3,
        epochs=40,
    )
    return Written(program, x, y, test, "numbers")


@healthy
def shares_with_sigmoid_output() -> Written:
    x, y, test = curve(lambda v: 1 / (1 + np.exp(-3 * v)), -2, 2, 500, noise=0.05)
    program = Program((Layer(16, "tanh"), Layer(1, "sigmoid")), "squared_error", "adam", 0.02, epochs=30)
    return Written(program, x, y, test, "numbers")


@healthy
def targets_of_size_fifty_reached_anyway() -> Written:
    x, y, test = linear(800, 6, 6, 0.3, seed=9)
    program = Program((Layer(64, "relu"), Layer(1)), "squared_error", "adam", 0.02, epochs=50)
    return Written(program, x, 20 * y + 50, (test[0], 20 * test[1] + 50), "numbers")
