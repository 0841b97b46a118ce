"""train: a network, a recipe and a Dataset in; a Run with the trained model and its history out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from clearprop.data.dataset import Dataset
from clearprop.engines import check_engine, create_engine
from clearprop.engines.base import Engine, Task
from clearprop.model.model import Model
from clearprop.nn.initialization import initial_parameters
from clearprop.nn.losses import LOSSES
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe
from clearprop.training.callbacks import Callback, EarlyStopping, TrainingState, check_callbacks
from clearprop.training.checkpoint_files import Checkpoints
from clearprop.training.checkpointing import Checkpointing
from clearprop.training.instruments import Instruments
from clearprop.training.loop import finite_parameters, run_epochs
from clearprop.training.progress import progress_callback
from clearprop.training.run import Run
from clearprop.utils.arguments import check_choice
from clearprop.utils.errors import InvalidArgument
from clearprop.utils.randomness import streams


def train(
    network: Network,
    recipe: Recipe,
    train: Dataset,
    validation: Dataset | None = None,
    *,
    engine: str = "numpy",
    device: str = "auto",
    dtype: str = "float32",
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    checkpoint: Checkpoints | str | os.PathLike[str] | None = None,
    resume: bool = False,
    instruments: bool = True,
) -> Run:
    """Train a network.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    train : Dataset
        Rows to train on; they stay as they are stored, and are scaled batch by batch.
    validation : Dataset or None
        Rows to measure after every epoch.
    engine : str, default "numpy"
        ``"numpy"`` or ``"torch"``; from the same seed both take the same path, to rounding.
    device : str, default "auto"
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    dtype : str, default "float32"
        ``"float32"`` or ``"float64"``.
    callbacks : sequence of Callback
    progress : bool, default True
        Show a bar on a terminal or in a notebook, and one line an epoch elsewhere.
    checkpoint : path-like or None
        A folder to keep a checkpoint in after every epoch, for this training alone; one of an earlier
        training is replaced.
    resume : bool, default False
        Go on from the folder's checkpoint, to the parameters and history of a training that was never cut
        off, bit for bit; where there is none, start from the beginning. A training that is finished already
        returns its result; if the schedule is constant, it can be continued for more epochs.
    instruments : bool, default True
        Look at every layer after some epochs, and keep it in the history; see ``Instruments``.

    Returns
    -------
    Run

    Raises
    ------
    InvalidArgument
        If network, recipe and data do not fit each other.
    EngineUnavailable
        If the engine or device is not here.
    TrainingDiverged
        If the loss becomes NaN or infinite; the measurements so far are in its ``history``.
    CheckpointError
        If the checkpoint is of other settings or data; the text names the first that differs.
    FolderInUse
        If another process trains into the checkpoint's folder.
    OutputError
        If a checkpoint cannot be written; the one before it is intact.
    """
    if resume and checkpoint is None:
        raise InvalidArgument("resume is True, but checkpoint names no folder to go on from.")
    _check_fit(network, recipe, train, validation)
    check_engine(engine, device)
    check_choice("dtype", dtype, ("float32", "float64"))
    randomness = streams(recipe.seed)
    task = Task(
        network=network,
        recipe=recipe,
        parameters=initial_parameters(
            network.layer_sizes, network.initialization, randomness.initialization, np.dtype(dtype)
        ),
        x=train.x,
        y=train.y,
        scaling=train.scaling,
        dropout_rng=randomness.dropout,
    )
    check_callbacks(callbacks)
    kept = [] if checkpoint is None else [data for data in (train, validation) if data is not None]
    with ThreadPoolExecutor() as threads:
        # hashing all rows takes half as long as creating the engine, which leaves a core free
        digests = [threads.submit(data.digest) for data in kept]
        machine = create_engine(engine, task, device)
    state = TrainingState.at_start(task, machine, n_rows=len(train), has_validation=validation is not None)
    # first, so that the others see its decision to stop and the best parameters at the end
    stopping = [] if recipe.early_stopping is None else [EarlyStopping(recipe.early_stopping)]
    looking = [Instruments(train.x, train.y, train.scaling)] if instruments else []
    everyone: list[Callback] = [*stopping, *looking, *callbacks]
    started = time.perf_counter()
    if checkpoint is not None:
        settings = _settings(network, recipe, machine, dtype, [digest.result() for digest in digests])
        keeper = Checkpointing(checkpoint, settings, randomness._asdict(), tuple(everyone))
        if resume:
            keeper.resume(state)
            started -= keeper.seconds_before
        everyone.append(keeper)
    if progress:
        everyone.append(progress_callback())
    run_epochs(
        state,
        order=lambda: randomness.shuffle.permutation(len(train)),
        measure=None if validation is None else partial(_measure_validation, dataset=validation),
        callbacks=everyone,
    )
    parameters = finite_parameters(state)
    seconds = time.perf_counter() - started
    model = Model(
        network,
        parameters,
        train.scaling,
        train.class_names,
        train.image_shape,
        metrics=state.history.metrics(best=recipe.early_stopping is not None),
        training={
            "dataset": train.name,
            "rows": len(train),
            "recipe": recipe.to_dict(),
            "engine": machine.name,
            "device": machine.device,
            "dtype": dtype,
            "seconds": seconds,
        },
        table=train.table_record(),
    )
    return Run(
        network=network,
        recipe=recipe,
        history=state.history,
        model=model,
        engine=machine.name,
        device=machine.device,
        dtype=dtype,
        n_rows=len(train),
        seconds=seconds,
    )


def measure(engine: Engine, recipe: Recipe, dataset: Dataset) -> tuple[float, float]:
    """Return the mean loss, as it is trained on, and the accuracy on a data set."""
    logits = engine.logits(dataset.x)
    # in float64, so that the mean over many rows loses no precision
    with np.errstate(over="ignore", invalid="ignore"):
        loss, _ = LOSSES[recipe.loss](logits.T.astype(np.float64), dataset.y, recipe.label_smoothing)
    return loss, float(np.mean(logits.argmax(axis=1) == dataset.y))


def _measure_validation(state: TrainingState, dataset: Dataset) -> dict[str, Any]:
    loss, accuracy = measure(state.engine, state.recipe, dataset)
    return {"validation_loss": loss, "validation_accuracy": accuracy}


def _settings(
    network: Network,
    recipe: Recipe,
    machine: Engine,
    dtype: str,
    digests: Sequence[str],
) -> dict[str, Any]:
    """Return everything that the result of a training depends on but the number of epochs."""
    data, validation = (*digests, None)[:2]
    settings = {
        **network.to_dict(),
        **recipe.to_dict(),
        "engine": machine.name,
        "device": machine.device,
        "dtype": dtype,
        "data": data,
        "validation": validation,
    }
    del settings["epochs"]
    return settings


def _check_fit(network: Network, recipe: Recipe, train: Dataset, validation: Dataset | None) -> None:
    """Raise InvalidArgument unless network, recipe and data fit each other."""
    if network.output != "softmax":
        raise InvalidArgument(
            f'output is "{network.output}", but a Dataset holds classes, which train learns with '
            'output="softmax"; run_epochs trains on other targets.'
        )
    recipe.check_output(network.output)
    inputs, outputs = network.layer_sizes[0], network.layer_sizes[-1]
    if inputs != train.n_features:
        raise InvalidArgument(
            f"layer_sizes starts with {inputs}, but {train.name} has {train.n_features} features a row; "
            f"start it with {train.n_features}."
        )
    if outputs != train.n_classes:
        raise InvalidArgument(
            f"layer_sizes ends in {outputs}, but {train.name} has {train.n_classes} classes; "
            f"end it with {train.n_classes}."
        )
    if len(train) == 0:
        raise InvalidArgument(f"{train.name} has no rows to train on; choose a smaller validation part.")
    if validation is None:
        if recipe.early_stopping is not None:
            raise InvalidArgument(
                f"early_stopping is {recipe.early_stopping}, but there is no validation set to watch; "
                "give one, or leave early_stopping out."
            )
    elif len(validation) == 0:
        raise InvalidArgument("The validation set has no rows; give None for no validation.")
    elif (validation.n_features, validation.n_classes) != (train.n_features, train.n_classes):
        raise InvalidArgument(
            f"The validation set has {validation.n_features} features and {validation.n_classes} classes, "
            f"but the training set has {train.n_features} and {train.n_classes}; split them from one source."
        )
