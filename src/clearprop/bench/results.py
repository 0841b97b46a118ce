"""The results of a benchmark, with machine, versions and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clearprop.bench.judging import Result

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class BenchResults:
    """The results of a benchmark.

    Attributes
    ----------
    results : tuple of Result
    data : str
        One sentence about the rows.
    threads, runs : int
    machine : dict
        As ``clearprop.study.machine`` describes it.
    versions : dict of str to str
    libraries : list of dict
        The threaded libraries loaded in Clearprop's process.
    notes : list of str
        Sentences about skipped work and peers.
    created, command : str
    compiled : bool
        Whether Clearprop's update rules are compiled.
    interrupted : bool
        Whether Ctrl-C ended it, so that some planned works are missing.
    """

    results: tuple[Result, ...]
    data: str
    threads: int
    runs: int
    machine: dict[str, Any]
    versions: dict[str, str]
    libraries: list[Mapping[str, Any]]
    notes: list[str]
    created: str
    command: str
    compiled: bool = False
    interrupted: bool = False

    @property
    def problems(self) -> list[str]:
        """Sentences that say which contestant is not compared at which work, and why."""
        return [
            f"{result.workload.title}: {outcome.problem}"
            for result in self.results
            for outcome in result.outcomes
            if outcome.problem
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the medians and whether each bar is met."""
        values = asdict(self)
        for result, plain in zip(self.results, values["results"], strict=True):
            for outcome, record in zip(result.outcomes, plain["outcomes"], strict=True):
                record["median"] = outcome.median if outcome.seconds else None
            for comparison, record in zip(result.comparisons, plain["comparisons"], strict=True):
                record["met"] = comparison.met
        return {"schema_version": SCHEMA_VERSION, **values, "problems": self.problems}
