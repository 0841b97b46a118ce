"""The conclusion: sentences computed from the results; only rankings that the seeds support."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean

from clearprop.diagnosis.verdicts import is_collapsed, is_no_better_than_guessing
from clearprop.nn.losses import double_softmax_floor
from clearprop.report.facts.intervals import CONFIDENCE, Interval, interval, separated_groups
from clearprop.report.facts.settings import COMPARED, settings_of
from clearprop.report.facts.words import accuracy, counted, listed, signed, with_spread
from clearprop.study.results import ExperimentResult, SeedResult, StudyResults


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the conclusion: a heading and a list of sentences."""

    title: str
    sentences: list[str]


def conclusion(results: StudyResults) -> list[Finding]:
    """Return the findings that the results support."""
    findings = [
        Finding("What was run", list(_coverage(results))),
        Finding("Which is best", list(_ranking(results))),
        Finding("What changing one thing did", list(_single_changes(results))),
        Finding("What did not work", list(_failures(results))),
        Finding("What else the numbers show", list(_observations(results))),
    ]
    return [finding for finding in findings if finding.sentences]


def seed_intervals(results: StudyResults) -> dict[str, Interval]:
    """Return the interval of the mean test accuracy of every experiment with at least two complete seeds."""
    return {
        experiment.name: interval(experiment.accuracies(), 1 / _test_rows(experiment.complete[0]))
        for experiment in results.experiments
        if len(experiment.complete) > 1
    }


def _test_rows(run: SeedResult) -> int:
    return sum(sum(row) for row in run.evaluations["test"].confusion)


def _coverage(results: StudyResults) -> Iterator[str]:
    runs = sum(len(experiment.seeds) for experiment in results.experiments)
    planned = len(results.planned) * len(results.seeds)
    complete = sum(len(experiment.complete) for experiment in results.experiments)
    yield (
        f"{counted(len(results.experiments), 'experiment')} on {results.data.name}, "
        f"{counted(len(results.seeds), 'seed')} each: {complete} of {planned} trainings reached their last "
        "epoch."
    )
    if runs < planned:
        yield (
            f"The study was interrupted: {counted(planned - runs, 'training')} did not take place, and "
            "nothing here speaks of them."
        )


# ---- Ranking -----------------------------------------------------------------------------------------


def _ranking(results: StudyResults) -> Iterator[str]:
    several = seed_intervals(results)
    if not several:
        yield (
            "One seed cannot rank close results: another seed starts from other weights, splits the rows and "
            "shuffles the batches otherwise, and would move every figure. So no ranking is claimed; repeat "
            "the study with --seeds 3 or more for one."
        )
        return
    yield (
        f"The rule: each experiment's mean over seeds gets a {CONFIDENCE:.0%} interval, mean ± t s / √n with "
        "Student's t for its number of seeds (and at least one test row wide); one experiment is called "
        "better than another only where their intervals do not overlap."
    )
    groups = separated_groups(several)
    if len(several) == 1:
        yield f"Only {groups[0][0]} has several complete seeds, so there is nothing to rank it against."
    elif len(groups) == 1:
        yield (
            "By that rule nothing can be ranked as a whole: the intervals overlap one another from "
            f"{groups[0][0]} to {groups[0][-1]}."
        )
    else:
        for above, below in pairwise(groups):
            yield (
                f"{_group(above, several)} {'is' if len(above) == 1 else 'are'} better than "
                f"{_group(below, several)}."
            )
        if len(groups[0]) > 1:
            yield f"Which of {listed(groups[0])} is best, the seeds do not settle."
    single = [each.name for each in results.experiments if len(each.complete) == 1]
    if single:
        yield f"Not ranked, for want of a second complete seed: {listed(single)}."


def _group(names: list[str], intervals: dict[str, Interval]) -> str:
    return listed(f"{name} ({accuracy(intervals[name].mean)})" for name in names)


# ---- One change at a time ----------------------------------------------------------------------------


def _single_changes(results: StudyResults) -> Iterator[str]:
    several = seed_intervals(results)
    finished = [experiment for experiment in results.experiments if experiment.complete]
    unsure = False
    for first, second in combinations(finished, 2):
        different = _differences(first, second)
        if len(different) == 1 and first.complete[0].split == second.complete[0].split:
            (field,) = different
            before, after = (_setting(each, field) for each in (first, second))
            unsure |= first.name not in several or second.name not in several
            same = (
                "; Adam and AdamW are one algorithm without decay"
                if first.recipe["optimizer"] != second.recipe["optimizer"] and field != "optimizer"
                else ""
            )
            yield (
                f"{COMPARED[field].capitalize()}, {before} to {after} ({first.name} to {second.name}{same}): "
                f"test accuracy {with_spread(first.accuracies())} to {with_spread(second.accuracies())}, "
                f"{_judged(first, second, several)}."
            )
    if unsure:
        yield "With one training of an experiment, a small step cannot be told from chance."


