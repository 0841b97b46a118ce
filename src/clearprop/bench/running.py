"""Runs the contestants round by round, A B C B C A, and gathers what they did."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from clearprop.bench.cold_start import cold_start_command
from clearprop.bench.jobs import Answer, Job
from clearprop.bench.judging import Result, judge
from clearprop.bench.peers import (
    CLEARPROP,
    CONTESTANTS,
    FLOOR,
    PEERS,
    Contestant,
    chosen_peers,
    missing_peers,
)
from clearprop.bench.processes import run_job
from clearprop.bench.results import BenchResults
from clearprop.bench.rows import Rows, prepare_rows
from clearprop.bench.workloads import COLD_START, LAYER_SIZES, SCALING, Workload, workloads
from clearprop.utils.arguments import check_whole
from clearprop.utils.errors import InvalidArgument

RUNS, QUICK_RUNS = 5, 3
#: Many small workloads of a group share the time of one.
MOST_RUNS_OF_A_GROUP = 3
#: The load of each core above which the machine counts as busy.
BUSY = 0.3

_NO_MNIST = "{} was skipped, since the files of MNIST are not here; clearprop data get mnist brings them."

#: Called with a line after every run.
Report = Callable[[str], None]


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_bench(
    works: Sequence[str],
    peers: Sequence[str],
    *,
    quick: bool = False,
    threads: int | None = None,
    runs: int | None = None,
    data_dir: Path | None = None,
    command: str = "",
    report: Report = lambda line: None,
    run: Callable[[Job], Answer] = run_job,
) -> BenchResults:
    """Run the benchmark; Ctrl-C ends it after the last work that is complete.

    Parameters
    ----------
    works : sequence of str
        Of ``clearprop.bench.workloads.WORKS``.
    peers : sequence of str
        Those asked for, of ``clearprop.bench.peers.PEERS``, or none for all, but for the floor alone where it
        is about how cost grows. One that is not installed is skipped and noted.
    quick : bool, default False
        Fewer rows, sizes, epochs and runs.
    threads : int or None
        For everyone; None takes one for each core.
    runs : int or None
        Rounds; a fresh process for each contestant in each.
    data_dir : pathlib.Path or None
        Looked at first for the files of MNIST.
    command : str
        What makes this benchmark again.
    report : callable
        Called with a line after every run.
    run : callable
        What does a job; a fresh process unless something else is given.

    Raises
    ------
    InvalidArgument
        If there is no such peer, or threads or runs are not possible.
    """
    from clearprop.engines.kernels.compiled_update import is_compiled
    from clearprop.study.machine import machine, versions

    cores = available_cores()
    threads = cores if threads is None else check_whole("threads", threads, minimum=1)
    if threads > cores:
        raise InvalidArgument(f"threads is {threads}, but this process may use {cores} cores; ask for fewer.")
    runs = check_whole("runs", (QUICK_RUNS if quick else RUNS) if runs is None else runs, minimum=1)
    asked = {work: chosen_peers(peers or ([FLOOR] if work == SCALING else PEERS)) for work in works}
    missing = missing_peers(dict.fromkeys(peer for each in asked.values() for peer in each))
    notes = [*missing.values(), *_busy(cores)]
    results: list[Result] = []
    libraries: list[Mapping[str, Any]] = []
    data, interrupted = "", False
    try:
        with tempfile.TemporaryDirectory(prefix="clearprop-bench-") as folder:
            planned = [(work, each) for work in works for each in workloads(work, quick)]
            # a fit may be of other data, but what is here besides is of one shape
            shape = next((each.layer_sizes for _, each in planned if each.kind != "fit"), LAYER_SIZES)
            rows = prepare_rows(Path(folder), shape, data_dir)
            data = rows.description
            for work, workload in planned:
                if work == COLD_START and not rows.files:
                    notes.append(_NO_MNIST.format(workload.title))
                    continue
                contestants = [
                    each
                    for each in CONTESTANTS
                    if each.peer in asked[work] and each.peer not in missing and workload.kind in each.kinds
                ]
                make_job = functools.partial(_job, workload, rows, threads, data_dir)
                n = min(runs, MOST_RUNS_OF_A_GROUP) if workload.group else runs
                answers = take_turns(workload, contestants, n, make_job, run, report)
                results.append(judge(workload, answers))
                if answers.get(CLEARPROP):
                    libraries = list(answers[CLEARPROP][-1].libraries) or libraries
    except KeyboardInterrupt:
        # the works that are complete took their time; they are kept
        interrupted = True
    return BenchResults(
        results=tuple(results),
        data=data,
        threads=threads,
        runs=runs,
        machine=machine().model_dump(),
        versions=versions() | _version_of("jax"),
        libraries=libraries,
        notes=notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        compiled=is_compiled(),
        interrupted=interrupted,
    )


def take_turns(
    workload: Workload,
    contestants: Sequence[Contestant],
    runs: int,
    job: Callable[[Contestant, int], Job],
    run: Callable[[Job], Answer] = run_job,
    report: Report = lambda line: None,
) -> dict[str, list[Answer]]:
    """Let the contestants take turns, so that whatever slows the machine for a while slows all alike.

    Each round begins with another one: who comes first may find the machine colder, and who comes after
    a certain other one in a state of that one's making.

    Parameters
    ----------
    workload : Workload
    contestants : sequence of Contestant
    runs : int
        Rounds; one who fails takes no part in those that follow.
    job : callable
        From a contestant and the round's number, from 0, to its job.
    run : callable
        What does a job.
    report : callable
        Called with a line after every run.

    Returns
    -------
    dict of str to list of Answer
    """
    answers: dict[str, list[Answer]] = {each.name: [] for each in contestants}
    for number in range(runs):
        first = number % max(len(contestants), 1)
        for each in (*contestants[first:], *contestants[:first]):
            given = answers[each.name]
            if given and given[-1].error:
                continue
            answer = run(job(each, number))
            given.append(answer)
            told = answer.error or f"{answer.seconds:.4g} s"
            report(f"{workload.title}, run {number + 1} of {runs}: {each.title} {told}")
    return answers


def _job(
    workload: Workload, rows: Rows, threads: int, data_dir: Path | None, contestant: Contestant, number: int
) -> Job:
    """Return a contestant's job in a round, whose number is also the seed."""
    command: tuple[str, ...] = ()
    if workload.kind == "cold-start":
        out = rows.folder / f"run-{number}"
        hidden = workload.layer_sizes[1:-1]
        command = cold_start_command(contestant.module, hidden, rows.files, data_dir, number, out)
    return Job(contestant.name, workload, number, threads, str(rows.folder), command)


def _busy(cores: int) -> list[str]:
    """Return a sentence where others use the machine, which hurts most whoever waits for its threads most."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= BUSY * cores:
        return []
    return [
        f"The machine was busy before this began (load {load:.1f} on {cores} cores), so the times are less "
        "certain; run it again when nothing else runs."
    ]


def _version_of(package: str) -> dict[str, str]:
    try:
        return {package: metadata.version(package)}
    except metadata.PackageNotFoundError:
        return {}
