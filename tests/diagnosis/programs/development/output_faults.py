"""Programs whose output layer, loss or targets do not fit each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop.diagnosis import Layer, Program

from ..case import Written, failing
from ..made_data import clinic, curve, gate, houses, recordings, rings, tags
from ..real_data import breast_cancer, diabetes, digits, iris, one_hot, wine


@failing("softmax_on_one_unit")
def breast_cancer_softmax_on_one_unit() -> Written:
    x, y, test = breast_cancer()
    right = Program(
        (Layer(16, "relu"), Layer(8, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        batch_size=16,
        epochs=15,
        scale_inputs="standard",
    )
    return Written(right.with_output(activation="softmax"), x, y, test, remedied=right)


@failing("softmax_on_one_unit")
def clinic_softmax_on_one_unit_and_raw_columns() -> Written:
    x, y, test = clinic()
    right = Program(
        (Layer(12, "relu"), Layer(8, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "sgd",
        0.05,
        batch_size=10,
        epochs=20,
        scale_inputs="standard",
    )
    wrong = replace(right.with_output(activation="softmax"), scale_inputs=None)
    return Written(wrong, x, y[:, None].astype(float), test, remedied=right)


@failing("output_activation_does_not_fit_loss")
def digits_softmax_forgotten() -> Written:
    x, y, test = digits()
    wrong = Program((Layer(64, "relu"), Layer(10)), "cross_entropy", "adam", epochs=8, scale_inputs=1 / 16)
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_output(activation="softmax"))


@failing("output_activation_does_not_fit_loss")
def digits_softmax_twice() -> Written:
    x, y, test = digits()
    start = "torch_default"
    wrong = Program(
        (Layer(100, "relu", start), Layer(10, "softmax", start)),
        "cross_entropy_from_logits",
        "sgd",
        0.05,
        batch_size=32,
        epochs=10,
        scale_inputs=1 / 16,
    )
    return Written(wrong, x, y, test, remedied=wrong.with_output(activation="linear"))


@failing("output_activation_does_not_fit_loss")
def recordings_tanh_before_cross_entropy() -> Written:
    x, y, test = recordings(900, 5, seed=3)
    wrong = Program(
        (Layer(40, "relu"), Layer(5, "tanh")), "cross_entropy", "adam", epochs=15, scale_inputs="standard"
    )
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_output(activation="softmax"))


@failing("output_activation_cannot_reach_targets")
def parabola_with_sigmoid_output() -> Written:
    x, y, test = curve(np.square, -3, 3, 400)
    wrong = Program(
        (Layer(32, "tanh"), Layer(1, "sigmoid")), "squared_error", "adam", 0.03, batch_size=16, epochs=60
    )
    right = wrong.with_output(activation="linear")
    return Written(wrong, x, y, test, "numbers", remedied=right)


@failing("output_activation_cannot_reach_targets", "targets_not_scaled")
def diabetes_with_tanh_output() -> Written:
    x, y, test = diabetes()
    wrong = Program(
        (Layer(20, "relu"), Layer(1, "tanh")),
        "squared_error",
        "adam",
        0.01,
        epochs=60,
        scale_inputs="standard",
    )
    right = replace(wrong.with_output(activation="linear"), scale_targets="standard", epochs=20)
    return Written(wrong, x, y[:, None], test, "numbers", remedied=right)


@failing("relu_on_output", "output_activation_cannot_reach_targets")
def sine_with_relu_output() -> Written:
    x, y, test = curve(np.sin, -3.14, 3.14, 600)
    wrong = Program(
        (Layer(32, "tanh"), Layer(32, "tanh"), Layer(1, "relu")), "squared_error", "adam", 5e-3, epochs=40
    )
    return Written(wrong, x, y, test, "numbers", remedied=wrong.with_output(activation="linear"))


@failing("relu_on_output", "output_activation_does_not_fit_loss")
def wine_relu_before_cross_entropy() -> Written:
    x, y, test = wine()
    wrong = Program(
        (Layer(20, "relu"), Layer(3, "relu")),
        "cross_entropy",
        "adam",
        0.01,
        batch_size=8,
        epochs=15,
        scale_inputs="standard",
    )
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_output(activation="softmax"))


@failing("wrong_loss_for_task")
def labels_with_softmax_cross_entropy() -> Written:
    x, y, test = tags(n_labels=4, seed=2)
    y, test = (x[:, :4] + 0.3 > 0).astype(float), (test[0], (test[0][:, :4] + 0.3 > 0).astype(float))
    wrong = Program((Layer(40, "relu"), Layer(4, "softmax")), "cross_entropy", "adam", 5e-3, epochs=20)
    right = replace(wrong.with_output(activation="sigmoid"), loss="binary_cross_entropy")
    return Written(wrong, x, y, test, "labels", remedied=right)


@failing("wrong_loss_for_task")
def houses_with_binary_cross_entropy() -> Written:
    x, y, test = houses()
    wrong = Program(
        (Layer(32, "relu"), Layer(1)),
        "binary_cross_entropy",
        "adam",
        5e-3,
        epochs=40,
        scale_inputs="standard",
    )
    test = (test[0], test[1] / 1e5)
    return Written(wrong, x, y / 1e5, test, "numbers", remedied=replace(wrong, loss="squared_error"))


@failing("wrong_output_units")
def iris_one_sigmoid_for_three_classes() -> Written:
    x, y, test = iris()
    wrong = Program(
        (Layer(10, "relu"), Layer(1, "sigmoid")),
        "binary_cross_entropy",
        "adam",
        0.01,
        batch_size=5,
        epochs=40,
        scale_inputs="standard",
    )
    right = replace(wrong.with_output(units=3, activation="softmax"), loss="cross_entropy")
    return Written(wrong, x, y, test, remedied=right)


@failing("wrong_output_units")
def parabola_whose_targets_broadcast() -> Written:
    x, y, test = curve(np.square, -2, 2, 500, noise=0.1)
    start = "torch_default"
    wrong = Program(
        (Layer(32, "relu", start), Layer(1, "linear", start)), "squared_error", "adam", 0.01, epochs=40
    )
    return Written(wrong, x, y.ravel(), test, "numbers", remedied_rows=(x, y), remedied=wrong)


@failing("wrong_output_units")
def digits_one_linear_unit_and_class_numbers() -> Written:
    x, y, test = digits(seed=4)
    right = Program(
        (Layer(48, "relu"), Layer(10, "softmax")), "cross_entropy", "adam", epochs=15, scale_inputs=1 / 16
    )
    wrong = right.with_output(units=1)
    return Written(wrong, x, y, test, remedied=right)


@failing("missing_hidden_nonlinearity")
def rings_without_nonlinearity() -> Written:
    x, y, test = rings()
    wrong = Program(
        (Layer(32), Layer(32), Layer(2, "softmax")), "cross_entropy", "adam", 0.01, batch_size=20, epochs=30
    )
    return Written(wrong, x, one_hot(y), test, remedied=wrong.with_hidden(activation="relu"))


@failing("missing_hidden_nonlinearity")
def xor_without_nonlinearity() -> Written:
    x, y, test = gate((0, 1, 1, 0))
    wrong = Program(
        (Layer(8), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", 0.05, batch_size=4, epochs=400
    )
    return Written(wrong, x, y, test, remedied=wrong.with_hidden(activation="tanh"))


@failing("metric_misused")
def houses_watched_by_accuracy() -> Written:
    x, y, test = houses()
    wrong = Program(
        (Layer(32, "relu"), Layer(1)),
        "squared_error",
        "adam",
        0.01,
        epochs=40,
        scale_inputs="standard",
        scale_targets="standard",
        metric="accuracy",
    )
    return Written(wrong, x, y, test, "numbers", remedied=replace(wrong, metric=None))
