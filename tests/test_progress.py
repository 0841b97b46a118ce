"""Progress: the choice of display, its text, and the state of the terminal afterwards."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import threading
import types
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.progress import BarProgress, LineProgress, NotebookProgress, _clock, progress_callback

TITLE = "[7/7] torch-sigmoid-adamw-logits, seed 0"
NETWORK = cp.Network((6, 4, 3))
HIDE, SHOW, UP = "\x1b[?25l", "\x1b[?25h", "\x1b[1A"


def noise(n_rows: int) -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset(
        "noise",
        rng.normal(size=(n_rows, 6)).astype(np.float32),
        rng.integers(0, 3, n_rows),
        ("a", "b", "c"),
        None,
        Scaling(),
    )


def train(*callbacks: Callback, epochs: int = 3, validation: bool = True, **recipe: Any) -> cp.Run:
    """Train on 100 rows, two batches an epoch, with these displays only."""
    return cp.train(
        NETWORK,
        cp.Recipe(epochs=epochs, **recipe),
        noise(100),
        noise(30) if validation else None,
        callbacks=callbacks,
        progress=False,
    )


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)


# ---- What is said ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0:00"),
        (0.4, "0:00"),
        (59.6, "1:00"),
        (61, "1:01"),
        (3599, "59:59"),
        (3599.6, "1:00:00"),
        (36061, "10:01:01"),
    ],
)
def test_a_duration_reads_as_a_clock(seconds: float, words: str) -> None:
    assert _clock(seconds) == words


def test_rows_a_second_and_time_left_follow_the_training_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds of training and five of validation an epoch, 100 rows in two batches of 64 and 36."""

    class Slow(Callback):
        def on_batch_end(self, state: TrainingState) -> None:
            clock.now += 5
            seen.append(display._facts(state))

        def on_epoch_end(self, state: TrainingState) -> None:
            clock.now += 5

    clock = Clock(monkeypatch)
    display = LineProgress()
    seen: list[dict[str, str]] = []
    train(Slow(), display, epochs=10)
    assert [facts["epoch"] for facts in seen[:3]] == [" 1/10", " 1/10", " 2/10"]
    # 64 rows in 5 seconds, 100 in 10, 164 in 15
    assert [facts["rows/s"].strip() for facts in seen[:3]] == ["13", "10", "11"]
    # validation counts here: 5 seconds for one step of 20, 10 for two, then 20 for three
    assert [facts["left"] for facts in seen[:3]] == ["1:35", "1:30", "1:53"]


def test_within_an_epoch_the_loss_is_that_of_the_last_batch() -> None:
    class Look(Callback):
        def on_batch_end(self, state: TrainingState) -> None:
            assert display._facts(state)["loss"] == f"{state.history.batch_losses[-1]:.4f}"

    display = LineProgress()
    train(display, Look())


def test_facts_before_the_first_batch_are_dashes() -> None:
    class Look(Callback):
        def on_train_begin(self, state: TrainingState) -> None:
            seen.update(display._facts(state))

    display = LineProgress()
    seen: dict[str, str] = {}
    train(display, Look())
    assert {name: value.strip() for name, value in seen.items()} == {
        "epoch": "0/3", "loss": "-", "validation accuracy": "-", "rows/s": "-", "left": "-"
    }  # fmt: skip


# ---- One plain line an epoch -------------------------------------------------------------------------


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_one_plain_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    run = train(LineProgress(), epochs=10)
    lines = lines_of(capsys)
    assert len(lines) == 10
    for line, record in zip(lines, run.history.epochs, strict=True):
        assert re.fullmatch(
            rf"epoch {record['epoch']:2}/10  loss {record['train_loss']:.4f}  "
            rf"validation accuracy {record['validation_accuracy']:.4f}  rows/s +[\d,]+  left 0:00",
            line,
        )


def test_the_last_line_has_the_speed_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = train(LineProgress())
    assert f"  rows/s {run.rows_per_second:7,.0f}  " in lines_of(capsys)[-1]


def test_without_a_validation_set_no_line_names_validation(capsys: pytest.CaptureFixture[str]) -> None:
    train(LineProgress(), validation=False)
    lines = lines_of(capsys)
    assert len(lines) == 3
    assert all(re.fullmatch(r"epoch \d/3  loss [\d.]+  rows/s +[\d,]+  left 0:00", line) for line in lines)


def test_each_line_starts_with_the_title(capsys: pytest.CaptureFixture[str]) -> None:
    train(LineProgress(TITLE))
    assert all(line.startswith(f"{TITLE}  epoch ") for line in lines_of(capsys))


