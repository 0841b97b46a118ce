"""Checkpointing: a callback that saves a training's state after every epoch, and resuming from it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.nn.schedules import ENDLESS
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.checkpoint_files import CHECKPOINT_FILES, Checkpoint, Checkpoints
from clearprop.utils.errors import CheckpointError, ClearpropWarning, OutputError
from clearprop.utils.files import remove_leftovers
from clearprop.utils.locks import hold

LOCK_FILE = "run.lock"
#: Names in messages of the settings whose values are digests of data.
DATA_SETTINGS = {"data": "training rows", "validation": "validation rows"}


class Checkpointing(Callback):
    """Keeps a checkpoint after every epoch.

    It comes after the callbacks whose state it keeps, so that their state includes the epoch.

    Parameters
    ----------
    checkpoints : Checkpoints or path-like
        A folder is locked while the training runs; the owner of a Checkpoints object locks its folder.
    settings : mapping
        Everything that the result depends on but the number of epochs, as plain JSON values.
    streams : mapping of numpy.random.Generator
        The random streams the training draws from, by name.
    callbacks : sequence of Callback
        The callbacks whose state is kept.
    """

    def __init__(
        self,
        checkpoints: Checkpoints | str | os.PathLike[str],
        settings: Mapping[str, Any],
        streams: Mapping[str, np.random.Generator],
        callbacks: Sequence[Callback],
    ) -> None:
        self._holding = contextlib.ExitStack()
        if not isinstance(checkpoints, Checkpoints):
            folder = Path(checkpoints)
            self._holding.enter_context(hold(folder / LOCK_FILE))
            remove_leftovers(folder, CHECKPOINT_FILES)
            checkpoints = Checkpoints(folder)
        self._checkpoints = checkpoints
        # as it comes back from a file, where a tuple is a list
        self._settings = json.loads(json.dumps(settings))
        self._streams = streams
        self._callbacks = callbacks
        self._started = time.perf_counter()
        self._kept_epoch = 0
        #: Wall-clock time of the training before its interruption.
        self.seconds_before = 0.0

    def resume(self, state: TrainingState) -> None:
        """Load the newest checkpoint into a training that has not begun; without one, do nothing.

        Raises
        ------
        CheckpointError
            If the checkpoint is of other settings or data, or cannot be read.
        """
        try:
            checkpoint = self._checkpoints.latest()
            if checkpoint is not None:
                self._check(checkpoint, state)
                self._restore(checkpoint, state)
        except BaseException:
            self.close()
            raise

    def on_epoch_end(self, state: TrainingState) -> None:
        """Keep the current state of the training."""
        checkpoint = Checkpoint(
            settings=self._settings,
            versions=self._versions(),
            epoch=state.epoch,
            epochs=state.recipe.epochs,
            stopped=state.stop,
            learning_rate_scale=state.learning_rate_scale,
            seconds=self.seconds_before + time.perf_counter() - self._started,
            history=state.history,
            streams={name: stream.bit_generator.state for name, stream in self._streams.items()},
            parameters=state.engine.parameters(),
            engine=state.engine.state(),
            callbacks={
                name: remembered
                for name, callback in self._named_callbacks().items()
                if (remembered := callback.state())
            },
        )
        try:
            self._checkpoints.write(checkpoint)
        except OutputError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            kept = (
                f"the checkpoint of epoch {self._kept_epoch} is intact, so resume when that is mended"
                if self._kept_epoch
                else "no checkpoint was kept before, so start again when that is mended"
            )
            raise OutputError(
                f"Training stopped after epoch {state.epoch}: cannot write {self._checkpoints.file} "
                f"({reason}); {kept}."
            ) from error
        self._kept_epoch = state.epoch

    def close(self) -> None:
        """Unlock the folder."""
        self._holding.close()

    def _check(self, checkpoint: Checkpoint, state: TrainingState) -> None:
        """Raise CheckpointError unless resuming gives the result of an uninterrupted training."""
        folder = self._checkpoints.folder
        for name, now in self._settings.items():
            then = checkpoint.settings.get(name)
            if then == now:
                continue
            if name in DATA_SETTINGS:
                difference = f"other {DATA_SETTINGS[name]}; resume with the same"
            else:
                difference = f"{name} {_shown(then)}, but now {name} is {_shown(now)}; resume with the same"
            raise CheckpointError(
                f"The checkpoint in {folder} is of a training with {difference}, or begin anew elsewhere."
            )
        epochs = state.recipe.epochs
        if epochs == checkpoint.epochs or checkpoint.stopped:
            pass
        elif state.recipe.schedule not in ENDLESS:
            raise CheckpointError(
                f'epochs is {epochs}, but the checkpoint in {folder} follows a "{state.recipe.schedule}" '
                f"schedule over {checkpoint.epochs} epochs; resume with those, or begin anew elsewhere."
            )
        elif epochs < checkpoint.epoch:
            raise CheckpointError(
                f"epochs is {epochs}, but the checkpoint in {folder} has {checkpoint.epoch} behind it; "
                "ask for as many or more."
            )
        differences = [
            f"{name} {checkpoint.versions.get(name)} and not {now}"
            for name, now in self._versions().items()
            if checkpoint.versions.get(name) != now
        ]
        if differences and not checkpoint.finished:
            warnings.warn(
                f"The checkpoint in {folder} was computed by {', '.join(differences)}, so the last digits of "
                "what follows may differ from a training without interruption.",
                ClearpropWarning,
                stacklevel=5,
            )

    def _restore(self, checkpoint: Checkpoint, state: TrainingState) -> None:
        state.epoch, state.batch = checkpoint.epoch, state.n_batches
        state.stop = checkpoint.stopped
        state.learning_rate_scale = checkpoint.learning_rate_scale
        state.history.epochs[:] = checkpoint.history.epochs
        state.history.batch_losses[:] = checkpoint.history.batch_losses
        state.engine.load_parameters(checkpoint.parameters)
        state.engine.load_state(checkpoint.engine)
        for name, stream in self._streams.items():
            stream.bit_generator.state = checkpoint.streams[name]
        for name, callback in self._named_callbacks().items():
            if name in checkpoint.callbacks:
                callback.load_state(checkpoint.callbacks[name])
        self.seconds_before = checkpoint.seconds
        self._kept_epoch = checkpoint.epoch

    def _named_callbacks(self) -> dict[str, Callback]:
        """Return the callbacks by class name and number, counted within each class."""
        named: dict[str, Callback] = {}
        for callback in self._callbacks:
            name = type(callback).__name__
            number = sum(type(other).__name__ == name for other in named.values())
            named[f"{name}-{number + 1}"] = callback
        return named

    def _versions(self) -> dict[str, str]:
        """Return the versions of the libraries that compute."""
        versions = {"NumPy": np.__version__}
        if self._settings["engine"] == "torch":
            versions["PyTorch"] = str(sys.modules["torch"].__version__)
        return versions


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
