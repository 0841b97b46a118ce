"""A benchmark process: reads a job from standard input, runs it, and writes its answer to standard output.

Run as ``python -m clearprop.bench.worker``. Heavy imports come after the process is pinned to its cores, so
that no library counts cores that it may not use.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from clearprop.bench.jobs import Answer, Job

if TYPE_CHECKING:
    from clearprop.bench.peers.base import Predictor

#: The kinds of work that train a network.
TRAINED = ("train", "instruments")
PREDICTIONS = 15
WARM_UP_PREDICTIONS = 3
WARM_UP_SINGLES = 200


def main() -> int:
    """Run the job in the first line of standard input, which stays open while the parent lives."""
    stream = _own_standard_output()
    job = Job.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pin(job.threads)
    try:
        answer = perform(job)
    except Exception as error:
        # the error goes to the parent in one line; it continues with the other contestants
        words = str(error).strip().splitlines() or [""]
        answer = Answer(error=f"raised {type(error).__name__}: {words[0]}")
    stream.write(answer.to_json())
    stream.close()
    return 0


def pin(threads: int) -> None:
    """Pin this process and its children to as many cores as it may have threads."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _end_with_parent() -> None:
    """End when standard input closes, which happens however the parent ends."""
    os.read(0, 1)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        # with all of its children
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def perform(job: Job) -> Answer:
    """Run a job in this process."""
    if job.workload.kind == "cold-start":
        from clearprop.bench.cold_start import time_command

        return time_command(job.command)
    if job.workload.kind == "fit":
        from clearprop.bench.peers.fits import time_fits

        return replace(time_fits(job), libraries=_libraries())
    import importlib
    import statistics
    from pathlib import Path

    import numpy as np

    from clearprop.bench.peers import BY_NAME
    from clearprop.bench.peers.base import Task
    from clearprop.bench.rows import read_rows
    from clearprop.nn.initialization import initial_parameters
    from clearprop.nn.network import Network
    from clearprop.utils.randomness import streams

    workload, contestant = job.workload, BY_NAME[job.contestant]
    x, y = read_rows(Path(job.folder), workload.rows, test=workload.kind not in TRAINED)
    network = Network(workload.layer_sizes)
    task = Task(
        kind=workload.kind,
        variant=contestant.variant,
        layer_sizes=network.layer_sizes,
        x=x,
        y=y,
        parameters=initial_parameters(
            network.layer_sizes, network.initialization, streams(job.seed).initialization, np.float32
        ),
        batch_size=workload.batch_size,
        optimizer=workload.optimizer,
        learning_rate=workload.learning_rate,
        epochs=1 + workload.epochs,
        seed=job.seed,
        threads=job.threads,
        engine=workload.engine,
    )
    peer = importlib.import_module(f"clearprop.bench.peers.{contestant.module}")
    if workload.kind in TRAINED:
        training = peer.train(task)
        # the first epoch compiles code and fills caches
        seconds = statistics.median(training.seconds[1:])
        return Answer(seconds=seconds, losses=tuple(training.losses), libraries=_libraries())
    predictor = peer.predictor(task)
    classes = predictor.predict(predictor.rows)
    return Answer(
        seconds=statistics.median(_time_predictions(predictor, workload.kind, len(x))),
        classes=() if contestant.name == "floor" else tuple(np.asarray(classes).tolist()),
        libraries=_libraries(),
    )


def _time_predictions(predictor: Predictor, kind: str, n: int) -> list[float]:
    """Return the seconds of each call, after untimed warm-up calls."""
    import time

    if kind == "single":
        pieces = [predictor.rows[row : row + 1] for row in range(n)]
        warm_up = pieces[:WARM_UP_SINGLES]
    else:
        pieces = [predictor.rows] * PREDICTIONS
        warm_up = pieces[:WARM_UP_PREDICTIONS]
    for rows in warm_up:
        predictor.predict(rows)
    seconds = []
    for rows in pieces:
        started = time.perf_counter()
        predictor.predict(rows)
        seconds.append(time.perf_counter() - started)
    return seconds


def _libraries() -> tuple[dict[str, Any], ...]:
    from threadpoolctl import threadpool_info

    facts = ("internal_api", "version", "architecture", "num_threads")
    return tuple({fact: info[fact] for fact in facts if fact in info} for info in threadpool_info())


def _own_standard_output() -> TextIO:
    """Return a stream to standard output for the answer; prints of libraries go to standard error instead."""
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return stream


if __name__ == "__main__":
    sys.exit(main())
