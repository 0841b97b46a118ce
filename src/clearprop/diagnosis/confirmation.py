"""Confirmation: what was found is trained with several seeds, and becomes a diagnosis."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearprop.diagnosis.causes import TITLES, Cause, DataChange, Hypothesis
from clearprop.diagnosis.experiments import Laboratory, Trial
from clearprop.diagnosis.finding import Curve, Diagnosis
from clearprop.diagnosis.instruments import Readings
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.references import Achievable
from clearprop.diagnosis.remedies import Remedied
from clearprop.diagnosis.symptoms import figure_name, symptoms
from clearprop.diagnosis.task import Task

SEEDS = 3
#: Skill that a remedy must add to the others to be confirmed.
NEEDED_SKILL = 0.02


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


def untried(case: Case, found: Sequence[Hypothesis], *, failed: bool = True) -> Diagnosis:
    """Return a diagnosis whose causes have no remedy that could be tried here."""
    causes = [_cause(each, each.certain and not each.changes, None, None) for each in found]
    return diagnosis_of(case, not failed, causes, None)


def confirm(case: Case, found: Remedied) -> Diagnosis:
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
        _cause(each, confirmed and _matters(without, found.trial), _figure(without), after)
        for each, without in zip(found.hypotheses, found.without, strict=True)
    ]
    middle = sorted(trials, key=lambda trial: trial.skill)[(len(trials) - 1) // 2]
    return diagnosis_of(case, False, causes, found, confirmed=confirmed, after=after, trial=middle)


def _seconds(lab: Laboratory) -> float:
    """Return the seconds for a training that confirms, which may take longer than others."""
    return max(min(3 * lab.trial_seconds, lab.left / 3), 0.05)


def _matters(without: Trial | None, remedied: Trial) -> bool:
    """Tell whether a training without one of the remedies is worse."""
    return without is None or without.diverged or without.skill < remedied.skill - NEEDED_SKILL


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


def diagnosis_of(
    case: Case,
    healthy: bool,
    causes: list[Cause],
    found: Remedied | None,
    *,
    confirmed: bool = False,
    after: float | None = None,
    trial: Trial | None = None,
) -> Diagnosis:
    """Return the diagnosis of a case; ``found`` is what restored its training, if anything did."""
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
