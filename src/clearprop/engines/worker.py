"""A worker process of tensor-parallel training: it computes its rank's shards of each step.

It reads its task from standard input, finds the arrays in shared memory behind a file descriptor, and takes a
step for each message of rank 0, until rank 0 is gone or ends it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np

from clearprop.engines.base import drops
from clearprop.engines.parallel_step import ParallelStepper
from clearprop.engines.tensor_parallel.all_reduce import Communicator, wait_for
from clearprop.engines.tensor_parallel.messages import Messages
from clearprop.engines.tensor_parallel.sharding import shards_of
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory
from clearprop.engines.tensor_parallel.worker_pool import DONE, READY, SENT
from clearprop.engines.training_rows import Rows
from clearprop.nn.network import Network
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.recipe import Recipe


def main(descriptor: int) -> None:
    """Serve the process that started this one.

    Parameters
    ----------
    descriptor : int
        Of the shared memory.
    """
    # one line, not up to the end of the stream, which a fork of rank 0 may keep open as long as it runs
    line = sys.stdin.buffer.readline()
    if line:
        _serve(descriptor, json.loads(line))


def _serve(descriptor: int, job: dict[str, Any]) -> None:
    rank, parent = job["rank"], job["parent"]

    def check() -> None:
        if os.getppid() != parent:
            # rank 0 has ended, and nothing here is worth saving
            os._exit(0)

    memory = SharedMemory(descriptor, job["layout"])
    network, recipe = Network(**job["network"]), Recipe(**job["recipe"])
    dropout_rng = np.random.Generator(np.random.PCG64())
    stepper = ParallelStepper(
        network,
        recipe,
        memory[f"flat.{rank}"],
        [memory[f"slot.{rank}.{slot}"] for slot in range(OPTIMIZERS[recipe.optimizer].n_slots)],
        Rows.from_arrays(memory, job["absent"]),
        dropout_rng,
        shards_of(network.layer_sizes, job["world_size"])[rank],
        Communicator(memory, rank, check),
    )
    messages = Messages(memory, dropout_rng if drops(network) else None)
    rank_0_counters, counters = memoryview(memory["counters"][0]), memoryview(memory["counters"][rank])
    counters[READY] = 1
    number = 0
    while True:
        number += 1
        wait_for(rank_0_counters, SENT, number, check)
        message = messages.read(number)
        stepper.steps, stepper.all_move = message.steps, message.all_move
        stepper.step(message.rows, message.learning_rate)
        counters[DONE] = number
