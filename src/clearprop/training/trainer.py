"""The one loop, for every engine: epochs, batches, history, callbacks."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.dataset import Dataset
from clearprop.engines import check_engine, create_engine
from clearprop.engines.base import Engine, Task
from clearprop.model.model import Model
from clearprop.nn.initialization import initial_parameters
from clearprop.nn.losses import LOSSES
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.training.callbacks import Callback, EarlyStopping, TrainingState, check_callbacks
from clearprop.training.checkpoint_files import Checkpoints
from clearprop.training.checkpointing import Checkpointing
from clearprop.training.history import History
from clearprop.training.progress import progress_callback
from clearprop.training.run import Run
from clearprop.utils.arguments import check_choice
from clearprop.utils.errors import InvalidArgument, TrainingDiverged
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
        returns what it was; if the schedule is constant, more epochs than it was asked for are added.

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
        If the loss becomes NaN or infinite; what was measured is in its ``history``.
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
        # to hash all rows takes half as long as to make the engine, which does not need every core
        digests = [threads.submit(data.digest) for data in kept]
        machine = create_engine(engine, task, device)
    state = TrainingState(
        network=network,
        recipe=recipe,
        engine=machine,
        n_rows=len(train),
        n_batches=-(-len(train) // recipe.batch_size),
        has_validation=validation is not None,
        history=History(),
    )
    # first, so that the others see what it decides: whether to stop, and the best parameters at the end
    stopping = [] if recipe.early_stopping is None else [EarlyStopping(recipe.early_stopping)]
    everyone: list[Callback] = [*stopping, *callbacks]
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


def batches(rng: np.random.Generator, n_rows: int, batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Give the row numbers of each batch of one epoch, in a new order; the last may be smaller.

    Parameters
    ----------
    rng : numpy.random.Generator
        The shuffling stream; one epoch draws one permutation from it.
    n_rows : int
    batch_size : int

    Yields
    ------
    ndarray (batch,) of int64
    """
    yield from _pieces(rng.permutation(n_rows), batch_size)


def _pieces(order: NDArray[Any], batch_size: int) -> Iterator[NDArray[Any]]:
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def measure(engine: Engine, recipe: Recipe, dataset: Dataset) -> tuple[float, float]:
    """Return the mean loss, as it is trained on, and the accuracy on a data set."""
    logits = engine.logits(dataset.x)
    # in float64, so that a mean over many rows is not where precision is lost
    with np.errstate(over="ignore", invalid="ignore"):
        loss, _ = LOSSES[recipe.loss](logits.T.astype(np.float64), dataset.y, recipe.label_smoothing)
    return loss, float(np.mean(logits.argmax(axis=1) == dataset.y))


def _measure_validation(state: TrainingState, dataset: Dataset) -> dict[str, Any]:
    loss, accuracy = measure(state.engine, state.recipe, dataset)
    return {"validation_loss": loss, "validation_accuracy": accuracy}


def run_epochs(
    state: TrainingState,
    *,
    order: Callable[[], NDArray[np.intp]],
    measure: Callable[[TrainingState], Mapping[str, Any]] | None = None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Run the epochs that are left of a training: the one loop under ``train``, for any targets.

    It asks nothing of the data: the engine has them, from its ``Task`` or ``load_rows``. So it serves other
    targets than classes, parameters that were trained before, an engine that goes on with other rows, and a
    training that was cut off.

    Parameters
    ----------
    state : TrainingState
        Its recipe says how many epochs there are, the batch size and the learning rate. Epochs are run
        from ``state.epoch + 1`` on, and steps counted from the batch losses its history holds already. It
        is changed as the training goes, and holds the history when it ends.
    order : callable
        Called once at the start of every epoch, gives the numbers of the rows to train on, ``(n_rows,)`` of
        int64, in their order: ``lambda: rng.permutation(n_rows)`` shuffles, ``lambda: rows`` does not. They
        are cut into batches of ``state.recipe.batch_size``.
    measure : callable or None
        ``measure(state)`` is called after every epoch, before its callbacks, and gives what belongs in the
        epoch's record. A ``"validation_loss"`` among it that is not finite ends the training; the record
        has None for it and for ``"validation_accuracy"`` where nothing else is said.
    callbacks : sequence of Callback
        They may set ``state.stop``, and ``state.learning_rate_scale`` for a rule of their own.

    Raises
    ------
    TrainingDiverged
        If a loss becomes NaN or infinite; what was measured is in its ``history``. The last step's result
        is for ``finite_parameters`` to check.
    """
    with contextlib.ExitStack() as stack:
        # not left to whoever keeps the engine, or an exception that knows it
        stack.callback(state.engine.close)
        for callback in callbacks:
            stack.callback(callback.close)
        for callback in callbacks:
            callback.on_train_begin(state)
        while state.epoch < state.recipe.epochs and not state.stop:
            state.epoch += 1
            record = _run_epoch(state, callbacks, order)
            if measure is not None:
                record.update(measure(state))
                if not math.isfinite(record["validation_loss"] or 0.0):
                    raise _diverged(state, record["learning_rate"])
            state.history.epochs.append(record)
            for callback in callbacks:
                callback.on_epoch_end(state)
        for callback in callbacks:
            callback.on_train_end(state)


def finite_parameters(state: TrainingState) -> Parameters:
    """Return the engine's parameters.

    Raises
    ------
    TrainingDiverged
        If they are not finite: the very last step can overflow after the last loss was measured.
    """
    parameters = state.engine.parameters()
    if not all(np.isfinite(array).all() for layer in parameters for array in layer):
        raise _diverged(state, state.history.epochs[-1]["learning_rate"])
    return parameters


def _run_epoch(
    state: TrainingState, callbacks: Sequence[Callback], order: Callable[[], NDArray[np.intp]]
) -> dict[str, Any]:
    """Train one epoch and return its record, the validation part still empty."""
    recipe, losses = state.recipe, state.history.batch_losses
    n_steps = recipe.epochs * state.n_batches
    started = time.perf_counter()
    total = 0.0
    learning_rate = recipe.learning_rate
    in_order = order()
    for batch, rows in enumerate(_pieces(in_order, recipe.batch_size), start=1):
        state.batch = batch
        learning_rate = recipe.learning_rate_at(len(losses), n_steps) * state.learning_rate_scale
        loss = state.engine.train_step(rows, learning_rate)
        if not math.isfinite(loss):
            raise _diverged(state, learning_rate)
        losses.append(loss)
        total += loss * len(rows)
        for callback in callbacks:
            callback.on_batch_end(state)
    return {
        "epoch": state.epoch,
        "train_loss": total / len(in_order),
        "validation_loss": None,
        "validation_accuracy": None,
        "learning_rate": learning_rate,
        "seconds": time.perf_counter() - started,
    }


def _diverged(state: TrainingState, learning_rate: float) -> TrainingDiverged:
    losses = state.history.batch_losses
    last = f"{losses[-1]:.6g}" if losses else "none, the first loss was not finite"
    return TrainingDiverged(
        f"The loss became NaN or infinite in epoch {state.epoch}, batch {state.batch} of {state.n_batches}, "
        f"at learning rate {learning_rate:g} (last finite loss: {last}); "
        "choose a smaller learning rate, or look for extreme values in the features.",
        state.history,
    )


def _settings(
    network: Network,
    recipe: Recipe,
    machine: Engine,
    dtype: str,
    digests: Sequence[str],
) -> dict[str, Any]:
    """Return all that decides how a training goes, but for the number of epochs."""
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
