"""A run folder: what one training leaves on disk (config, history, parameters)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clearprop.callbacks import Callback, TrainingState
from clearprop.data.dataset import Dataset
from clearprop.files import write_json
from clearprop.history import History
from clearprop.model import Model
from clearprop.model_files import PARAMETERS_FILE, save_model
from clearprop.network import Network
from clearprop.recipe import Recipe

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.json"
RUN_FILES = (CONFIG_FILE, HISTORY_FILE, PARAMETERS_FILE)


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

    def holds_a_run(self) -> bool:
        """Tell whether a training was kept here."""
        return self.parameters_file.exists()

    def forget(self) -> None:
        """Remove what an earlier run left, so that its files and a new run's never stand side by side."""
        for name in RUN_FILES:
            (self.folder / name).unlink(missing_ok=True)

    def write_config(self, network: Network, recipe: Recipe, **more: Any) -> None:
        """Write what is trained and how; ``more`` holds plain JSON values such as the data and the split."""
        write_json(
            self.folder / CONFIG_FILE, {"network": network.to_dict(), "recipe": recipe.to_dict(), **more}
        )

    def write_history(self, history: History) -> None:
        """Write what was measured so far."""
        write_json(self.folder / HISTORY_FILE, history.to_dict())

    def write_model(self, model: Model, training: dict[str, Any]) -> None:
        """Write the parameters, described so that they can be used without this folder."""
        save_model(self.parameters_file, model, training)


class RunRecorder(Callback):
    """Writes history and parameters after every epoch, so that an interruption loses one epoch at most.

    What an earlier run left in the folder stays until there is an epoch to replace it with.

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
        self._began = False

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write what there is now."""
        if not self._began:
            self._begin(state.network, state.recipe)
        self._write(state, state.history.metrics())

    def keep_diverged(self, network: Network, recipe: Recipe, history: History) -> None:
        """Write what a training measured before it diverged, unless that would harm an earlier run."""
        if not self._began:
            if self._run_folder.holds_a_run():
                return
            self._begin(network, recipe)
        self._run_folder.write_history(history)

    def on_train_end(self, state: TrainingState) -> None:
        """Write the final parameters, which early stopping may have changed."""
        self._write(state, state.history.metrics(best=state.recipe.early_stopping is not None))

    def _begin(self, network: Network, recipe: Recipe) -> None:
        self._run_folder.forget()
        self._run_folder.write_config(network, recipe, **self._config)
        self._began = True

    def _write(self, state: TrainingState, metrics: dict[str, Any]) -> None:
        data = self._dataset
        parameters = state.engine.parameters()
        model = Model(
            state.network, parameters, data.scaling, data.class_names, data.image_shape, metrics=metrics
        )
        self._run_folder.write_model(model, self._training)
        self._run_folder.write_history(state.history)
