"""The optimizer's update of all parameters in one flat array: compiled, or in NumPy block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.compiled_update import compiled_update
from clearprop.nn.optimizers import FADING_STEPS, Optimizer, forget_faded

# numbers updated at a time: with the optimizer's memory of them and a workspace they fit the cache of a core
BLOCK_NUMBERS = 32_768


class Updater:
    """Updates parameters in place, from a gradient that products have been added to.

    A product that overwrites an array sets it to zero first, and then adds to it. Here the update sets the
    gradient to zero, while it is in the cache, and products only add to it, which saves a twentieth of an
    epoch.

    Parameters
    ----------
    rule : Optimizer
    decay : float
        Weight decay, as ``torch.optim`` takes it.
    parameter : ndarray (n,)
        Contiguous, and kept by the caller where it is.
    slots : sequence of ndarray (n,)
        The optimizer's memory; likewise.

    Attributes
    ----------
    gradient : ndarray (n,)
        Products are added to it between ``begin`` and ``update``.
    """

    def __init__(
        self, rule: Optimizer, decay: float, parameter: FloatArray, slots: Sequence[FloatArray]
    ) -> None:
        self._rule, self._decay = rule, decay
        # never replaced by other arrays: the compiled update has their addresses
        self._parameter, self._slots = parameter, slots
        self.gradient = np.zeros_like(parameter)
        self._is_zero = True
        self._compiled = compiled_update(rule, parameter, self.gradient, slots)
        workspace_size = 0 if self._compiled else min(BLOCK_NUMBERS, parameter.size)
        self._workspace = np.empty(workspace_size, parameter.dtype)

    def begin(self) -> None:
        """Make sure that the gradient is zero, even after an interrupted step."""
        if not self._is_zero:
            self.gradient.fill(0)
        self._is_zero = False

    def update(self, n: int, learning_rate: float, step: int) -> None:
        """Update the first n parameters; the gradient of the others is zero.

        Parameters
        ----------
        n : int
        learning_rate : float
        step : int
            The number of this step, from 1.
        """
        # a NumPy float64 would promote arrays of float32 to its type
        learning_rate = float(learning_rate)
        if self._compiled is not None:
            self._compiled(n, learning_rate, step, self._decay)
        else:
            self._update_in_blocks(n, learning_rate, step)
        self._is_zero = True
        if step % FADING_STEPS == 0:
            for block in _blocks(n):
                forget_faded([slot[block] for slot in self._slots])

    def _update_in_blocks(self, n: int, learning_rate: float, step: int) -> None:
        """Update block by block, so that the passes of a rule over a block stay in the cache."""
        for block in _blocks(n):
            parameter, gradient = self._parameter[block], self.gradient[block]
            slots = [slot[block] for slot in self._slots]
            workspace = self._workspace[: parameter.size]
            self._rule.update(parameter, gradient, slots, learning_rate, step, workspace, self._decay)
            gradient.fill(0)


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK_NUMBERS, n)) for start in range(0, n, BLOCK_NUMBERS)]
