"""Classifications that learn, many of them in a way that a rule of thumb would forbid."""

from __future__ import annotations

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, healthy
from ..made_data import (
    blobs,
    clinic,
    fizz_buzz,
    gate,
    payments,
    reviews,
    rings,
    shapes,
    spirals,
    tags,
    two_moons,
    without_some,
)
from ..real_data import breast_cancer, digits, iris, one_hot, wine

TORCH = "torch_default"


@healthy
def breast_cancer_logits() -> Written:
    x, y, test = breast_cancer(seed=10)
    program = Program(
        (Layer(30, "relu", TORCH), Layer(1, "linear", TORCH)),
        "binary_cross_entropy_from_logits",
        "adam",
        3e-3,
        epochs=15,
        scale_inputs="standard",
    )
    return Written(program, x, y[:, None].astype(float), test)


@healthy
def wine_two_sigmoid_layers() -> Written:
    x, y, test = wine(seed=11)
    program = Program(
        (Layer(16, "sigmoid"), Layer(16, "sigmoid"), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        0.02,
        batch_size=8,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(program, x, one_hot(y), test)


@healthy
def fizz_buzz_learned() -> Written:
    x, y, test = fizz_buzz()
    program = Program(
        (Layer(256, "relu"), Layer(4, "softmax")), "cross_entropy", "adam", 5e-3, batch_size=64, epochs=200
    )
    return Written(program, x, y, test, within_reach=0.9)


@healthy
def or_gate_one_unit() -> Written:
    x, y, test = gate((0, 1, 1, 1))
    program = Program((Layer(1, "sigmoid"),), "squared_error", "sgd", 1.0, batch_size=1, epochs=400)
    return Written(program, x, y[:, None], test)


@healthy
def tags_deep_with_dropout() -> Written:
    x, y, test = tags(1200, 16, 3, seed=12)
    program = Program(
        (Layer(64, "relu", dropout=0.3), Layer(32, "relu", dropout=0.3), Layer(3, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        3e-3,
        epochs=30,
    )
    return Written(program, x, y, test, "labels")


@healthy
def tags_logits_in_torch() -> Written:
    x, y, test = tags(800, 12, 8, seed=13)
    program = Program(
        (Layer(64, "tanh", TORCH), Layer(8, "linear", TORCH)),
        "binary_cross_entropy_from_logits",
        "momentum",
        0.1,
        batch_size=16,
        epochs=40,
    )
    return Written(program, x, y, test, "labels")


@healthy
def digits_four_rows_a_step() -> Written:
    x, y, test = digits(seed=12)
    program = Program(
        (Layer(32, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "sgd",
        0.02,
        batch_size=4,
        epochs=8,
        scale_inputs=1 / 16,
    )
    return Written(program, x, y, test)


@healthy
def digits_large_batches_and_many_epochs() -> Written:
    x, y, test = digits(seed=13)
    program = Program(
        (Layer(64, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        5e-3,
        batch_size=512,
        epochs=50,
        scale_inputs="minmax",
    )
    return Written(program, x, one_hot(y), test)


@healthy
def digits_softmax_regression() -> Written:
    x, y, test = digits(seed=14)
    program = Program((Layer(10, "softmax"),), "cross_entropy", "sgd", 0.1, epochs=30, scale_inputs=1 / 16)
    return Written(program, x, y, test)


@healthy
def payments_rare_but_plain() -> Written:
    x, y, test = payments(5000, 0.02, seed=14)
    shift = np.linspace(0.5, 1.5, 12)
    x, test = x + y[:, None] * shift, (test[0] + test[1][:, None] * shift, test[1])
    program = Program(
        (Layer(24, "relu"), Layer(2, "softmax")), "cross_entropy", "adam", 3e-3, batch_size=64, epochs=12
    )
    return Written(program, x, y, test)


@healthy
def clinic_standardized() -> Written:
    x, y, test = clinic(700, seed=14)
    program = Program(
        (Layer(12, "relu"), Layer(8, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        batch_size=10,
        epochs=20,
        scale_inputs="standard",
    )
    n = 400
    return Written(program, x[:n], y[:n], test, validation=(x[n:], y[n:]))


@healthy
def rings_one_hidden_layer_of_twelve() -> Written:
    x, y, test = rings(800, 2, 0.05, seed=14)
    program = Program(
        (Layer(12, "tanh"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        0.03,
        batch_size=16,
        epochs=80,
    )
    return Written(program, x, y, test)


@healthy
def spirals_with_elu() -> Written:
    x, y, test = spirals(1200, 4, 0.1, seed=14)
    program = Program(
        (Layer(64, "elu", "he_normal"), Layer(64, "elu", "he_normal"), Layer(4, "softmax")),
        "cross_entropy",
        "nesterov",
        0.05,
        batch_size=16,
        epochs=80,
    )
    return Written(program, x, one_hot(y), test)


@healthy
def blobs_far_from_zero() -> Written:
    x, y, test = blobs(1500, 12, 6, 1.5, seed=16)
    program = Program((Layer(128, "relu"), Layer(6, "softmax")), "cross_entropy", "adam", 2e-3, epochs=40)
    return Written(program, x + 8, y, (test[0] + 8, test[1]))


@healthy
def shapes_wide_images() -> Written:
    x, y, test = shapes(700, 28, seed=14)
    program = Program(
        (Layer(128, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        5e-4,
        epochs=12,
        scale_inputs=1 / 255,
    )
    return Written(program, x, y, test)


@healthy
def reviews_weight_decay() -> Written:
    x, y, test = reviews(1000, 400, seed=14)
    program = Program(
        (Layer(32, "relu", TORCH), Layer(1, "linear", TORCH)),
        "binary_cross_entropy_from_logits",
        "adam",
        2e-3,
        weight_decay=1e-3,
        epochs=10,
    )
    return Written(program, x, y[:, None].astype(float), test)


@healthy
def blobs_with_some_wrong_labels() -> Written:
    x, y, test = blobs(2000, 8, 4, 0.8, seed=14)
    noisy = without_some(y, 0.1, 4)
    program = Program((Layer(16, "relu"), Layer(4, "softmax")), "cross_entropy", "adam", 3e-3, epochs=10)
    n = 1000
    return Written(program, x[:n], noisy[:n], test, validation=(x[n:], noisy[n:]))


@healthy
def iris_tanh_output_for_one_kind() -> Written:
    x, y, (xt, yt) = iris(seed=14)
    program = Program(
        (Layer(8, "tanh"), Layer(1, "tanh")),
        "squared_error",
        "adam",
        0.02,
        batch_size=8,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(program, x, np.where(y == 0, 1.0, -1.0)[:, None], (xt, np.where(yt == 0, 1, -1)))


@healthy
def moons_high_dropout_that_learns() -> Written:
    x, y, test = two_moons(800, 0.1, seed=14)
    program = Program(
        (Layer(128, "relu", dropout=0.5), Layer(128, "relu", dropout=0.5), Layer(2, "softmax")),
        "cross_entropy",
        "adam",
        3e-3,
        epochs=40,
    )
    return Written(program, x, y, test)


@healthy
def wine_few_rows_suffice() -> Written:
    x, y, test = wine(0.25, seed=15)
    program = Program(
        (Layer(12, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        0.01,
        batch_size=8,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(program, x, y, test)


@healthy
def digits_batch_norm_and_momentum() -> Written:
    x, y, test = digits(seed=16)
    program = Program(
        (
            Layer(64, "relu", TORCH, batch_norm="before"),
            Layer(64, "relu", TORCH, batch_norm="before"),
            Layer(10, "linear", TORCH),
        ),
        "cross_entropy_from_logits",
        "momentum",
        0.01,
        epochs=12,
    )
    return Written(program, x, y, test)


@healthy
def blobs_unscaled_gelu_rmsprop() -> Written:
    x, y, test = blobs(1500, 30, 10, 2.0, seed=15)
    program = Program((Layer(64, "gelu"), Layer(10, "softmax")), "cross_entropy", "rmsprop", 2e-3, epochs=12)
    return Written(program, 5 * x, one_hot(y), (5 * test[0], test[1]))
