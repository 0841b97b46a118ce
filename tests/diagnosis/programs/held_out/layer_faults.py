"""Programs whose hidden layers cannot learn: activation, starting values, size, dropout, weight decay."""

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
    houses,
    recordings,
    reviews,
    rings,
    windows,
)
from ..real_data import breast_cancer, diabetes, digits, one_hot, wine

TORCH = "torch_default"


@failing("saturating_hidden_activation", "too_few_epochs", "learning_rate_too_low")
def wine_four_sigmoid_layers() -> Written:
    x, y, test = wine(seed=3)
    wrong = Program(
        (*(Layer(20, "sigmoid") for _ in range(4)), Layer(3, "softmax")),
        "cross_entropy",
        "sgd",
        0.1,
        batch_size=8,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_hidden(activation="relu"))


@failing("saturating_hidden_activation")
def windows_eight_sigmoid_layers() -> Written:
    x, y, test = windows(1000, 8, seed=5)
    wrong = Program(
        (*(Layer(32, "sigmoid") for _ in range(8)), Layer(1)), "squared_error", "nesterov", 0.02, epochs=25
    )
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_hidden(activation="tanh"))


@failing("dead_relu", "too_few_units", "initialization")
def rings_fourteen_narrow_relu_layers() -> Written:
    x, y, test = rings(700, 2, seed=6)
    wrong = Program(
        (*(Layer(3, "relu") for _ in range(14)), Layer(2, "softmax")),
        "cross_entropy",
        "adam",
        5e-3,
        epochs=60,
    )
    right = wrong.with_hidden(activation="leaky_relu", units=16)
    return Written(wrong, x, y, test, remedied=right)


@failing("dead_relu", "initialization")
def wine_relu_with_negative_weights() -> Written:
    x, y, test = wine(seed=4)
    wrong = Program(
        (Layer(24, "relu", ("constant", -0.1)), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        0.01,
        epochs=40,
        scale_inputs="minmax",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(initialization="glorot_uniform"))


@failing("too_few_units")
def wave_through_one_unit() -> Written:
    x, y, test = curve(lambda v: np.sin(2 * v), -3, 3, 1000, 0.05, seed=7)
    wrong = Program((Layer(1, "tanh"), Layer(1)), "squared_error", "adam", 0.02, epochs=120)
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_hidden(units=64))


@failing("too_few_units")
def recordings_through_one_unit() -> Written:
    x, y, test = recordings(1500, 8, seed=8)
    wrong = Program(
        (Layer(64, "relu"), Layer(1, "relu"), Layer(8, "softmax")),
        "cross_entropy",
        "adam",
        3e-3,
        epochs=25,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(units=64))


