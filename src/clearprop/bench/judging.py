"""Medians, ratios and bars from all answers; contestants that did less work are not compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearprop.bench.jobs import Answer
from clearprop.bench.peers import BY_NAME, CLEARPROP, FLOOR
from clearprop.bench.workloads import BEST, Bar, Workload

#: Largest relative difference between a peer's last training loss and Clearprop's.
LOSS_TOLERANCE = 0.05
#: Least fraction of equal predicted classes; rounding may decide a near tie.
AGREEMENT = 0.999
COLD_START_ACCURACY = 0.98


@dataclass(frozen=True, slots=True)
class Outcome:
    """One contestant's measurements at one workload.

    Attributes
    ----------
    contestant, title, peer : str
        As in ``Contestant``.
    seconds : tuple of float
        Time of each run, in the order of the rounds.
    loss : float or None
        Training loss of the last epoch, the median of the runs.
    accuracy : float or None
        Lowest test accuracy of the runs.
    peak_memory : int or None
        Largest peak memory of the runs, in bytes.
    problem : str
        Why it is not compared, as one sentence; empty if it is compared.
    """

    contestant: str
    title: str
    peer: str
    seconds: tuple[float, ...]
    loss: float | None = None
    accuracy: float | None = None
    peak_memory: int | None = None
    problem: str = ""

    @property
    def median(self) -> float:
        """The median of the runs, in seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Clearprop's time over another contestant's.

    Attributes
    ----------
    against : str
        The other contestant.
    ratio : float
        Ratio of the medians.
    low, high : float
        The lowest and the highest ratio of a round.
    at_most : float or None
        The bar for this contestant, if there is one.
    """

    against: str
    ratio: float
    low: float
    high: float
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar."""
        return None if self.at_most is None else self.ratio <= self.at_most


@dataclass(frozen=True, slots=True)
class Result:
    """All contestants' measurements at one workload, in the order of the first round."""

    workload: Workload
    outcomes: tuple[Outcome, ...]
    comparisons: tuple[Comparison, ...]


def judge(workload: Workload, answers: Mapping[str, Sequence[Answer]]) -> Result:
    """Check and compare the answers of one workload.

    Parameters
    ----------
    workload : Workload
    answers : mapping of str to sequence of Answer
        Each contestant's answers, one a round; the last may be a failure.
    """
    own = next((given for name, given in answers.items() if BY_NAME[name].peer == CLEARPROP), ())
    outcomes = tuple(_outcome(name, given, own) for name, given in answers.items())
    return Result(workload, outcomes, compare(workload.bars, outcomes))


def compare(bars: Sequence[Bar], outcomes: Sequence[Outcome]) -> tuple[Comparison, ...]:
    """Return Clearprop's ratio to every contestant that did the same work, with its bar if there is one."""
    compared = [outcome for outcome in outcomes if not outcome.problem]
    own = next((outcome for outcome in compared if outcome.peer == CLEARPROP), None)
    if own is None:
        return ()
    others = [outcome for outcome in compared if outcome is not own]
    at_most: dict[str, float] = {}
    for bar in bars:
        rivals = [
            other
            for other in others
            if other.peer == bar.against or (bar.against == BEST and other.peer != FLOOR)
        ]
        if rivals:
            at_most[min(rivals, key=lambda rival: rival.median).contestant] = bar.at_most
    return tuple(_comparison(own, other, at_most.get(other.contestant)) for other in others)


def best_peer(result: Result) -> Comparison | None:
    """Return the comparison with the fastest peer other than the floor, or None without peers."""
    peers = [each for each in result.comparisons if BY_NAME[each.against].peer != FLOOR]
    return max(peers, key=lambda each: each.ratio, default=None)


def _comparison(own: Outcome, other: Outcome, at_most: float | None) -> Comparison:
    by_round = [mine / theirs for mine, theirs in zip(own.seconds, other.seconds, strict=False)]
    return Comparison(other.contestant, own.median / other.median, min(by_round), max(by_round), at_most)


def _outcome(name: str, answers: Sequence[Answer], own: Sequence[Answer]) -> Outcome:
    contestant = BY_NAME[name]
    timed = [answer for answer in answers if answer.seconds is not None]
    losses = [answer.losses[-1] for answer in timed if answer.losses]
    accuracies = [answer.accuracy for answer in timed if answer.accuracy is not None]
    peaks = [answer.peak_memory for answer in timed if answer.peak_memory is not None]
    failure = next((answer.error for answer in answers if answer.error), "")
    problem = f"{contestant.title} {failure.rstrip('.')}." if failure else ""
    if not problem and contestant.peer != FLOOR:
        found = (_problem(contestant.title, *pair) for pair in zip(answers, own, strict=False))
        problem = next((sentence for sentence in found if sentence), "")
    return Outcome(
        contestant=name,
        title=contestant.title,
        peer=contestant.peer,
        seconds=tuple(answer.seconds for answer in timed if answer.seconds is not None),
        loss=statistics.median(losses) if losses else None,
        accuracy=min(accuracies, default=None),
        peak_memory=max(peaks, default=None),
        problem=problem,
    )


def _problem(title: str, answer: Answer, own: Answer) -> str:
    """Return why an answer cannot be compared with Clearprop's of the same round, or ""."""
    if answer.accuracy is not None and answer.accuracy < COLD_START_ACCURACY:
        return (
            f"{title} reached a test accuracy of {answer.accuracy:.4f} only, below {COLD_START_ACCURACY:g}, "
            "so its times are not compared."
        )
    if answer.losses and own.losses:
        loss, expected = answer.losses[-1], own.losses[-1]
        # math.isclose is False for NaN, so NaN is refused too
        if not math.isclose(loss, expected, rel_tol=0.0, abs_tol=LOSS_TOLERANCE * expected):
            return (
                f"{title} trained to a loss of {loss:.4f}, Clearprop to {expected:.4f}; that is more than "
                f"{LOSS_TOLERANCE:.0%} apart, so its times are not compared."
            )
    if answer.classes and own.classes:
        same = sum(map(int.__eq__, answer.classes, own.classes)) / len(own.classes)
        if same < AGREEMENT:
            return (
                f"{title} predicts another class than Clearprop for {1 - same:.1%} of the rows, so its times "
                "are not compared."
            )
    return ""
