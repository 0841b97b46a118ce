"""Kills real trainings and studies at random moments, fills real disks, and counts what was lost: nothing.

python tests/soak/kill_runs.py            # all of it: about fifteen minutes
python tests/soak/kill_runs.py torch --kills 40 --seed 7
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from killing import (
    Figures,
    contents,
    epochs_in,
    in_the_middle_of_writing,
    kill_repeatedly,
    log_text,
    run_to_the_end,
    start,
    use_one_thread,
)

from clearprop.training.checkpoint_files import CHECKPOINT_FILE, Checkpoints

STUDY = """
name = "soak"
title = "Killed again and again"
seeds = 2

[defaults]
hidden = [256, 128]
epochs = 30
dropout = 0.2

[[experiments]]
name = "sgd"

[[experiments]]
name = "stopping"
optimizer = "adam"
early_stopping = 5
learning_rate = 0.003

[[experiments]]
name = "torch"
engine = "torch"
optimizer = "adamw"
schedule = "one_cycle"
"""
TRAIN = [
    *("train", "--dropout", "0.2", "--optimizer", "adam", "--learning-rate", "0.001"),
    *("--schedule", "one_cycle", "--early-stopping", "100", "--epochs", "40"),
]
HIDDEN = "500,250,100"
KILLS_A_RUN = 8
GENTLE = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)


def kill_scenario(name: str, kills: int, seed: int, hidden: str, folder: Path) -> None:
    """Kill one command until it was killed often enough, each run compared with one left alone."""
    rng = random.Random(f"{name} {seed}")
    if name == "study":
        study = folder / "soak.toml"
        study.write_text(STUDY)
        fixed, more = ["study", str(study)], []
    else:
        engine = name.removesuffix("-signals")
        fixed, more = [*TRAIN, "--hidden", hidden, "--engine", engine], ["--resume"]
    whole = folder / "whole"
    seconds = run_to_the_end([*fixed, "--out", str(whole)], folder / "whole.log")
    expected = contents(whole)
    total, runs, began = Figures(), 0, time.monotonic()
    while total.kills < kills:
        runs += 1
        out, log = folder / f"run-{runs}", folder / f"run-{runs}.log"
        of_kind = GENTLE if name.endswith("-signals") else (signal.SIGKILL,)
        wanted = min(KILLS_A_RUN, kills - total.kills)
        command = [*fixed, "--out", str(out), *more]
        total.add(kill_repeatedly(command, out, log, rng, wanted, seconds, of_kind))
        found = contents(out)
        if found != expected:
            differing = [file for file in {*found, *expected} if found.get(file) != expected.get(file)]
            raise SystemExit(f"{name}: run {runs} ended differently in {differing}; see {folder}")
        assert not in_the_middle_of_writing(out)
        assert not list(out.rglob("*.lock"))
        shutil.rmtree(out)
    signals = ", ".join(f"{number} {name}" for name, number in sorted(total.signals.items()))
    print(
        f"{name}: {total.kills} kills ({signals}) of {runs} runs of {len(epochs_in(folder / 'whole.log'))} "
        f"epochs, {total.before_training} before the first epoch ({total.before_hearing} while Python itself "
        f"started), {total.while_writing} in the middle of writing a file, {total.twice} followed by another"
        f" signal, {total.too_late} more when its work was done; {total.epochs_repeated} printed epochs "
        f"repeated; all {runs} ended bit-identical "
        f"({time.monotonic() - began:.0f} s)",
        flush=True,
    )


def full_disk(seed: int, folder: Path, rounds: int) -> None:
    """Train on a small disk of its own that fills up at a random moment; then make room, and go on."""
    rng = random.Random(f"disk {seed}")
    fixed = [*TRAIN, "--hidden", HIDDEN, "--engine", "numpy"]
    run_to_the_end([*fixed, "--out", str(folder / "whole")], folder / "whole.log")
    expected = contents(folder / "whole")
    disk = folder / "disk"
    disk.mkdir()
    # room for the checkpoint, the one before it and the one that is being written
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        print(f"full-disk: left out, since no disk can be mounted here ({mounted.stderr.strip()})")
        return
    try:
        for number in range(rounds):
            _fill_once(disk / f"run-{number}", disk / "filler", folder / f"run-{number}.log", fixed, rng)
            assert contents(disk / f"run-{number}") == expected
            shutil.rmtree(disk / f"run-{number}")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    print(
        f"full-disk: {rounds} disks filled up; each time one sentence, an intact checkpoint and the same end"
    )


def _fill_once(out: Path, filler: Path, log: Path, fixed: list[str], rng: random.Random) -> None:
    process = start([*fixed, "--out", str(out), "--resume"], log)
    while process.poll() is None and not epochs_in(log):
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 1.0))
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(rng.choice([1 << 20, 4096])))
        except OSError:
            pass
    assert process.wait(timeout=60) == 2, log_text(log)
    last = log_text(log).splitlines()[-1]
    assert last.startswith("Error: "), last
    assert "No space left on device" in last, last
    kept = Checkpoints(out).latest()
    assert kept is not None
    assert f"the checkpoint of epoch {kept.epoch} is intact" in last, last
    assert not in_the_middle_of_writing(out)
    assert (out / CHECKPOINT_FILE).exists()
    filler.unlink()
    run_to_the_end([*fixed, "--out", str(out), "--resume"], log)


def main() -> None:
    """Run what was asked for."""
    scenarios = ("numpy", "torch", "study", "numpy-signals", "torch-signals")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="*", default=[*scenarios, "full-disk"], metavar="SCENARIO")
    parser.add_argument("--kills", type=int, default=24, help="of each scenario")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", default=HIDDEN, help="of the trainings; a small network is killed sooner")
    arguments = parser.parse_args()
    use_one_thread()
    # a checkpoint that is damaged after a kill would be one
    warnings.simplefilter("error")
    for name in arguments.scenario:
        if name not in (*scenarios, "full-disk"):
            parser.error(f"there is no scenario {name}; choose from {', '.join((*scenarios, 'full-disk'))}")
        folder = Path(tempfile.mkdtemp(prefix=f"clearprop-soak-{name}-"))
        if name == "full-disk":
            full_disk(arguments.seed, folder, max(1, arguments.kills // 4))
        else:
            kill_scenario(name, arguments.kills, arguments.seed, arguments.hidden, folder)
        # kept where something went wrong, to be looked at
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