def _differences(first: ExperimentResult, second: ExperimentResult) -> list[str]:
    ours, theirs = (settings_of(each) for each in (first, second))
    different = [field for field in COMPARED if ours[field] != theirs[field]]
    without_decay = {each["optimizer"] for each in (ours, theirs) if not each["weight_decay"]}
    if {ours["optimizer"], theirs["optimizer"]} == {"adam", "adamw"} and without_decay:
        # without decay Adam and AdamW are one algorithm
        different.remove("optimizer")
    return different


def _setting(experiment: ExperimentResult, field: str) -> str:
    value = settings_of(experiment)[field]
    if isinstance(value, list | tuple):
        return "-".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _judged(first: ExperimentResult, second: ExperimentResult, several: dict[str, Interval]) -> str:
    step = signed(fmean(second.accuracies()) - fmean(first.accuracies()), 4)
    if step == signed(0.0, 4):
        return "no difference"
    if first.name not in several or second.name not in several:
        return step
    ours, theirs = several[first.name], several[second.name]
    if ours.low > theirs.high or theirs.low > ours.high:
        return f"{step}, which the seeds support"
    return f"{step}, which the spread over seeds does not support"


# ---- Failures and observations -----------------------------------------------------------------------


def _failures(results: StudyResults) -> Iterator[str]:
    for experiment in results.experiments:
        name, complete = experiment.name, experiment.complete
        diverged = [run for run in experiment.seeds if run.status == "diverged"]
        if diverged:
            yield f"{name} diverged{_of(diverged, experiment.seeds)}: its loss became NaN or infinite."
        collapsed = [run for run in complete if is_collapsed(run.evaluations["test"].confusion)]
        if collapsed:
            yield f"{name} collapsed{_of(collapsed, complete)}: it predicts one class for every test row."
        stuck = [
            run
            for run in complete
            if not is_collapsed(run.evaluations["test"].confusion)
            and is_no_better_than_guessing(run.evaluations["test"].confusion)
        ]
        if stuck:
            yield (
                f"{name} learned nothing{_of(stuck, complete)}: its test accuracy is not above that of "
                "always guessing the most common class."
            )


def _of(some: list[SeedResult], runs: list[SeedResult]) -> str:
    return "" if len(runs) == 1 else f" with {len(some)} of {len(runs)} seeds"


def _observations(results: StudyResults) -> Iterator[str]:
    complete = [(each, run) for each in results.experiments for run in each.complete]
    if not complete:
        return
    n_classes = len(results.data.class_names)
    if any(each.recipe["loss"] == "double_softmax" for each, _ in complete):
        yield (
            "The losses of experiments with the softmax applied twice end higher by construction (they stay "
            f"above {double_softmax_floor(n_classes):.3f}); compare them with the others by accuracy."
        )
    gaps = {
        each.name: max(
            run.evaluations["train"].accuracy - run.evaluations["test"].accuracy for run in each.complete
        )
        for each in results.experiments
        # a network that never learned has no gap to report
        if each.complete
        and not any(is_no_better_than_guessing(run.evaluations["test"].confusion) for run in each.complete)
    }
    widest = max(gaps, key=lambda name: gaps[name], default="")
    if widest and gaps[widest] > 0:
        yield (
            f"The widest gap between training and test accuracy is {gaps[widest]:.4f} ({widest}): what was "
            "learned by heart and does not carry over."
        )
    yield from _speeds(complete)


def _speeds(complete: list[tuple[ExperimentResult, SeedResult]]) -> Iterator[str]:
    speeds: dict[str, list[float]] = {}
    for _, run in complete:
        if run.rows_per_second is not None:
            speeds.setdefault(f"{run.engine} on {run.device}", []).append(run.rows_per_second)
    if speeds:
        ranges = [
            f"{place}: {min(values):,.0f} to {max(values):,.0f}"
            if len(values) > 1
            else f"{place}: {values[0]:,.0f}"
            for place, values in speeds.items()
        ]
        yield f"Rows trained on a second, on this machine: {'; '.join(ranges)}."
