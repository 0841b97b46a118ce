"""The table of failing and healthy programs: complete, in two halves, and true where it is tried."""

from __future__ import annotations

from collections import Counter

import pytest
from programs import CASES
from programs.trial import PROVEN, try_case

from clearprop.diagnosis.program_training import train_program

CAUSES = {
    "softmax_on_one_unit",
    "output_activation_does_not_fit_loss",
    "output_activation_cannot_reach_targets",
    "relu_on_output",
    "wrong_loss_for_task",
    "wrong_output_units",
    "missing_hidden_nonlinearity",
    "saturating_hidden_activation",
    "dead_relu",
    "inputs_not_scaled",
    "targets_not_scaled",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "too_few_epochs",
    "batch_size_too_large",
    "too_few_units",
    "dropout_too_high",
    "weight_decay_too_high",
    "initialization",
    "labels_wrong",
    "class_imbalance",
    "too_little_data",
    "overfitting",
    "noisy_labels",
    "duplicate_rows_across_splits",
    "metric_misused",
}
HALVES = ("development", "held_out")
#: Programs that train in a tenth of a second.
QUICK = (
    "wine_raw_columns",
    "iris_rmsprop_jumps",
    "wine_all_weights_one",
    "xor_without_nonlinearity",
    "breast_cancer_labels_all_zero",
    "houses_watched_by_accuracy",
    "xor_with_tanh",
    "parabola_relu",
)


@pytest.mark.parametrize("half", HALVES)
def test_each_cause_has_a_failing_program_in_each_half(half: str) -> None:
    assert {case.cause for case in CASES if case.half == half and case.cause} == CAUSES


@pytest.mark.parametrize("half", HALVES)
def test_each_half_has_at_least_twenty_failing_and_twenty_healthy_programs(half: str) -> None:
    counted = Counter(case.cause is None for case in CASES if case.half == half)
    assert min(counted[True], counted[False]) >= 20


def test_names_are_unique_and_equivalents_are_causes() -> None:
    assert max(Counter(case.name for case in CASES).values()) == 1
    assert all(case.equivalents <= CAUSES for case in CASES)


def test_each_failing_program_has_a_remedy() -> None:
    for case in CASES:
        written = case.written
        remedies = (written.remedied, written.remedied_rows, written.remedied_validation)
        assert any(each is not None for each in remedies) == (case.cause is not None), case.name


@pytest.mark.parametrize("name", QUICK)
def test_program_fails_and_is_mended_or_learns(name: str) -> None:
    case = next(each for each in CASES if each.name == name)
    assert try_case(case, train_program, seeds=(0, 1)).verdict == PROVEN
