"""A run's folder as the verbs that read it again see it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from clearprop.utils.errors import InvalidArgument


def settings_beside(model_file: Path) -> dict[str, Any]:
    """Return the settings that a run's folder keeps beside its model; none for one alone."""
    from clearprop.model.files.model_file import PARAMETERS_FILE
    from clearprop.training.run_folder import CONFIG_FILE

    if model_file.name != PARAMETERS_FILE:
        return {}
    try:
        settings = json.loads((model_file.parent / CONFIG_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        # the model can be used without them
        return {}
    return settings if isinstance(settings, dict) else {}


def model_file(place: Path) -> Path:
    """Return the model file that an argument means: itself, or the one in a run's folder.

    Parameters
    ----------
    place : pathlib.Path
        It need not exist: reading it raises the error.

    Raises
    ------
    InvalidArgument
        If it is the folder of a run that has no model, or not yet.
    """
    from clearprop.model.files.model_file import PARAMETERS_FILE

    if not place.is_dir():
        return place
    path = place / PARAMETERS_FILE
    if path.exists():
        return path
    # takes time to import, and most runs have a model
    from clearprop.training.checkpointing import LOCK_FILE
    from clearprop.training.run_folder import HISTORY_FILE, RunFolder

    kept = RunFolder(place).checkpoints.present()
    # without an epoch to keep, a training leaves its history only where it diverged
    if not kept and (place / HISTORY_FILE).exists():
        raise InvalidArgument(
            f"The run in {place} diverged and has no model; train it again, with a smaller learning rate."
        )
    if not kept and not (place / LOCK_FILE).exists():
        raise InvalidArgument(f"There is no run in {place}; name the folder of a run, or a model file.")
    raise InvalidArgument(
        f"The run in {place} is not finished and has no model yet; repeat the command that began it "
        f"(clearprop train goes on with --out {shlex.quote(str(place))} --resume; what clearprop.train in "
        "Python keeps here are checkpoints, and its model is saved with run.model.save)."
    )
