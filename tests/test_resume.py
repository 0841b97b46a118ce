"""Resuming from a checkpoint gives the uninterrupted training bit for bit, or one sentence of refusal."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import contents

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.training import checkpoint_files as checkpoints
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.checkpoint_files import CHECKPOINT_FILE, CHECKPOINT_FILES, PREVIOUS_FILE, Checkpoints
from clearprop.training.folder_training import RunRecorder, train_into_folder
from clearprop.training.loop import TrainingDiverged
from clearprop.training.run_folder import FOLDER_FILES, RunFolder
from clearprop.utils.errors import (
    CheckpointError,
    ClearpropWarning,
    FolderInUse,
    InvalidArgument,
    OutputError,
)
from clearprop.utils.files import remove_leftovers
from clearprop.utils.locks import hold

EPOCHS = 6
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw")


def noise(n_rows: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 6)).astype(np.float32)
    return Dataset("noise", x, rng.integers(0, 3, n_rows), ("a", "b", "c"), None, Scaling())


TRAIN, VALIDATION = noise(50, 0), noise(20, 1)
NETWORK = cp.Network((6, 9, 7, 3), dropout=0.25)


def train(recipe: cp.Recipe | None = None, network: cp.Network = NETWORK, **options: Any) -> cp.Run:
    recipe = recipe or recipe_of()
    return cp.train(network, recipe, TRAIN, VALIDATION, **{"progress": False, **options})


def recipe_of(**fields: Any) -> cp.Recipe:
    return cp.Recipe(
        **{"learning_rate": 0.05, "epochs": EPOCHS, "batch_size": 16, "optimizer": "adam", **fields}
    )


class CutOff(Callback):
    """Ends a training in the middle of an epoch, as Ctrl-C would."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_batch_end(self, state: TrainingState) -> None:
        if (state.epoch, state.batch) == (self._epoch, 2):
            raise KeyboardInterrupt


