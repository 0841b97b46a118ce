"""What the spread over seeds supports: intervals of the mean, and the groups they separate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clearprop.study.results import spread

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Where the mean over all seeds one could draw lies, with 95% confidence."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float], resolution: float = 0.0) -> Interval:
    """Return the mean ± t s / √n, Student's interval.

    Twice the standard error would suit many seeds; for the few of a study the factor is Student's t, which
    is 12.7 for two seeds, 4.3 for three and 2.8 for five.

    Parameters
    ----------
    values : sequence of float
        One accuracy a seed, at least two.
    resolution : float, default 0.0
        The least half width: what one test row more or less changes, lest a few equal accuracies pass for
        certainty.

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
    """Split names into groups, best first, so that no interval of a group reaches one of the next.

    Inside a group the order is by mean, and means nothing.

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
