"""Confidence intervals of the mean accuracy over seeds, and the groups of experiments they separate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clearprop.study.results import spread

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """The 95% confidence interval of the mean over seeds."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float], resolution: float = 0.0) -> Interval:
    """Return the mean ± t s / √n, Student's interval.

    With many seeds the factor would be about 2. For the few seeds of a study it is Student's t: 12.7 for two
    seeds, 4.3 for three and 2.8 for five.

    Parameters
    ----------
    values : sequence of float
        One accuracy a seed, at least two.
    resolution : float, default 0.0
        The least half width: the change in accuracy by one test row, so that a few equal accuracies do not
        give an interval of width 0.

    Returns
    -------
    Interval
    """
    from scipy.special import stdtrit

    mean, deviation = spread(list(values))
    t = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = max(t * deviation / math.sqrt(len(values)), resolution)
    return Interval(mean, mean - half, mean + half)


def separated_groups(intervals: Mapping[str, Interval]) -> list[list[str]]:
    """Split names into groups, best first, so that no interval of one group overlaps one of the next.

    Inside a group names are sorted by mean, which is no ranking.

    Parameters
    ----------
    intervals : mapping of str to Interval

    Returns
    -------
    list of list of str
    """
    ordered = sorted(intervals, key=lambda name: -intervals[name].mean)
    groups: list[list[str]] = []
    for place, name in enumerate(ordered):
        lowest_so_far = min((intervals[other].low for other in ordered[:place]), default=math.inf)
        highest_to_come = max(intervals[other].high for other in ordered[place:])
        if not groups or lowest_so_far > highest_to_come:
            groups.append([])
        groups[-1].append(name)
    return groups
