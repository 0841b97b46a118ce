"""Programs whose rows are at fault: labels, balance, number, noise, duplicates; and programs that overfit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import blobs, houses, payments, recordings, two_moons, without_some
from ..real_data import breast_cancer, diabetes, digits, iris, one_hot, split, wine

TORCH = "torch_default"


@failing("labels_wrong")
def diabetes_targets_sorted_apart_from_rows() -> Written:
    x, y, test = diabetes(seed=5)
    program = Program(
        (Layer(16, "relu"), Layer(1)),
        "squared_error",
        "adam",
        5e-3,
        epochs=20,
        scale_inputs="standard",
        scale_targets="standard",
    )
    return Written(program, x, np.sort(y)[:, None], test, "numbers", remedied_rows=(x, y[:, None]))


@failing("labels_wrong")
def wine_labels_shuffled() -> Written:
    x, y, test = wine(seed=7)
    program = Program(
        (Layer(24, "relu", TORCH), Layer(3, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adam",
        0.01,
        epochs=30,
        scale_inputs="standard",
    )
    shuffled = np.random.default_rng(3).permutation(y)
    return Written(program, x, shuffled, test, remedied_rows=(x, y))


@failing("labels_wrong")
def recordings_one_hot_rows_all_zero() -> Written:
    x, y, test = recordings(900, 6, seed=14)
    program = Program(
        (Layer(48, "relu"), Layer(6, "softmax")), "cross_entropy", "adam", epochs=20, scale_inputs="standard"
    )
    return Written(program, x, one_hot(y) * 0.0, test, remedied_rows=(x, one_hot(y)))


@failing("labels_wrong")
def houses_price_leaks_into_columns() -> Written:
    x, y, test = houses(700, seed=8)
    program = Program(
        (Layer(32, "relu"), Layer(1)),
        "squared_error",
        "adam",
        5e-3,
        epochs=40,
        scale_inputs="standard",
        scale_targets="standard",
    )
    # the tax is a share of the price, and is unknown before the sale
    leaked = np.column_stack([x, 0.01 * y[:, 0]])
    new = np.column_stack([test[0], np.zeros(len(test[0]))])
    clean = np.column_stack([x, np.zeros(len(x))])
    return Written(program, leaked, y, (new, test[1]), "numbers", remedied_rows=(clean, y))


@failing("class_imbalance")
def blobs_one_in_forty() -> Written:
    x, y, test = blobs(3000, 10, 2, 4.5, seed=6)
    rare, common = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    rare = rare[: len(common) // 40]
    kept = np.concatenate([common, rare])
    balanced = np.concatenate([common, np.resize(rare, len(common))])
    program = Program(
        (Layer(16, "relu", TORCH), Layer(1, "linear", TORCH)),
        "binary_cross_entropy_from_logits",
        "adam",
        epochs=8,
    )
    columns = [np.asarray(y[rows], float)[:, None] for rows in (kept, balanced)]
    return Written(program, x[kept], columns[0], test, remedied_rows=(x[balanced], columns[1]))


@failing("class_imbalance")
def payments_three_in_two_hundred() -> Written:
    x, y, test = payments(5000, 0.015, seed=3)
    program = Program(
        (Layer(24, "tanh"), Layer(2, "softmax")), "cross_entropy", "momentum", 5e-3, batch_size=64, epochs=5
    )
    rare, common = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    rows = np.concatenate([common, np.resize(rare, len(common))])
    return Written(program, x, one_hot(y, 2), test, remedied_rows=(x[rows], one_hot(y[rows], 2)))


@failing("too_little_data", "overfitting")
def recordings_fourteen_rows() -> Written:
    x, y, test = recordings(1200, 6, seed=15)
    program = Program(
        (Layer(48, "relu"), Layer(6, "softmax")),
        "cross_entropy",
        "adam",
        5e-3,
        batch_size=8,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(
        program, x[:14], y[:14], test, remedied_rows=(x[:600], y[:600]), validation=(x[700:], y[700:])
    )


@failing("too_little_data", "overfitting")
def digits_one_row_a_class() -> Written:
    x, y, test = digits(seed=8)
    first = np.array([np.flatnonzero(y == digit)[0] for digit in range(10)])
    program = Program(
        (Layer(100, "relu", TORCH), Layer(10, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adam",
        batch_size=10,
        epochs=150,
        scale_inputs=1 / 16,
    )
    enough = (x[:1000], y[:1000])
    return Written(program, x[first], y[first], test, remedied_rows=enough, validation=(x[1000:], y[1000:]))


@failing("overfitting")
def diabetes_learned_by_heart() -> Written:
    x, y, test = diabetes(seed=8)
    wrong = Program(
        (Layer(128, "relu"), Layer(128, "relu"), Layer(1)),
        "squared_error",
        "adam",
        3e-3,
        epochs=120,
        scale_inputs="standard",
        scale_targets="standard",
    )
    right = replace(wrong, weight_decay=0.1)
    n = 240
    validation = (x[n:], y[n:, None])
    return Written(wrong, x[:n], y[:n, None], test, "numbers", remedied=right, validation=validation)


@failing("overfitting")
def diabetes_wide_network_and_small_batches() -> Written:
    x, y, test = diabetes(0.8, seed=9)
    wrong = Program(
        (Layer(200, "relu", TORCH), Layer(100, "relu", TORCH), Layer(1, "linear", TORCH)),
        "squared_error",
        "adam",
        2e-3,
        batch_size=8,
        epochs=60,
        scale_inputs="standard",
        scale_targets="standard",
    )
    right = replace(wrong, epochs=3)
    n = 260
    validation = (x[n:], y[n:, None])
    return Written(wrong, x[:n], y[:n, None], test, "numbers", remedied=right, validation=validation)


@failing("noisy_labels")
def blobs_three_labels_in_five_random() -> Written:
    x, y, test = blobs(900, 20, 3, 2.0, seed=8)
    noisy = without_some(y, 0.6, 3, seed=5)
    program = Program(
        (Layer(200, "relu", TORCH), Layer(200, "relu", TORCH), Layer(3, "linear", TORCH)),
        "cross_entropy_from_logits",
        "adam",
        2e-3,
        epochs=60,
    )
    n = 480
    return Written(
        program, x[:n], noisy[:n], test, remedied_rows=(x[:n], y[:n]), validation=(x[n:], noisy[n:])
    )


@failing("duplicate_rows_across_splits")
def moons_repeated_before_the_split() -> Written:
    x, y, test = two_moons(240, 0.6, seed=9)
    rng = np.random.default_rng(1)
    x, test = (
        np.column_stack([x, rng.normal(size=(len(x), 8))]),
        (
            np.column_stack([test[0], rng.normal(size=(len(test[0]), 8))]),
            test[1],
        ),
    )
    program = Program(
        (Layer(100, "relu"), Layer(50, "relu"), Layer(2, "softmax")), "cross_entropy", "adam", 2e-3, epochs=80
    )
    again = rng.permutation(len(x))[:50]
    return Written(
        program,
        x,
        y,
        test,
        validation=(x[again], y[again]),
        remedied_validation=(test[0][:40], test[1][:40]),
    )


@failing("labels_wrong")
def iris_labels_all_of_one_class() -> Written:
    x, y, test = iris(seed=5)
    program = Program(
        (Layer(16, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        0.02,
        epochs=40,
        scale_inputs="standard",
    )
    return Written(program, x, one_hot(0 * y, 3), test, remedied_rows=(x, one_hot(y)))


@failing("labels_wrong")
def breast_cancer_labels_of_other_rows() -> Written:
    x, y, test = breast_cancer(seed=8)
    program = Program(
        (Layer(20, "tanh"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "momentum",
        0.02,
        epochs=25,
        scale_inputs="standard",
    )
    # the rows were sorted by a column, the labels were not
    return Written(program, x[np.argsort(x[:, 0])], y, test, remedied_rows=(x, y))


@failing("duplicate_rows_across_splits")
def columns_repeated_with_noisy_labels() -> Written:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(500, 15))
    y = (x[:, 0] - x[:, 3] + 1.5 * rng.normal(size=500) > 0).astype(int)
    x, y, test = split(x, y, 0.5, seed=6)
    program = Program(
        (Layer(80, "tanh"), Layer(80, "tanh"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        3e-3,
        epochs=80,
    )
    half = len(test[0]) // 2
    mixed = np.concatenate([x[:120], test[0][:20]]), np.concatenate([y[:120], test[1][:20]])
    return Written(
        program, x, y, test, validation=mixed, remedied_validation=(test[0][:half], test[1][:half])
    )
