"""Interrupts: a signal at any moment of a command gives one sentence, its exit code, and loses no work."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from killing import contents, what_is_wrong

from clearprop.cli import app, interrupts, main
from clearprop.engines.numpy_engine import NumpyEngine
from clearprop.training.checkpoint_files import Checkpoints
from clearprop.training.folder_training import RunRecorder
from clearprop.utils.errors import OutputError


class Signal(NamedTuple):
    """A signal, and the exit code and first word of the command that it ends."""

    number: signal.Signals
    code: int
    word: str


BOTH = [Signal(signal.SIGINT, 130, "Interrupted"), Signal(signal.SIGTERM, 143, "Terminated")]
both = pytest.mark.parametrize("sent", BOTH, ids=lambda sent: sent.number.name)


@pytest.fixture(autouse=True)
def _as_from_a_terminal() -> Iterator[None]:
    # a background job inherits an ignored SIGINT, which would switch these tests off
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def train(out: Path, *more: str, epochs: int = 4) -> list[str]:
    return ["train", "--out", str(out), "--hidden", "8", "--epochs", str(epochs), "--quiet", *more]


def in_step(monkeypatch: pytest.MonkeyPatch, number: int, do: Callable[[], Any]) -> list[str]:
    """Call ``do`` in training step ``number``; return a log: "began", and "went on" if ``do`` returned."""
    whole, notes, steps = NumpyEngine.train_step, list[str](), 0

    def step(self: Any, rows: Any, learning_rate: float) -> float:
        nonlocal steps
        steps += 1
        if steps == number:
            notes.append("began")
            do()
            notes.append("went on")
        return whole(self, rows, learning_rate)

    monkeypatch.setattr(NumpyEngine, "train_step", step)
    return notes


def own_process(prelude: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import atexit, os, signal, sys\n{prelude}\nfrom clearprop.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def while_importing(module: str, sent: signal.Signals) -> str:
    """Return Python code that sends its own process a signal when it imports a module."""
    return (
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), {int(sent)})\n"
        "sys.meta_path.insert(0, Finder())"
    )


# before the verb


@both
@pytest.mark.parametrize("module", ["typer", "numpy", "clearprop.cli.commands.train"])
def test_signal_during_the_imports_of_the_command(module: str, sent: Signal) -> None:
    ended = own_process(while_importing(module, sent.number), "data", "list")
    assert (ended.returncode, ended.stdout, ended.stderr) == (sent.code, "", f"{sent.word}.\n")


@both
def test_signal_while_options_are_parsed(
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    parse = app._Verbs.parse_args

    def parse_args(self: Any, *arguments: Any) -> Any:
        signal.raise_signal(sent.number)
        return parse(self, *arguments)

    monkeypatch.setattr(app._Verbs, "parse_args", parse_args)
    assert main(["data", "list"]) == sent.code
    assert tuple(capsys.readouterr()) == ("", f"{sent.word}.\n")


# before the training


@both
def test_import_is_completed_before_the_signal_is_raised(
    tmp_path: Path,
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"sends_{sent.number.name.lower()}"
    (tmp_path / f"{name}.py").write_text(
        f"import signal\nsignal.raise_signal({int(sent.number)})\nimport colorsys\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def load_data(*_: Any, **__: Any) -> None:
        __import__(name)
        while True:
            # the signal is raised as soon as the import has ended
            pass

    monkeypatch.setattr("clearprop.data.load_data", load_data)
    assert main(train(tmp_path / "run")) == sent.code
    assert capsys.readouterr().err == f"{sent.word}.\n"
    assert sys.modules[name].whole is True


@both
def test_signal_that_turned_into_an_import_error_is_still_reported(
    tmp_path: Path,
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load_data(*_: Any, **__: Any) -> None:
        try:
            signal.raise_signal(sent.number)
        except KeyboardInterrupt:
            raise ImportError("numpy.core.multiarray failed to import") from None

    monkeypatch.setattr("clearprop.data.load_data", load_data)
    assert main(train(tmp_path / "run")) == sent.code
    assert capsys.readouterr().err == f"{sent.word}.\n"


@both
def test_signal_swallowed_by_a_destructor_ends_training_at_the_first_batch(
    tmp_path: Path,
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from clearprop.data import load_data

    class Destructor:
        def __del__(self) -> None:
            signal.raise_signal(sent.number)

    def load(*arguments: Any, **named: Any) -> Any:
        Destructor()
        return load_data(*arguments, **named)

    monkeypatch.setattr("clearprop.data.load_data", load)
    out = tmp_path / "run"
    assert main(train(out)) == sent.code
    expected = f"{sent.word}. No epoch was complete yet; start again with: "
    error = capsys.readouterr().err
    assert error.startswith(expected)
    assert error.count("\n") == 1


def test_signal_ignored_by_the_shell_stays_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    notes = in_step(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGINT))
    assert main(train(tmp_path / "run")) == 0
    assert notes == ["began", "went on"]


# in the training


@both
def test_training_step_is_completed_and_finished_epochs_are_kept(
    tmp_path: Path,
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, two, out = tmp_path / "whole", tmp_path / "two", tmp_path / "out"
    assert main(train(whole)) == main(train(two, epochs=2)) == 0
    with monkeypatch.context() as patch:
        # an epoch of the digits has 19 steps
        notes = in_step(patch, 45, lambda: signal.raise_signal(sent.number))
        assert main(train(out)) == sent.code
    assert notes == ["began", "went on"]
    assert f"{sent.word}. {out} keeps the first 2 of 4 epochs; go on with: " in capsys.readouterr().err
    assert contents(out)["history.json"] == contents(two)["history.json"]
    kept, of_two = (Checkpoints(folder).latest() for folder in (out, two))
    assert kept is not None
    assert of_two is not None
    assert all(
        (one == other).all()
        for layer, like in zip(kept.parameters, of_two.parameters, strict=True)
        for one, other in zip(layer, like, strict=True)
    )
    assert main(train(out, "--resume")) == 0
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_while_the_command_is_ending_is_ignored(
    tmp_path: Path,
    second: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep = RunRecorder.keep_unfinished

    def keep_unfinished(self: RunRecorder) -> int:
        signal.raise_signal(second)
        epoch = keep(self)
        signal.raise_signal(second)
        return epoch

    monkeypatch.setattr(RunRecorder, "keep_unfinished", keep_unfinished)
    in_step(monkeypatch, 45, lambda: [signal.raise_signal(signal.SIGTERM), signal.raise_signal(second)])
    out = tmp_path / "out"
    assert main(train(out)) == 143
    error = capsys.readouterr().err
    assert error.startswith(f"Terminated. {out} keeps the first 2 of 4 epochs; go on with: ")
    assert error.count("\n") == 1
    assert (out / "parameters.safetensors").exists()
    assert not (out / "run.lock").exists()


def test_second_signal_after_the_patience_is_raised_in_mid_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE_SECONDS", 0.0)
    twice = in_step(
        monkeypatch, 45, lambda: [signal.raise_signal(signal.SIGINT), signal.raise_signal(signal.SIGINT)]
    )
    out = tmp_path / "out"
    assert main(train(out)) == 130
    assert twice == ["began"]
    assert f"Interrupted. {out} keeps the first 2 of 4 epochs" in capsys.readouterr().err


def test_failure_to_save_an_interrupted_run_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: RunRecorder) -> int:
        raise OutputError("The disk is full.")

    monkeypatch.setattr(RunRecorder, "keep_unfinished", fails)
    in_step(monkeypatch, 45, lambda: signal.raise_signal(signal.SIGINT))
    assert main(train(tmp_path / "out")) == 2
    assert capsys.readouterr().err == "Error: The disk is full.\n"


# after the training


@both
@pytest.mark.parametrize(
    "moment", ["training.run_folder.RunFolder.write_history", "model.evaluation.evaluate"]
)
def test_signal_after_training_reports_that_the_run_is_complete(
    moment: str,
    tmp_path: Path,
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main(train(whole)) == 0
    capsys.readouterr()
    monkeypatch.setattr(f"clearprop.{moment}", lambda *_: signal.raise_signal(sent.number))
    assert main(train(out)) == sent.code
    assert tuple(capsys.readouterr()) == (
        "", f"{sent.word}. The run is complete: {out / 'parameters.safetensors'}\n"
    )  # fmt: skip
    assert contents(out)["parameters.safetensors"] == contents(whole)["parameters.safetensors"]


@both
def test_signal_during_an_import_after_training_reports_that_the_run_is_complete(
    tmp_path: Path,
    sent: Signal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"sends_{sent.number.name.lower()}_late"
    (tmp_path / f"{name}.py").write_text(f"import signal\nsignal.raise_signal({int(sent.number)})\n")
    monkeypatch.syspath_prepend(tmp_path)
    # so that the end of the block comes first
    monkeypatch.setattr(interrupts, "RETRY_SECONDS", 60.0)

    def evaluated(*_: object) -> SimpleNamespace:
        __import__(name)
        return SimpleNamespace(report_text=str)

    monkeypatch.setattr("clearprop.model.evaluation.evaluate", evaluated)
    out = tmp_path / "out"
    assert main(train(out)) == sent.code
    assert capsys.readouterr().err == f"{sent.word}. The run is complete: {out / 'parameters.safetensors'}\n"


@both
def test_signal_while_python_exits_is_ignored(sent: Signal) -> None:
    late = f"atexit.register(lambda: os.kill(os.getpid(), {int(sent.number)}))"
    ended = own_process(late, "--version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("clearprop ")
    # nor if it was a signal that ended it
    ended = own_process(f"{late}\n{while_importing('typer', sent.number)}", "--version")
    assert (ended.returncode, ended.stderr) == (sent.code, f"{sent.word}.\n")


def test_handlers_installed_by_other_code_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def mine(number: int, _: Any) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGTERM, mine)
    try:
        in_step(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGTERM))
        assert main(train(tmp_path)) == 0
        assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


# the judgement used by the tests that kill real processes


@pytest.mark.parametrize(
    ("sent", "code", "said", "results", "hears", "right"),
    [
        (signal.SIGKILL, -9, "", "", True, True),
        (signal.SIGINT, 130, "epoch 1/2\nInterrupted. Kept.\n", "", True, True),
        (signal.SIGINT, 130, "epoch 1/2\n", "", True, False),
        (signal.SIGINT, 130, "Interrupted.\nInterrupted.\n", "", True, False),
        (signal.SIGINT, 130, "Traceback\nInterrupted.\n", "", True, False),
        (signal.SIGTERM, 130, "Interrupted.\n", "", True, False),
        (signal.SIGTERM, -15, "", "", False, True),
        (signal.SIGTERM, -15, "", "", True, False),
        (signal.SIGTERM, -15, "epoch 1/2\n", "", False, False),
        (signal.SIGTERM, -2, "", "", False, False),
        (signal.SIGINT, 1, "Fatal Python error: init_import_site: Failed", "", False, True),
        (signal.SIGINT, 1, "ImportError", "", False, False),
        (signal.SIGINT, 0, "epoch 2/2\n", "run/parameters.safetensors\n", True, True),
        (signal.SIGINT, 0, "epoch 1/2\n", "", True, False),
    ],
)
def test_judgement_of_a_killed_process_is_strict(
    sent: signal.Signals, code: int, said: str, results: str, hears: bool, right: bool
) -> None:
    assert (what_is_wrong([sent], code, said, results, hears) is None) is right
