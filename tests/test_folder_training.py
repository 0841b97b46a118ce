"""Training into a run folder: which files are there at the beginning, after a divergence and at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.folder_training import RunRecorder, train_into_folder
from clearprop.training.loop import TrainingDiverged
from clearprop.training.run_folder import CONFIG_FILE, HISTORY_FILE, RUN_FILES, RunFolder
from clearprop.utils.errors import CheckpointError

NETWORK = cp.Network((6, 5, 3))
RECIPE = cp.Recipe(epochs=2, batch_size=16)


def noise() -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6)).astype(np.float32)
    return Dataset("noise", x, rng.integers(0, 3, 50), ("a", "b", "c"), None, Scaling())


def into(
    folder: Path,
    recipe: cp.Recipe = RECIPE,
    callbacks: list[Callback] | None = None,
    resume: bool = False,
    on_refusal: Callable[[CheckpointError], None] | None = None,
    before: Callable[[RunRecorder], Any] = lambda recorder: None,
) -> cp.Run:
    recorder = RunRecorder(RunFolder(folder), noise(), {"data": "noise"}, {"engine": "numpy"})
    before(recorder)
    return train_into_folder(
        recorder,
        NETWORK,
        recipe,
        noise(),
        None,
        engine="numpy",
        device="auto",
        dtype="float32",
        progress=False,
        callbacks=callbacks or (),
        resume=resume,
        on_refusal=on_refusal,
    )


class Look(Callback):
    """Notes the run's files at the beginning and after every epoch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seen: list[list[str]] = []

    def on_train_begin(self, state: TrainingState) -> None:
        self.seen.append([name for name in RUN_FILES if (self._folder / name).exists()])

    def on_epoch_end(self, state: TrainingState) -> None:
        self.on_train_begin(state)


def test_complete_training_leaves_config_history_and_model(tmp_path: Path) -> None:
    run = into(tmp_path)
    model = cp.load(tmp_path / "parameters.safetensors")
    assert model.training == {"data": "noise"}
    assert model.parameters[0][0].tobytes() == run.model.parameters[0][0].tobytes()
    assert json.loads((tmp_path / HISTORY_FILE).read_text()) == run.history.to_dict()
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert (config["engine"], config["recipe"]["epochs"]) == ("numpy", 2)


def test_config_is_written_after_the_first_epoch_or_by_begin(tmp_path: Path) -> None:
    late, early = Look(tmp_path / "late"), Look(tmp_path / "early")
    into(tmp_path / "late", callbacks=[late])
    into(tmp_path / "early", callbacks=[early], before=lambda recorder: recorder.begin(NETWORK, RECIPE))
    assert late.seen == [[], [CONFIG_FILE], [CONFIG_FILE]]
    assert early.seen == [[CONFIG_FILE]] * 3


class Overflow(Callback):
    """Makes the parameters infinite in the very last step, whose loss was measured before it."""

    def on_train_end(self, state: TrainingState) -> None:
        infinite = [(np.full_like(weight, np.inf), bias) for weight, bias in state.engine.parameters()]
        state.engine.load_parameters(infinite)


def test_training_that_diverges_in_its_last_step_leaves_history_and_no_model(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged):
        into(tmp_path, callbacks=[Overflow()])
    assert [name for name in RUN_FILES if (tmp_path / name).exists()] == [CONFIG_FILE, HISTORY_FILE]


def test_checkpoint_of_other_settings_is_refused_or_replaced(tmp_path: Path) -> None:
    into(tmp_path)
    other = cp.Recipe(epochs=2, batch_size=16, seed=1)
    with pytest.raises(CheckpointError, match="seed"):
        into(tmp_path, other, resume=True)
    refusals: list[CheckpointError] = []
    run = into(tmp_path, other, resume=True, on_refusal=refusals.append)
    assert len(refusals) == 1
    assert json.loads((tmp_path / HISTORY_FILE).read_text()) == run.history.to_dict()
