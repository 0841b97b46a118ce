"""clearprop train and study when killed, interrupted, finished, locked, or out of disk space."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import refused
from killing import contents, epochs_in, kill_repeatedly, log_text, start

from clearprop.cli import main
from clearprop.data import Dataset
from clearprop.study.definitions import load_study
from clearprop.study.runner import run_study
from clearprop.training.checkpoint_files import CHECKPOINT_FILE, CHECKPOINT_FILES, Checkpoints

TRAIN = ["train", "--hidden", "16", "--dropout", "0.1", "--optimizer", "adam", "--epochs", "40"]
STUDY = """
name = "tiny"
title = "A tiny study"

[defaults]
hidden = [16]
epochs = 40

[[experiments]]
name = "first"

[[experiments]]
name = "second"
optimizer = "adam"
dropout = 0.2
early_stopping = 30
"""
# what `clearprop study` does before its report, whose figures take longer than all the rest
STUDY_PROGRAM = """
import sys
from clearprop.data import load_data
from clearprop.training.progress import LineProgress
from clearprop.study.definitions import load_study
from clearprop.study.runner import run_study
show = lambda name, seed, *_: [LineProgress(f"{name} {seed}")]
run_study(load_study(sys.argv[1]), load_data("digits"), sys.argv[2], progress_for=show)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return where the processes of a test write what they say."""
    return tmp_path / "log.txt"


def wait_for_epoch(process: subprocess.Popen[bytes], log: Path, of: str = "") -> None:
    """Wait until the second epoch is told: by then the first is kept for certain."""
    while sum(of in line for line in epochs_in(log)) < 2:
        assert process.poll() is None, log_text(log)
        time.sleep(0.02)


def small(out: Path, *more: str, epochs: int = 3) -> list[str]:
    return ["train", "--out", str(out), "--hidden", "8", "--epochs", str(epochs), "--quiet", *more]


def test_run_killed_repeatedly_ends_with_the_same_files(tmp_path: Path, log: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main([*TRAIN, "--out", str(whole), "--quiet"]) == 0
    command = [*TRAIN, "--out", str(out), "--resume"]
    figures = kill_repeatedly(command, out, log, random.Random(3), 2, seconds=0.5)
    assert figures.kills
    assert contents(out) == contents(whole)
    assert f"There is no checkpoint in {out} yet: training from the beginning." in log_text(log)
    assert {path.name for path in out.iterdir()} <= {
        "config.json", "history.json", "parameters.safetensors", *CHECKPOINT_FILES
    }  # fmt: skip


def test_study_killed_repeatedly_ends_with_the_same_results(
    tmp_path: Path, log: Path, digits: Dataset
) -> None:
    study = tmp_path / "tiny.toml"
    study.write_text(STUDY)
    whole, out = tmp_path / "whole", tmp_path / "out"
    run_study(load_study(str(study)), digits, whole)
    arguments = [str(study), str(out)]
    figures = kill_repeatedly(arguments, out, log, random.Random(3), 2, seconds=0.5, program=STUDY_PROGRAM)
    assert figures.kills
    assert contents(out) == contents(whole)
    # disks stay small: what is complete needs no checkpoint
    assert not list(out.rglob("checkpoint*"))
    assert not list(out.rglob("*.lock"))


@pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
def test_signal_prints_the_kept_epochs_and_the_resume_command(
    tmp_path: Path, log: Path, sent: signal.Signals, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my run"
    process = start(["train", "--out", str(out), "--hidden", "8", "--epochs", "1000000"], log)
    wait_for_epoch(process, log)
    process.send_signal(sent)
    assert process.wait(timeout=60) == code
    kept = Checkpoints(out).latest()
    assert kept is not None
    assert log_text(log).splitlines()[-1] == (
        f"{word}. {out} keeps the first {kept.epoch} of 1000000 epochs; go on with: "
        f"clearprop train --out '{out}' --hidden 8 --epochs 1000000 --resume"
    )
    assert "Traceback" not in log_text(log)
    assert log.with_suffix(".out").read_text() == ""
    assert not (out / "run.lock").exists()
    # what is kept can be used at once
    assert len(json.loads((out / "history.json").read_text())["epochs"]) == kept.epoch
    assert main(["evaluate", str(out)]) == 0
    capsys.readouterr()
    assert (
        main(["train", "--out", str(out), "--hidden", "8", "--epochs", str(kept.epoch + 1), "--resume"]) == 0
    )
    assert f"Going on in {out} after epoch {kept.epoch} of {kept.epoch + 1}." in capsys.readouterr().err


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_a_study_keeps_the_epochs_of_the_run_in_progress(
    tmp_path: Path, log: Path, sent: signal.Signals, code: int
) -> None:
    study = tmp_path / "tiny.toml"
    study.write_text(
        STUDY.replace("epochs = 40", "epochs = 1").replace("early_stopping = 30", "epochs = 1000000")
    )
    out = tmp_path / "out"
    process = start(["study", str(study), "--out", str(out)], log)
    wait_for_epoch(process, log, of="second")
    process.send_signal(sent)
    assert process.wait(timeout=60) == code
    assert log.with_suffix(".out").read_text() == ""
    assert "Traceback" not in log_text(log)
    said = f"What is complete is kept in {out}, single epochs included; the same command goes on from there."
    assert said in log_text(log)
    results = json.loads((out / "results.json").read_text())
    assert [experiment["name"] for experiment in results["experiments"]] == ["first"]
    kept = Checkpoints(out / "runs" / "second" / "0").latest()
    assert kept is not None
    assert kept.epoch >= 1


def test_error_of_a_second_process_names_the_holder_of_the_folder(
    tmp_path: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, out = tmp_path / "tiny.toml", tmp_path / "out"
    study.write_text(STUDY.replace("epochs = 40", "epochs = 1000000"))
    of_study = ["study", str(study), "--out", str(tmp_path / "study")]
    of_run = [small(out, more) for more in ("--resume", "--overwrite", "--quiet")]
    for command, attempts in ((small(out, epochs=1000000)[:-1], of_run), (of_study, [of_study])):
        log.unlink(missing_ok=True)
        process = start(command, log)
        try:
            wait_for_epoch(process, log)
            for attempt in attempts:
                message = refused(capsys, *attempt)
                assert f"is in use by process {process.pid} on " in message
                assert message.endswith(" UTC; wait until it ends, or choose another.\n")
        finally:
            process.kill()
            process.wait(timeout=60)
    # the lock is gone with its holder, though its file is still there
    assert (out / "run.lock").exists()
    assert main(small(out, "--overwrite")) == 0


def test_a_finished_run_says_so_and_prints_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(small(tmp_path)) == 0
    first = capsys.readouterr()
    before = contents(tmp_path)
    assert main(small(tmp_path, "--resume")) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err == f"The run in {tmp_path} is finished, after 3 epochs.\n"
    assert contents(tmp_path) == before


def test_a_finished_run_takes_more_epochs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(small(tmp_path / "one")) == 0
    assert main(small(tmp_path / "one", "--resume", epochs=5)) == 0
    assert "after epoch 3 of 5" in capsys.readouterr().err
    assert main(small(tmp_path / "two", epochs=5)) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "1"], "with seed 0, but now seed is 1; resume with the same"),
        (["--activation", "tanh"], "with activation relu, but now activation is tanh"),
        (["--learning-rate", "0.5"], "with learning_rate 0.01, but now learning_rate is 0.5"),
        (["--validation", "100"], "with other training rows; resume with the same"),
        (["--epochs", "2"], "epochs is 2, but the checkpoint in"),
    ],
)
def test_other_settings_are_refused_and_the_run_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(small(tmp_path)) == 0
    before = contents(tmp_path)
    assert message in refused(capsys, *small(tmp_path, "--resume", *arguments))
    assert contents(tmp_path) == before
    # said twice over, the run is replaced: so a command with --overwrite can be resumed, too
    if arguments[0] != "--epochs":
        assert main(small(tmp_path, "--resume", "--overwrite", *arguments)) == 0
        assert "--overwrite was given, so the run there is replaced." in capsys.readouterr().err
        assert contents(tmp_path) != before


def test_existing_run_is_refused_without_resume_or_overwrite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(small(tmp_path))
    (tmp_path / "parameters.safetensors").unlink()
    # unfinished: there are but checkpoints
    assert "go on with it with --resume, replace it with --overwrite" in refused(capsys, *small(tmp_path))
    assert main(small(tmp_path, "--resume")) == 0
    assert (tmp_path / "parameters.safetensors").exists()


def test_resume_refuses_a_run_without_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(small(tmp_path))
    for name in CHECKPOINT_FILES:
        (tmp_path / name).unlink(missing_ok=True)
    assert "holds a run without a checkpoint to go on from" in refused(capsys, *small(tmp_path, "--resume"))


def test_resume_without_out_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "name its folder with --out" in refused(capsys, "train", "--resume")


def test_torn_checkpoint_gives_a_warning_and_the_same_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearprop.training.checkpoint_files.SECONDS_BETWEEN_SYNCS", 0)
    assert main(small(tmp_path / "whole")) == 0
    assert main(small(tmp_path / "torn")) == 0
    newest = tmp_path / "torn" / CHECKPOINT_FILE
    newest.write_bytes(newest.read_bytes()[:500])
    capsys.readouterr()
    assert main(small(tmp_path / "torn", "--resume")) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"Warning: {newest} is damaged (it is torn, or not a checkpoint), so the one before it is taken, of "
        "epoch 2.",
        f"Going on in {tmp_path / 'torn'} after epoch 2 of 3.",
    ]
    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")


def test_full_disk_gives_one_sentence_and_the_run_can_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    real, written = os.replace, []

    def full_at_the_second(source: str, target: str) -> None:
        if Path(target).name == CHECKPOINT_FILE:
            written.append(target)
            if len(written) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", full_at_the_second)
    message = refused(capsys, *small(out))
    assert "Training stopped after epoch 2: cannot write" in message
    assert "(No space left on device); the checkpoint of epoch 1 is intact, so resume when" in message
    monkeypatch.undo()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert main(small(out, "--resume")) == 0
    assert main(small(tmp_path / "whole")) == 0
    assert contents(out) == contents(tmp_path / "whole")


def test_the_parameters_of_an_early_stopped_run_are_those_of_its_best_epoch(tmp_path: Path) -> None:
    import clearprop as cp

    arguments = ["--early-stopping", "2", "--optimizer", "adam", "--learning-rate", "0.02"]
    assert main(small(tmp_path, *arguments, epochs=100)) == 0
    records = json.loads((tmp_path / "history.json").read_text())["epochs"]
    best = min(records, key=lambda record: record["validation_loss"])
    assert best["epoch"] == records[-1]["epoch"] - 2
    parts = cp.load_data("digits").split(validation=None, seed=0)
    assert parts.validation is not None
    kept = cp.load(tmp_path / "parameters.safetensors")
    assert cp.evaluate(kept, parts.validation).accuracy == pytest.approx(best["validation_accuracy"])


@pytest.mark.parametrize(
    ("sent", "code", "said"), [(signal.SIGINT, 130, "Interrupted.\n"), (signal.SIGTERM, 143, "Terminated.\n")]
)
def test_signal_before_the_training_ends_the_command(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sent: signal.Signals,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("clearprop.data.load_data", lambda *_, **__: signal.raise_signal(sent))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(small(tmp_path / "run")) == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == said
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(
    ("verb", "more"), [("evaluate", []), ("predict", ["seven.png"]), ("export", ["--onnx", "a.onnx"])]
)
def test_run_without_a_model_gives_the_reason_and_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, more: list[str]
) -> None:
    unfinished, diverged, begun = (tmp_path / name for name in ("my run", "diverged", "begun"))
    main(small(unfinished))
    (unfinished / "parameters.safetensors").unlink()
    said = refused(capsys, verb, str(unfinished), *more)
    assert f"The run in {unfinished} is not finished and has no model yet; repeat the command" in said
    assert f"(clearprop train goes on with --out '{unfinished}' --resume; what clearprop.train" in said
    main(small(diverged, "--activation", "identity", "--learning-rate", "1e9"))
    assert f"The run in {diverged} diverged and has no model" in refused(capsys, verb, str(diverged), *more)
    begun.mkdir()
    (begun / "run.lock").touch()
    assert f"The run in {begun} is not finished" in refused(capsys, verb, str(begun), *more)
    assert f"There is no run in {tmp_path};" in refused(capsys, verb, str(tmp_path), *more)


def test_study_removes_checkpoints_of_a_complete_run(tmp_path: Path, digits: Dataset) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY.replace("epochs = 40", "epochs = 1"))
    run_study(load_study(str(path)), digits, tmp_path / "out")
    folder = tmp_path / "out" / "runs" / "first" / "0"
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    for name in (CHECKPOINT_FILE, "run.lock", f".{CHECKPOINT_FILE}.abcd1234"):
        (folder / name).write_bytes(b"left")
    run_study(load_study(str(path)), digits, tmp_path / "out")
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
