"""The benchmark: fair turns and ratios, and contestants that do less work are not compared."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.bench import workloads
from clearprop.bench.jobs import Answer, Job
from clearprop.bench.judging import best_peer, compare, judge
from clearprop.bench.peers import CONTESTANTS
from clearprop.bench.running import take_turns
from clearprop.bench.workloads import BEST, Bar, Workload
from clearprop.training.recipe_files import load_recipe

TINY = Workload("tiny", "A tiny epoch", "train", 300, layer_sizes=(20, 8, 3), epochs=1)


def timed(*seconds: float, **facts: object) -> list[Answer]:
    return [Answer(seconds=each, **facts) for each in seconds]


def test_each_round_rotates_the_order_of_contestants() -> None:
    turns: list[tuple[str, int]] = []

    def run(job: Job) -> Answer:
        turns.append((job.contestant, job.seed))
        return Answer(seconds=1.0)

    lines: list[str] = []
    answers = take_turns(
        TINY, CONTESTANTS[:3], 2, lambda who, number: Job(who.name, TINY, number, 1, ""), run, lines.append
    )
    names = ("clearprop", "jax", "torch-eager", "clearprop")
    assert turns == [(name, number) for number in (0, 1) for name in names[number : number + 3]]
    assert {name: len(given) for name, given in answers.items()} == dict.fromkeys(answers, 2)
    assert lines[0] == "A tiny epoch, run 1 of 2: Clearprop 1 s"
    assert len(lines) == 6


def test_failed_contestant_is_left_out_of_later_rounds() -> None:
    def run(job: Job) -> Answer:
        return Answer(error="raised ValueError: no") if job.contestant == "jax" else Answer(seconds=1.0)

    answers = take_turns(
        TINY, CONTESTANTS[:3], 3, lambda who, number: Job(who.name, TINY, number, 1, ""), run
    )
    assert [len(given) for given in answers.values()] == [3, 1, 3]
    result = judge(TINY, answers)
    assert [outcome.problem for outcome in result.outcomes] == ["", "JAX raised ValueError: no.", ""]
    assert [comparison.against for comparison in result.comparisons] == ["torch-eager"]


def test_ratio_is_of_medians_and_its_range_of_rounds() -> None:
    answers = {"clearprop": timed(1.0, 3.0, 2.0), "jax": timed(4.0, 4.0, 5.0), "floor": timed(1.0, 1.0, 1.0)}
    result = judge(dataclasses.replace(TINY, bars=(Bar("jax", 0.5), Bar("floor", 1.2))), answers)
    jax, floor = result.comparisons
    assert (jax.ratio, jax.low, jax.high, jax.met) == (0.5, 0.25, 0.75, True)
    assert (floor.ratio, floor.met) == (2.0, False)


@given(
    own=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5),
    other=st.lists(st.floats(1e-3, 1e3), min_size=5, max_size=5),
    power=st.integers(-3, 3),
)
def test_machine_speed_does_not_change_ratios(own: list[float], other: list[float], power: int) -> None:
    def ratio(factor: float) -> float:
        answers = {
            "clearprop": timed(*(factor * each for each in own)),
            "jax": timed(*(factor * each for each in other)),
        }
        return judge(TINY, answers).comparisons[0].ratio

    assert ratio(2.0**power) == ratio(1.0)


def test_bar_applies_to_the_fastest_variant_of_a_peer() -> None:
    answers = {"clearprop": timed(1.0), "torch-eager": timed(3.0), "torch-compile": timed(2.0)}
    eager, compiled = judge(dataclasses.replace(TINY, bars=(Bar("torch", 0.4),)), answers).comparisons
    assert (eager.at_most, eager.met) == (None, None)
    assert (compiled.at_most, compiled.met) == (0.4, False)


def test_best_peer_is_the_fastest_one_except_the_floor() -> None:
    answers = {"clearprop": timed(1.0), "jax": timed(1.5), "scikit-learn": timed(1.25), "floor": timed(0.5)}
    result = judge(dataclasses.replace(TINY, bars=(Bar(BEST, 1.0),)), answers)
    best = best_peer(result)
    assert best is not None
    assert (best.against, best.ratio, best.met) == ("scikit-learn", 0.8, True)
    assert sum(comparison.at_most is not None for comparison in result.comparisons) == 1


@pytest.mark.parametrize(
    ("loss", "refused"), [(0.951, False), (1.049, False), (0.94, True), (1.06, True), (float("nan"), True)]
)
def test_loss_more_than_5_percent_off_is_not_compared(loss: float, refused: bool) -> None:
    answers = {"clearprop": timed(1.0, losses=(2.0, 1.0)), "jax": timed(2.0, losses=(1.0, loss))}
    result = judge(TINY, answers)
    assert bool(result.outcomes[1].problem) is refused
    assert len(result.comparisons) == (not refused)


def test_peer_with_other_predictions_is_not_compared() -> None:
    answers = {"clearprop": timed(1.0, classes=(0, 1, 2, 1)), "jax": timed(0.1, classes=(0, 1, 2, 2))}
    result = judge(dataclasses.replace(TINY, kind="predict"), answers)
    assert "predicts another class than Clearprop for 25.0% of the rows" in result.outcomes[1].problem


def test_cold_start_below_98_percent_is_not_compared() -> None:
    answers = {
        "clearprop-process": timed(1.0, 1.0, accuracy=0.981, peak_memory=200_000_000),
        "torch-process": timed(3.0, accuracy=0.981) + timed(3.0, accuracy=0.979),
        "sklearn-process": timed(4.0, 4.0, accuracy=0.98),
    }
    workload = dataclasses.replace(
        TINY, kind="cold-start", bars=(Bar("torch", 0.4), Bar("scikit-learn", 0.25))
    )
    result = judge(workload, answers)
    assert [comparison.against for comparison in result.comparisons] == ["sklearn-process"]
    assert result.comparisons[0].met is True
    assert "reached a test accuracy of 0.9790 only, below 0.98" in result.outcomes[1].problem


def test_nothing_is_compared_without_clearprop() -> None:
    answers = {"clearprop": [Answer(error="raised ValueError: no")], "jax": timed(1.0)}
    assert judge(TINY, answers).comparisons == ()
    assert compare(TINY.bars, ()) == ()


def test_bars_have_the_agreed_values() -> None:
    bars = {
        each.name: {bar.against: bar.at_most for bar in each.bars}
        for work in ("train", "grid", "predict", "cold-start", "estimator")
        for each in workloads.workloads(work, quick=False)
    }
    fits = [bars.pop(name) for name in list(bars) if name.startswith("fit-")]
    assert fits == [{"scikit-learn": 1.0}] * 8
    grid = {name: each for name, each in bars.items() if name.startswith("grid")}
    assert len(grid) == 12
    assert all(each == {BEST: 1.0} for each in grid.values())
    assert {name: each for name, each in bars.items() if name not in grid} == {
        "sgd-64": {"jax": 0.85, "torch": 0.5, "scikit-learn": 0.33, "floor": 1.2},
        "adam-128": {"torch": 0.6},
        "predict": {BEST: 0.9},
        "latency": {BEST: 1.0},
        "cold-start": {"torch": 0.4, "scikit-learn": 0.25},
    }


def test_cold_start_trains_the_network_of_the_shipped_recipe() -> None:
    (cold,) = workloads.workloads("cold-start", quick=False)
    assert list(cold.layer_sizes) == [784, *(load_recipe("fast").hidden or ()), 10]


@pytest.mark.parametrize("work", workloads.WORKS)
def test_quick_workloads_are_smaller(work: str) -> None:
    full, quick = (workloads.workloads(work, quick=quick) for quick in (False, True))
    names = [each.name for each in full]
    assert {each.name for each in quick} <= set(names)
    assert len(set(names)) == len(names)
    for each in quick:
        assert each.rows * each.epochs <= max(
            other.rows * other.epochs for other in full if other.name == each.name
        )


def test_scaling_covers_rows_width_depth_and_batch_size() -> None:
    points = workloads.workloads("scaling", quick=False)
    by_axis = {
        group: [each.at for each in points if each.group == group]
        for group in dict.fromkeys(p.group for p in points)
    }
    assert list(by_axis) == [
        "training rows", "units in each of two hidden layers", "hidden layers of 256 units", "batch size",
    ]  # fmt: skip
    assert (by_axis["training rows"][0], by_axis["training rows"][-1]) == ("1,000", "1,000,000")
