"""Investigation of a Program: train it, see whether it fails, try remedies, and confirm what restores it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis import data_hypotheses as of_data
from clearprop.diagnosis.causes import TITLES, Cause, DataChange, Hypothesis
from clearprop.diagnosis.experiments import Laboratory, Trial, make_laboratory
from clearprop.diagnosis.finding import Curve, Diagnosis
from clearprop.diagnosis.instruments import Readings, Sampler, read_training
from clearprop.diagnosis.network_hypotheses import network_hypotheses
from clearprop.diagnosis.output_hypotheses import fitting_output, output_hypotheses
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.references import (
    CERTAIN_DEFICIT,
    Achievable,
    achievable,
    neighbours_skill,
    reference_programs,
    related,
)
from clearprop.diagnosis.remedies import Remedied, Search
from clearprop.diagnosis.symptoms import figure_name, symptoms
from clearprop.diagnosis.task import Task, read_task
from clearprop.diagnosis.training_hypotheses import training_hypotheses

Array = NDArray[np.floating[Any]]
MayTry = Callable[[Program, Hypothesis], bool]

#: Share of the budget for the first training of the program as it is.
BASE_SHARE = 0.3
SEEDS = 3
#: A training this quick, as a share of the budget, is repeated with other seeds.
QUICK_SHARE = 0.04
#: A skill that guessing reaches by chance.
NOTHING = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A program with all that is known of its training before remedies are tried."""

    program: Program
    task: Task
    lab: Laboratory
    seed: int
    base: Trial
    bases: list[Trial]
    readings: Readings
    best: Achievable
    notes: list[str]


def investigate(
    program: Program,
    x: Array,
    y: NDArray[Any],
    validation: tuple[Array, NDArray[Any]] | None,
    seed: int,
    seconds: float,
    *,
    may_try: MayTry | None = None,
    notes: Sequence[str] = (),
    trainer: Callable[..., Any] | None = None,
) -> Diagnosis:
    """Find out why the training of a program fails.

    Parameters
    ----------
    program : Program
    x : ndarray (n, features) of float32
    y : ndarray (n,) or (n, columns)
    validation : (x, y) or None
    seed : int
    seconds : float
        The budget.
    may_try : callable or None
        ``may_try(program, hypothesis)`` tells whether a remedy may be tried; None allows all.
    notes : sequence of str
        For the diagnosis, before those of the investigation.
    trainer : callable or None
        Trains in place of ``train_program``.
    """
    task = read_task(program, y)
    lab = make_laboratory(task, x, y, validation, seed, seconds)
    if trainer is not None:
        lab.trainer = trainer
    case = _examine(program, task, lab, seed, notes)
    constant = of_data.constant_targets(y)
    if constant is not None:
        return _untried(case, [constant])
    flaws = [of_data.leaked_column(task, x, y), of_data.duplicate_rows(x, validation)]
    flawed = [each for each in flaws if each is not None]
    hypotheses = _hypotheses(case, y)
    certain = any(each.certain for each in hypotheses)
    failed = case.base.problem != "" or case.base.diverged or _fails(case, certain)
    if flawed and not failed:
        return _untried(case, flawed)
    misused = of_data.misused_metric(program, task)
    nothing = case.best.skill < max(NOTHING, min(case.best.noise, 0.2))
    if nothing and not case.base.problem and lab.splits and not related(lab):
        return _untried(case, [_unrelated(case)])
    if not failed:
        return _not_failing(case, [misused] if misused else [])
    barred = [each for each in hypotheses if may_try is not None and not may_try(program, each)]
    return _restore(case, [each for each in hypotheses if each not in barred], barred)


