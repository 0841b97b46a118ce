"""Runs all contestants round by round, rotating their order (A B C, B C A), and collects the results."""

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
#: Groups have many small workloads, so each gets fewer runs.
MOST_RUNS_OF_A_GROUP = 3
#: Load average for each core above which the machine counts as busy.
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
    """Run the benchmark; Ctrl-C ends it and keeps the completed works.

    Parameters
    ----------
    works : sequence of str
        Of ``clearprop.bench.workloads.WORKS``.
    peers : sequence of str
        Names of ``clearprop.bench.peers.PEERS``. Without names all of them take part; in the work
        "scaling" only the floor. A peer that is not installed is skipped, with a note.
    quick : bool, default False
        Fewer rows, sizes, epochs and runs.
    threads : int or None
        Threads of every contestant; None: one for each core.
    runs : int or None
        Rounds; a fresh process for each contestant in each.
    data_dir : pathlib.Path or None
        The first folder searched for MNIST's files.
    command : str
        The command line that repeats this benchmark.
    report : callable
        Called with a line after every run.
    run : callable
        Runs a job; by default in a fresh process.

    Raises
    ------
    InvalidArgument
        If a peer is unknown, or ``threads`` or ``runs`` is out of range.
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
            # fits load their own data; all other workloads share one shape
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
        # completed works are kept
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
    """Run the contestants in turns, so that a slow phase of the machine slows all of them alike.

    Each round begins with another contestant: the first one may find a cooler processor, and each one finds
    the caches as the one before has left them.

    Parameters
    ----------
    workload : Workload
    contestants : sequence of Contestant
    runs : int
        Number of rounds; a contestant that fails takes no part in later rounds.
    job : callable
        Makes the job of a contestant in a round (counted from 0).
    run : callable
        Runs a job.
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
            words = answer.error or f"{answer.seconds:.4g} s"
            report(f"{workload.title}, run {number + 1} of {runs}: {each.title} {words}")
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
    """Return a warning if other programs use the machine, which slows multi-threaded contestants most."""
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
