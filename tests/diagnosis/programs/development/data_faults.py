"""Programs whose rows are at fault: labels, balance, number, noise, duplicates; and programs that overfit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import blobs, clinic, linear, payments, without_some
from ..real_data import breast_cancer, digits, one_hot, split, wine


@failing("labels_wrong")
def digits_labels_shuffled() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(64, "relu"), Layer(10, "softmax")), "cross_entropy", "adam", epochs=10, scale_inputs=1 / 16
    )
    shuffled = np.random.default_rng(7).permutation(y)
    return Written(program, x, shuffled, test, remedied_rows=(x, y))


@failing("labels_wrong")
def breast_cancer_labels_all_zero() -> Written:
    x, y, test = breast_cancer()
    program = Program(
        (Layer(16, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        5e-3,
        epochs=20,
        scale_inputs="standard",
    )
    constant = (y / 255).astype(int)
    return Written(program, x, constant, test, remedied_rows=(x, y))


@failing("labels_wrong", "wrong_output_units")
def digits_labels_divided_by_255() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(64, "relu"), Layer(10, "softmax")), "cross_entropy", "adam", epochs=10, scale_inputs=1 / 16
    )
    return Written(program, x, y / 255, test, remedied_rows=(x, y))


@failing("labels_wrong")
def wine_class_leaks_into_columns() -> Written:
    x, y, test = wine()
    program = Program(
        (Layer(16, "relu"), Layer(3, "softmax")),
        "cross_entropy",
        "adam",
        0.01,
        epochs=30,
        scale_inputs="standard",
    )
    rng = np.random.default_rng(1)
    # the class is known only after the fact: new rows do not have it
    leaked = np.column_stack([x, np.repeat(y[:, None], 12, axis=1)])
    new = np.column_stack([test[0], np.repeat(rng.integers(0, 3, (len(test[0]), 1)), 12, axis=1)])
    clean = np.column_stack([x, np.zeros((len(x), 12))])
    return Written(program, leaked, y, (new, test[1]), remedied_rows=(clean, y))


@failing("class_imbalance")
def payments_one_in_fifty() -> Written:
    x, y, test = payments(share=0.02)
    program = Program(
        (Layer(16, "relu"), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", batch_size=64, epochs=4
    )
    rare = np.flatnonzero(y)
    rows = np.concatenate([np.flatnonzero(y == 0), np.resize(rare, np.sum(y == 0))])
    return Written(program, x, y, test, remedied_rows=(x[rows], y[rows]))


@failing("class_imbalance")
def clinic_three_rare_cases_in_a_hundred() -> Written:
    x, y, test = clinic(3000, seed=4)
    ill, well = np.flatnonzero(y), np.flatnonzero(y == 0)
    kept = np.concatenate([well, ill[: len(well) // 30]])
    balanced = np.concatenate([well, np.resize(ill[: len(well) // 30], len(well))])
    program = Program(
        (Layer(8, "relu"), Layer(2, "softmax")),
        "cross_entropy",
        "sgd",
        0.02,
        epochs=15,
        scale_inputs="standard",
    )
    return Written(
        program, x[kept], one_hot(y[kept], 2), test, remedied_rows=(x[balanced], one_hot(y[balanced], 2))
    )


@failing("too_little_data", "overfitting")
def digits_twenty_rows() -> Written:
    x, y, test = digits()
    program = Program(
        (Layer(64, "relu"), Layer(10, "softmax")),
        "cross_entropy",
        "adam",
        5e-3,
        batch_size=10,
        epochs=60,
        scale_inputs=1 / 16,
    )
    return Written(program, x[:20], y[:20], test, remedied_rows=(x, y), validation=(x[1100:], y[1100:]))


@failing("overfitting", "too_little_data")
def linear_more_columns_than_signal() -> Written:
    x, y, (xt, yt) = linear(240, 100, 5, 1.2)
    validation, test = (xt[:100], yt[:100]), (xt[100:], yt[100:])
    wrong = Program(
        (Layer(128, "relu"), Layer(128, "relu"), Layer(1)), "squared_error", "adam", 2e-3, epochs=150
    )
    right = replace(wrong, weight_decay=0.2)
    return Written(wrong, x, y, test, "numbers", remedied=right, validation=validation)


@failing("noisy_labels")
def blobs_every_second_label_random() -> Written:
    x, y, test = blobs(1000, 12, 4, 1.2)
    noisy = without_some(y, 0.5, 4)
    program = Program(
        (Layer(128, "relu"), Layer(128, "relu"), Layer(4, "softmax")),
        "cross_entropy",
        "adam",
        2e-3,
        epochs=60,
    )
    n = 550
    return Written(
        program, x[:n], noisy[:n], test, remedied_rows=(x[:n], y[:n]), validation=(x[n:], noisy[n:])
    )


@failing("duplicate_rows_across_splits")
def rows_repeated_before_they_were_split() -> Written:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 10))
    y = (x[:, 0] + x[:, 1] + 1.0 * rng.normal(size=300) > 0).astype(int)
    x, y, test = split(x, y, 0.5)
    program = Program(
        (Layer(64, "relu"), Layer(64, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        2e-3,
        epochs=60,
    )
    # rows were repeated before they were split
    return Written(
        program, x, y, test, validation=(x[:60], y[:60]), remedied_validation=(test[0][:70], test[1][:70])
    )
