"""A network trained by several processes of one machine, each computing a part of every step.

Where products are small, a BLAS with two threads spends much of its time on handing work over, and everything
between two products runs on one core while the other waits. A team has neither: each member keeps its part of
the weights, multiplies with one thread, and meets the others a few times a step. Who computes what follows
from the shapes alone, so that results are the same, bit for bit, whenever a team of that size is at work.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.engines.base import Task, drops
from clearprop.engines.tensor_parallel import all_reduce as meeting
from clearprop.engines.tensor_parallel import messages
from clearprop.engines.tensor_parallel.all_reduce import Meeting, wait_for
from clearprop.engines.tensor_parallel.messages import Message, Messages
from clearprop.engines.tensor_parallel.sharding import Part, can_be_shared, size_of
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory, create, lay_out
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.utils.arguments import check_whole
from clearprop.utils.errors import EngineUnavailable, InvalidArgument

VARIABLE = "CLEARPROP_PROCESSES"

# with how many threads of the BLAS a team of as many is quicker than they are; measured on no more
CORES = 2
# of an epoch in one process, below which ten of them gain less than another process takes to start. How many
# there are does not count: a training that goes on for more goes the same way as one that had them at once
WORTH_SECONDS = 0.05
# multiplications of a step, below which to meet costs what sharing gains, and above which threads do as well
MIN_OF_STEP, MAX_OF_STEP = 2e6, 2e9
# to estimate what a step takes in one process: calls, products, and passes over the weights and what the
# optimizer remembers; on two cores of several kinds it was within a factor of 1.5
SECONDS_A_STEP, SECONDS_A_MULTIPLICATION, SECONDS_A_WEIGHT, SECONDS_A_SLOT = 5e-5, 7e-12, 4e-10, 6e-10
# bytes of rows that may be copied to where all members see them; rows of uint8 are copied anyway, if sorted
MAX_COPIED, MAX_SORTED = 2**28, 2**30

# after which another process is not waited for any more
START_SECONDS = 20.0

# a member's counts, after that of its meetings: whether it is ready, its steps done, the messages it has sent
READY, DONE, SENT = 1, 2, 3

# what a member runs; it takes its modules from where this process does
PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from clearprop.engines.worker import main
main(int(sys.argv[2]))
"""
ROOTS = [str(Path(file).resolve().parents[depth]) for file, depth in ((__file__, 3), (np.__file__, 1))]


def members_for(task: Task, threads: int | None, wanted: int | None = None) -> int:
    """Return how many processes shall train together; 1 where one alone is quicker, or others cannot be had.

    Parameters
    ----------
    task : Task
    threads : int or None
        How many the BLAS has; None where that cannot be told or set.
    wanted : int or None, default None
        How many there shall be, if they can be had; None asks the variable ``CLEARPROP_PROCESSES``, and where
        that is not set, the work decides.

    Raises
    ------
    InvalidArgument
        If that is no whole number from 1 on.
    """
    wanted = _wanted() if wanted is None else check_whole("processes", wanted, minimum=1)
    if wanted == 1 or threads is None or not _can_start_others() or not _fits_shared_memory(task):
        return 1
    sizes = task.network.layer_sizes
    if wanted is not None:
        members = min(wanted, max(sizes[1:-1]))
    elif threads == CORES <= len(os.sched_getaffinity(0)) and _is_worth_it(task):
        members = CORES
    else:
        return 1
    return members if can_be_shared(sizes, members) else 1


def _is_worth_it(task: Task) -> bool:
    """Tell from the shapes alone whether a team would be done sooner."""
    batch = min(task.recipe.batch_size, len(task.x))
    n_weights = task.network.n_parameters
    of_step = 3 * batch * n_weights
    n_slots = OPTIMIZERS[task.recipe.optimizer].n_slots
    seconds = (
        SECONDS_A_STEP
        + of_step * SECONDS_A_MULTIPLICATION
        + n_weights * (SECONDS_A_WEIGHT + n_slots * SECONDS_A_SLOT)
    )
    return MIN_OF_STEP <= of_step <= MAX_OF_STEP and len(task.x) / batch * seconds >= WORTH_SECONDS


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


def _can_start_others() -> bool:
    """Tell whether other processes can share memory with this one, and see it written in order."""
    in_order = platform.machine() in ("x86_64", "AMD64")
    # a frozen program is no Python that could be told what to run
    return in_order and hasattr(os, "memfd_create") and bool(sys.executable) and not hasattr(sys, "frozen")


def _fits_shared_memory(task: Task) -> bool:
    """Tell whether there is something to share, and all that a step takes can lie where everyone sees it."""
    most = MAX_SORTED if task.x.dtype == np.uint8 else MAX_COPIED
    dense = isinstance(task.x, np.ndarray) and 0 < task.x.nbytes <= most
    has_state = isinstance(task.dropout_rng.bit_generator, np.random.PCG64)
    return len(task.network.layer_sizes) > 2 and dense and has_state


