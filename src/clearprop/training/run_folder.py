"""A run folder: the files of one training (config, history, parameters, checkpoints)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clearprop.data.dataset import Dataset
from clearprop.model.files.model_file import PARAMETERS_FILE
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.checkpoint_files import CHECKPOINT_FILES, Checkpoints
from clearprop.training.checkpointing import LOCK_FILE
from clearprop.training.history import History
from clearprop.utils.files import remove_leftovers, write_json
from clearprop.utils.locks import hold

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.json"
RUN_FILES = (CONFIG_FILE, HISTORY_FILE, PARAMETERS_FILE)
#: All that may stand in the folder of a run that is going on, was cut off or is finished.
FOLDER_FILES = (*RUN_FILES, *CHECKPOINT_FILES, LOCK_FILE)


class RunFolder:
    """Where one training is kept.

    Parameters
    ----------
    folder : path-like
        Made when something is first written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.parameters_file = self.folder / PARAMETERS_FILE
        self.checkpoints = Checkpoints(self.folder)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Lock the folder for this process, and remove the temporary files of a killed one.

        Raises
        ------
        FolderInUse
            If another process has it.
        """
        with hold(self.folder / LOCK_FILE):
            remove_leftovers(self.folder, FOLDER_FILES)
            yield

    def holds_a_run(self) -> bool:
        """Tell whether a training was kept here, finished or not."""
        return self.parameters_file.exists() or self.checkpoints.present()

    def forget(self) -> None:
        """Remove the files of an earlier run, so that they never stand beside those of a new one."""
        for name in RUN_FILES:
            (self.folder / name).unlink(missing_ok=True)
        self.checkpoints.remove()

    def write_config(self, network: Network, recipe: Recipe, **more: Any) -> None:
        """Write network and recipe; ``more`` holds plain JSON values such as the data and the split."""
        write_json(
            self.folder / CONFIG_FILE, {"network": network.to_dict(), "recipe": recipe.to_dict(), **more}
        )

    def write_history(self, history: History) -> None:
        """Write the history so far."""
        write_json(self.folder / HISTORY_FILE, history.to_dict())

    def write_model(self, model: Model) -> None:
        """Write the parameters, described so that they can be used without this folder."""
        model.save(self.parameters_file)


class RunRecorder(Callback):
    """Writes the config when there is an epoch to keep, and history and parameters at the end.

    What an earlier run left in the folder stays until there is an epoch to replace it with. While the
    training runs, it is the checkpoint that keeps everything.

    Parameters
    ----------
    run_folder : RunFolder
    dataset : Dataset
        The training part: its scaling and class names go into the model file.
    training : dict
        How the model is trained, as plain JSON values, for the model file.
    config : dict
        More for the run's config, as plain JSON values, such as the engine.
    """

    def __init__(
        self,
        run_folder: RunFolder,
        dataset: Dataset,
        training: dict[str, Any],
        config: dict[str, Any],
    ) -> None:
        self._run_folder = run_folder
        self._dataset = dataset
        self._training = training
        self._config = config
        self._network: Network | None = None
        self._began = self._complete = False

    def on_train_begin(self, state: TrainingState) -> None:
        """See whether the training resumes from a checkpoint: then the files in the folder are its own."""
        self._network = state.network
        if state.epoch:
            self._run_folder.write_config(state.network, state.recipe, **self._config)
            self._began = True

    def on_epoch_end(self, state: TrainingState) -> None:
        """Replace the files of an earlier run after the first epoch."""
        if not self._began:
            self._begin(state.network, state.recipe)

    def keep_diverged(self, network: Network, recipe: Recipe, history: History) -> None:
        """Write the history of a training that diverged, unless that would harm an earlier run."""
        if not self._began:
            if self._run_folder.holds_a_run():
                return
            self._begin(network, recipe)
        self._run_folder.write_history(history)

    def keep_unfinished(self) -> int:
        """Write history and parameters of a training that was cut off, as its checkpoint has them.

        They are never the engine's, which may be in the middle of a step. What a training wrote that was
        complete stays.

        Returns
        -------
        int
            The epoch they are of; 0 if there is none.
        """
        checkpoint = self._run_folder.checkpoints.latest() if self._began else None
        if checkpoint is None or self._network is None:
            return 0
        if not self._complete:
            history = checkpoint.history
            self._write(self._network, checkpoint.parameters, history, history.metrics())
        return checkpoint.epoch

    def on_train_end(self, state: TrainingState) -> None:
        """Write the final parameters, which early stopping may have changed."""
        metrics = state.history.metrics(best=state.recipe.early_stopping is not None)
        self._write(state.network, state.engine.parameters(), state.history, metrics)
        self._complete = True

    def _begin(self, network: Network, recipe: Recipe) -> None:
        self._run_folder.forget()
        self._run_folder.write_config(network, recipe, **self._config)
        self._began = True

    def _write(
        self, network: Network, parameters: Parameters, history: History, metrics: dict[str, Any]
    ) -> None:
        data = self._dataset
        self._run_folder.write_model(
            Model(
                network,
                parameters,
                data.scaling,
                data.class_names,
                data.image_shape,
                metrics=metrics,
                training=self._training,
            )
        )
        self._run_folder.write_history(history)
