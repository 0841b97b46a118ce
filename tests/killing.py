"""Killing a real process at random moments, and seeing that nothing of its work is lost or changed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from clearprop.training.checkpoint_files import CHECKPOINT_FILE, PREVIOUS_FILE, Checkpoints

PROGRAM = "import sys; from clearprop.cli import main; sys.exit(main())"
#: What a process returns that a signal ended, and the first word of the last sentence it says.
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {130: "Interrupted", 143: "Terminated"}
#: The end of what a command prints when its work is done.
RESULTS = ("parameters.safetensors\n", "report.html\n")
# how often a signal that can be heard is followed by another, as wrappers and impatient users do
TWICE = 0.2
EPOCH = re.compile(r"epoch +(\d+)/\d+")


@dataclass
class Figures:
    """What happened to a command that was killed again and again."""

    kills: int = 0
    before_training: int = 0  # while it was still starting
    before_hearing: int = 0  # while Python itself was
    twice: int = 0
    too_late: int = 0  # its work was done
    while_writing: int = 0  # leaving a temporary file, or the time between two renamings, behind
    epochs_repeated: int = 0
    signals: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Count another's as well."""
        for number in fields(self):
            if number.name != "signals":
                setattr(self, number.name, getattr(self, number.name) + getattr(other, number.name))
        self.signals += other.signals


def start(arguments: Sequence[str], log: Path, program: str = PROGRAM) -> subprocess.Popen[bytes]:
    """Start the command line as a process of its own; what it says goes to the end of a file.

    What it prints as its result goes to a file beside that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell that runs this in the background hands that down; a terminal does not
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("ab") as file, log.with_suffix(".out").open("wb") as results:
        return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=results, stderr=file)


def run_to_the_end(arguments: Sequence[str], log: Path, program: str = PROGRAM) -> float:
    """Run a command without disturbing it; return how long its training took, from the first epoch on."""
    seen = len(epochs_in(log))
    process = start(arguments, log, program)
    began = time.monotonic()
    while process.poll() is None and len(epochs_in(log)) == seen:
        began = time.monotonic()
        time.sleep(0.02)
    assert process.wait(timeout=300) == 0, log.read_text()
    return time.monotonic() - began


def kill_repeatedly(
    arguments: Sequence[str],
    out: Path,
    log: Path,
    rng: random.Random,
    kills: int,
    seconds: float,
    signals: Sequence[signal.Signals] = (signal.SIGKILL,),
    program: str = PROGRAM,
) -> Figures:
    """Run a command that is killed at random moments and started again, then leave it to its end.

    ``seconds`` is how long its training takes: the moments are spread over it, and some of them lie before
    the first epoch. It may be over before it was killed as often as asked for.
    """
    figures = Figures()
    while figures.kills < kills:
        known, seen = len(log_text(log)), len(epochs_in(log))
        process = start(arguments, log, program)
        if rng.random() < 0.15:
            time.sleep(rng.uniform(0, 1.0))
        else:
            while process.poll() is None and len(epochs_in(log)) == seen:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 2 * seconds / (kills + 1)))
        sent = rng.choice(list(signals))
        if process.poll() is not None:
            assert process.returncode == 0, log.read_text()
            break
        early = len(epochs_in(log)) == seen
        hears = hears_signals(process)
        process.send_signal(sent)
        all_sent = [sent]
        if sent is not signal.SIGKILL and rng.random() < TWICE:
            time.sleep(rng.uniform(0, 0.1))
            all_sent.append(rng.choice(list(EXIT_CODES)))
            process.send_signal(all_sent[-1])
        code = process.wait(timeout=60)
        said, results = log_text(log)[known:], log.with_suffix(".out").read_text()
        problem = what_is_wrong(all_sent, code, said, results, hears)
        assert problem is None, (
            f"{problem}: {[each.name for each in all_sent]} gave exit code {code} where signals were "
            f"{'heard' if hears else 'not yet heard'}; it said:\n{said}\nand printed:\n{results}"
        )
        if code == 0:
            figures.too_late += 1
            break
        figures.kills += 1
        figures.signals[sent.name] += 1
        figures.twice += len(all_sent) - 1
        figures.before_training += early
        figures.before_hearing += sent is not signal.SIGKILL and code not in EXIT_CODES.values()
        figures.while_writing += in_the_middle_of_writing(out)
        check_that_a_checkpoint_is_whole(out)
    run_to_the_end(arguments, log, program)
    repeated = Counter(epochs_in(log))
    figures.epochs_repeated = sum(repeated.values()) - len(repeated)
    # no more than the epoch in progress is ever lost; its line may have been printed already
    assert figures.epochs_repeated <= figures.kills, log.read_text()
    return figures


def hears_signals(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process has a handler for SIGTERM: Python has none, the command has until it is over."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        # no such files on this system, or the process is gone
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def what_is_wrong(
    sent: Sequence[signal.Signals], code: int, said: str, results: str, hears: bool
) -> str | None:
    """Return what a signal should not have done, if it did.

    A command that hears signals says one sentence and returns the code of one of them; or its work is done,
    and it returns 0. Before it hears them, Python ends as Python does.
    """
    if sent[0] is signal.SIGKILL:
        return None if code in (-signal.SIGKILL, 0) else "a wrong exit code"
    if code in {EXIT_CODES[each] for each in sent}:
        if "Traceback" in said or "Exception ignored" in said:
            return "a traceback"
        words = [line for line in said.splitlines() if line.startswith(tuple(WORDS.values()))]
        if len(words) != 1 or not said.splitlines()[-1].startswith(WORDS[code]):
            return "not one sentence, or not at the end"
        return None
    if code == 0:
        return None if results.endswith(RESULTS) else "success, but no result"
    if not hears and results == "" and not EPOCH.search(said):
        if code in {-each for each in sent}:
            return None
        # what Python makes of Ctrl-C while it imports its own first modules
        if code == 1 and signal.SIGINT in sent and said.startswith("Fatal Python error: init_"):
            return None
    return "a wrong exit code"


def in_the_middle_of_writing(out: Path) -> bool:
    """Tell whether a process was killed while it wrote."""
    return any(
        (path.name.startswith(".") and "safetensors" in path.name)
        or (path.name == PREVIOUS_FILE and not path.with_name(CHECKPOINT_FILE).exists())
        for path in out.rglob("*")
    )


def check_that_a_checkpoint_is_whole(out: Path) -> None:
    """See that whatever checkpoints there are can be read; the tests make an error of any warning."""
    for folder in {path.parent for path in out.rglob("checkpoint*.safetensors")}:
        assert Checkpoints(folder).latest() is not None


def log_text(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def epochs_in(log: Path) -> list[str]:
    """Return what training reported, one text an epoch: its run and its number."""
    found = []
    for line in log_text(log).splitlines():
        match = EPOCH.search(line)
        if match:
            found.append(line[: match.start()] + match[1])
    return found


def contents(out: Path) -> dict[str, Any]:
    """Return what a command left, file by file, without what depends on time; a digest for parameters."""
    left: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".json":
            left[name] = without_times(json.loads(path.read_bytes()))
        elif path.name == "parameters.safetensors":
            left[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_file() and not path.name.startswith("checkpoint") and path.suffix == ".safetensors":
            left[name] = None
    return left


def without_times(value: Any) -> Any:
    """Return JSON without what differs from one run to the next: times, and digests over them."""
    if isinstance(value, dict):
        differing = ("seconds", "rows_per_second", "created", "command", "files")
        return {name: without_times(each) for name, each in value.items() if name not in differing}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def use_one_thread() -> None:
    """Have the processes started from here compute on one thread, so that each takes its own time."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
