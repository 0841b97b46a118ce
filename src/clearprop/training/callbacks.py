"""Callbacks of the training loop: the state they see, the moments they are called at, and early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeGuard

from clearprop.engines.base import Engine, Task
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.training.history import History
from clearprop.utils.errors import InvalidArgument


@dataclass(slots=True, eq=False)
class TrainingState:
    """A training as a callback sees it.

    Attributes
    ----------
    network : Network
    recipe : Recipe
    engine : Engine
        ``parameters()`` returns a copy of the parameters.
    n_rows, n_batches : int
        Training rows, and steps in an epoch.
    has_validation : bool
        Whether a validation set is measured after every epoch.
    epoch, batch : int
        The current epoch and batch, counted from 1.
    history : History
        The measurements so far; after an epoch its last record is that epoch's.
    stop : bool
        A callback sets it to end the training after this epoch.
    learning_rate_scale : float
        A callback may set it: every later step takes the recipe's learning rate times this.
    """

    network: Network
    recipe: Recipe
    engine: Engine
    n_rows: int
    n_batches: int
    has_validation: bool
    history: History
    epoch: int = 0
    batch: int = 0
    stop: bool = False
    learning_rate_scale: float = 1.0

    @classmethod
    def at_start(cls, task: Task, engine: Engine, *, n_rows: int, has_validation: bool) -> TrainingState:
        """Return the state before the first epoch of an engine's task on ``n_rows`` rows."""
        return cls(
            network=task.network,
            recipe=task.recipe,
            engine=engine,
            n_rows=n_rows,
            n_batches=-(-n_rows // task.recipe.batch_size),
            has_validation=has_validation,
            history=History(),
        )


class Callback:
    """Base class of callbacks: every method does nothing; a subclass overrides those it needs."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Act before the first batch."""

    def on_batch_end(self, state: TrainingState) -> None:
        """Act after every batch; its loss is the last in the history."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Act after every epoch; its record is the last in the history."""

    def on_train_end(self, state: TrainingState) -> None:
        """Act after the last epoch, unless the training failed."""

    def close(self) -> None:
        """Release resources; called last of all, after a failure too."""

    def state(self) -> dict[str, Any]:
        """Return the state that a checkpoint keeps, as JSON values and arrays."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the state that ``state`` returned; called before ``on_train_begin``, if there is any."""


class EarlyStopping(Callback):
    """Stops when the validation loss has not fallen for some epochs, and goes back to the best one.

    Parameters
    ----------
    patience : int
        Epochs in a row without a lower validation loss.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best_loss = math.inf
        self._best_epoch = 0
        self._best: Parameters = []

    def on_epoch_end(self, state: TrainingState) -> None:
        """Remember the best parameters; stop when patience is over."""
        loss = state.history.epochs[-1]["validation_loss"]
        if loss < self._best_loss:
            self._best_loss, self._best_epoch = loss, state.epoch
            self._best = state.engine.parameters()
        elif state.epoch - self._best_epoch >= self._patience:
            state.stop = True

    def on_train_end(self, state: TrainingState) -> None:
        """Go back to the best parameters."""
        state.engine.load_parameters(self._best)

    def state(self) -> dict[str, Any]:
        """Return the best loss so far, its epoch and its parameters."""
        arrays = {f"best.{index}": array for index, array in enumerate(chain.from_iterable(self._best))}
        return {"best_loss": self._best_loss, "best_epoch": self._best_epoch, **arrays}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the state that ``state`` returned."""
        self._best_loss, self._best_epoch = state["best_loss"], state["best_epoch"]
        arrays = [state[f"best.{index}"] for index in range(len(state) - 2)]
        self._best = list(zip(arrays[::2], arrays[1::2], strict=True))


def check_callbacks(callbacks: object) -> None:
    """Raise InvalidArgument unless it is a list or tuple of callbacks.

    Checked before the training begins, since it would otherwise fail in its first epoch.
    """
    if not _is_sequence(callbacks):
        raise InvalidArgument(
            f"callbacks is {callbacks!r}, but must be a list of clearprop.Callback objects."
        )
    for number, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            made = "; make one of the class" if isinstance(callback, type) else ""
            raise InvalidArgument(
                f"callbacks[{number}] is {callback!r}, but must be an object of a subclass of "
                f"clearprop.Callback{made}."
            )


def _is_sequence(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, (list, tuple))
