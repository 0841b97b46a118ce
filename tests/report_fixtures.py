"""Results made by hand for the tests of the report: every kind of outcome, without any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.display.pictures import png_base64
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.study.results import (
    SCHEMA_VERSION,
    DataRecord,
    ExperimentResult,
    MachineRecord,
    SeedResult,
    StudyResults,
    write_results,
)

PUBLISHED_FILE = Path(__file__).parents[1] / "src/clearprop/study/studies/published_study.json"
DIGITS = tuple(str(digit) for digit in range(10))
IMAGE_SHAPE = (6, 6)
#: The rows of each class in MNIST's test set.
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def published() -> dict[str, Any]:
    """Return the published figures, as a study's results hold them."""
    return json.loads(PUBLISHED_FILE.read_text("utf-8"))["experiments"]


def confusion(
    accuracy: float, n_classes: int = 10, rows: int = 40, only: int | None = None
) -> list[list[int]]:
    """Return a confusion matrix of some accuracy, or one with all predictions in one class."""
    matrix = np.zeros((n_classes, n_classes), int)
    if only is not None:
        matrix[:, only] = rows
    else:
        right = round(accuracy * rows)
        for label in range(n_classes):
            matrix[label, label] = right
            matrix[label, (label + 1) % n_classes] += rows - right
    return matrix.tolist()