@failing("dropout_too_high")
def recordings_three_layers_of_dropout() -> Written:
    x, y, test = recordings(1000, 6, seed=10)
    wrong = Program(
        (*(Layer(64, "relu", TORCH, dropout=0.9) for _ in range(3)), Layer(6, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adam",
        batch_size=32,
        epochs=20,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(dropout=0.2))


@failing("dropout_too_high")
def houses_with_dropout() -> Written:
    x, y, test = houses(900, seed=2)
    wrong = Program(
        (Layer(24, "relu", dropout=0.9), Layer(24, "relu", dropout=0.9), Layer(1)),
        "squared_error",
        "rmsprop",
        2e-3,
        epochs=40,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_hidden(dropout=0.0))


@failing("weight_decay_too_high")
def breast_cancer_decayed() -> Written:
    x, y, test = breast_cancer(seed=5)
    wrong = Program(
        (Layer(30, "relu", TORCH), Layer(30, "relu", TORCH), Layer(1, "linear", TORCH)),
        "binary_cross_entropy_from_logits",
        "sgd",
        0.1,
        weight_decay=0.3,
        batch_size=16,
        epochs=30,
        scale_inputs="standard",
    )
    return Written(wrong, x, y[:, None], test, remedied=replace(wrong, weight_decay=1e-4))


@failing("weight_decay_too_high")
def windows_decayed_by_adamw() -> Written:
    x, y, test = windows(1000, seed=8)
    wrong = Program(
        (Layer(32, "relu"), Layer(32, "relu"), Layer(1)),
        "squared_error",
        "adamw",
        2e-3,
        weight_decay=50.0,
        epochs=30,
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, weight_decay=0.01))


@failing("initialization")
def fizz_buzz_all_weights_zero() -> Written:
    x, y, test = fizz_buzz()
    right = Program(
        (Layer(200, "relu", "he_uniform"), Layer(4, "softmax")),
        "cross_entropy",
        "adam",
        5e-3,
        batch_size=64,
        epochs=200,
    )
    wrong = replace(right, layers=tuple(replace(each, initialization="zeros") for each in right.layers))
    return Written(wrong, x, one_hot(y), test, remedied=right, within_reach=0.9)


@failing("initialization")
def rings_all_weights_equal() -> Written:
    x, y, test = rings(700, 2, seed=3)
    wrong = Program(
        (Layer(32, "tanh", ("constant", 0.5)), Layer(1, "sigmoid", ("constant", 0.5))),
        "binary_cross_entropy",
        "sgd",
        0.3,
        batch_size=16,
        epochs=80,
    )
    right = replace(
        wrong, layers=tuple(replace(each, initialization="glorot_uniform") for each in wrong.layers)
    )
    return Written(wrong, x, y, test, remedied=right)


@failing("initialization", "saturating_hidden_activation")
def digits_sigmoid_weights_of_size_twenty() -> Written:
    x, y, test = digits(seed=6)
    wrong = Program(
        (
            Layer(64, "sigmoid", ("uniform", 20.0)),
            Layer(64, "sigmoid", ("uniform", 20.0)),
            Layer(10, "softmax"),
        ),
        "cross_entropy",
        "momentum",
        0.02,
        epochs=15,
        scale_inputs=1 / 16,
    )
    right = wrong.with_hidden(initialization="glorot_uniform", activation="sigmoid")
    return Written(wrong, x, y, test, remedied=replace(right, learning_rate=0.1))


@failing("initialization")
def reviews_weights_of_size_one_hundred_thousandth() -> Written:
    x, y, test = reviews(1000, 500, seed=3)
    tiny = ("normal", 1e-5)
    wrong = Program(
        (
            Layer(32, "tanh", tiny),
            Layer(32, "tanh", tiny),
            Layer(32, "tanh", tiny),
            Layer(1, "sigmoid", tiny),
        ),
        "binary_cross_entropy",
        "sgd",
        0.05,
        epochs=20,
    )
    right = replace(
        wrong, layers=tuple(replace(each, initialization="glorot_normal") for each in wrong.layers)
    )
    return Written(wrong, x, y, test, remedied=right)


@failing("weight_decay_too_high", "saturating_hidden_activation")
def blobs_sigmoid_and_decay() -> Written:
    x, y, test = blobs(900, 16, 5, 1.5, seed=4)
    wrong = Program(
        (Layer(32, "sigmoid"), Layer(32, "sigmoid"), Layer(5, "softmax")),
        "cross_entropy",
        "adam",
        3e-3,
        weight_decay=0.5,
        epochs=30,
    )
    right = replace(wrong, weight_decay=0.0)
    return Written(wrong, x, y, test, remedied=right)


@failing("too_few_units", "missing_hidden_nonlinearity")
def sum_of_sizes_through_one_unit() -> Written:
    x, _, (test_x, _) = diabetes(seed=2)
    rng = np.random.default_rng(2)
    x, test_x = (each / each.std(axis=0) for each in (x, test_x))
    x, test_x = np.tile(x[:, :3], (4, 1)), np.tile(test_x[:, :3], (4, 1))
    x, test_x = x + rng.normal(size=x.shape), test_x + rng.normal(size=test_x.shape)
    targets = [np.abs(each).sum(axis=1, keepdims=True) for each in (x, test_x)]
    wrong = Program((Layer(1, "tanh"), Layer(1)), "squared_error", "adam", 0.01, epochs=120)
    right = wrong.with_hidden(units=48)
    return Written(wrong, x, targets[0], (test_x, targets[1]), "numbers", remedied=right)


@failing("dropout_too_high", "saturating_hidden_activation")
def clinic_sigmoid_and_dropout() -> Written:
    x, y, test = clinic(900, seed=6)
    wrong = Program(
        (Layer(16, "sigmoid", dropout=0.97), Layer(16, "sigmoid", dropout=0.97), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        3e-3,
        epochs=25,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(dropout=0.1))
