"""results.json: the results of a study, with their spread over seeds."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from clearprop.utils.errors import StudyError
from clearprop.utils.files import write_atomic

SCHEMA_VERSION = 1
RESULTS_FILE = "results.json"
#: The runs of a study, which come before its results: experiment, seed, and the settings of each.
BEGUN_RUNS = "runs/*/*/config.json"


class Record(BaseModel):
    """A part of the results; unknown keys are refused, so that nothing is lost in reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ClassFigures(Record):
    """Precision, recall and F1 of one class."""

    precision: float
    recall: float
    f1: float
    support: float


class SplitFigures(Record):
    """How well a model does on one part of the data.

    ``report`` has a row for each class name, then "macro avg" and "weighted avg"; ``confusion`` has true
    classes as rows and predictions as columns.
    """

    accuracy: float
    loss: float
    report: dict[str, ClassFigures]
    confusion: list[list[int]]

    @property
    def predicted_classes(self) -> list[int]:
        """The classes that were predicted at least once."""
        return [column for column, counts in enumerate(zip(*self.confusion, strict=True)) if any(counts)]


class MistakeRecord(Record):
    """A test row taken for another class; ``image`` is a PNG in base64, or None for rows without one."""

    row: int
    label: int
    prediction: int
    confidence: float
    image: str | None


class EpochRecord(Record):
    """One epoch, as ``clearprop.training.history.History`` describes it."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float
    seconds: float


class HistoryRecord(Record):
    """The measurements of a training."""

    epochs: list[EpochRecord]
    batch_losses: list[float]


class SeedResult(Record):
    """One training of an experiment.

    A run that diverged has its history up to there, a ``message`` and no evaluations.
    ``evaluations`` has the keys "train", "validation" and "test"; ``mistakes`` are the twelve most confident
    on the test set. ``folder`` is relative to the study's folder and holds ``parameters.safetensors``.
    """

    seed: int
    status: Literal["complete", "diverged"]
    message: str | None
    engine: str
    device: str
    dtype: str
    folder: str
    split: dict[str, int]
    seconds: float
    rows_per_second: float | None
    history: HistoryRecord
    evaluations: dict[str, SplitFigures]
    mistakes: list[MistakeRecord]


class ExperimentResult(Record):
    """One experiment: its network and recipe, and the outcome of each seed.

    ``network`` and ``recipe`` are the fields of ``Network`` and ``Recipe`` (the recipe's seed is that of
    the first run).
    """

    name: str
    title: str
    description: str
    engine: str
    network: dict[str, Any]
    recipe: dict[str, Any]
    seeds: list[SeedResult]

    @property
    def complete(self) -> list[SeedResult]:
        """The runs that reached their last epoch."""
        return [result for result in self.seeds if result.status == "complete"]

    def accuracies(self, part: str = "test") -> list[float]:
        """Return the accuracy of every complete run on "train", "validation" or "test"."""
        return [result.evaluations[part].accuracy for result in self.complete]


class DataRecord(Record):
    """The data of a study.

    ``counts`` maps "train" (everything but the test set) and "test" to the number of rows of each class;
    ``samples`` has a few PNG images in base64 for each class, empty for rows without images.
    """

    name: str
    source: str
    n_features: int
    image_shape: tuple[int, int] | None
    class_names: list[str]
    counts: dict[str, list[int]]
    samples: list[list[str]]
    digest: str


class MachineRecord(Record):
    """Where the study ran; memory in bytes."""

    system: str
    processor: str
    cores: int
    memory: int | None
    accelerator: str | None


class StudyResults(Record):
    """The results of a study.

    ``note`` is the study file's text about this data; ``command`` repeats the study; ``published`` maps
    experiment names to {"train": {"accuracy", "classes"}, "test": ...}, and is empty for a study without
    published figures; ``published_data`` names the data set those figures belong to.
    """

    schema_version: int
    name: str
    title: str
    introduction: str
    note: str
    command: str
    created: str
    versions: dict[str, str]
    machine: MachineRecord
    seeds: list[int]
    data: DataRecord
    experiments: list[ExperimentResult]
    planned: list[str]
    published: dict[str, Any]
    published_data: str | None
    published_note: str

    @property
    def missing(self) -> list[str]:
        """The experiments that were planned but are not in the results, after an interruption."""
        done = {experiment.name for experiment in self.experiments}
        return [name for name in self.planned if name not in done]


def spread(values: list[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation, which is 0 for a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def write_results(folder: str | os.PathLike[str], results: StudyResults) -> Path:
    """Write ``results.json`` into the study's folder, atomically."""
    return write_atomic(Path(folder) / RESULTS_FILE, results.model_dump_json(indent=1) + "\n")


def read_results(folder: str | os.PathLike[str]) -> StudyResults:
    """Read a study's ``results.json``.

    Raises
    ------
    StudyError
        If there is none, it is damaged, or another version of Clearprop wrote it.
    """
    path = Path(folder) / RESULTS_FILE
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        if any(Path(folder).glob(BEGUN_RUNS)) and not path.exists():
            raise StudyError(
                f"The study in {folder} has no results yet, since it is not finished; repeat the command "
                "that began it, which goes on from there."
            ) from None
        raise StudyError(
            f"Cannot read {path}: {error.strerror or error}; name the folder that clearprop study wrote."
        ) from None
    except ValueError:
        raise StudyError(f"{path} is damaged: it is not JSON; run the study again.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise StudyError(
            f"{path} has schema version {version!r}, but this Clearprop reads version {SCHEMA_VERSION}; "
            "run the study again, or use the Clearprop that wrote it."
        )
    try:
        return StudyResults.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise StudyError(f"{path} is damaged at {place}: {first['msg']}; run the study again.") from None
