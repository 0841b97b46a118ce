"""A step of an optimizer with all the parameters that a member keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.engines.one_pass import one_pass
from clearprop.optimizers import FADING_STEPS, Optimizer, forget_faded

# numbers worked on at a time: with what a rule remembers of them and a workspace they fit a core's cache
BLOCK = 32_768


class Updater:
    """Moves parameters by an update rule, in place.

    Parameters
    ----------
    rule : Optimizer
    decay : float
        Weight decay, as ``torch.optim`` takes it.
    parameter, gradient : ndarray (n,)
        In one piece, and kept by the caller where they are.
    slots : sequence of ndarray (n,)
        Likewise; what the rule remembers.
    """

    def __init__(
        self,
        rule: Optimizer,
        decay: float,
        parameter: FloatArray,
        gradient: FloatArray,
        slots: Sequence[FloatArray],
    ) -> None:
        self._rule, self._decay = rule, decay
        self._parameter, self._gradient, self._slots = parameter, gradient, slots
        self._one_pass = one_pass(rule, parameter, gradient, slots)
        self._workspace = np.empty(0 if self._one_pass else min(BLOCK, parameter.size), parameter.dtype)

    def update(self, n: int, learning_rate: float, step: int) -> None:
        """Take a step, which counts from 1, with the first n parameters; the gradient is overwritten."""
        if self._one_pass is not None:
            self._one_pass(n, learning_rate, step, self._decay)
        fades = step % FADING_STEPS == 0
        if self._one_pass is not None and not fades:
            return
        # a block at a time, so that the many passes stay in the cache
        for start in range(0, n, BLOCK):
            block = slice(start, min(start + BLOCK, n))
            slots = [slot[block] for slot in self._slots]
            if self._one_pass is None:
                parameter, gradient = self._parameter[block], self._gradient[block]
                workspace = self._workspace[: parameter.size]
                self._rule.update(parameter, gradient, slots, learning_rate, step, workspace, self._decay)
            if fades:
                forget_faded(slots)
