"""Task: classes, labels or numbers, read from targets as people give them."""

from __future__ import annotations

import numpy as np
import pytest

from clearprop.diagnosis import Layer, Program
from clearprop.diagnosis.program_training import train_program
from clearprop.diagnosis.task import class_score, number_score, read_task, score

NUMBERS = np.linspace(0.3, 7.1, 60)
THREE = np.arange(60) % 3


def program(units: int = 1, activation: str = "linear", loss: str = "squared_error") -> Program:
    return Program((Layer(4, "relu"), Layer(units, activation)), loss)


@pytest.mark.parametrize(
    ("targets", "trained", "kind", "n_classes"),
    [
        (NUMBERS, program(), "numbers", 0),
        (THREE, program(3, "softmax", "cross_entropy"), "classes", 3),
        (THREE + 1, program(4, "softmax", "cross_entropy"), "classes", 3),
        (np.eye(3)[THREE], program(3, "softmax", "cross_entropy"), "classes", 3),
        (np.eye(3)[THREE] / 255, program(3, "softmax", "cross_entropy"), "classes", 3),
        (THREE / 255, program(3, "softmax", "cross_entropy"), "classes", 3),
        (THREE % 2, program(1, "sigmoid", "binary_cross_entropy"), "classes", 2),
        (2 * (THREE % 2) - 1, program(1, "tanh"), "classes", 2),
        (THREE, program(), "numbers", 0),
        (THREE, program(1, "sigmoid", "binary_cross_entropy"), "classes", 3),
        (NUMBERS, program(1, "linear", "cross_entropy"), "numbers", 0),
        (
            np.stack([THREE > 0, THREE > 1], axis=1),
            program(2, "sigmoid", "binary_cross_entropy"),
            "labels",
            0,
        ),
        (np.stack([NUMBERS, NUMBERS], axis=1), program(2), "numbers", 0),
    ],
)
def test_kind_of_targets_is_read(targets, trained, kind, n_classes) -> None:
    task = read_task(trained, np.asarray(targets))
    assert (task.kind, task.n_classes) == (kind, n_classes)


def test_skill_of_guessing_is_zero_and_of_perfection_one() -> None:
    truth = np.array([0, 0, 0, 1])
    assert class_score(truth, np.zeros(4, int), 2).skill == 0
    assert class_score(truth, truth, 2).skill == 1
    assert number_score(NUMBERS[:, None], np.full((60, 1), NUMBERS.mean())).skill == pytest.approx(0)


def test_not_finite_predictions_have_the_worst_score() -> None:
    assert number_score(NUMBERS[:, None], np.full((60, 1), np.nan)).skill == -1


@pytest.mark.parametrize("labels", [(0, 1), (-1, 1), (0, 255), (1, 2)])
def test_two_classes_scaled_to_0_and_1_are_recognized_again(labels, rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 2))
    y = np.where(x[:, 0] > 0, labels[1], labels[0])
    scaled = Program(
        (Layer(1, "sigmoid"),), "binary_cross_entropy", "adam", 0.1, epochs=20, scale_targets="minmax"
    )
    assert score(read_task(scaled, y), train_program(scaled, x, y), x, y).figure > 0.95
