"""The training loop for every engine and any targets: epochs, batches, callbacks, and divergence."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.parameters import Parameters
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.history import History
from clearprop.utils.errors import ClearpropError


class TrainingDiverged(ClearpropError):
    """The loss became NaN or infinite.

    Attributes
    ----------
    history : History
        The history up to that batch, including every finite batch loss.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.history))


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


def run_epochs(
    state: TrainingState,
    *,
    order: Callable[[], NDArray[np.intp]],
    measure: Callable[[TrainingState], Mapping[str, Any]] | None = None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Run the epochs that are left of a training: the one loop under ``train``, for any targets.

    It never sees the data: the engine has them, from its ``Task`` or ``load_rows``. So targets may be of any
    kind, parameters may be trained already, and an interrupted training may be resumed.

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
        ``measure(state)`` is called after every epoch, before its callbacks, and returns entries for the
        epoch's record. A ``"validation_loss"`` among it that is not finite ends the training; the record
        has None for it and for ``"validation_accuracy"`` where nothing else is said.
    callbacks : sequence of Callback
        They may set ``state.stop``, and ``state.learning_rate_scale`` for a rule of their own.

    Raises
    ------
    TrainingDiverged
        If a loss becomes NaN or infinite; the measurements so far are in its ``history``. The result of the
        last step is for ``finite_parameters`` to check.
    """
    with contextlib.ExitStack() as stack:
        # the engine may stay referenced, by its owner or by an exception, so it is closed here
        stack.callback(state.engine.close)
        # where numpy.errstate makes underflow an error: 0 is the right result
        stack.enter_context(np.errstate(under="ignore"))
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
