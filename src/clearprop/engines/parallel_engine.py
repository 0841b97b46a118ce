"""Training in NumPy by several processes: this one is rank 0, and worker processes compute the other shards.

All arrays are in shared memory, so that this process reads and writes every rank's shards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task
from clearprop.engines.kernels.blas import THREADS
from clearprop.engines.numpy_engine import NumpyEngine, WholeLayers
from clearprop.engines.parallel_step import ParallelStepper, places_of
from clearprop.engines.tensor_parallel.messages import Message
from clearprop.engines.tensor_parallel.sharding import Part, layers_of, share
from clearprop.engines.tensor_parallel.worker_pool import Team
from clearprop.engines.training_rows import rows_for
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters
from clearprop.utils.errors import EngineUnavailable


class ShardedLayers:
    """Layers of which each rank keeps a shard; the first weight's rows in the order of the sorted columns.

    Parameters
    ----------
    flats : sequence of ndarray
        For each rank its shards, as ``layers_of`` finds them.
    shards : sequence of sequence of Part
        For each rank its shard of each layer.
    layer_sizes : sequence of int
    order : ndarray (features,) of intp or None
        See ``Rows``.
    settle : callable
        Returns when no other rank reads or writes.
    """

    def __init__(
        self,
        flats: Sequence[FloatArray],
        shards: Sequence[Sequence[Part]],
        layer_sizes: Sequence[int],
        order: NDArray[np.intp] | None,
        settle: Callable[[], None],
    ) -> None:
        self._ranks = [
            list(zip(layers_of(flat, its), its, strict=True)) for flat, its in zip(flats, shards, strict=True)
        ]
        self._shapes = list(pairwise(layer_sizes))
        self._dtype = flats[0].dtype
        self._order, self._settle = order, settle

    def read(self) -> Parameters:
        """Return whole layers, with the first weight's rows in the order of the stored columns."""
        self._settle()
        whole = [np.empty((1 + fan_in, fan_out), self._dtype) for fan_in, fan_out in self._shapes]
        for rank in self._ranks:
            for (kept, shard), layer in zip(rank, whole, strict=True):
                shard.give(kept, layer[1:], layer[0])
        return WholeLayers(whole, self._order).read()

    def write(self, layers: Parameters) -> None:
        """Overwrite every rank's shards."""
        self._settle()
        for number, (weight, bias) in enumerate(layers):
            in_order = weight if number or self._order is None else weight[self._order]
            for rank in self._ranks:
                kept, shard = rank[number]
                shard.take(kept, in_order, bias)


class ParallelEngine(NumpyEngine):
    """Trains in NumPy with tensor parallelism; see ``Engine`` and ``Task``.

    Parameters
    ----------
    task : Task
    world_size : int
        How many processes compute each step, this one included; from 2 on.

    Raises
    ------
    OSError
        If the system gives no more memory or processes.
    """

    # the BLAS may be used by one thread alone; the work decides
    _prediction_threads = None

    def __init__(self, task: Task, world_size: int) -> None:
        self._world_size = world_size
        super().__init__(task)

    def _set_up(self, task: Task) -> None:
        network, recipe, ranks = task.network, task.recipe, range(self._world_size)
        n_slots = OPTIMIZERS[recipe.optimizer].n_slots
        shards = share(network.layer_sizes, self._world_size)
        self._team = team = Team(self._world_size)
        memory = team.share(task, shards, n_slots, places_of(network, recipe, shards[0]))
        rows = rows_for(task, memory["x"]).moved_to(memory)
        meeting = team.begin(task, rows.absent())
        flats = [memory[f"flat.{rank}"] for rank in ranks]
        slots = [[memory[f"slot.{rank}.{slot}"] for rank in ranks] for slot in range(n_slots)]
        self._stepper = ParallelStepper(
            network,
            recipe,
            flats[0],
            [of_ranks[0] for of_ranks in slots],
            rows,
            task.dropout_rng,
            shards[0],
            meeting,
        )
        self._parameters, *self._slots = (
            ShardedLayers(arrays, shards, network.layer_sizes, rows.order, team.settle)
            for arrays in (flats, *slots)
        )

    @property
    def is_open(self) -> bool:
        """Whether the workers are at hand; not after ``close``, nor after a step that was cut off."""
        return self._team.close.alive

    def can_step(self, batch: int) -> bool:
        """Wait until all workers are ready; False if one could not start, or the batch is too large."""
        return self._team.is_ready() and batch <= self._team.batch

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        stepper, team = self._stepper, self._team
        if stepper.penalty(rows) is None:
            return 0.0
        try:
            team.send(Message(rows, learning_rate, stepper.steps, stepper.all_move))
            THREADS.hold(team.close)
            return stepper.step(rows, learning_rate)
        except BaseException:
            # the workers are in the middle of a step that nobody will finish
            team.close()
            raise
        finally:
            THREADS.release(team.close)

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        # seldom asked for in a training, so not worth another kind of message
        return NumpyEngine(replace(self._task, parameters=self.parameters())).loss_and_gradient(rows)

    def close(self) -> None:
        """End the workers; see ``Engine.close``."""
        # one that is gone, or was cut off, has nothing left to do
        with suppress(EngineUnavailable):
            self._team.settle()
        self._team.close()
        # should a signal have cut off that of a step
        THREADS.release(self._team.close)
