"""The NumPy engine for any number of processes: as many as a task is worth, and one if they fail.

Where workers cannot start, or have no memory for a larger batch, training continues in this process alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task, copy_engine
from clearprop.engines.kernels.blas import BLAS_THREADS
from clearprop.engines.numpy_engine import NumpyEngine
from clearprop.engines.tensor_parallel.cost import world_size_for
from clearprop.nn.parameters import Parameters

if TYPE_CHECKING:
    from clearprop.engines.parallel_engine import ParallelEngine


class ElasticEngine:
    """Trains in NumPy, in one process or in several; see ``Engine`` and ``Task``.

    Parameters
    ----------
    task : Task
    processes : int or None, default None
        How many processes compute each step; None lets the work decide, see ``world_size_for``.
    """

    name = "numpy"
    device = "cpu"

    def __init__(self, task: Task, processes: int | None = None) -> None:
        self._processes = processes
        self._start(task, self._world_size_for(task))

    def _world_size_for(self, task: Task) -> int:
        return world_size_for(task, BLAS_THREADS.count(), self._processes)

    def _start(self, task: Task, world_size: int) -> None:
        self._task = task
        self._parallel: ParallelEngine | None = None
        self._engine: NumpyEngine
        if world_size > 1:
            # imported here, since it takes several milliseconds and one process does not need it
            from clearprop.engines.parallel_engine import ParallelEngine

            try:
                self._engine = self._parallel = ParallelEngine(task, world_size)
            except OSError:
                # the system has no more memory or processes; one process can do the same alone
                world_size = 1
        self._world_size = world_size
        if self._parallel is None:
            self._engine = NumpyEngine(task)

    def _start_again(self, task: Task, world_size: int) -> None:
        """Continue with a task of the same network; parameters and the optimizer's memory stay."""
        parameters, state = self._engine.parameters(), self._engine.state()
        self._engine.close()
        self._start(replace(task, parameters=parameters), world_size)
        self._engine.load_state(state)

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        if self._parallel is not None:
            self._make_ready(len(rows))
        return self._engine.train_step(rows, learning_rate)

    def _make_ready(self, batch: int) -> None:
        """Start workers again if they have ended, and continue without them if they cannot take the batch."""
        if self._parallel is not None and not self._parallel.has_workers:
            self._start_again(self._task, self._world_size)
        if self._parallel is not None and not self._parallel.can_step(batch):
            self._start_again(self._task, 1)

    def load_rows(self, x: Any, y: NDArray[Any], sample_weight: FloatArray | None = None) -> None:
        """Continue with other training rows; see ``Engine.load_rows``."""
        task = replace(self._task, x=x, y=y, sample_weight=sample_weight)
        self._start_again(task, self._world_size_for(task))

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        return self._engine.loss_and_gradient(rows)

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations; see ``Engine.logits``."""
        return self._engine.logits(x)

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        return self._engine.parameters()

    def load_parameters(self, parameters: Parameters) -> None:
        """Continue with other parameters of the same shapes."""
        self._engine.load_parameters(parameters)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's memory; see ``Engine.state``."""
        return self._engine.state()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load the optimizer's memory; see ``Engine.load_state``."""
        self._engine.load_state(state)

    def __deepcopy__(self, memo: dict[int, Any]) -> ElasticEngine:
        return copy_engine(self, lambda task: ElasticEngine(task, self._processes), self._task, memo)

    def close(self) -> None:
        """End the workers, if there are any; see ``Engine.close``."""
        self._engine.close()
