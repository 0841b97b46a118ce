"""Training into a run folder: one function for ``clearprop train`` and for the runs of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from clearprop.data.dataset import Dataset
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.history import History
from clearprop.training.loop import TrainingDiverged
from clearprop.training.run import Run
from clearprop.training.run_folder import RunFolder
from clearprop.training.trainer import train
from clearprop.utils.errors import CheckpointError


class RunRecorder(Callback):
    """Writes a run's files: the config at its beginning, history and model at its end.

    The files of an earlier run stay until ``begin`` is called or the first epoch is complete. While the
    training runs, the checkpoints hold its state.

    Parameters
    ----------
    run_folder : RunFolder
        Held with ``RunFolder.hold``.
    dataset : Dataset
        The training part: its scaling and class names go into the model file.
    training : dict
        How the model is trained, as plain JSON values, for the model file.
    config : dict
        More for the run's config, as plain JSON values, such as the engine.
    began : bool, default False
        Whether the folder holds the config of this very run already.
    """

    def __init__(
        self,
        run_folder: RunFolder,
        dataset: Dataset,
        training: dict[str, Any],
        config: dict[str, Any],
        began: bool = False,
    ) -> None:
        self.run_folder = run_folder
        self._dataset = dataset
        self._training = training
        self._config = config
        self._network: Network | None = None
        self._began = began
        self._complete = False

    @property
    def began(self) -> bool:
        """Whether the folder holds the config of this run, and not of an earlier one."""
        return self._began

    def begin(self, network: Network, recipe: Recipe) -> None:
        """Replace the files of an earlier run with the config of this one."""
        self.run_folder.forget()
        self.run_folder.write_config(network, recipe, **self._config)
        self._began = True

    def on_train_begin(self, state: TrainingState) -> None:
        """Write the config of a training that resumes: the other files in the folder are its own."""
        self._network = state.network
        if state.epoch and not self._began:
            self.run_folder.write_config(state.network, state.recipe, **self._config)
            self._began = True

    def on_epoch_end(self, state: TrainingState) -> None:
        """Replace the files of an earlier run after the first epoch."""
        if not self._began:
            self.begin(state.network, state.recipe)

    def keep_diverged(self, network: Network, recipe: Recipe, history: History) -> None:
        """Write the history of a training that diverged, unless the folder still holds an earlier run."""
        if not self._began:
            if self.run_folder.holds_a_run():
                return
            self.begin(network, recipe)
        self.run_folder.write_history(history)

    def keep_unfinished(self) -> int:
        """Write history and parameters of an interrupted training, from its last checkpoint.

        The engine's parameters are not used: it may have been interrupted in the middle of a step. The files
        of a complete training stay.

        Returns
        -------
        int
            The checkpoint's epoch; 0 if there is none.
        """
        checkpoint = self.run_folder.checkpoints.latest() if self._began else None
        if checkpoint is None or self._network is None:
            return 0
        if not self._complete:
            data = self._dataset
            model = Model(
                self._network,
                checkpoint.parameters,
                data.scaling,
                data.class_names,
                data.image_shape,
                metrics=checkpoint.history.metrics(),
                table=data.table_record(),
            )
            self._write(model, checkpoint.history)
        return checkpoint.epoch

    def keep_complete(self, run: Run) -> None:
        """Write history and model of a training that is complete."""
        self._write(run.model, run.history)
        self._complete = True

    def _write(self, model: Model, history: History) -> None:
        self.run_folder.write_model(replace(model, training=self._training))
        self.run_folder.write_history(history)


def train_into_folder(
    recorder: RunRecorder,
    network: Network,
    recipe: Recipe,
    rows: Dataset,
    validation: Dataset | None,
    *,
    engine: str,
    device: str,
    dtype: str,
    progress: bool,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    resume_callbacks: Sequence[Callback] = (),
    on_refusal: Callable[[CheckpointError], None] | None = None,
) -> Run:
    """Train a network, with its checkpoints, config, history and model in the recorder's run folder.

    An interruption leaves the checkpoints, and the config if an epoch was complete or ``recorder.begin`` was
    called; ``recorder.keep_unfinished`` adds history and model.

    Parameters
    ----------
    recorder : RunRecorder
    network, recipe, rows, validation, engine, device, dtype, progress
        As for ``train``.
    callbacks : sequence of Callback
    resume : bool, default False
        Continue from the folder's checkpoint; without one, start from the beginning.
    resume_callbacks : sequence of Callback
        More callbacks, for the attempt to resume only.
    on_refusal : callable or None
        Called with the error if the checkpoint is of other settings or data; then the training starts from
        the beginning. None raises the error.

    Returns
    -------
    Run

    Raises
    ------
    CheckpointError
        If the checkpoint is of other settings or data, and ``on_refusal`` is None.
    TrainingDiverged
        If the loss becomes NaN or infinite; the history is in the folder, unless an earlier run still is.
    OutputError
        If a file cannot be written.
    """
    begin = partial(
        train,
        network,
        recipe,
        rows,
        validation,
        engine=engine,
        device=device,
        dtype=dtype,
        progress=progress,
        checkpoint=recorder.run_folder.checkpoints,
    )
    try:
        try:
            notices = resume_callbacks if resume else ()
            run = begin(callbacks=[recorder, *notices, *callbacks], resume=resume)
        except CheckpointError as error:
            if on_refusal is None:
                raise
            on_refusal(error)
            run = begin(callbacks=[recorder, *callbacks])
    except TrainingDiverged as error:
        recorder.keep_diverged(network, recipe, error.history)
        raise
    recorder.keep_complete(run)
    return run
