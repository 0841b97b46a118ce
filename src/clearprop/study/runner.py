"""run_study: trains a study's experiments, writes their results, and skips complete runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.data.dataset import Dataset
from clearprop.display.pictures import png_base64
from clearprop.engines import ENGINES, check_engine
from clearprop.nn.recipe import MAX_EPOCHS
from clearprop.study.definitions import OnData, Plan, Study, plan
from clearprop.study.machine import machine, versions
from clearprop.study.results import (
    RESULTS_FILE,
    SCHEMA_VERSION,
    DataRecord,
    ExperimentResult,
    SeedResult,
    StudyResults,
    write_results,
)
from clearprop.study.single_run import finished, run_config, run_one, tidy
from clearprop.training.callbacks import Callback
from clearprop.utils.arguments import check_choice, check_whole
from clearprop.utils.files import make_folder, remove_leftovers
from clearprop.utils.locks import hold

LOCK_FILE = "study.lock"
N_SAMPLES = 6
# a larger number is a typing error: a thousand trainings of each experiment take days
MAX_SEEDS = 1000

#: Called with the experiment's name and seed, its place and the number of runs; gives its progress display.
ProgressFor = Callable[[str, int, int, int], Sequence[Callback]]


def run_study(
    study: Study,
    dataset: Dataset,
    out: str | Path,
    *,
    seeds: int | None = None,
    epochs: int | None = None,
    engine: str | None = None,
    device: str = "auto",
    fresh: bool = False,
    origin: Mapping[str, Any] | None = None,
    command: str = "",
    progress_for: ProgressFor | None = None,
) -> StudyResults:
    """Run every experiment of a study with every seed, and write ``results.json``.

    A run that is complete and whose configuration and data are unchanged is not repeated; an interrupted run
    resumes after its last complete epoch, with the same figures bit for bit. After an interruption
    ``results.json`` holds the complete runs.

    Parameters
    ----------
    study : Study
    dataset : Dataset
        With its test set.
    out : path-like
        The study's folder.
    seeds : int or None
        How many seeds, counted from 0; None takes the study's.
    epochs, engine : int, str or None
        For all experiments, instead of the study's.
    device : str, default "auto"
        For experiments on the PyTorch engine.
    fresh : bool, default False
        Repeat complete runs, too.
    origin : mapping or None
        The data's place on this machine, as ``clearprop.data.origin.origin_of`` returns it; kept with each
        run.
    command : str
        The command that repeats this study, for the report.
    progress_for : callable or None
        Gives the callbacks that show a run's progress.

    Returns
    -------
    StudyResults

    Raises
    ------
    StudyError
        If the study cannot be run on this data.
    EngineUnavailable
        If an engine or device is missing, before anything is trained.
    FolderInUse
        If another process runs a study in the folder.
    OutputError
        If the folder cannot be written.
    """
    n_seeds = study.seeds if seeds is None else check_whole("seeds", seeds, minimum=1, maximum=MAX_SEEDS)
    # options are checked before the first experiment runs
    if engine is not None:
        check_choice("engine", engine, ENGINES)
    if epochs is not None:
        check_whole("epochs", epochs, minimum=1, maximum=MAX_EPOCHS)
    sizes = (dataset.n_features, dataset.n_classes)
    by_seed = [
        plan(study, dataset.name, *sizes, engine=engine, epochs=epochs, seed=seed) for seed in range(n_seeds)
    ]
    for each in by_seed[0]:
        check_engine(each.engine, device if each.engine == "torch" else "auto")
    folder = make_folder(out, of=(RESULTS_FILE, "runs", LOCK_FILE))
    digest = _data_digest(dataset)
    done: dict[str, list[SeedResult]] = {}
    with hold(folder / LOCK_FILE):
        remove_leftovers(folder, (RESULTS_FILE,))
        plans = list(zip(*by_seed, strict=True))
        try:
            _run_all(plans, dataset, digest, folder, device, fresh, origin or {}, progress_for, done)
        finally:
            # an interruption keeps the finished runs; if there are none, the results of an earlier study stay
            if done:
                asked = _asked(engine, epochs)
                results = _collect(study, by_seed[0], dataset, digest, n_seeds, command, asked, done)
                write_results(folder, results)
    return results


def _run_all(
    plans: Sequence[Sequence[Plan]],
    dataset: Dataset,
    digest: str,
    folder: Path,
    device: str,
    fresh: bool,
    origin: Mapping[str, Any],
    progress_for: ProgressFor | None,
    done: dict[str, list[SeedResult]],
) -> None:
    in_order = [each for experiment in plans for each in experiment]
    for number, each in enumerate(in_order, start=1):
        seed = each.recipe.seed
        place = f"runs/{each.name}/{seed}"
        # the origin is not in the fingerprint: the result does not depend on where the data is stored
        config = {**run_config(each, digest, device), **origin}
        result = None if fresh else finished(folder / place, config)
        if result is None:
            callbacks = progress_for(each.name, seed, number, len(in_order)) if progress_for else ()
            result = run_one(each, dataset, folder, place, config, device, callbacks, fresh)
        else:
            tidy(folder / place)
        done.setdefault(each.name, []).append(result)


def _asked(engine: str | None, epochs: int | None) -> str:
    """Return the options that replaced settings of the study file, as a sentence for the report."""
    wishes = []
    if epochs is not None:
        wishes.append(f"trains for {epochs} epoch{'s' if epochs > 1 else ''}")
    if engine is not None:
        wishes.append(f"runs on the {engine} engine")
    if not wishes:
        return ""
    return (
        f"In this run every experiment {' and '.join(wishes)}, whatever its name and the study file say: the "
        "command asked for it."
    )


def _data_digest(dataset: Dataset) -> str:
    digests = [dataset.digest()] + ([dataset.test.digest()] if dataset.test else [])
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _collect(
    study: Study,
    plans: Sequence[Plan],
    dataset: Dataset,
    digest: str,
    n_seeds: int,
    command: str,
    asked: str,
    done: dict[str, list[SeedResult]],
) -> StudyResults:
    published: dict[str, Any] = {"experiments": {}, "dataset": None, "note": ""}
    if study.published:
        path = resources.files("clearprop.study") / "studies" / "published_study.json"
        published = json.loads(path.read_text("utf-8"))
    return StudyResults(
        schema_version=SCHEMA_VERSION,
        name=study.name,
        title=study.title,
        introduction=study.introduction.strip(),
        note="\n\n".join(filter(None, [study.on.get(dataset.name, OnData()).note.strip(), asked])),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        machine=machine(),
        seeds=list(range(n_seeds)),
        data=_data_record(dataset, digest),
        experiments=[
            ExperimentResult(
                name=each.name,
                title=each.title,
                description=each.description,
                engine=each.engine,
                network=each.network.to_dict(),
                recipe=each.recipe.to_dict(),
                seeds=done[each.name],
            )
            for each in plans
            if each.name in done
        ],
        planned=[each.name for each in plans],
        published=published["experiments"],
        published_data=published["dataset"],
        published_note=published["note"],
    )


def _data_record(dataset: Dataset, digest: str) -> DataRecord:
    parts = {"train": dataset} | ({"test": dataset.test} if dataset.test else {})
    samples: list[list[str]] = [[] for _ in dataset.class_names]
    if dataset.image_shape:
        for label, images in enumerate(samples):
            rows = np.flatnonzero(dataset.y == label)[:N_SAMPLES]
            images += [png_base64(dataset.x[row], dataset.image_shape) for row in rows]
    return DataRecord(
        name=dataset.name,
        source=dataset.source,
        n_features=dataset.n_features,
        image_shape=dataset.image_shape,
        class_names=list(dataset.class_names),
        counts={
            name: np.bincount(part.y, minlength=dataset.n_classes).tolist() for name, part in parts.items()
        },
        samples=samples,
        digest=digest,
    )