def cut_off(folder: Path, epoch: int, recipe: cp.Recipe | None = None, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(recipe, callbacks=[CutOff(epoch)], checkpoint=folder, **options)


def assert_equal_runs(ours: cp.Run, theirs: cp.Run) -> None:
    assert ours.history.batch_losses == theirs.history.batch_losses
    for mine, others in zip(ours.history.epochs, theirs.history.epochs, strict=True):
        assert {**mine, "seconds": 0} == {**others, "seconds": 0}
    for mine, others in zip(ours.model.parameters, theirs.model.parameters, strict=True):
        for array, other in zip(mine, others, strict=True):
            assert array.tobytes() == other.tobytes()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle", "step"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does_bit_for_bit(
    tmp_path: Path, engine: str, optimizer: str, schedule: str
) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    for number, (dropout, early_stopping) in enumerate(itertools.product((0.0, 0.25), (None, 2))):
        network = cp.Network((6, 9, 7, 3), dropout=dropout)
        recipe = recipe_of(
            optimizer=optimizer, schedule=schedule, early_stopping=early_stopping, weight_decay=0.01
        )
        whole = train(recipe, network, engine=engine)
        folder = tmp_path / str(number)
        cut_off(folder, 2 + number % 2, recipe, network=network, engine=engine)
        resumed = train(recipe, network, engine=engine, checkpoint=folder, resume=True)
        assert_equal_runs(resumed, whole)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_float64_and_an_interruption_in_every_epoch(tmp_path: Path, engine: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    for epoch in range(1, EPOCHS + 1):
        with pytest.raises(KeyboardInterrupt):
            train(callbacks=[CutOff(epoch)], checkpoint=tmp_path, resume=True, dtype="float64", engine=engine)
    resumed = train(checkpoint=tmp_path, resume=True, dtype="float64", engine=engine)
    assert_equal_runs(resumed, train(dtype="float64", engine=engine))


def test_checkpoints_do_not_change_the_training(tmp_path: Path) -> None:
    assert_equal_runs(train(checkpoint=tmp_path), train())


def test_only_the_epochs_that_are_left_are_trained(tmp_path: Path) -> None:
    class Seen(Callback):
        def __init__(self) -> None:
            self.epochs: list[int] = []
            self.began = -1

        def on_train_begin(self, state: TrainingState) -> None:
            self.began = state.epoch

        def on_epoch_end(self, state: TrainingState) -> None:
            self.epochs.append(state.epoch)

    cut_off(tmp_path, 4)
    seen = Seen()
    run = train(checkpoint=tmp_path, resume=True, callbacks=[seen])
    assert seen.began == 3
    assert seen.epochs == [4, 5, 6]
    assert run.history.column("epoch") == [1, 2, 3, 4, 5, 6]


def test_where_there_is_no_checkpoint_the_training_starts_from_the_beginning(tmp_path: Path) -> None:
    cut_off(tmp_path, 1)
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    assert_equal_runs(train(checkpoint=tmp_path, resume=True), train())


def test_without_resume_an_earlier_training_is_replaced(tmp_path: Path) -> None:
    cut_off(tmp_path, 5)
    other = recipe_of(seed=1)
    cut_off(tmp_path, 3, other)
    assert_equal_runs(train(other, checkpoint=tmp_path, resume=True), train(other))


@pytest.mark.parametrize("early_stopping", [None, 1])
def test_a_finished_training_gives_its_result_again(tmp_path: Path, early_stopping: int | None) -> None:
    recipe = recipe_of(early_stopping=early_stopping, epochs=30 if early_stopping else EPOCHS)
    whole = train(recipe, checkpoint=tmp_path)
    assert early_stopping is None or len(whole.history.epochs) < 30
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    again = train(recipe, checkpoint=tmp_path, resume=True)
    assert_equal_runs(again, whole)
    assert again.history.column("seconds") == whole.history.column("seconds")
    assert again.seconds >= sum(whole.history.column("seconds"))
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before


@pytest.mark.parametrize("early_stopping", [None, 25])
def test_a_finished_training_takes_more_epochs_where_the_schedule_is_constant(
    tmp_path: Path, early_stopping: int | None
) -> None:
    train(recipe_of(early_stopping=early_stopping), checkpoint=tmp_path)
    longer = recipe_of(early_stopping=early_stopping, epochs=9)
    assert_equal_runs(train(longer, checkpoint=tmp_path, resume=True), train(longer))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step"])
def test_more_epochs_are_refused_where_the_schedule_ends_with_the_training(
    tmp_path: Path, schedule: str
) -> None:
    train(recipe_of(schedule=schedule), checkpoint=tmp_path)
    with pytest.raises(
        CheckpointError,
        match=rf'epochs is 9, but the checkpoint in .* follows a "{schedule}" schedule over 6 epochs; resume',
    ):
        train(recipe_of(schedule=schedule, epochs=9), checkpoint=tmp_path, resume=True)


def test_fewer_epochs_than_are_done_are_refused(tmp_path: Path) -> None:
    cut_off(tmp_path, 5)
    with pytest.raises(CheckpointError, match=r"epochs is 3, but the checkpoint in .* has 4 behind it"):
        train(recipe_of(epochs=3), checkpoint=tmp_path, resume=True)
    fewer = recipe_of(epochs=5)
    assert_equal_runs(train(fewer, checkpoint=tmp_path, resume=True), train(fewer))


DIFFERENCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "recipe": (
        lambda folder: train(recipe_of(learning_rate=0.5), checkpoint=folder, resume=True),
        "is of a training with learning_rate 0.05, but now learning_rate is 0.5; resume with the same",
    ),
    "seed": (
        lambda folder: train(recipe_of(seed=3), checkpoint=folder, resume=True),
        "with seed 0, but now seed is 3",
    ),
    "network": (
        lambda folder: train(network=cp.Network((6, 8, 3), dropout=0.25), checkpoint=folder, resume=True),
        "with layer_sizes 6, 9, 7, 3, but now layer_sizes is 6, 8, 3",
    ),
    "dtype": (
        lambda folder: train(dtype="float64", checkpoint=folder, resume=True),
        "with dtype float32, but now dtype is float64",
    ),
    "data": (
        lambda folder: cp.train(
            NETWORK, recipe_of(), noise(50, 2), VALIDATION, progress=False, checkpoint=folder, resume=True
        ),
        "with other training rows; resume with the same, or begin anew elsewhere",
    ),
    "validation": (
        lambda folder: cp.train(NETWORK, recipe_of(), TRAIN, progress=False, checkpoint=folder, resume=True),
        "with other validation rows",
    ),
}


