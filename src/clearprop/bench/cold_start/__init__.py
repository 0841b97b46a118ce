"""Cold starts: whole commands that train to 98% test accuracy on MNIST, timed from outside."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from clearprop.bench.jobs import Answer
from clearprop.bench.workloads import RECIPE

#: Clearprop's command, as a user types it.
TRAIN = ("train", "--recipe", RECIPE, "--data", "mnist", "--quiet")
#: The same program as the installed command `clearprop`.
CLEARPROP = (sys.executable, "-c", "import sys; from clearprop.cli import main; sys.exit(main())")
PARTS = ("x", "y", "x_test", "y_test")


def cold_start_command(
    module: str, hidden: Sequence[int], files: Mapping[str, Path], data_dir: Path | None, seed: int, out: Path
) -> tuple[str, ...]:
    """Return the command of one cold start.

    Parameters
    ----------
    module : str
        The peer's script in this folder; "" for Clearprop.
    hidden : sequence of int
        The sizes of the hidden layers, for the scripts; Clearprop's recipe contains them.
    files : mapping of str to pathlib.Path
        MNIST's files by part; the scripts get their paths.
    data_dir : pathlib.Path or None
        The first folder that Clearprop searches for them.
    seed : int
    out : pathlib.Path
        The folder of Clearprop's run.
    """
    if module:
        script = Path(__file__).with_name(f"{module}.py")
        sizes = ",".join(map(str, hidden))
        return (sys.executable, str(script), *(str(files[part]) for part in PARTS), sizes, str(seed))
    folder = () if data_dir is None else ("--data-dir", str(data_dir))
    return (*CLEARPROP, *TRAIN, "--seed", str(seed), "--out", str(out), *folder)


def time_command(command: Sequence[str]) -> Answer:
    """Run a command that prints its test accuracy, and time it from outside."""
    started = time.perf_counter()
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if process.returncode:
        lines = [line.strip() for line in process.stderr.splitlines() if line.strip()] or ["it said nothing"]
        return Answer(error=f"ended with exit code {process.returncode}: {lines[-1]}")
    found = re.search(r"accuracy:? (\d\.\d+)", process.stdout)
    if found is None:
        return Answer(error="printed no accuracy")
    return Answer(seconds=seconds, accuracy=float(found.group(1)), peak_memory=_peak_memory_of_children())


def _peak_memory_of_children() -> int | None:
    """Return the largest peak memory of this process's children, in bytes; None without ``resource``."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # in kilobytes, but on macOS in bytes
    return peak if sys.platform == "darwin" else peak * 1024
