"""How many processes train a network together: an estimate of cost and gain from the shapes alone.

Since neither the clock nor the load of the machine counts, the same training always has the same world size,
and so the same results to the last bit.
"""

from __future__ import annotations

import os
import platform
import sys

import numpy as np

from clearprop.engines.base import Task
from clearprop.engines.tensor_parallel.sharding import can_shard
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.utils.arguments import check_whole
from clearprop.utils.errors import InvalidArgument

VARIABLE = "CLEARPROP_PROCESSES"

# the number of BLAS threads for which as many processes are quicker; measured for no other number
DEFAULT_WORLD_SIZE = 2
# of an epoch in one process; below it, ten epochs gain less than a worker takes to start. The number of
# epochs does not count, so that a training resumed for more epochs gives the results of one that had as many
# from the start
MIN_EPOCH_SECONDS = 0.05
# of one step: below, communication costs as much as sharding gains; above, BLAS threads do as well
MIN_STEP_MULTIPLICATIONS, MAX_STEP_MULTIPLICATIONS = 2e6, 2e9
# an estimate of a step in one process: Python calls, matrix products, and passes over the weights and the
# optimizer's memory; right within a factor of 1.5 on two cores of several kinds
SECONDS_PER_STEP, SECONDS_PER_MULTIPLICATION = 5e-5, 7e-12
SECONDS_PER_WEIGHT, SECONDS_PER_SLOT_VALUE = 4e-10, 6e-10
# training rows that may be copied into shared memory; sorting the columns of uint8 rows copies them anyway
MAX_COPIED_BYTES, MAX_SORTED_BYTES = 2**28, 2**30


def world_size_for(task: Task, threads: int | None, wanted: int | None = None) -> int:
    """Return how many processes train together; 1 where that is quicker, or no others can be started.

    Parameters
    ----------
    task : Task
    threads : int or None
        How many threads the BLAS has; None where that cannot be read or set.
    wanted : int or None, default None
        The number of processes to use where possible; None reads the variable ``CLEARPROP_PROCESSES``, and
        where that is not set, the estimated cost decides.

    Raises
    ------
    InvalidArgument
        If ``wanted`` or the variable is not a whole number from 1 on.
    """
    wanted = _wanted() if wanted is None else check_whole("processes", wanted, minimum=1)
    if wanted == 1 or threads is None or not _can_start_workers() or not _fits_shared_memory(task):
        return 1
    sizes = task.network.layer_sizes
    if wanted is not None:
        world_size = min(wanted, max(sizes[1:-1]))
    elif threads == DEFAULT_WORLD_SIZE <= len(os.sched_getaffinity(0)) and _is_worth_it(task):
        world_size = DEFAULT_WORLD_SIZE
    else:
        return 1
    return world_size if can_shard(sizes, world_size) else 1


def _is_worth_it(task: Task) -> bool:
    """Tell from the shapes alone whether several processes are quicker than one."""
    batch = min(task.recipe.batch_size, len(task.x))
    n_weights = task.network.n_parameters
    n_multiplications = 3 * batch * n_weights
    n_slots = OPTIMIZERS[task.recipe.optimizer].n_slots
    step_seconds = (
        SECONDS_PER_STEP
        + n_multiplications * SECONDS_PER_MULTIPLICATION
        + n_weights * (SECONDS_PER_WEIGHT + n_slots * SECONDS_PER_SLOT_VALUE)
    )
    has_right_size = MIN_STEP_MULTIPLICATIONS <= n_multiplications <= MAX_STEP_MULTIPLICATIONS
    return has_right_size and len(task.x) / batch * step_seconds >= MIN_EPOCH_SECONDS


def _wanted() -> int | None:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        return check_whole(VARIABLE, int(text), minimum=1)
    except ValueError:
        raise InvalidArgument(
            f"The environment variable {VARIABLE} is {text!r}; set it to a whole number from 1 on, "
            "or take it away."
        ) from None


def _can_start_workers() -> bool:
    """Tell whether other processes can share memory with this one and see its writes in order."""
    is_ordered = platform.machine() in ("x86_64", "AMD64")
    # a frozen program is not a Python interpreter that could run another program
    return is_ordered and hasattr(os, "memfd_create") and bool(sys.executable) and not hasattr(sys, "frozen")


def _fits_shared_memory(task: Task) -> bool:
    """Tell whether the network has hidden layers, and whether the task's data can be put in shared memory."""
    max_bytes = MAX_SORTED_BYTES if task.x.dtype == np.uint8 else MAX_COPIED_BYTES
    fits = isinstance(task.x, np.ndarray) and 0 < task.x.nbytes <= max_bytes
    has_state = isinstance(task.dropout_rng.bit_generator, np.random.PCG64)
    return len(task.network.layer_sizes) > 2 and fits and has_state
