"""A step of an optimizer with all the parameters that a member keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.compiled_update import one_pass
from clearprop.nn.optimizers import FADING_STEPS, Optimizer, forget_faded

# numbers worked on at a time: with what a rule remembers of them and a workspace they fit a core's cache
BLOCK = 32_768


class Updater:
    """Moves parameters by an update rule, in place.

    A product overwrites an array by setting all of it to zero and adding to it. Here a gradient is set to
    zero when it has been used, while it is in the cache, and products only add: a twentieth of an epoch.

    Parameters
    ----------
    rule : Optimizer
    decay : float
        Weight decay, as ``torch.optim`` takes it.
    parameter : ndarray (n,)
        In one piece, and kept by the caller where it is.
    slots : sequence of ndarray (n,)
        Likewise; what the rule remembers.

    Attributes
    ----------
    gradient : ndarray (n,)
        Where that of a step is added up, between ``begin`` and ``update``.
    """

    def __init__(
        self, rule: Optimizer, decay: float, parameter: FloatArray, slots: Sequence[FloatArray]
    ) -> None:
        self._rule, self._decay = rule, decay
        # never bound to other arrays: what is compiled knows where these are
        self._parameter, self._slots = parameter, slots
        self.gradient = np.zeros_like(parameter)
        self._is_zero = True
        self._one_pass = one_pass(rule, parameter, self.gradient, slots)
        self._workspace = np.empty(0 if self._one_pass else min(BLOCK, parameter.size), parameter.dtype)

    def begin(self) -> None:
        """Have the gradient be zero."""
        # a step that was cut off has left something there
        if not self._is_zero:
            self.gradient.fill(0)
        self._is_zero = False

    def update(self, n: int, learning_rate: float, step: int) -> None:
        """Take a step, which counts from 1, with the first n parameters; only their gradient is not zero."""
        # a number of NumPy's own would draw arrays of float32 up to its type
        learning_rate = float(learning_rate)
        if self._one_pass is not None:
            self._one_pass(n, learning_rate, step, self._decay)
        else:
            self._update_in_blocks(n, learning_rate, step)
        self._is_zero = True
        if step % FADING_STEPS == 0:
            for block in _blocks(n):
                forget_faded([slot[block] for slot in self._slots])

    def _update_in_blocks(self, n: int, learning_rate: float, step: int) -> None:
        """Take it a block at a time, so that the many passes stay in the cache."""
        for block in _blocks(n):
            parameter, gradient = self._parameter[block], self.gradient[block]
            slots = [slot[block] for slot in self._slots]
            workspace = self._workspace[: parameter.size]
            self._rule.update(parameter, gradient, slots, learning_rate, step, workspace, self._decay)
            gradient.fill(0)


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
