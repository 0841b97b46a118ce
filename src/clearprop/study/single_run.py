"""One run of a study: one experiment with one seed, with its files, and resumed if it was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clearprop.data.dataset import Dataset, Splits
from clearprop.display.pictures import png_base64
from clearprop.model.evaluation import Evaluation, Mistake, evaluate
from clearprop.study.definitions import Plan
from clearprop.study.machine import versions
from clearprop.study.results import SCHEMA_VERSION, EpochRecord, SeedResult
from clearprop.training.callbacks import Callback
from clearprop.training.folder_training import RunRecorder, train_into_folder
from clearprop.training.history import History
from clearprop.training.loop import TrainingDiverged
from clearprop.training.run import Run
from clearprop.training.run_folder import CONFIG_FILE, RUN_FILES, RunFolder
from clearprop.utils.errors import CheckpointError, StudyError
from clearprop.utils.files import write_json

SEED_RESULT_FILE = "result.json"
N_MISTAKES = 12


def run_config(each: Plan, digest: str, device: str) -> dict[str, Any]:
    """Return all settings of a run, and a digest of them."""
    config = {
        "network": each.network.to_dict(),
        "recipe": each.recipe.to_dict(),
        "engine": each.engine,
        "device": device if each.engine == "torch" else "cpu",
        "dtype": each.dtype,
        "validation": each.validation,
        "data": digest,
        "schema_version": SCHEMA_VERSION,
        "versions": {name: versions()[name] for name in ("clearprop", "numpy")},
    }
    text = json.dumps(config, sort_keys=True)
    return {**config, "fingerprint": hashlib.sha256(text.encode()).hexdigest()}


def finished(folder: Path, config: dict[str, Any]) -> SeedResult | None:
    """Return a run's result if it is complete, unchanged and whole."""
    try:
        kept = json.loads((folder / SEED_RESULT_FILE).read_bytes())
        if kept["fingerprint"] != config["fingerprint"]:
            return None
        for name, digest in kept["files"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return None
        return SeedResult.model_validate(kept["result"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        # damaged or half-written: run it again, never count it
        return None


def run_one(
    each: Plan,
    dataset: Dataset,
    folder: Path,
    place: str,
    config: dict[str, Any],
    device: str,
    callbacks: Sequence[Callback],
    fresh: bool = False,
) -> SeedResult:
    """Train one experiment with one seed and keep it; its result file, written last, says it is complete.

    An interrupted run resumes from its checkpoint, unless its configuration differs or ``fresh`` is True.
    """
    run_folder = RunFolder(folder / place)
    with run_folder.hold():
        result = _run_one(each, dataset, run_folder, place, config, device, callbacks, fresh)
        _keep(run_folder.folder, config["fingerprint"], result)
        run_folder.checkpoints.remove()
    return result


def tidy(folder: Path) -> None:
    """Remove the checkpoints of a run that was killed after its last epoch: nothing will resume from them."""
    run_folder = RunFolder(folder)
    with run_folder.hold():
        run_folder.checkpoints.remove()


def _run_one(
    each: Plan,
    dataset: Dataset,
    run_folder: RunFolder,
    place: str,
    config: dict[str, Any],
    device: str,
    callbacks: Sequence[Callback],
    fresh: bool,
) -> SeedResult:
    # without its result a run counts as incomplete, so that goes first
    (run_folder.folder / SEED_RESULT_FILE).unlink(missing_ok=True)
    resume = not fresh and _was_begun(run_folder.folder, config)
    seed = each.recipe.seed
    parts = _split(each, dataset)
    training = {
        "data": dataset.name,
        "validation": each.validation,
        "seed": seed,
        "recipe": each.recipe.to_dict(),
        "digest": parts.train.digest(),
    }
    rest = {name: value for name, value in config.items() if name not in ("network", "recipe")}
    recorder = RunRecorder(run_folder, parts.train, training, rest, began=resume)
    if not resume:
        # before the training, so that the checkpoints in the folder are known to be of this configuration
        recorder.begin(each.network, each.recipe)
    present = {name: part for name, part in parts._asdict().items() if part is not None}
    split = {name: len(part) for name, part in present.items()}
    common = {"seed": seed, "dtype": each.dtype, "folder": place, "split": split}
    try:
        run = train_into_folder(
            recorder,
            each.network,
            each.recipe,
            parts.train,
            parts.validation,
            engine=each.engine,
            device=device if each.engine == "torch" else "auto",
            dtype=each.dtype,
            progress=False,
            callbacks=callbacks,
            resume=resume,
            on_refusal=_start_over,
        )
    except TrainingDiverged as error:
        return SeedResult(
            **common,
            status="diverged",
            message=str(error),
            engine=each.engine,
            device=config["device"],
            seconds=sum(error.history.column("seconds")),
            rows_per_second=None,
            history=_figures_of(error.history),
            evaluations={},
            mistakes=[],
        )
    return _result(run, present, common)


def _start_over(error: CheckpointError) -> None:
    """Accept that a checkpoint does not fit, such as one of another device, which "auto" does not name."""


def _was_begun(folder: Path, config: dict[str, Any]) -> bool:
    """Tell whether the folder holds the beginning of this very run, by the config that is written first."""
    try:
        begun: bool = json.loads((folder / CONFIG_FILE).read_bytes())["fingerprint"] == config["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return begun


def _result(run: Run, parts: dict[str, Dataset], common: dict[str, Any]) -> SeedResult:
    evaluations = {name: evaluate(run.model, part) for name, part in parts.items()}
    return SeedResult(
        **common,
        status="complete",
        message=None,
        engine=run.engine,
        device=run.device,
        seconds=run.seconds,
        rows_per_second=run.rows_per_second,
        history=_figures_of(run.history),
        evaluations={name: _figures(evaluation) for name, evaluation in evaluations.items()},
        mistakes=[
            _mistake(mistake, run.model.image_shape) for mistake in evaluations["test"].mistakes[:N_MISTAKES]
        ],
    )


def _figures_of(history: History) -> dict[str, Any]:
    """Return a history without the instruments' records, which the run's own history file keeps."""
    epochs = [{name: record[name] for name in EpochRecord.model_fields} for record in history.epochs]
    return {**history.to_dict(), "epochs": epochs}


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    figures = evaluation.to_dict()
    return {name: figures[name] for name in ("accuracy", "loss", "report", "confusion")}


def _mistake(mistake: Mistake, image_shape: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "row": mistake.row,
        "label": mistake.label,
        "prediction": mistake.prediction,
        "confidence": mistake.confidence,
        "image": png_base64(mistake.pixels, image_shape) if image_shape else None,
    }


def _split(each: Plan, dataset: Dataset) -> Splits:
    try:
        return dataset.split(validation=each.validation, seed=each.recipe.seed)
    except ValueError as error:
        raise StudyError(
            f"Experiment {each.name} does not fit {dataset.name}: {error} The study file may set validation "
            f'for this data under [on."{dataset.name}".defaults].'
        ) from None


def _keep(folder: Path, fingerprint: str, result: SeedResult) -> None:
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in RUN_FILES
        if (folder / name).exists()
    }
    write_json(
        folder / SEED_RESULT_FILE,
        {"fingerprint": fingerprint, "files": files, "result": result.model_dump(mode="json")},
    )