def _examine(program: Program, task: Task, lab: Laboratory, seed: int, told: Sequence[str]) -> Case:
    """Train the program as it is, and the references."""
    notes = list(told)
    sampler = Sampler()
    base = lab.run(program, seed, sampler=sampler, seconds=BASE_SHARE * lab.seconds)
    readings = read_training(program, task, lab.x, lab.y, base.trained, sampler)
    taken = base.trained.seconds if base.trained is not None else 0.0
    if lab.subsampled:
        notes.append(f"{len(lab.x):,} of the training rows were used.")
    if taken > lab.trial_seconds:
        _limit_steps(lab, base, taken)
        most = lab.most_steps or base.steps
        if most < base.planned:
            notes.append(f"The program takes {base.planned:,} steps; trainings here end after {most:,}.")
    bases = [base]
    if taken < QUICK_SHARE * lab.seconds and not base.problem:
        bases += [lab.run(program, seed + extra) for extra in range(1, SEEDS)]
    median = sorted(bases, key=lambda trial: trial.skill)[(len(bases) - 1) // 2]
    best = Achievable(0.0, 0.5, 0.0, "guessing")
    if median.skill < 1 - CERTAIN_DEFICIT:
        best = achievable(lab, readings.data, program, seed)
    if best.skill < NOTHING and (near := neighbours_skill(lab)) > 2 * NOTHING:
        best = Achievable(near, max(best.noise, 0.1), near, "the nearest neighbours")
    # a good training of the program itself shows as well how much can be learned
    top = max(bases, key=lambda trial: trial.skill)
    if top.skill > best.skill:
        best = Achievable(top.skill, top.held.noise, top.held.figure, "this program at its best")
    return Case(program, task, lab, seed + bases.index(median), median, bases, readings, best, notes)


def _limit_steps(lab: Laboratory, base: Trial, taken: float) -> None:
    """Let trainings end early, unless this one got worse only after that."""
    share = lab.trial_seconds / taken
    early = base.curve[max(0, int(share * len(base.curve)) - 1)] if base.curve else base.skill
    if early <= base.skill + 0.05:
        lab.most_steps = max(1, int(base.steps * share))
    else:
        lab.most_steps = base.steps
        lab.usual_seconds = 1.3 * taken


def _fails(case: Case, certain: bool) -> bool:
    return case.best.fails(case.base.skill, case.base.held.noise, certain=certain)


def _hypotheses(case: Case, y: NDArray[Any]) -> list[Hypothesis]:
    program, task, readings = case.program, case.task, case.readings
    n_outputs = fitting_output(program, task)[0]
    rare = of_data.rare_classes(case.lab, case.base)
    found = [
        *of_data.label_hypotheses(program, task, y),
        *output_hypotheses(program, task, readings.data, y),
        *network_hypotheses(program, readings, n_outputs),
        *training_hypotheses(program, task, readings),
        *([rare] if rare else []),
    ]
    learned_by_heart = of_data.overfitting(program, case.base, len(case.lab.x))
    if learned_by_heart is not None:
        noisy = of_data.noisy_labels(case.lab)
        found += [noisy] if noisy else []
        found.append(learned_by_heart)
    return found


def _unrelated(case: Case) -> Hypothesis:
    """Return the hypothesis that labels belong to other rows, since nothing can be learned from them."""
    neighbours = neighbours_skill(case.lab)
    return Hypothesis(
        "labels_wrong",
        0.9,
        "Nothing on held-out rows can be predicted better than by guessing, by no method tried: the targets "
        "have no relation to the inputs of their rows.",
        "Look whether inputs and targets were shuffled, sorted or filtered apart from each other.",
        evidence=(
            f"skill of the best network {case.best.skill:.3f}, of the nearest neighbours {neighbours:.3f}, "
            f"where guessing has 0 and perfection 1",
            f"on training rows the program reaches {case.base.fitted.figure:.3f}",
        ),
    )


def _not_failing(case: Case, found: list[Hypothesis]) -> Diagnosis:
    """Look for flaws that a training shows although it learns."""
    if found:
        return _untried(case, found)
    lab = case.lab
    if (rare := of_data.rare_classes(lab, case.base)) is not None:
        trial = lab.run(case.program, case.seed, data_change=rare.data_change)
        if min(trial.held.recalls, default=0) >= 0.5 and trial.skill > case.base.skill + 0.15:
            whole = Remedied((rare,), case.program, rare.data_change, trial, (case.base,))
            return _confirmed(case, whole)
    gap = case.base.fitted.skill - case.base.held.skill
    if gap > 0.15 and (noisy := of_data.noisy_labels(lab)) is not None:
        trial = lab.run(case.program, case.seed, data_change=noisy.data_change)
        if trial.skill > case.base.skill + 0.05 + 0.5 * case.base.held.noise:
            whole = Remedied((noisy,), case.program, noisy.data_change, trial, (case.base,))
            return _confirmed(case, whole)
    return _diagnosis(case, True, [], None)


def _restore(case: Case, hypotheses: Sequence[Hypothesis], barred: Sequence[Hypothesis]) -> Diagnosis:
    """Try the remedies, and confirm the smallest set that restores the training."""
    search = Search(case.lab, case.program, case.seed, case.base, case.best)
    restoring, tried = search.singles(hypotheses)
    if restoring and (stronger := search.stronger(restoring[0], tried)):
        combined = search.combination(tried, stronger)
        if combined is not None:
            result = _confirmed(case, combined)
            if result.confirmed:
                return result
    for found in restoring[:2]:
        result = _confirmed(case, found)
        if result.confirmed:
            return result
    combined = search.combination(tried) if not restoring else None
    if combined is not None:
        return _confirmed(case, combined)
    if restoring:
        return _confirmed(case, restoring[0])
    scarce = _too_little_data(case)
    suspects = sorted([*tried, *barred], key=lambda each: each.rank)
    return _untried(case, [*scarce, *[each for each in suspects if each.suspicion >= 0.4]][:3], failed=True)


def _too_little_data(case: Case) -> list[Hypothesis]:
    """Return the hypothesis that there are too few rows, if half of them teach clearly less than all."""
    gap = case.base.fitted.skill - case.base.held.skill
    lab = case.lab
    if gap < 0.25 or case.best.skill > 0.7 or not lab.splits:
        return []
    half = replace(lab.recoded(), x=lab.x[::2], y=lab.recoded().y[::2])
    usual = reference_programs(half.task, case.readings.data, len(half.x))[0]
    less = half.run(usual, case.seed).skill
    if case.best.skill - less < 0.05:
        return []
    return [
        Hypothesis(
            "too_little_data",
            0.8,
            f"{len(lab.x)} training rows are too few: the network learns them by heart.",
            "Get more rows; until then use a smaller network, or regularize.",
            evidence=(f"half of the rows give a skill of {less:.3f}, all of them {case.best.skill:.3f}",),
        )
    ]


def _untried(case: Case, found: Sequence[Hypothesis], *, failed: bool = True) -> Diagnosis:
    """Return a diagnosis whose causes have no remedy that could be tried here."""
    causes = [_cause(each, each.certain and not each.changes, None, None) for each in found]
    return _diagnosis(case, not failed, causes, None)


def _confirmed(case: Case, found: Remedied) -> Diagnosis:
    """Train the remedied program with three seeds, and without each remedy."""
    lab = case.lab
    trials = []
    for extra in range(SEEDS):
        if extra and lab.left < 0.05 * lab.seconds:
            case.notes.append(f"The budget ended after {extra} of {SEEDS} seeds.")
            break
        trials.append(
            lab.run(found.program, case.seed + extra, data_change=found.data_change, seconds=_seconds(lab))
        )
    before = case.base.skill
    floor = min(case.best.skill, found.trial.skill)
    target = replace(case.best, skill=floor)
    good = sum(not trial.diverged and target.restores(trial.skill, before) for trial in trials)
    confirmed = 2 * good > len(trials) and len(trials) > 1
    after = statistics.median(trial.held.figure for trial in trials)
    causes = [
        _cause(each, confirmed, _figure(without), after)
        for each, without in zip(found.hypotheses, found.without, strict=True)
    ]
    middle = sorted(trials, key=lambda trial: trial.skill)[(len(trials) - 1) // 2]
    return _diagnosis(case, False, causes, found, confirmed=confirmed, after=after, trial=middle)


def _seconds(lab: Laboratory) -> float:
    """Return the seconds for a training that confirms, which may take longer than others."""
    return max(min(3 * lab.trial_seconds, lab.left / 3), 0.05)


def _figure(trial: Trial | None) -> float | None:
    return None if trial is None or trial.problem else trial.held.figure


def _cause(hypothesis: Hypothesis, confirmed: bool, before: float | None, after: float | None) -> Cause:
    return Cause(
        hypothesis.name,
        TITLES[hypothesis.name],
        hypothesis.sentence,
        hypothesis.evidence,
        hypothesis.layers,
        hypothesis.remedy,
        confirmed,
        before,
        after,
    )


def _diagnosis(
    case: Case,
    healthy: bool,
    causes: list[Cause],
    found: Remedied | None,
    *,
    confirmed: bool = False,
    after: float | None = None,
    trial: Trial | None = None,
) -> Diagnosis:
    lab, readings = case.lab, case.readings
    change: DataChange | None = found.data_change if found else None
    base = None if case.base.problem else statistics.median(each.held.figure for each in case.bases)
    remedied = Curve()
    if trial is not None and trial.trained is not None:
        remedied = Curve(trial.trained.losses, trial.curve)
    return Diagnosis(
        healthy=healthy,
        symptoms=symptoms(case.program, case.task, readings, case.base, case.best, lab.splits),
        causes=causes,
        program=case.program,
        remedied=found.program if found else case.program,
        remedied_data=change(lab.x, lab.y) if change else None,
        figure=figure_name(case.task),
        before=base,
        after=after,
        confirmed=confirmed,
        notes=case.notes,
        trainings=lab.trainings,
        seconds=lab.seconds - lab.left,
        curve=Curve(
            readings.losses, case.base.curve, readings.gradient_sizes, [each.dead for each in readings.layers]
        ),
        remedied_curve=remedied,
    )
