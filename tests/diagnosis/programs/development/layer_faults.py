"""Programs whose hidden layers cannot learn: activation, starting values, size, dropout, weight decay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import blobs, clinic, curve, recordings, rings, shapes, two_moons
from ..real_data import breast_cancer, diabetes, digits, iris, one_hot, wine


@failing("saturating_hidden_activation")
def digits_deep_sigmoid() -> Written:
    x, y, test = digits()
    hidden = (Layer(64, "sigmoid"), Layer(64, "sigmoid"), Layer(48, "sigmoid"), Layer(32, "sigmoid"))
    wrong = Program(
        (*hidden, Layer(10, "softmax")), "cross_entropy", "sgd", 0.1, epochs=15, scale_inputs=1 / 16
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(activation="relu"))


@failing("saturating_hidden_activation")
def breast_cancer_six_sigmoid_layers() -> Written:
    x, y, test = breast_cancer()
    start = "torch_default"
    wrong = Program(
        (*(Layer(24, "sigmoid", start) for _ in range(6)), Layer(1, "linear", start)),
        "binary_cross_entropy_from_logits",
        "momentum",
        0.02,
        batch_size=32,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(wrong, x, y[:, None].astype(float), test, remedied=wrong.with_hidden(activation="relu"))


@failing("dead_relu", "too_few_units", "initialization")
def moons_deep_and_narrow_relu() -> Written:
    x, y, test = two_moons(800)
    wrong = Program(
        (*(Layer(3, "relu") for _ in range(9)), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        5e-3,
        epochs=60,
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(activation="leaky_relu", units=16))


@failing("dead_relu", "initialization")
def shapes_relu_that_starts_below_zero() -> Written:
    x, y, test = shapes(side=14)
    wrong = Program(
        (Layer(64, "relu", ("constant", -0.02)), Layer(32, "relu"), Layer(2, "softmax")),
        "cross_entropy",
        "adam",
        1e-3,
        epochs=25,
        scale_inputs=1 / 255,
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(initialization="he_uniform"))


@failing("too_few_units")
def digits_through_one_unit() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(1, "tanh"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        0.01,
        epochs=20,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_hidden(units=32))


@failing("too_few_units")
def four_rings_with_two_units() -> Written:
    x, y, test = rings(900, 4, 0.05)
    wrong = Program(
        (Layer(2, "tanh"), Layer(4, "softmax")), "cross_entropy", "adam", 0.02, batch_size=32, epochs=80
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(units=64))


@failing("dropout_too_high")
def digits_almost_all_dropped() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(48, "relu", dropout=0.95), Layer(24, "relu", dropout=0.95), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        2e-3,
        epochs=12,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(dropout=0.2))


@failing("dropout_too_high")
def parabola_with_dropout() -> Written:
    x, y, test = curve(np.square, -1, 1, 500)
    wrong = Program(
        (Layer(32, "relu", dropout=0.8), Layer(16, "relu", dropout=0.8), Layer(1)),
        "squared_error",
        "adam",
        5e-3,
        epochs=50,
    )
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_hidden(dropout=0.0))


@failing("weight_decay_too_high")
def digits_decayed_to_nothing() -> Written:
    x, y, test = digits()
    start = "torch_default"
    wrong = Program(
        (Layer(64, "relu", start), Layer(64, "relu", start), Layer(10, "linear", start)),
        "cross_entropy_from_logits",
        "adam",
        weight_decay=1.0,
        epochs=12,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=replace(wrong, weight_decay=0.0))


@failing("weight_decay_too_high")
def diabetes_decayed() -> Written:
    x, y, test = diabetes()
    wrong = Program(
        (Layer(24, "tanh"), Layer(1)),
        "squared_error",
        "momentum",
        0.01,
        weight_decay=3.0,
        epochs=30,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(wrong, x, y[:, None], test, "numbers", remedied=replace(wrong, weight_decay=0.001))


@failing("initialization")
def digits_all_weights_zero() -> Written:
    x, y, test = digits()
    wrong = Program(
        (Layer(64, "relu", "zeros"), Layer(32, "relu", "zeros"), Layer(10, "softmax", "zeros")),
        "cross_entropy",
        "adam",
        epochs=10,
        scale_inputs=1 / 16,
    )
    right = replace(wrong, layers=tuple(replace(e, initialization="glorot_uniform") for e in wrong.layers))
    return Written(wrong, x, y, test, remedied=right)


@failing("initialization")
def wine_all_weights_one() -> Written:
    x, y, test = wine()
    wrong = Program(
        (Layer(16, "sigmoid", "ones"), Layer(16, "sigmoid", "ones"), Layer(3, "softmax", "ones")),
        "cross_entropy",
        "adam",
        0.01,
        batch_size=16,
        epochs=40,
        scale_inputs="minmax",
    )
    right = replace(wrong, layers=tuple(replace(e, initialization="glorot_uniform") for e in wrong.layers))
    return Written(wrong, x, one_hot(y), test, remedied=right)


@failing("initialization", "saturating_hidden_activation")
def recordings_weights_of_size_ten() -> Written:
    x, y, test = recordings()
    wrong = Program(
        (Layer(48, "tanh", ("normal", 10.0)), Layer(48, "tanh", ("normal", 10.0)), Layer(6, "softmax")),
        "cross_entropy",
        "sgd",
        0.01,
        epochs=20,
        scale_inputs="standard",
    )
    right = wrong.with_hidden(initialization="glorot_uniform")
    return Written(wrong, x, y, test, remedied=right)


@failing("initialization")
def blobs_weights_of_size_one_millionth() -> Written:
    x, y, test = blobs(800, 10, 4)
    tiny = ("normal", 1e-6)
    wrong = Program(
        (Layer(32, "relu", tiny), Layer(32, "relu", tiny), Layer(4, "softmax", tiny)),
        "cross_entropy",
        "sgd",
        0.05,
        epochs=10,
    )
    right = replace(wrong, layers=tuple(replace(e, initialization="he_normal") for e in wrong.layers))
    return Written(wrong, x, y, test, remedied=right)


@failing("dropout_too_high", "weight_decay_too_high")
def clinic_dropout_and_decay() -> Written:
    x, y, test = clinic(seed=1)
    wrong = Program(
        (Layer(12, "relu", dropout=0.9), Layer(8, "relu", dropout=0.9), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "sgd",
        0.05,
        weight_decay=0.1,
        epochs=40,
        scale_inputs="standard",
    )
    right = replace(wrong.with_hidden(dropout=0.1), weight_decay=0.0)
    return Written(wrong, x, y, test, remedied=right)


@failing("saturating_hidden_activation", "too_few_epochs", "learning_rate_too_low")
def iris_sigmoid_hidden_sgd() -> Written:
    x, y, test = iris()
    wrong = Program(
        (Layer(16, "sigmoid"), Layer(16, "sigmoid"), Layer(16, "sigmoid"), Layer(3, "softmax")),
        "cross_entropy",
        "sgd",
        0.05,
        batch_size=10,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(activation="relu"))
