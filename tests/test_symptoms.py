"""Symptoms of a training: certain ones are found and said once, and a healthy training shows none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.data import Dataset
from clearprop.training.history import History
from clearprop.training.instruments import RECORD
from clearprop.training.symptoms import SymptomNotice, plateau, symptoms


def history(*losses: float, **measured: Any) -> History:
    sample = {
        "dead": [0.0, 0.0],
        "saturated": [0.0, 0.0],
        "gradient": [0.1, 0.1, 0.1],
        "predicted": [40, 50, 38],
        "guess_loss": 1.0,
        **measured,
    }
    epochs = [
        {"epoch": number, "train_loss": loss, RECORD: dict(sample)}
        for number, loss in enumerate(losses, start=1)
    ]
    return History(epochs, [1.0] * 100 * len(losses))


def test_one_class_only_is_found_with_its_epoch() -> None:
    found = history(1.2, 1.0, 1.0, predicted=[0, 128, 0])
    found.epochs[0][RECORD]["predicted"] = [1, 127, 0]
    assert symptoms(found)[0] == "all predictions are one class since epoch 2"


def test_dead_layer_is_found_with_its_number_and_share() -> None:
    assert symptoms(history(0.95, 0.95, dead=[0.1, 0.87])) == ["87% of layer 2's units are dead"]


def test_saturated_layer_and_vanished_gradient_are_found() -> None:
    assert symptoms(history(0.95, 0.95, saturated=[0.93, 0.0])) == ["93% of layer 1's outputs are saturated"]
    assert symptoms(history(0.95, 0.95, gradient=[0.001, 0.01, 0.1])) == [
        "the gradient of layer 1 is 0.01 times that of the last layer"
    ]


def test_loss_of_guessing_is_found() -> None:
    assert symptoms(history(1.1, 1.0, 0.99)) == ["the loss is that of guessing (0.990; guessing gives 1.000)"]


@pytest.mark.parametrize(
    "measured",
    [
        {"dead": [0.9, 0.9]},
        {"saturated": [0.99, 0.99]},
        {"gradient": [1e-6, 1e-3, 1.0]},
        {"predicted": [0, 128, 0]},
    ],
)
def test_network_that_learns_shows_nothing_whatever_its_layers_look_like(measured: dict[str, Any]) -> None:
    assert symptoms(history(0.8, 0.3, 0.1, **measured)) == []


def test_one_look_is_not_certain() -> None:
    assert symptoms(history(1.0, predicted=[0, 128, 0])) == []


def test_history_without_instruments_shows_nothing() -> None:
    assert symptoms(History([{"epoch": 1, "train_loss": 2.3}, {"epoch": 2, "train_loss": 2.3}])) == []


def test_plateau_is_a_slow_beginning_and_no_failure() -> None:
    late = history(1.0, 1.0, 1.0, 0.7, 0.5)
    assert symptoms(late) == []
    assert plateau(late) == "the loss stayed at that of guessing for 3 of 5 epochs"
    assert plateau(history(1.0, 0.5, 0.4, 0.3)) == ""


def test_the_first_symptom_is_said_once_as_it_happens(
    digits: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    network = cp.Network((784, 100, 50, 25, 10), activation="sigmoid", initialization="glorot_uniform")
    recipe = cp.Recipe(epochs=20)
    cp.train(network, recipe, digits, callbacks=[SymptomNotice()], progress=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Epoch 5: the gradient of layer 1 is ")


@pytest.mark.parametrize("activation", ["relu", "tanh", "leaky_relu"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_healthy_trainings_are_silent(
    digits: Dataset, capsys: pytest.CaptureFixture[str], activation: str, optimizer: str
) -> None:
    recipe = cp.Recipe(optimizer=optimizer, learning_rate=0.05 if optimizer == "sgd" else 0.001, epochs=10)
    network = cp.Network((784, 100, 50, 25, 10), activation=activation)
    run = cp.train(network, recipe, digits, callbacks=[SymptomNotice()], progress=False)
    assert capsys.readouterr().err == ""
    assert symptoms(run.history) == []
    assert plateau(run.history) == ""


def run_train(folder: Path, *options: str) -> int:
    return main(["train", "--data", "digits", "--out", str(folder / "run"), *options])


SIGMOID = ("--hidden", "100,50,25", "--activation", "sigmoid", "--initialization", "glorot_uniform")


def test_train_ends_with_one_line_that_says_how_to_ask_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_train(tmp_path, *SIGMOID, "--epochs", "10", "--learning-rate", "0.01") == 0
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert last.startswith("Something is wrong: ")
    assert last.endswith(f"Ask why: clearprop diagnose {tmp_path / 'run'}")
    assert printed.err.count("Something is wrong") == 1
    assert printed.out.splitlines()[-1].endswith("parameters.safetensors")


def test_quiet_training_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_train(tmp_path, *SIGMOID, "--epochs", "10", "--learning-rate", "0.01", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_healthy_training_ends_with_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_train(tmp_path, "--epochs", "5") == 0
    assert "wrong" not in capsys.readouterr().err


def test_diverged_training_says_how_to_ask_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_train(tmp_path, "--epochs", "5", "--learning-rate", "1e30") == 2
    assert f"Ask why: clearprop diagnose {tmp_path / 'run'}" in capsys.readouterr().err
