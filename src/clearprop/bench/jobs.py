"""A job for one fresh process, and its answer; both travel as JSON."""

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
        Where the rows are, as ``clearprop.bench.rows`` keeps them.
    command : tuple of str
        What a cold start runs.
    """

    contestant: str
    workload: Workload
    seed: int
    threads: int
    folder: str
    command: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the job as one line; ``from_json`` makes it again, but for the bars."""
        return json.dumps(asdict(replace(self, workload=replace(self.workload, bars=()))))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Make a job from what ``to_json`` gave."""
        values = _with_tuples(json.loads(text))
        return cls(**{**values, "workload": Workload(**_with_tuples(values["workload"]))})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a job came to.

    Attributes
    ----------
    seconds : float or None
        The median of what was timed in the process; None where it failed.
    losses : tuple of float
        Of every epoch.
    classes : tuple of int
        Of every row predicted.
    accuracy : float or None
        On the test set, of a cold start.
    peak_memory : int or None
        Bytes, of a cold start's process.
    libraries : tuple of dict
        The libraries with threads that the process held, as threadpoolctl tells them.
    error : str
        What went wrong, to be said after the contestant's name; empty where nothing did.
    """

    seconds: float | None = None
    losses: tuple[float, ...] = ()
    classes: tuple[int, ...] = ()
    accuracy: float | None = None
    peak_memory: int | None = None
    libraries: tuple[Mapping[str, Any], ...] = ()
    error: str = ""

    def to_json(self) -> str:
        """Return the answer as one line; ``from_json`` makes it again."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Make an answer from what ``to_json`` gave."""
        return cls(**_with_tuples(json.loads(text)))


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
