"""diagnosis.json: what happened in each experiment of a study, beside its results.

It is a file of its own, so that ``results.json`` stays readable for every version of its schema.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import ValidationError

from clearprop.study.results import Record
from clearprop.utils.files import write_atomic

EXPLANATIONS_FILE = "diagnosis.json"


class Look(Record):
    """One look of the instruments, as ``clearprop.training.instruments.Sample`` describes it."""

    epoch: int
    dead: list[float]
    saturated: list[float]
    activation: list[float]
    gradient: list[float]
    update: list[float]
    predicted: list[int]
    guess_loss: float


class Change(Record):
    """A short training with one setting changed, beside one with none changed.

    ``before`` and ``after`` are accuracies on held-out rows; the curves are skills on them (0 is guessing, 1
    is perfect) at equal parts of ``steps`` steps. ``mends`` tells whether the change restores learning.
    """

    change: str
    before: float
    after: float
    before_curve: list[float]
    after_curve: list[float]
    steps: int
    mends: bool


class NamedCause(Record):
    """A cause of the diagnosis; ``confirmed`` if its remedy was tried and helped with several seeds."""

    name: str
    title: str
    sentence: str
    remedy: str
    confirmed: bool
    before: float | None
    after: float | None


class Explanation(Record):
    """What happened in one experiment.

    ``fingerprint`` is that of the run that was looked at, ``seconds`` the budget of its experiments (0 where
    nothing was wrong, so that none were made).
    """

    fingerprint: str
    seconds: float
    healthy: bool
    sentences: list[str]
    looks: list[Look]
    causes: list[NamedCause]
    changes: list[Change]

    @property
    def mended(self) -> bool:
        """Whether one of the changes restores learning."""
        return any(change.mends for change in self.changes)


def write_explanations(folder: str | os.PathLike[str], explanations: dict[str, Explanation]) -> Path:
    """Write the explanations of a study, by experiment, atomically."""
    values = {name: each.model_dump(mode="json") for name, each in explanations.items()}
    return write_atomic(Path(folder) / EXPLANATIONS_FILE, json.dumps(values, indent=1) + "\n")


def read_explanations(folder: str | os.PathLike[str]) -> dict[str, Explanation]:
    """Read the explanations of a study, by experiment; a missing or damaged file has none."""
    try:
        values = json.loads((Path(folder) / EXPLANATIONS_FILE).read_bytes())
        return {name: Explanation.model_validate(each) for name, each in values.items()}
    except (OSError, ValueError, AttributeError, ValidationError, RecursionError):
        return {}
