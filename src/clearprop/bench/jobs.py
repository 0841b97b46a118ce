"""A job for one fresh process and its answer, both sent as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from clearprop.bench.workloads import Workload


@dataclass(frozen=True, slots=True)
class Job:
    """One contestant's turn at one workload.

    Parameters
    ----------
    contestant : str
        A key of ``clearprop.bench.peers.BY_NAME``.
    workload : Workload
    seed : int
    threads : int
    folder : str
        Holds the rows, as ``clearprop.bench.rows`` writes them.
    command : tuple of str
        The command of a cold start.
    """

    contestant: str
    workload: Workload
    seed: int
    threads: int
    folder: str
    command: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the job as one line, without the bars; ``from_json`` reads it."""
        return json.dumps(asdict(replace(self, workload=replace(self.workload, bars=()))))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Make a job from the line that ``to_json`` returned."""
        values = _with_tuples(json.loads(text))
        return cls(**{**values, "workload": Workload(**_with_tuples(values["workload"]))})


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a job.

    Attributes
    ----------
    seconds : float or None
        The median of the timed repetitions in the process; None if it failed.
    losses : tuple of float
        Mean training loss of every epoch.
    classes : tuple of int
        The predicted class of every row.
    accuracy : float or None
        Test accuracy of a cold start.
    peak_memory : int or None
        Peak memory of a cold start's process, in bytes.
    libraries : tuple of dict
        The threaded libraries loaded in the process, as threadpoolctl reports them.
    error : str
        The failure, as the predicate of a sentence about the contestant; empty if there was none.
    """

    seconds: float | None = None
    losses: tuple[float, ...] = ()
    classes: tuple[int, ...] = ()
    accuracy: float | None = None
    peak_memory: int | None = None
    libraries: tuple[Mapping[str, Any], ...] = ()
    error: str = ""

    def to_json(self) -> str:
        """Return the answer as one line; ``from_json`` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Make an answer from the line that ``to_json`` returned."""
        return cls(**_with_tuples(json.loads(text)))


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
