"""Starts, feeds and ends the worker processes that train a network together with this one, which is rank 0.

Where matrix products are small, a BLAS with two threads spends much of its time on handing work over, and
everything between two products runs on one core while the other waits. Tensor parallelism avoids both: each
rank keeps its shards of the weights, multiplies with one thread, and communicates a few times a step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.engines.base import Task, drops
from clearprop.engines.tensor_parallel import all_reduce, messages
from clearprop.engines.tensor_parallel.all_reduce import Communicator, wait_for
from clearprop.engines.tensor_parallel.cost import VARIABLE
from clearprop.engines.tensor_parallel.messages import Message, Messages
from clearprop.engines.tensor_parallel.sharding import Shard, size_of
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory, create, lay_out
from clearprop.utils.errors import EngineUnavailable

# from the start of a worker: Python itself takes a few hundredths of a second, its imports take longer
PYTHON_TIMEOUT_SECONDS = 1.5
START_TIMEOUT_SECONDS = 20.0

# indices of a rank's counters; 0 counts its barriers, the others whether it is ready, the steps it has done
# and the messages it has sent
READY, DONE, SENT = 1, 2, 3

# written by a worker before its imports: an embedding program in the place of Python may never end
SIGN_OF_PYTHON = b"clearprop worker"

# values of sys.executable whose workers could not start, so that this is found out once
_NO_PYTHON: set[str] = set()

# the program of a worker, which imports its modules from the same folders as this process
PROGRAM = f"""
import os, sys
os.write(1, {SIGN_OF_PYTHON!r})
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
import json
sys.path[:] = json.loads(sys.argv[1])
from clearprop.engines.worker import main
main(int(sys.argv[2]))
"""
# the folders that hold the packages clearprop and numpy
PACKAGE_PATHS = [
    str(Path(file).resolve().parents[depth]) for file, depth in ((__file__, 3), (np.__file__, 1))
]


class WorkerPool:
    """The worker processes of ranks 1 to ``world_size - 1``, and the memory that all ranks share.

    The workers start at once, and wait for ``begin``. They end with this object, or with this process.

    Parameters
    ----------
    world_size : int
        The number of ranks, this process included.

    Attributes
    ----------
    batch : int
        Rows of the largest batch, once memory has been allocated.
    close : weakref.finalize
        Ends the workers; ``close.alive`` tells whether they have not been ended.

    Raises
    ------
    OSError
        If the system has no more memory or processes, or workers could not start before.
    """

    def __init__(self, world_size: int) -> None:
        if sys.executable in _NO_PYTHON:
            raise ChildProcessError(f"{sys.executable} did not start workers before")
        self.world_size = world_size
        self._descriptor = create()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._owner = os.getpid()
        self.close = weakref.finalize(self, _end, self._owner, self._descriptor, self._processes)
        self._started = time.monotonic()
        self._output = [b""] * (world_size - 1)
        for _ in range(1, world_size):
            self._processes.append(_start(self._descriptor))
        self._n_sent = 0
        self._is_ready = False

    def allocate(
        self, task: Task, shards: Sequence[Sequence[Shard]], n_slots: int, buffers: Mapping[str, int]
    ) -> SharedMemory:
        """Return memory for a task, initially zero.

        Besides the arrays of ``all_reduce`` and ``messages``, it has one for each field of ``Rows``, and for
        each rank ``flat.0``, ``slot.0.0`` and so on.

        Parameters
        ----------
        task : Task
        shards : sequence of sequence of Shard
            For each rank its shard of each layer.
        n_slots : int
            The number of arrays in the optimizer's memory.
        buffers : mapping of str to int
            See ``all_reduce.shared_arrays``.
        """
        n, features = task.x.shape
        self.batch = batch = min(task.recipe.batch_size, n)
        target_dtype = np.intp if task.network.output == "softmax" else task.dtype
        arrays: dict[str, tuple[Any, Sequence[int]]] = {
            **all_reduce.shared_arrays(self.world_size, task.dtype, batch, buffers),
            **messages.shared_arrays(batch),
            "x": (task.x.dtype, (n, features)),
            "y": (target_dtype, task.y.shape),
            "sample_weight": (task.dtype, (n,)),
            "shift": (task.dtype, np.shape(task.scaling.shift)),
            "factor": (task.dtype, np.shape(task.scaling.factor)),
            "order": (np.intp, (features,)),
            "widths": (np.intp, (n,)),
        }
        for rank, of_rank in enumerate(shards):
            shape = (size_of(of_rank),)
            arrays[f"flat.{rank}"] = (task.dtype, shape)
            arrays |= {f"slot.{rank}.{slot}": (task.dtype, shape) for slot in range(n_slots)}
        self._layout, size = lay_out(arrays)
        os.ftruncate(self._descriptor, size)
        self.memory = SharedMemory(self._descriptor, self._layout)
        self._counters = [memoryview(row) for row in self.memory["counters"]]
        return self.memory

    def begin(self, task: Task, absent: Sequence[str]) -> Communicator:
        """Send the workers the task, whose rows are in the memory now; return rank 0's communicator.

        Parameters
        ----------
        task : Task
        absent : sequence of str
            The fields of ``Rows`` that are None.
        """
        self._messages = Messages(self.memory, task.dropout_rng if drops(task.network) else None)
        job = {
            "parent": self._owner,
            "world_size": self.world_size,
            "layout": self._layout,
            "network": task.network.to_dict(),
            "recipe": task.recipe.to_dict(),
            "absent": list(absent),
        }
        for rank, process in enumerate(self._processes, start=1):
            stream, process.stdin = process.stdin, None
            assert stream is not None
            try:
                with stream:
                    stream.write(json.dumps({"rank": rank, **job}).encode() + b"\n")
            except BrokenPipeError:
                # it has ended already, which the first wait for it finds out
                continue
        return Communicator(self.memory, 0, self._check)

    def is_ready(self) -> bool:
        """Wait until all workers can take a step; False if one of them could not start.

        No worker is started again where this one was no Python, or took too long.
        """
        self._check_owner()
        if not self._is_ready:
            end = time.monotonic() + START_TIMEOUT_SECONDS

            def check() -> None:
                is_python = self._are_python()
                now = time.monotonic()
                if now > end or (not is_python and now > self._started + PYTHON_TIMEOUT_SECONDS):
                    raise TimeoutError
                self._check()

            try:
                for counters in self._counters[1:]:
                    wait_for(counters, READY, 1, check)
            except (EngineUnavailable, TimeoutError) as error:
                if isinstance(error, TimeoutError) or not self._are_python():
                    _NO_PYTHON.add(sys.executable)
                return False
            # a worker that is ready has written it, and its pipe is closed here
            self._are_python()
            self._is_ready = True
        return True

    def _are_python(self) -> bool:
        """Tell whether all workers have written the sign of Python."""
        for number, process in enumerate(self._processes):
            if process.stdout is not None:
                with suppress(BlockingIOError):
                    self._output[number] += os.read(process.stdout.fileno(), 1000)
                if SIGN_OF_PYTHON in self._output[number]:
                    process.stdout.close()
                    process.stdout = None
        return all(process.stdout is None for process in self._processes)

    def send(self, message: Message) -> None:
        """Have the workers take a step."""
        self._n_sent += 1
        self._messages.write(self._n_sent, message)
        self._counters[0][SENT] = self._n_sent

    def wait_until_idle(self) -> None:
        """Wait until the workers have taken all steps sent to them, so that they no longer use the memory."""
        self._check_owner()
        if self.close.alive:
            for counters in self._counters[1:]:
                wait_for(counters, DONE, self._n_sent, self._check)

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


def _absolute_paths() -> list[str]:
    """Return the folders this process imports from, except those that depend on the current directory."""
    return [path for path in sys.path if isinstance(path, str) and os.path.isabs(path)]


def _start(descriptor: int) -> subprocess.Popen[bytes]:
    """Start a worker, which waits for its task on standard input."""
    paths = json.dumps([*_absolute_paths(), *PACKAGE_PATHS])
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", PROGRAM, paths, str(descriptor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"),
        # Ctrl-C is for rank 0, which ends the workers
        start_new_session=True,
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return process


def _end(owner: int, descriptor: int, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    os.close(descriptor)
    if os.getpid() != owner:
        # this is a fork; the workers belong to its parent
        return
    for process in processes:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.kill()
        process.wait()
