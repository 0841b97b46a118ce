"""Whether a case behaves as the table says: it fails and is mended, or it learns, over three seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis import Program

from .case import (
    FAILS,
    LEARNED,
    POOR_ACCURACY,
    RIGHT_LEAD,
    WRONG_LEAD,
    Case,
    Written,
    guessing,
    score,
    watched_accuracy,
)
from .reference_score import reference_score

SEEDS = (0, 1, 2)
PROVEN = "as stated"


@dataclass(frozen=True)
class Trial:
    """Shares or scores before and after the remedy, the standard error of either, and what they say."""

    before: float
    after: float
    noise: float
    verdict: str
    trainings: int


def share(
    written: Written,
    train: Callable[..., Any],
    program: Program,
    x: NDArray[Any],
    y: NDArray[Any],
    seeds: tuple[int, ...] = SEEDS,
) -> NDArray[np.float64]:
    """Return each seed's share of the gap between guessing and the reference that a program closes."""
    low, high = guessing(written), reference_score(written)
    test_x, truth = written.test
    scores = [
        score(program, train(program, x, y, seed=seed).outputs(test_x), truth, written.task) for seed in seeds
    ]
    return (np.array(scores) - low) / (high - low)


def try_case(case: Case, train: Callable[..., Any], seeds: tuple[int, ...] = SEEDS) -> Trial:
    """Train a case as it is written, and with its remedy."""
    written = case.written
    if case.cause == "metric_misused":
        return _try_metric(written, train, seeds)
    if case.cause == "duplicate_rows_across_splits":
        return _try_duplicates(written, train, seeds)
    before = share(written, train, written.program, written.x, written.y, seeds)
    if case.cause is None:
        return _trial(before, before, PROVEN if before.mean() >= LEARNED else "does not learn")
    after = share(written, train, *written.after_remedy(), seeds)
    faults = {"does not fail": before.mean() > FAILS, "not mended": after.mean() < LEARNED}
    return _trial(before, after, ", ".join(fault for fault, found in faults.items() if found) or PROVEN)


def _trial(before: NDArray[np.float64], after: NDArray[np.float64], verdict: str) -> Trial:
    noise = max(
        float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else 0.0 for each in (before, after)
    )
    n_trainings = len(before) if after is before else len(before) + len(after)
    return Trial(float(before.mean()), float(after.mean()), noise, verdict, n_trainings)


def _try_metric(written: Written, train: Callable[..., Any], seeds: tuple[int, ...]) -> Trial:
    """The program learns, but the number that is watched says it does not."""
    trained = train(written.program, written.x, written.y, seed=seeds[0])
    watched = np.array([watched_accuracy(trained.outputs(written.x), written.y)])
    learned = share(written, train, written.program, written.x, written.y, seeds)
    right = watched[0] < POOR_ACCURACY and learned.mean() >= LEARNED
    return _trial(watched, learned, PROVEN if right else "the metric is right")


def _try_duplicates(written: Written, train: Callable[..., Any], seeds: tuple[int, ...]) -> Trial:
    """The validation score leads the score on new rows; without the duplicates it does not."""
    assert written.validation is not None
    assert written.remedied_validation is not None
    leads = []
    for validation in (written.validation, written.remedied_validation):
        found = []
        for seed in seeds:
            trained = train(written.program, written.x, written.y, seed=seed)
            scores = [
                score(written.program, trained.outputs(x), y, written.task)
                for x, y in (validation, written.test)
            ]
            found.append(scores[0] - scores[1])
        leads.append(np.array(found))
    right = leads[0].mean() >= WRONG_LEAD and leads[1].mean() <= RIGHT_LEAD
    return _trial(*leads, PROVEN if right else "no lead")
