"""A member of a team: a process that computes its part of each step and knows nothing else.

It reads what the task is from standard input, finds the arrays in the memory behind a descriptor, and takes a
step whenever the first member says so, until that one is gone or ends it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np

from clearprop.engines.base import drops
from clearprop.engines.parallel_step import ParallelStepper
from clearprop.engines.tensor_parallel.all_reduce import Meeting, wait_for
from clearprop.engines.tensor_parallel.messages import Messages
from clearprop.engines.tensor_parallel.sharding import share
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory
from clearprop.engines.tensor_parallel.worker_pool import DONE, READY, SENT
from clearprop.engines.training_rows import Rows
from clearprop.nn.network import Network
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.recipe import Recipe


def main(descriptor: int) -> None:
    """Serve the process that started this one."""
    # a line and not all there is: a fork of the first member may hold the other end for as long as it lives
    line = sys.stdin.buffer.readline()
    if line:
        _serve(descriptor, json.loads(line))


def _serve(descriptor: int, told: dict[str, Any]) -> None:
    member, parent = told["member"], told["parent"]

    def check() -> None:
        if os.getppid() != parent:
            # the first member is gone, however it ended, and nothing here is worth keeping
            os._exit(0)

    memory = SharedMemory(descriptor, told["layout"])
    network, recipe = Network(**told["network"]), Recipe(**told["recipe"])
    dropout_rng = np.random.Generator(np.random.PCG64())
    stepper = ParallelStepper(
        network,
        recipe,
        memory[f"flat.{member}"],
        [memory[f"slot.{member}.{slot}"] for slot in range(OPTIMIZERS[recipe.optimizer].n_slots)],
        Rows.found_in(memory, told["absent"]),
        dropout_rng,
        share(network.layer_sizes, told["members"])[member],
        Meeting(memory, member, check),
    )
    messages = Messages(memory, dropout_rng if drops(network) else None)
    first, own = memoryview(memory["ticks"][0]), memoryview(memory["ticks"][member])
    own[READY] = 1
    number = 0
    while True:
        number += 1
        wait_for(first, SENT, number, check)
        message = messages.read(number)
        stepper.steps, stepper.all_move = message.steps, message.all_move
        stepper.step(message.rows, message.learning_rate)
        own[DONE] = number