@pytest.mark.parametrize("what", DIFFERENCES)
def test_other_settings_or_data_are_refused_by_name(tmp_path: Path, what: str) -> None:
    cut_off(tmp_path, 3)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    attempt, message = DIFFERENCES[what]
    with pytest.raises(CheckpointError, match=message):
        attempt(tmp_path)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
    # and the folder is free again
    train(checkpoint=tmp_path, resume=True)


def test_another_engine_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    cut_off(tmp_path, 3)
    with pytest.raises(CheckpointError, match="with engine numpy, but now engine is torch"):
        train(engine="torch", checkpoint=tmp_path, resume=True)


def test_another_version_of_numpy_gives_a_warning_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "__version__", "1.0")
    cut_off(tmp_path, 3)
    monkeypatch.undo()
    with pytest.warns(ClearpropWarning, match=rf"by NumPy 1\.0 and not {np.__version__}, so the last digits"):
        train(checkpoint=tmp_path, resume=True)


def test_torn_checkpoint_is_replaced_by_the_one_before_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN_SYNCS", 0)
    cut_off(tmp_path, 5)
    newest = tmp_path / CHECKPOINT_FILE
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(ClearpropWarning, match=r"is damaged .* taken, of epoch 3\."):
        resumed = train(checkpoint=tmp_path, resume=True)
    assert_equal_runs(resumed, train())


def test_callback_state_is_kept_by_class_when_other_callbacks_change(tmp_path: Path) -> None:
    class Counting(Callback):
        def __init__(self) -> None:
            self.batches = 0
            self.last = np.zeros(2)

        def on_batch_end(self, state: TrainingState) -> None:
            self.batches += 1
            self.last = np.array([state.epoch, state.batch], dtype=float)

        def state(self) -> dict[str, Any]:
            return {"batches": self.batches, "last": self.last}

        def load_state(self, state: dict[str, Any]) -> None:
            self.batches, self.last = state["batches"], state["last"]

    with pytest.raises(KeyboardInterrupt):
        train(callbacks=[Counting(), CutOff(3)], checkpoint=tmp_path)
    counting = Counting()
    train(callbacks=[Callback(), counting], checkpoint=tmp_path, resume=True)
    assert counting.batches == EPOCHS * 4
    assert counting.last.tolist() == [6, 4]