def figures(matrix: Sequence[Sequence[int]], class_names: Sequence[str], loss: float = 0.3) -> dict[str, Any]:
    """Return the figures of one part of the data that follow from a confusion matrix."""
    counts = np.array(matrix)
    right, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(true, 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    columns = {"precision": precision, "recall": recall, "f1": f1}
    report = {
        name: {figure: float(values[row]) for figure, values in columns.items()}
        | {"support": float(true[row])}
        for row, name in enumerate(class_names)
    }
    for name, weights in (("macro avg", None), ("weighted avg", true)):
        report[name] = {
            figure: float(np.average(values, weights=weights)) for figure, values in columns.items()
        } | {"support": float(true.sum())}
    return {
        "accuracy": float(right.sum() / counts.sum()),
        "loss": loss,
        "report": report,
        "confusion": counts.tolist(),
    }


def history(
    n_epochs: int = 4,
    *,
    start: float = 2.3,
    end: float = 0.4,
    accuracies: Sequence[float] | None = None,
    batches: int = 10,
) -> dict[str, Any]:
    """Return a history whose loss falls evenly; without accuracies there was no validation set."""
    losses = np.linspace(start, end, n_epochs).tolist() if n_epochs > 1 else [end]
    return {
        "epochs": [
            {
                "epoch": number + 1,
                "train_loss": loss,
                "validation_loss": None if accuracies is None else loss + 0.05,
                "validation_accuracy": None if accuracies is None else accuracies[number],
                "learning_rate": 0.01,
                "seconds": 0.5,
            }
            for number, loss in enumerate(losses)
        ],
        "batch_losses": np.linspace(start, end, n_epochs * batches).tolist(),
    }


def run(
    name: str,
    *,
    seed: int = 0,
    accuracy: float = 0.9,
    only: int | None = None,
    class_names: Sequence[str] = DIGITS,
    images: bool = True,
    validation: Sequence[float] | None = (0.3, 0.6, 0.8, 0.9),
    end: float = 0.4,
    test: list[list[int]] | None = None,
    folder: str | None = None,
) -> SeedResult:
    """Return a complete run."""
    n_classes = len(class_names)
    matrix = confusion(accuracy, n_classes, only=only) if test is None else test
    parts = ["train", "test"] if validation is None else ["train", "validation", "test"]
    pixels = np.zeros(IMAGE_SHAPE, np.uint8)
    pixels[1:5, 2:4] = 255
    wrong = (only + 1) % n_classes if only is not None else 0
    return SeedResult(
        seed=seed,
        status="complete",
        message=None,
        engine=name.split("-")[0] if name.startswith("torch") else "numpy",
        device="cpu",
        dtype="float32",
        folder=folder or f"runs/{name}/{seed}",
        split={"train": 400, "validation": 80, "test": sum(map(sum, matrix))},
        seconds=2.5,
        rows_per_second=12_345.6,
        history=history(4 if validation is None else len(validation), accuracies=validation, end=end),
        evaluations={part: figures(matrix, class_names) for part in parts},
        mistakes=[
            {
                "row": 17,
                "label": wrong,
                "prediction": (wrong + 1) % n_classes if only is None else only,
                "confidence": 0.875,
                "image": png_base64(pixels, IMAGE_SHAPE) if images else None,
            }
        ],
    )


def diverged(name: str, *, seed: int = 0, epochs: int = 1) -> SeedResult:
    """Return a run whose loss became infinite after some epochs."""
    return SeedResult(
        seed=seed,
        status="diverged",
        message="The loss became NaN or infinite in epoch 2, batch 3 of 10.",
        engine="numpy",
        device="cpu",
        dtype="float32",
        folder=f"runs/{name}/{seed}",
        split={"train": 400, "validation": 80, "test": 400},
        seconds=0.5,
        rows_per_second=None,
        history=history(epochs, end=900.0, accuracies=[0.1] * epochs)
        if epochs
        else {"epochs": [], "batch_losses": []},
        evaluations={},
        mistakes=[],
    )


def experiment(name: str, seeds: Sequence[SeedResult] | None = None, **settings: Any) -> ExperimentResult:
    """Return an experiment; settings are fields of its network and recipe, or its title and description."""
    network = {
        "layer_sizes": [36, 12, 10],
        "activation": "relu",
        "initialization": "glorot_uniform",
        "dropout": 0.0,
        "output": "softmax",
    }
    recipe = {
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "schedule": "constant",
        "weight_decay": 0.0,
        "epochs": 4,
        "batch_size": 64,
        "loss": "cross_entropy",
        "label_smoothing": 0.0,
        "early_stopping": None,
        "seed": 0,
    }
    words = {"title": "", "description": "", "engine": "torch" if name.startswith("torch") else "numpy"}
    for field, value in settings.items():
        next(part for part in (network, recipe, words) if field in part)[field] = value
    return ExperimentResult(
        name=name, network=network, recipe=recipe, seeds=list(seeds or [run(name)]), **words
    )


def study(
    *experiments: ExperimentResult,
    class_names: Sequence[str] = DIGITS,
    images: bool = True,
    published: dict[str, Any] | None = None,
    **changes: Any,
) -> StudyResults:
    """Return a study's results."""
    pixels = np.zeros(IMAGE_SHAPE, np.uint8)
    pixels[2] = 200
    sample = png_base64(pixels, IMAGE_SHAPE)
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": "activations",
        "title": "What activations do",
        "introduction": "First paragraph\nof two lines.\n\nSecond paragraph.",
        "note": "",
        "command": "clearprop study activations --data digits",
        "created": "2026-03-01T12:30:00+00:00",
        "versions": {"clearprop": "0.1.0", "numpy": "2.4.6"},
        "machine": MachineRecord(
            system="Linux x86_64", processor="a processor", cores=2, memory=8 * 2**30, accelerator=None
        ),
        "seeds": sorted({each.seed for one in experiments for each in one.seeds}),
        "data": DataRecord(
            name="digits",
            source="scikit-learn",
            n_features=36,
            image_shape=IMAGE_SHAPE if images else None,
            class_names=list(class_names),
            counts={"train": [48] * len(class_names), "test": [40] * len(class_names)},
            samples=[[sample, sample] if images else [] for _ in class_names],
            digest="0123456789abcdef",
        ),
        "experiments": list(experiments),
        "planned": [each.name for each in experiments],
        "published": published or {},
        "published_data": "MNIST" if published else None,
        "published_note": "",
    }
    return StudyResults(**(values | changes))


def on_mnist(results: StudyResults) -> StudyResults:
    """Return the results as if the data were MNIST."""
    data = results.data.model_copy(
        update={"name": "mnist", "counts": {**results.data.counts, "test": MNIST_TEST}}
    )
    return results.model_copy(update={"data": data})


def keep(folder: Path, results: StudyResults) -> Path:
    """Write results, and parameters for every complete run, as a study leaves them."""
    write_results(folder, results)
    rng = np.random.default_rng(1)
    for each in results.experiments:
        network = Network(**each.network)
        sizes = network.layer_sizes
        parameters = [
            (rng.standard_normal((fan_in, fan_out)).astype(np.float32), np.zeros(fan_out, np.float32))
            for fan_in, fan_out in pairwise(sizes)
        ]
        for result in each.complete:
            model = Model(network, parameters, class_names=tuple(results.data.class_names))
            model.save(folder / result.folder / "parameters.safetensors")
    return folder
