"""Classifications that learn, many of them in a way that a rule of thumb would forbid."""

from __future__ import annotations

from clearprop.diagnosis import Layer, Program

from ..case import Written, healthy
from ..made_data import blobs, clinic, gate, payments, recordings, reviews, shapes, spirals, tags, two_moons
from ..real_data import digits, iris, one_hot, wine

TORCH = "torch_default"


@healthy
def iris_small_network() -> Written:
    x, y, test = iris()
    program = Program(
        (Layer(8, "relu"), Layer(3, "softmax")), "cross_entropy", "adam", 0.02, batch_size=8, epochs=50
    )
    return Written(program, x, one_hot(y), test)


@healthy
def digits_wide() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(400, "relu"), Layer(10, "softmax")), "cross_entropy", "adam", epochs=8, scale_inputs=1 / 16
    )
    return Written(program, x, y, test)


@healthy
def digits_deep_tanh() -> Written:
    x, y, test = digits()
    program = Program(
        (*(Layer(40, "tanh") for _ in range(6)), Layer(10, "softmax")),
        "cross_entropy",
        "sgd",
        0.1,
        batch_size=16,
        epochs=20,
        scale_inputs="standard",
    )
    return Written(program, x, y, test)


@healthy
def several_labels_with_sigmoid() -> Written:
    x, y, test = tags()
    program = Program(
        (Layer(48, "relu"), Layer(5, "sigmoid")), "binary_cross_entropy", "adam", 3e-3, epochs=25
    )
    return Written(program, x, y, test, "labels")


@healthy
def shapes_grey_values_to_255() -> Written:
    x, y, test = shapes(900, 16)
    program = Program((Layer(64, "sigmoid"), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", epochs=30)
    return Written(program, x, y, test)


@healthy
def digits_sigmoid_hidden_layer() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(64, "sigmoid"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        5e-3,
        epochs=15,
        scale_inputs=1 / 16,
    )
    return Written(program, x, one_hot(y), test)


@healthy
def digits_squared_error_of_softmax() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(64, "relu"), Layer(10, "softmax")),
        "squared_error",
        "adam",
        2e-3,
        epochs=15,
        scale_inputs=1 / 16,
    )
    return Written(program, x, one_hot(y), test)


@healthy
def digits_large_learning_rate() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(64, "relu", TORCH), Layer(10, "linear", TORCH)),
        "cross_entropy_from_logits",
        "sgd",
        0.8,
        batch_size=64,
        epochs=15,
        scale_inputs=1 / 16,
    )
    return Written(program, x, y, test)


@healthy
def blobs_two_epochs_suffice() -> Written:
    x, y, test = blobs(4000, 20, 5, 1.5)
    program = Program((Layer(64, "relu"), Layer(5, "softmax")), "cross_entropy", "adam", epochs=2)
    return Written(program, x, y, test)


@healthy
def iris_row_by_row() -> Written:
    x, y, test = iris()
    program = Program(
        (Layer(10, "tanh"), Layer(3, "softmax")),
        "cross_entropy",
        "sgd",
        0.02,
        batch_size=1,
        epochs=25,
        scale_inputs="standard",
    )
    return Written(program, x, y, test)


@healthy
def payments_imbalanced_and_learned() -> Written:
    x, y, test = payments(4000, 0.05, seed=11)
    x, test = (
        x + 2.0 * y[:, None] * (x.std() / 2),
        (test[0] + 2.0 * test[1][:, None] * (x.std() / 2), test[1]),
    )
    program = Program(
        (Layer(16, "relu"), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", 3e-3, epochs=15
    )
    return Written(program, x, y, test)


@healthy
def xor_with_tanh() -> Written:
    x, y, test = gate((0, 1, 1, 0))
    program = Program(
        (Layer(8, "tanh"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        0.05,
        batch_size=4,
        epochs=400,
    )
    return Written(program, x, y[:, None], test)


@healthy
def and_gate_without_hidden_layer() -> Written:
    x, y, test = gate((0, 0, 0, 1))
    program = Program((Layer(1, "sigmoid"),), "binary_cross_entropy", "sgd", 0.5, batch_size=1, epochs=200)
    return Written(program, x, y, test)


@healthy
def spirals_deep_relu() -> Written:
    x, y, test = spirals()
    program = Program(
        (Layer(64, "relu"), Layer(64, "relu"), Layer(64, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        3e-3,
        epochs=60,
    )
    return Written(program, x, y, test)


@healthy
def blobs_linear_hidden_layer() -> Written:
    x, y, test = blobs(600, 8, 3, 1.0, seed=2)
    program = Program((Layer(16), Layer(3, "softmax")), "cross_entropy", "adam", 5e-3, epochs=20)
    return Written(program, x, one_hot(y), test)


@healthy
def reviews_eight_hundred_words_with_dropout() -> Written:
    x, y, test = reviews()
    program = Program(
        (Layer(64, "relu", dropout=0.5), Layer(1, "sigmoid")), "binary_cross_entropy", "rmsprop", epochs=10
    )
    return Written(program, x, y, test)


@healthy
def recordings_batch_norm() -> Written:
    x, y, test = recordings()
    program = Program(
        (Layer(64, "relu", TORCH, batch_norm="before"), Layer(6, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adamw",
        3e-3,
        weight_decay=0.01,
        epochs=15,
    )
    return Written(program, x, y, test)


@healthy
def moons_squared_error_of_sigmoid() -> Written:
    x, y, test = two_moons()
    program = Program(
        (Layer(32, "relu"), Layer(1, "sigmoid")), "squared_error", "adam", 0.01, batch_size=16, epochs=40
    )
    return Written(program, x, y[:, None].astype(float), test)


@healthy
def digits_raw_pixels_and_adam() -> Written:
    x, y, test = digits(seed=2)
    program = Program(
        (Layer(64, "relu"), Layer(10, "softmax")), "cross_entropy", "adam", batch_size=16, epochs=15
    )
    return Written(program, x, y, test)


@healthy
def clinic_noisy_classes() -> Written:
    x, y, test = clinic(900, seed=8)
    program = Program(
        (Layer(16, "relu", dropout=0.2), Layer(2, "softmax")),
        "cross_entropy",
        "adamw",
        3e-3,
        weight_decay=0.001,
        epochs=25,
        scale_inputs="standard",
    )
    n = 500
    return Written(program, x[:n], y[:n], test, validation=(x[n:], y[n:]))


@healthy
def wine_trained_far_beyond_need() -> Written:
    x, y, test = wine()
    program = Program(
        (Layer(32, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        0.01,
        epochs=150,
        scale_inputs="standard",
    )
    return Written(program, x[:100], y[:100], test, validation=(x[100:], y[100:]))


@healthy
def shapes_two_logits() -> Written:
    x, y, test = shapes(1500, 12)
    program = Program(
        (Layer(128, "relu", TORCH), Layer(2, "linear", TORCH)),
        "cross_entropy_from_logits",
        "momentum",
        0.02,
        epochs=40,
        scale_inputs=1 / 255,
    )
    return Written(program, x, y, test)