class Team:
    """The other members, and the memory that all of them share.

    They start at once, and wait for ``begin``. They end with this object, or with this process.

    Parameters
    ----------
    members : int
        All of them; this process is the first.

    Attributes
    ----------
    batch : int
        How many rows a step may have, once there is memory to ``share``.

    Raises
    ------
    OSError
        If the system gives no more memory or processes.
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self._descriptor = create()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._owner = os.getpid()
        self.close = weakref.finalize(self, _end, self._owner, self._descriptor, self._processes)
        for _ in range(1, members):
            self._processes.append(_start(self._descriptor))
        self._sent = 0
        self._is_ready = False

    def share(
        self, task: Task, parts: Sequence[Sequence[Part]], n_slots: int, places: Mapping[str, int]
    ) -> SharedMemory:
        """Return memory with room for a task, zero everywhere.

        Besides what ``meeting`` and ``messages`` need, it holds the fields of ``Rows`` by name, and of each
        member ``flat.0`` and ``slot.0.0`` and so on.
        """
        n, features = task.x.shape
        self.batch = batch = min(task.recipe.batch_size, n)
        targets = np.intp if task.network.output == "softmax" else task.dtype
        arrays: dict[str, tuple[Any, Sequence[int]]] = {
            **meeting.room_for(self.members, task.dtype, batch, places),
            **messages.room_for(batch),
            "x": (task.x.dtype, (n, features)),
            "y": (targets, task.y.shape),
            "sample_weight": (task.dtype, (n,)),
            "shift": (task.dtype, np.shape(task.scaling.shift)),
            "factor": (task.dtype, np.shape(task.scaling.factor)),
            "order": (np.intp, (features,)),
            "widths": (np.intp, (n,)),
        }
        for member, its in enumerate(parts):
            arrays[f"flat.{member}"] = (task.dtype, (size_of(its),))
            arrays |= {f"slot.{member}.{slot}": (task.dtype, (size_of(its),)) for slot in range(n_slots)}
        self._layout, size = lay_out(arrays)
        os.ftruncate(self._descriptor, size)
        self.memory = SharedMemory(self._descriptor, self._layout)
        self._ticks = [memoryview(row) for row in self.memory["ticks"]]
        return self.memory

    def begin(self, task: Task, absent: Sequence[str]) -> Meeting:
        """Tell the others what the task is, now that its rows are in the memory, and return where to meet.

        Parameters
        ----------
        task : Task
        absent : sequence of str
            The fields of ``Rows`` that are None.
        """
        self._messages = Messages(self.memory, task.dropout_rng if drops(task.network) else None)
        told = {
            "parent": self._owner,
            "members": self.members,
            "layout": self._layout,
            "network": task.network.to_dict(),
            "recipe": task.recipe.to_dict(),
            "absent": list(absent),
        }
        for member, process in enumerate(self._processes, start=1):
            stream, process.stdin = process.stdin, None
            assert stream is not None
            try:
                with stream:
                    stream.write(json.dumps({"member": member, **told}).encode() + b"\n")
            except BrokenPipeError:
                # it has ended already, which whoever waits for it sees
                continue
        return Meeting(self.memory, 0, self._check)

    def is_ready(self) -> bool:
        """Wait until all others could take a step; False if one of them could not start."""
        self._check_owner()
        if not self._is_ready:
            end = time.monotonic() + START_SECONDS

            def check() -> None:
                self._check()
                if time.monotonic() > end:
                    raise TimeoutError

            try:
                for ticks in self._ticks[1:]:
                    wait_for(ticks, READY, 1, check)
            except (EngineUnavailable, TimeoutError):
                return False
            self._is_ready = True
        return True

    def send(self, message: Message) -> None:
        """Have the others take a step."""
        self._sent += 1
        self._messages.write(self._sent, message)
        self._ticks[0][SENT] = self._sent

    def settle(self) -> None:
        """Wait until the others are done with all they were sent; nobody writes to the memory then."""
        self._check_owner()
        if self.close.alive:
            for ticks in self._ticks[1:]:
                wait_for(ticks, DONE, self._sent, self._check)

    def _check_owner(self) -> None:
        if os.getpid() != self._owner:
            raise EngineUnavailable(
                "This process was forked from one whose training takes several processes, and would write "
                f"into its parameters; take them before, or set the environment variable {VARIABLE}=1."
            )

    def _check(self) -> None:
        for process in self._processes:
            code = process.poll()
            if code is not None:
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                raise EngineUnavailable(
                    f"A process that computed a part of the network {how}; go on from the last checkpoint or "
                    f"train again, with the environment variable {VARIABLE}=1 if memory ran out."
                )


def _places() -> list[str]:
    """Return where this process finds modules, but for places that depend on the current directory."""
    return [place for place in sys.path if isinstance(place, str) and os.path.isabs(place)]


def _start(descriptor: int) -> subprocess.Popen[bytes]:
    """Start a member, which waits for its task on standard input."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PROGRAM, json.dumps([*_places(), *ROOTS]), str(descriptor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"),
        # Ctrl-C is for the first member, who ends the others
        start_new_session=True,
    )


def _end(owner: int, descriptor: int, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    os.close(descriptor)
    if os.getpid() != owner:
        # a fork of the process whose team this is
        return
    for process in processes:
        if process.stdin is not None:
            process.stdin.close()
        process.kill()
        process.wait()
