"""Training in NumPy with tensor parallelism: this process is rank 0, worker processes are the other ranks.

The shards of all ranks are in shared memory, where this process reads and writes them between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task, copy_engine
from clearprop.engines.kernels.blas import BLAS_THREADS
from clearprop.engines.kernels.layout import shapes_of
from clearprop.engines.numpy_engine import NumpyEngine, WholeLayers
from clearprop.engines.parallel_step import ParallelStepper, all_reduce_units
from clearprop.engines.tensor_parallel.messages import Message
from clearprop.engines.tensor_parallel.sharding import Shard, shards_of, stored_shards
from clearprop.engines.tensor_parallel.worker_pool import WorkerPool
from clearprop.engines.training_rows import rows_for
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters
from clearprop.utils.errors import EngineUnavailable


class ShardedLayers:
    """An array for every layer, of which each rank keeps a shard; see ``LayerStore``.

    Parameters
    ----------
    flats : sequence of ndarray
        For each rank its shards, see ``stored_shards``.
    shards : sequence of sequence of Shard
        For each rank its shard of each layer.
    layer_sizes : sequence of int
    order : ndarray (features,) of intp or None
        Of the first weight's rows; see ``Rows``.
    wait_until_idle : callable
        Returns when no worker uses the arrays.
    """

    def __init__(
        self,
        flats: Sequence[FloatArray],
        shards: Sequence[Sequence[Shard]],
        layer_sizes: Sequence[int],
        order: NDArray[np.intp] | None,
        wait_until_idle: Callable[[], None],
    ) -> None:
        self._ranks = [
            list(zip(of_rank, stored_shards(flat, of_rank), strict=True))
            for flat, of_rank in zip(flats, shards, strict=True)
        ]
        self._shapes, self._dtype = shapes_of(layer_sizes), flats[0].dtype
        self._order, self._wait_until_idle = order, wait_until_idle

    def read(self) -> Parameters:
        """Return whole layers, new arrays."""
        self._wait_until_idle()
        layers = [np.empty(shape, self._dtype) for shape in self._shapes]
        for rank in self._ranks:
            for (shard, stored), layer in zip(rank, layers, strict=True):
                shard.copy_to(layer[1:], layer[0], stored)
        return WholeLayers(layers, self._order).read()

    def write(self, layers: Parameters) -> None:
        """Overwrite the shards of all ranks."""
        self._wait_until_idle()
        for number, (weight, bias) in enumerate(layers):
            in_order = weight if number or self._order is None else weight[self._order]
            for rank in self._ranks:
                shard, stored = rank[number]
                shard.copy_from(in_order, bias, stored)


class ParallelEngine(NumpyEngine):
    """Trains in NumPy with tensor parallelism; see ``Engine`` and ``Task``.

    Parameters
    ----------
    task : Task
    world_size : int
        How many processes compute each step, this one included; at least 2.

    Raises
    ------
    OSError
        If the system has no more memory or processes.
    """

    # few steps use the BLAS with several threads here, so the work decides
    _prediction_threads = None

    def __init__(self, task: Task, world_size: int) -> None:
        self._world_size = world_size
        super().__init__(task)

    def _set_up(self, task: Task) -> None:
        network, recipe, ranks = task.network, task.recipe, range(self._world_size)
        n_slots = OPTIMIZERS[recipe.optimizer].n_slots
        shards = shards_of(network.layer_sizes, self._world_size)
        self._pool = pool = WorkerPool(self._world_size)
        memory = pool.allocate(task, shards, n_slots, all_reduce_units(network, recipe, shards[0]))
        rows = rows_for(task, memory["x"]).copy_to(memory)
        communicator = pool.begin(task, rows.absent())
        flats = [memory[f"flat.{rank}"] for rank in ranks]
        slots = [[memory[f"slot.{rank}.{slot}"] for rank in ranks] for slot in range(n_slots)]
        own_slots = [of_ranks[0] for of_ranks in slots]
        self._stepper = ParallelStepper(
            network, recipe, flats[0], own_slots, rows, task.dropout_rng, shards[0], communicator
        )
        self._parameters, *self._slots = (
            ShardedLayers(arrays, shards, network.layer_sizes, rows.order, pool.wait_until_idle)
            for arrays in (flats, *slots)
        )

    @property
    def has_workers(self) -> bool:
        """Whether there are workers: not after ``close``, nor after an interrupted step."""
        return self._pool.close.alive

    def can_step(self, batch: int) -> bool:
        """Wait until the workers are ready; False if one could not start, or the batch is too large."""
        return self._pool.is_ready() and batch <= self._pool.batch

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        stepper, pool = self._stepper, self._pool
        if stepper.penalty(rows) is None:
            return 0.0
        try:
            pool.send(Message(rows, learning_rate, stepper.steps, stepper.all_move))
            BLAS_THREADS.limit(pool.close)
            return stepper.step(rows, learning_rate)
        except BaseException:
            # the workers are in the middle of a step that will not be finished
            pool.close()
            raise
        finally:
            BLAS_THREADS.release(pool.close)

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        # called too seldom in a training to be worth a message of its own
        return NumpyEngine(replace(self._task, parameters=self.parameters())).loss_and_gradient(rows)

    def __deepcopy__(self, memo: dict[int, Any]) -> ParallelEngine:
        return copy_engine(self, lambda task: ParallelEngine(task, self._world_size), self._task, memo)

    def close(self) -> None:
        """End the workers; see ``Engine.close``."""
        # a worker that has ended, or whose step was interrupted, is not waited for
        with suppress(EngineUnavailable):
            self._pool.wait_until_idle()
        self._pool.close()
        # in case a signal interrupted the release after a step
        BLAS_THREADS.release(self._pool.close)
