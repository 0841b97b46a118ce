"""Learning-rate schedules: the rate of every step, as a function of how far the training is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

Schedule = Callable[[float], float]

# the shape of torch.optim.lr_scheduler.OneCycleLR at its defaults (Smith and Topin 2018)
ONE_CYCLE_WARM_UP = 0.3
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1 / 25e4


def _constant(progress: float) -> float:
    """Keep the full rate all the way."""
    return 1.0


def _step(progress: float) -> float:
    """Take a tenth after half of the training, a hundredth after three quarters (He et al. 2016)."""
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


def _cosine(progress: float) -> float:
    """Follow half a cosine from 1 to 0 (Loshchilov and Hutter 2017)."""
    return _anneal(1.0, 0.0, progress)


def _one_cycle(progress: float) -> float:
    """Go up along a cosine for the first 30%, then down along another, to almost nothing."""
    if progress < ONE_CYCLE_WARM_UP:
        return _anneal(ONE_CYCLE_START, 1.0, progress / ONE_CYCLE_WARM_UP)
    return _anneal(1.0, ONE_CYCLE_END, (progress - ONE_CYCLE_WARM_UP) / (1 - ONE_CYCLE_WARM_UP))


def _anneal(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


#: Those whose rate does not depend on how long the whole training is.
ENDLESS = frozenset({"constant"})

#: Each maps progress, the share of all steps already done (0 at the first step), to a factor.
SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {"constant": _constant, "cosine": _cosine, "one_cycle": _one_cycle, "step": _step}
)