def test_learning_rate_scale_is_restored(tmp_path: Path) -> None:
    class Halve(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            state.learning_rate_scale /= 2

    with pytest.raises(KeyboardInterrupt):
        train(callbacks=[Halve(), CutOff(4)], checkpoint=tmp_path)
    resumed = train(callbacks=[Halve()], checkpoint=tmp_path, resume=True)
    assert_equal_runs(resumed, train(callbacks=[Halve()]))


def test_training_stopped_by_a_callback_is_finished(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            state.stop = state.epoch == 2

    whole = train(callbacks=[Stop()], checkpoint=tmp_path)
    assert_equal_runs(train(callbacks=[Stop()], checkpoint=tmp_path, resume=True), whole)


def test_resumed_training_diverges_at_the_same_step(tmp_path: Path) -> None:
    recipe = recipe_of(optimizer="sgd", learning_rate=1e3, epochs=200)
    network = cp.Network((6, 30, 3), "identity", dropout=0.25)
    messages = []
    for resume in (False, True):
        with pytest.raises(TrainingDiverged) as caught, np.errstate(all="ignore"):
            train(recipe, network, checkpoint=tmp_path, resume=resume)
        messages.append((str(caught.value), caught.value.history.batch_losses))
    assert messages[0] == messages[1]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with hold(tmp_path / "run.lock"), pytest.raises(FolderInUse, match=f"in use by process {os.getpid()}"):
        train(checkpoint=tmp_path)
    train(checkpoint=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= set(CHECKPOINT_FILES)


def test_resume_needs_a_folder() -> None:
    with pytest.raises(InvalidArgument, match="resume is True, but checkpoint names no folder"):
        train(resume=True)


def test_temporary_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / f".{CHECKPOINT_FILE}.ab12cd_9").write_bytes(b"half")
    train(checkpoint=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= set(CHECKPOINT_FILES)


class FailFrom(Callback):
    """Makes the system refuse to write from some epoch on."""

    def __init__(self, epoch: int, fail: Callable[[], None]) -> None:
        self._epoch, self._fail = epoch, fail

    def on_epoch_end(self, state: TrainingState) -> None:
        if state.epoch == self._epoch:
            self._fail()


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EIO, "Input/output error"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_unwritable_checkpoint_stops_the_training_and_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, reason: str
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN_SYNCS", 0)

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    failing = FailFrom(4, lambda: monkeypatch.setattr(os, call, refuse))
    with pytest.raises(OutputError) as caught:
        train(callbacks=[failing], checkpoint=tmp_path)
    assert str(caught.value) == (
        f"Training stopped after epoch 4: cannot write {tmp_path / CHECKPOINT_FILE} ({reason}); "
        "the checkpoint of epoch 3 is intact, so resume when that is mended."
    )
    monkeypatch.undo()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == set(CHECKPOINT_FILES)
    latest = Checkpoints(tmp_path).latest()
    assert latest is not None
    assert latest.epoch == 3
    assert_equal_runs(train(checkpoint=tmp_path, resume=True), train())


def test_unwritable_first_checkpoint_gives_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    failing = FailFrom(1, lambda: monkeypatch.setattr(os, "fsync", refuse))
    with pytest.raises(
        OutputError, match="no checkpoint was kept before, so start again when that is mended"
    ):
        train(callbacks=[failing], checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())


def test_write_cut_short_by_the_system_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits on file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    failing = FailFrom(3, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard)))
    try:
        with pytest.raises(OutputError, match=r"after epoch 3: cannot write .* \(File too large\)"):
            train(callbacks=[failing], checkpoint=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name for path in tmp_path.iterdir()} <= {CHECKPOINT_FILE, PREVIOUS_FILE}
    assert_equal_runs(train(checkpoint=tmp_path, resume=True), train())


class KilledError(BaseException):
    """The process is gone: nothing runs any more, no clearing up either."""


class Death:
    """Lets the system do a number of things, and then nothing more."""

    CALLS = ("open", "fsync", "replace", "unlink")

    def __init__(self, after: int) -> None:
        self.left = after
        self.came = False

    def patch(self, patching: pytest.MonkeyPatch) -> None:
        for name in self.CALLS:
            patching.setattr(os, name, self._mortal(getattr(os, name)))

    def _mortal(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.left == 0:
                self.came = True
                raise KilledError
            self.left -= 1
            return real(*arguments, **named)

        return call


@pytest.mark.parametrize("replacing", [False, True])
def test_kill_between_any_two_file_operations_leaves_the_result_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replacing: bool
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN_SYNCS", 0)
    recipe = recipe_of(epochs=3)

    def into(folder: Path, recipe: cp.Recipe, resume: bool) -> None:
        run_folder = RunFolder(folder)
        remove_leftovers(folder, FOLDER_FILES)
        recorder = RunRecorder(run_folder, TRAIN, {}, {})
        train_into_folder(
            recorder,
            NETWORK,
            recipe,
            TRAIN,
            VALIDATION,
            engine="numpy",
            device="auto",
            dtype="float32",
            progress=False,
            resume=resume,
        )

    into(tmp_path / "whole", recipe, resume=False)
    expected = contents(tmp_path / "whole")
    for steps in itertools.count():
        folder = tmp_path / str(steps)
        if replacing:
            into(folder, recipe_of(epochs=2, seed=9), resume=False)
        death = Death(steps)
        with monkeypatch.context() as patching:
            death.patch(patching)
            with contextlib.suppress(KilledError):
                into(folder, recipe, resume=False)
        try:
            into(folder, recipe, resume=True)
        except CheckpointError:
            # what is there is still the run that was to be replaced
            assert replacing
            into(folder, recipe, resume=False)
        assert contents(folder) == expected, steps
        assert {path.name for path in folder.iterdir()} <= set(FOLDER_FILES)
        shutil.rmtree(folder)
        if not death.came:
            break
    assert steps > 30


def test_progress_resumes_with_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(tmp_path, 5)
    train(checkpoint=tmp_path, resume=True, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 5/6", "epoch 6/6"]
