"""diagnose: names the cause of a failing Program, finds the remedy, and calls what is healthy healthy."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

import clearprop
from clearprop.diagnosis import Layer, Program, diagnose
from clearprop.diagnosis.causes import TITLES
from clearprop.diagnosis.program_training import train_program
from clearprop.diagnosis.task import read_task, score
from clearprop.utils.errors import DataError, InvalidArgument


@pytest.fixture(scope="module")
def cancer() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_breast_cancer(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


@pytest.fixture(scope="module")
def small_digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return x[:900] / 16, y[:900]


HEALTHY = Program((Layer(16, "relu"), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", epochs=40)
DIGITS = Program((Layer(32, "relu"), Layer(10, "softmax")), "cross_entropy", "adam", 0.002, epochs=20)


@pytest.fixture(scope="module")
def softmax_on_one_unit(cancer):
    return diagnose(HEALTHY.with_output(activation="softmax"), *cancer, seconds=20)


def test_healthy_program_is_called_healthy_and_nothing_else(cancer) -> None:
    diagnosis = diagnose(HEALTHY, *cancer, seconds=20)
    assert diagnosis.healthy
    assert diagnosis.causes == []
    assert diagnosis.remedied == HEALTHY
    assert str(diagnosis).startswith("Healthy")


def test_softmax_on_one_unit_is_named_and_confirmed(softmax_on_one_unit) -> None:
    (cause,) = softmax_on_one_unit.causes
    assert cause.name == "softmax_on_one_unit"
    assert cause.confirmed
    assert cause.before < 0.7 < 0.9 < cause.after
    assert cause.layers == (2,)


def test_remedied_program_learns(softmax_on_one_unit, cancer) -> None:
    remedied = softmax_on_one_unit.remedied
    trained = train_program(remedied, *cancer)
    assert score(read_task(remedied, cancer[1]), trained, *cancer).figure > 0.95


def test_smallest_change_restores_training(softmax_on_one_unit) -> None:
    assert softmax_on_one_unit.changes() == ["activation softmax -> sigmoid in layer 2"]


def test_diagnosis_is_shown_as_text_html_figure_and_json(softmax_on_one_unit) -> None:
    assert "softmax_on_one_unit" in str(softmax_on_one_unit)
    assert "softmax_on_one_unit" in softmax_on_one_unit._repr_html_()
    assert softmax_on_one_unit.plot()._repr_png_()[:4] == b"\x89PNG"
    values = json.loads(json.dumps(softmax_on_one_unit.to_dict(), allow_nan=False))
    assert Program.from_dict(values["remedied"]) == softmax_on_one_unit.remedied


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"learning_rate": 3.0}, "learning_rate_too_high"),
        ({"learning_rate": 1e-7}, "learning_rate_too_low"),
        ({"epochs": 1, "batch_size": 128}, "too_few_epochs"),
        ({"batch_size": 900}, "batch_size_too_large"),
        ({"weight_decay": 1.0}, "weight_decay_too_high"),
        ({"loss": "squared_error", "optimizer": "sgd", "learning_rate": 0.1}, "wrong_loss_for_task"),
    ],
)
def test_fault_of_the_training_is_named(change, cause, small_digits) -> None:
    diagnosis = diagnose(replace(DIGITS, **change), *small_digits, seconds=20)
    assert diagnosis.causes[0].name == cause
    assert diagnosis.confirmed


@pytest.mark.parametrize(
    ("layers", "cause"),
    [
        ((Layer(32, "relu"), Layer(10, "relu")), "relu_on_output"),
        ((Layer(32, "relu"), Layer(4, "softmax")), "wrong_output_units"),
        ((Layer(1, "relu"), Layer(10, "softmax")), "too_few_units"),
        ((Layer(32, "relu", dropout=0.97), Layer(10, "softmax")), "dropout_too_high"),
        ((Layer(32, "relu", "zeros"), Layer(10, "softmax", "zeros")), "initialization"),
    ],
)
def test_fault_of_a_layer_is_named(layers, cause, small_digits) -> None:
    diagnosis = diagnose(replace(DIGITS, layers=layers), *small_digits, seconds=20)
    assert diagnosis.causes[0].name == cause
    assert diagnosis.confirmed


def test_linear_hidden_layers_are_named(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 2))
    y = (np.hypot(*x.T) < 1.1).astype(int)
    program = Program((Layer(32), Layer(1, "sigmoid")), "binary_cross_entropy", "adam", 0.01, epochs=60)
    assert diagnose(program, x, y, seconds=20).causes[0].name == "missing_hidden_nonlinearity"


def test_unscaled_inputs_are_named() -> None:
    program = Program((Layer(32, "relu"), Layer(3, "softmax")), "cross_entropy", "sgd", 0.01, epochs=50)
    assert diagnose(program, *load_wine(return_X_y=True), seconds=20).causes[0].name == "inputs_not_scaled"


def test_targets_of_another_scale_are_named(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 3))
    y = 200_000 + 50_000 * x[:, 0]
    program = Program((Layer(32, "relu"), Layer(1)), "squared_error", "adam", epochs=20)
    assert diagnose(program, x, y, seconds=20).causes[0].name == "targets_not_scaled"


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_targets_beyond_the_output_are_named(activation, rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 3))
    program = Program((Layer(16, "relu"), Layer(1, activation)), "squared_error", "adam", 0.01, epochs=60)
    diagnosis = diagnose(program, x, 4 * x[:, 0], seconds=20)
    assert diagnosis.causes[0].name == "output_activation_cannot_reach_targets"


def test_shuffled_labels_are_named(small_digits, rng: np.random.Generator) -> None:
    diagnosis = diagnose(DIGITS, small_digits[0], rng.permutation(small_digits[1]), seconds=20)
    assert [cause.name for cause in diagnosis.causes] == ["labels_wrong"]
    assert "no relation" in diagnosis.causes[0].sentence


def test_constant_labels_are_named(cancer) -> None:
    assert diagnose(HEALTHY, cancer[0], np.zeros(len(cancer[0])), seconds=20).causes[0].name == "labels_wrong"


def test_leaked_target_is_named(cancer) -> None:
    leaky = np.column_stack(cancer)
    assert diagnose(HEALTHY, leaky, cancer[1], seconds=20).causes[0].name == "labels_wrong"


def test_repeated_rows_in_validation_are_named(cancer) -> None:
    x, y = cancer
    diagnosis = diagnose(HEALTHY, x, y, validation=(x[:200], y[:200]), seconds=20)
    assert diagnosis.causes[0].name == "duplicate_rows_across_splits"


def test_accuracy_of_numbers_is_named(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 2))
    program = Program((Layer(1),), "squared_error", "adam", 0.05, epochs=40, metric="accuracy")
    assert diagnose(program, x, 1 - x[:, 0], seconds=20).causes[0].name == "metric_misused"


def test_accidental_broadcasting_is_named_and_its_targets_are_reshaped(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 2))
    layers = (Layer(16, "relu", "torch_default"), Layer(1, "linear", "torch_default"))
    diagnosis = diagnose(Program(layers, "squared_error", "adam", 0.01, epochs=40), x, x[:, 0], seconds=20)
    assert diagnosis.causes[0].name == "wrong_output_units"
    assert diagnosis.remedied_data is not None
    assert diagnosis.remedied_data[1].ndim == 2


def test_pure_noise_around_a_weak_relation_is_not_called_wrong(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 3))
    program = Program((Layer(8, "relu"), Layer(1)), "squared_error", "adam", 0.005, epochs=20)
    assert diagnose(program, x, x[:, 0] + 3 * rng.normal(size=400), seconds=20).healthy


def test_xor_of_four_rows_is_measured_on_its_rows() -> None:
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    layers = (Layer(8, "tanh"), Layer(1, "sigmoid"))
    good = Program(layers, "binary_cross_entropy", "adam", 0.05, batch_size=4, epochs=300)
    assert diagnose(good, x, y, seconds=20).healthy
    linear = replace(good, layers=(Layer(8), Layer(1, "sigmoid")))
    assert diagnose(linear, x, y, seconds=20).causes[0].name == "missing_hidden_nonlinearity"


def test_same_seed_gives_the_same_diagnosis(softmax_on_one_unit, cancer) -> None:
    again = diagnose(HEALTHY.with_output(activation="softmax"), *cancer, seconds=20)
    assert again.causes == softmax_on_one_unit.causes


def test_budget_is_kept(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2000, 50)), rng.integers(0, 2, 2000)
    endless = Program((Layer(256, "relu"), Layer(1, "softmax")), "binary_cross_entropy", epochs=10**8)
    started = time.perf_counter()
    diagnose(endless, x, y, seconds=2)
    assert time.perf_counter() - started < 4


def test_network_too_large_to_try_is_told_from_its_fault() -> None:
    huge = Program((Layer(10**8, "relu"), Layer(1, "softmax")), "binary_cross_entropy")
    diagnosis = diagnose(huge, np.eye(60), np.arange(60) % 2, seconds=5)
    assert not diagnosis.healthy
    assert not any(cause.confirmed for cause in diagnosis.causes)
    assert "parameters" in diagnosis.symptoms[0]


@pytest.mark.parametrize(
    ("x", "y", "names"),
    [
        (np.array([[np.nan], [1]]), [0, 1], "x holds 1 numbers that are NaN"),
        (np.ones((2, 1)), [0, np.inf], "y holds 1 numbers"),
        (np.ones((0, 3)), [], "empty"),
        (np.ones((3, 1)), [0, 1], "3 rows and y 2"),
        ([["a"], ["b"]], [0, 1], "must hold numbers"),
        ([[1, 2], [3]], [0, 1], "different lengths"),
        (None, [0, 1], "x is missing"),
    ],
)
def test_bad_data_are_refused_in_one_sentence(x, y, names) -> None:
    with pytest.raises(DataError, match=names) as caught:
        diagnose(HEALTHY, x, y)
    assert "\n" not in str(caught.value)


def test_targets_that_fit_no_output_are_a_diagnosis(rng: np.random.Generator) -> None:
    program = Program((Layer(8, "relu"), Layer(3)), "squared_error", "adam", 0.01, epochs=60)
    x = rng.normal(size=(300, 2))
    diagnosis = diagnose(program, x, x, seconds=20)
    assert diagnosis.causes[0].name == "wrong_output_units"
    assert diagnosis.remedied.output.units == 2


@pytest.mark.parametrize("seconds", [0, 0.5, float("nan"), "long"])
def test_budget_too_small_is_refused(seconds, cancer) -> None:
    with pytest.raises(InvalidArgument, match="seconds"):
        diagnose(HEALTHY, *cancer, seconds=seconds)


def test_diagnose_is_a_public_name_and_every_cause_has_a_title() -> None:
    assert clearprop.diagnose is diagnose
    assert len(TITLES) == 26
