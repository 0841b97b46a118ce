"""The report's conclusion: every sentence is supported by the results."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixtures import diverged, experiment, run, study

from clearprop.nn.recipe import Recipe
from clearprop.report.facts import words
from clearprop.report.facts.intervals import Interval, interval, separated_groups
from clearprop.report.facts.settings import COMPARED
from clearprop.report.sections.conclusion import conclusion, seed_intervals
from clearprop.study.results import StudyResults

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def said(results: StudyResults, title: str = "") -> str:
    return "\n".join(
        sentence
        for finding in conclusion(results)
        if title in finding.title
        for sentence in finding.sentences
    )


def seeds(name: str, *values: float):
    return [run(name, seed=seed, accuracy=value) for seed, value in enumerate(values)]


# ---- Intervals and groups ----------------------------------------------------------------------------


def test_interval_is_students_t() -> None:
    # t for 2 degrees of freedom is 4.3027; the standard error of 1, 2, 3 is 1/√3
    low, high = 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5
    assert interval([1, 2, 3]) == pytest.approx((2, low, high), abs=1e-4)


def test_equal_accuracies_give_no_zero_width_interval() -> None:
    assert interval([0.5, 0.5], resolution=0.01) == pytest.approx((0.5, 0.49, 0.51))


@given(st.dictionaries(st.text(min_size=1, max_size=3), accuracies, min_size=1, max_size=6))
def test_groups_hold_every_name_once_and_their_intervals_do_not_overlap(values) -> None:
    intervals = {name: interval(numbers) for name, numbers in values.items()}
    groups = separated_groups(intervals)
    assert sorted(name for group in groups for name in group) == sorted(values)
    for above, below in pairwise(groups):
        assert min(intervals[name].low for name in above) > max(intervals[name].high for name in below)


def test_chain_of_overlaps_is_one_group() -> None:
    chain = {
        "a": Interval(3, 2, 4),
        "b": Interval(2, 1, 3),
        "c": Interval(1, 0, 1.5),
        "d": Interval(-2, -3, -1),
    }
    assert separated_groups(chain) == [["a", "b", "c"], ["d"]]


# ---- Ranking -----------------------------------------------------------------------------------------


def test_one_seed_ranks_nothing() -> None:
    results = study(
        experiment("good", [run("good", accuracy=1.0)]), experiment("bad", [run("bad", accuracy=0.2)])
    )
    text = said(results)
    assert "One seed cannot rank close results" in text
    assert "better than" not in text


def test_separated_intervals_are_ranked() -> None:
    results = study(
        experiment("good", seeds("good", 0.95, 0.95, 0.975)), experiment("bad", seeds("bad", 0.5, 0.525, 0.5))
    )
    assert "good (0.9583) is better than bad (0.5083)." in said(results, "Which is best")


def test_overlapping_intervals_rank_nothing() -> None:
    results = study(experiment("a", seeds("a", 0.9, 0.7)), experiment("b", seeds("b", 0.8, 0.6)))
    text = said(results, "Which is best")
    assert "nothing can be ranked as a whole" in text
    assert "is better than" not in text


def test_experiment_with_one_complete_seed_is_not_ranked() -> None:
    results = study(
        experiment("a", seeds("a", 0.9, 0.925, 0.9)),
        experiment("b", seeds("b", 0.5, 0.5, 0.525)),
        experiment("c", [run("c"), diverged("c", seed=1), diverged("c", seed=2)]),
    )
    assert sorted(seed_intervals(results)) == ["a", "b"]
    assert "Not ranked, for want of a second complete seed: c." in said(results)


# ---- One change at a time ----------------------------------------------------------------------------


def test_pair_with_one_different_setting_is_compared() -> None:
    results = study(
        experiment("a", seeds("a", 0.5, 0.525, 0.5), activation="sigmoid"),
        experiment("b", seeds("b", 0.9, 0.925, 0.9), activation="tanh"),
    )
    text = said(results, "one thing")
    assert text.startswith("Activation, sigmoid to tanh (a to b): test accuracy 0.5083")
    assert text.endswith("+0.4000, which the seeds support.")


def test_pair_with_two_different_settings_is_not_compared() -> None:
    results = study(experiment("a"), experiment("b", activation="tanh", learning_rate=0.1))
    assert said(results, "one thing") == ""


def test_comparison_covers_every_recipe_setting_except_the_seed() -> None:
    assert set(Recipe().to_dict()) - {"seed"} <= set(COMPARED)


def test_adam_and_adamw_are_equal_without_decay() -> None:
    results = study(experiment("a", optimizer="adam"), experiment("b", optimizer="adamw", weight_decay=0.001))
    change = "Weight decay, 0 to 0.001 (a to b; Adam and AdamW are one algorithm without decay)"
    assert change in said(results, "one thing")
    both = study(
        experiment("a", optimizer="adam", weight_decay=0.1),
        experiment("b", optimizer="adamw", weight_decay=0.2),
    )
    assert said(both, "one thing") == ""


def test_difference_of_single_trainings_is_called_uncertain() -> None:
    results = study(
        experiment("a", [run("a", accuracy=0.9)]),
        experiment("b", [run("b", accuracy=0.95)], loss="double_softmax"),
    )
    text = said(results, "one thing")
    assert "+0.0500." in text
    assert "cannot be told from chance" in text


def test_zero_difference_is_called_no_difference() -> None:
    results = study(experiment("a", seeds("a", 0.9, 0.8)), experiment("b", seeds("b", 0.8, 0.9), dropout=0.5))
    assert "no difference." in said(results, "one thing")


# ---- What did not work -------------------------------------------------------------------------------


def test_collapse_is_reported_with_its_seeds() -> None:
    results = study(experiment("a", [run("a"), run("a", seed=1, only=3)]))
    assert "a collapsed with 1 of 2 seeds" in said(results, "did not work")


def test_divergence_is_reported() -> None:
    results = study(experiment("a", [diverged("a")]))
    assert "a diverged: its loss became NaN or infinite." in said(results, "did not work")
    assert "0 of 1 trainings reached their last epoch" in said(results)


def test_guessing_is_reported_as_learning_nothing() -> None:
    results = study(experiment("a", [run("a", accuracy=0.1)]))
    assert "learned nothing" in said(results, "did not work")


def test_no_failures_give_no_heading() -> None:
    assert all("did not work" not in finding.title for finding in conclusion(study(experiment("a"))))


def test_interrupted_study_reports_missing_trainings() -> None:
    results = study(experiment("a"), planned=["a", "b", "c"])
    assert "2 trainings did not take place" in said(results)


# ---- Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (185.2, "3 min 5 s"), (3720, "1 h 2 min")],
)
def test_durations_use_seconds_minutes_and_hours(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0814, "+0.081"), (-0.0004, "0.000"), (-0.01, "\N{MINUS SIGN}0.010")]
)
def test_differences_have_a_sign_unless_they_round_to_0(value: float, text: str) -> None:
    assert words.signed(value) == text


def test_lists_read_as_sentences() -> None:
    assert [words.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
