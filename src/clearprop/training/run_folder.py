"""A run folder: the files of one training (config, history, parameters, checkpoints)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clearprop.model.files.model_file import PARAMETERS_FILE
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe
from clearprop.training.checkpoint_files import CHECKPOINT_FILES, Checkpoints
from clearprop.training.checkpointing import LOCK_FILE
from clearprop.training.history import History
from clearprop.utils.files import remove_leftovers, write_json
from clearprop.utils.locks import hold

CONFIG_FILE = "config.json"
HISTORY_FILE = "history.json"
RUN_FILES = (CONFIG_FILE, HISTORY_FILE, PARAMETERS_FILE)
#: All files of a run that is running, interrupted or finished.
FOLDER_FILES = (*RUN_FILES, *CHECKPOINT_FILES, LOCK_FILE)


class RunFolder:
    """The folder of one training.

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
        """Tell whether the folder has a model or a checkpoint."""
        return self.parameters_file.exists() or self.checkpoints.present()

    def forget(self) -> None:
        """Remove the files of an earlier run, so that they are never mixed with those of a new one."""
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