def test_training_that_stops_early_shows_no_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopAfterOne(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            state.stop = True

    class Slow(Callback):
        def on_batch_end(self, state: TrainingState) -> None:
            clock.now += 60

    clock = Clock(monkeypatch)
    train(Slow(), StopAfterOne(), LineProgress())
    (line,) = lines_of(capsys)
    assert line.endswith("left 0:00")


def test_train_shows_progress_unless_disabled(capsys: pytest.CaptureFixture[str]) -> None:
    cp.train(NETWORK, cp.Recipe(epochs=2), noise(100))
    assert len(lines_of(capsys)) == 2
    cp.train(NETWORK, cp.Recipe(epochs=2), noise(100), progress=False)
    assert lines_of(capsys) == []


# ---- Which display -----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "display"),
    [
        (Terminal, "xterm-256color", BarProgress),
        (Terminal, None, BarProgress),
        (Terminal, "dumb", LineProgress),
        (io.StringIO, "xterm-256color", LineProgress),
    ],
)
def test_a_bar_is_for_terminals_that_can_move_it(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], term: str | None, display: type[Callback]
) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert type(progress_callback()) is display


@pytest.mark.parametrize(
    ("shell", "display"),
    [
        (types.SimpleNamespace(kernel=object()), NotebookProgress),
        # IPython at a terminal, and IPython imported by a program
        (types.SimpleNamespace(), BarProgress),
        (None, BarProgress),
    ],
)
def test_notebook_is_recognized_by_its_kernel(
    monkeypatch: pytest.MonkeyPatch, shell: object, display: type[Callback]
) -> None:
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert type(progress_callback()) is display


# ---- The bar on a terminal ---------------------------------------------------------------------------

PROGRAM = """
import sys
import time
import numpy as np
import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.training.progress import BarProgress, progress_callback

class Slow(cp.Callback):
    def on_batch_end(self, state):
        if state.epoch == 3 and "fail" in sys.argv:
            raise RuntimeError("in the middle of epoch 3")

    def on_epoch_end(self, state):
        time.sleep(0.02)

def noise(n):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 3, n)
    return Dataset("noise", x, y, ("a", "b", "c"), None, Scaling())

display = progress_callback("{title}")
assert isinstance(display, BarProgress)
streams = sys.stdout, sys.stderr
try:
    cp.train(
        cp.Network((6, 4, 3)), cp.Recipe(epochs=40), noise(1000), noise(100),
        callbacks=[display, Slow()], progress=False,
    )
except RuntimeError as error:
    print("RuntimeError:", error)
assert (sys.stdout, sys.stderr) == streams
print("the program goes on")
"""


def on_a_terminal(columns: int, *arguments: str) -> str:
    """Run the program on a terminal of its own and return all that it wrote there."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    before = termios.tcgetattr(theirs)
    plain = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
    }
    written: list[bytes] = []

    def read() -> None:
        # at the end some systems give nothing, others an error
        with open(ours, "rb", buffering=0) as terminal:
            try:
                while data := terminal.read(4096):
                    written.append(data)
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    program = PROGRAM.replace("{title}", TITLE)
    code = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**plain, "TERM": "xterm-256color"}, timeout=60,
    ).returncode  # fmt: skip
    assert termios.tcgetattr(theirs) == before
    os.close(theirs)
    reader.join(timeout=60)
    text = b"".join(written).decode()
    assert code == 0, text
    return text


def visible(text: str) -> list[str]:
    """Return every line that was ever drawn, without colours and movements of the cursor."""
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", text)
    without = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\r", without_colours)
    return [line.rstrip() for line in re.split(r"[\r\n]+", without) if line.strip()]


@pytest.fixture(scope="module")
def success() -> str:
    return on_a_terminal(80)


@pytest.fixture(scope="module")
def failure() -> str:
    return on_a_terminal(80, "fail")


def test_bar_shows_the_finished_share(success: str) -> None:
    title, *bars, after = visible(success)
    assert title == TITLE
    assert after == "the program goes on"
    fact = re.compile(
        r"━+╺?━* epoch ([ \d]\d)/40  loss [\d.]+  accuracy [\d.]+  rows/s +[\d,]+  left \d:\d\d"
    )
    shown = [int(found[1]) for found in map(fact.fullmatch, bars) if found]
    # it moved, and it ended where the training did
    assert len(set(shown)) > 2
    assert shown == sorted(shown)
    assert shown[-1] == 40
    assert bars[-1].endswith("left 0:00")


def test_the_bar_keeps_to_one_line_of_80_columns(success: str) -> None:
    assert max(map(len, visible(success))) <= 80
    assert "…" not in success
    # to redraw more than one line, the cursor would have to go up
    assert UP not in success


def test_on_a_narrow_terminal_the_facts_are_cut_and_not_wrapped() -> None:
    written = on_a_terminal(50)
    assert max(map(len, visible(written))) <= 50
    assert UP not in written
    assert re.search(r"epoch 40/40  loss [\d.]+  accuracy [\d.]+.*…", written)


def test_the_cursor_is_back_after_a_training(success: str) -> None:
    assert success.count(HIDE) == success.count(SHOW) == 1
    assert success.index(HIDE) < success.index(SHOW) < success.index("the program goes on")


def test_the_cursor_is_back_after_an_exception(failure: str) -> None:
    assert failure.count(HIDE) == failure.count(SHOW) == 1
    # what follows stands on a line of its own
    assert visible(failure)[-2:] == ["RuntimeError: in the middle of epoch 3", "the program goes on"]
    assert "epoch  3/40" in failure or "epoch  2/40" in failure
