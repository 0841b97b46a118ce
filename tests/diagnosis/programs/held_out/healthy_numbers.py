"""Regressions that learn, with noise, with several outputs, with outputs of unusual activation."""

from __future__ import annotations

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, healthy
from ..made_data import curve, houses, linear, rentals, windows
from ..real_data import diabetes, digits

TORCH = "torch_default"


@healthy
def diabetes_weight_decay() -> Written:
    x, y, test = diabetes(seed=14)
    program = Program(
        (Layer(32, "relu"), Layer(1)),
        "squared_error",
        "adam",
        3e-3,
        weight_decay=0.01,
        batch_size=16,
        epochs=15,
        scale_inputs="standard",
        scale_targets="standard",
    )
    n = 230
    return Written(program, x[:n], y[:n, None], test, "numbers", validation=(x[n:], y[n:, None]))


@healthy
def line_with_noise() -> Written:
    x, y, test = curve(lambda v: 2 * v + 1, 0, 1, 200, 0.3, seed=14)
    program = Program((Layer(1, "linear", TORCH),), "squared_error", "sgd", 0.1, batch_size=16, epochs=60)
    return Written(program, x, y, test, "numbers")


@healthy
def sine_sigmoid_layers() -> Written:
    x, y, test = curve(np.sin, -3.14, 3.14, 900, 0.05, seed=15)
    program = Program(
        (Layer(32, "sigmoid"), Layer(32, "sigmoid"), Layer(1)), "squared_error", "adam", 0.02, epochs=60
    )
    return Written(program, x, y, test, "numbers")


@healthy
def houses_minmax_and_momentum() -> Written:
    x, y, test = houses(1500, seed=15)
    program = Program(
        (Layer(48, "tanh"), Layer(1)),
        "squared_error",
        "momentum",
        0.02,
        epochs=40,
        scale_inputs="standard",
        scale_targets="minmax",
    )
    return Written(program, x, y, test, "numbers")


@healthy
def windows_flat_targets_in_keras() -> Written:
    x, y, test = windows(1000, 20, seed=15)
    program = Program((Layer(24, "relu"), Layer(1)), "squared_error", "adam", 3e-3, epochs=20)
    return Written(program, x, y.ravel(), test, "numbers")


@healthy
def rentals_squared_error() -> Written:
    x, y, test = rentals(1800, seed=15)
    program = Program(
        (Layer(64, "relu"), Layer(32, "relu"), Layer(1)), "squared_error", "adam", 3e-3, epochs=50
    )
    return Written(program, x, y[:, None], test, "numbers")


@healthy
def digits_restored_with_squared_error() -> Written:
    x, _, (test_x, _) = digits(seed=15)
    x, test_x = x / 16, test_x / 16
    program = Program((Layer(40, "relu"), Layer(64)), "squared_error", "adam", 3e-3, epochs=40)
    return Written(program, x, x, (test_x, test_x), "numbers")


@healthy
def three_numbers_of_many_columns() -> Written:
    x, _, (test_x, _) = linear(1500, 12, 3, 0.1, seed=15)
    mixing = np.random.default_rng(15).normal(size=(12, 3))
    targets = [np.tanh(each @ mixing / 2) for each in (x, test_x)]
    program = Program((Layer(64, "tanh"), Layer(3, "tanh")), "squared_error", "adam", 5e-3, epochs=40)
    return Written(program, x, targets[0], (test_x, targets[1]), "numbers")


@healthy
def exponential_with_batch_norm() -> Written:
    x, y, test = curve(np.exp, -1, 2, 900, 0.1, seed=16)
    program = Program(
        (Layer(32, "relu", TORCH, batch_norm="before"), Layer(1, "linear", TORCH)),
        "squared_error",
        "adam",
        0.01,
        epochs=60,
    )
    return Written(program, x, y, test, "numbers")


@healthy
def very_noisy_line_of_many_columns() -> Written:
    x, y, test = linear(4000, 10, 6, 4.0, seed=16)
    program = Program((Layer(8, "relu"), Layer(1)), "squared_error", "adam", 3e-3, epochs=10)
    return Written(program, x, y, test, "numbers")
