"""clearprop bench: its output and files, notes on skipped peers and works, and its exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from command_line import refused

from clearprop.bench import running
from clearprop.bench.jobs import Answer, Job
from clearprop.bench.judging import judge
from clearprop.bench.results import BenchResults
from clearprop.bench.running import run_bench
from clearprop.bench.tables import bars_met, duration, markdown, tables, where
from clearprop.bench.workloads import BEST, Bar, Workload
from clearprop.cli import main

TINY = Workload(
    "tiny",
    "A tiny epoch",
    "train",
    300,
    layer_sizes=(20, 8, 3),
    epochs=1,
    bars=(Bar("scikit-learn", 0.33), Bar("floor", 1.2)),
)


@pytest.fixture
def tiny_workloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command measure one tiny epoch, whatever work is asked for."""
    monkeypatch.setattr(running, "workloads", lambda work, quick: [TINY])


def command(tmp_path: Path, *arguments: str) -> list[str]:
    return ["bench", "--out", str(tmp_path / "out"), *arguments]


def timed(*seconds: float, **facts: object) -> list[Answer]:
    return [Answer(seconds=each, **facts) for each in seconds]


def fake_results(answers: dict[str, list[Answer]], *works: Workload) -> BenchResults:
    return BenchResults(
        results=tuple(judge(work, answers) for work in works),
        data="Some rows.",
        threads=2,
        runs=2,
        machine={
            "system": "Linux",
            "processor": "A fast one",
            "cores": 2,
            "memory": 2**34,
            "accelerator": None,
        },
        versions={"clearprop": "1.0", "numpy": "2.0", "pillow": "1"},
        libraries=[{"internal_api": "openblas", "version": "0.3", "architecture": "Zen"}],
        notes=["jax was skipped."],
        created="2024-02-29T00:00:00+00:00",
        command="clearprop bench",
    )


def test_markdown_contains_machine_ratios_bars_and_exclusions() -> None:
    answers = {
        "clearprop": timed(0.9, 1.1, losses=(1.0,)),
        "torch-eager": timed(3.9, 4.1, losses=(1.0,)),
        "scikit-learn": timed(0.2, losses=(2.0,)),
        "floor": timed(0.8, 0.8),
    }
    results = fake_results(answers, dataclasses.replace(TINY, bars=(Bar("torch", 0.5), Bar("floor", 1.2))))
    text = markdown(results)
    assert "A fast one, Linux, 2 cores, 16 GiB. NumPy's products by openblas 0.3 (Zen kernels). " in text
    assert "Clearprop's update rules: in passes of NumPy. " in text
    assert "Clearprop's update rules: compiled. " in where(dataclasses.replace(results, compiled=True))
    assert "clearprop 1.0, numpy 2.0." in text
    assert "| PyTorch eager | 4.00 s | 3.90 s to 4.10 s | 1.0000 | 0.25 | 0.23 to 0.27 | ≤ 0.50 met |" in text
    assert "| floor | 800 ms | 800 ms to 800 ms | - | 1.25 | 1.12 to 1.38 | ≤ 1.20 missed |" in text
    assert "| scikit-learn | 200 ms, not compared | 200 ms to 200 ms | 2.0000 |  |  |  |" in text
    assert "Bars met: 1 of 2." in text
    assert "- A tiny epoch: scikit-learn trained to a loss of 2.0000, Clearprop to 1.0000" in text
    assert "- jax was skipped." in text
    assert text.rstrip().endswith("Made with `clearprop bench`.")


def test_workloads_of_a_group_share_a_table() -> None:
    works = [
        dataclasses.replace(TINY, group="batch size", at=at, bars=(Bar(BEST, 1.0),)) for at in ("16", "64")
    ]
    answers = {"clearprop": timed(1.0), "jax": timed(2.0), "floor": timed(0.8)}
    (table,) = tables(fake_results(answers, *works))
    assert table.columns == (
        "batch size", "rows", "Clearprop", "JAX", "floor",
        "Clearprop / floor", "Clearprop / best peer", "bar",
    )  # fmt: skip
    assert table.rows[1] == ("64", "300", "1.00 s", "2.00 s", "800 ms", "1.25", "0.50", "≤ 1.00 met")


def test_bar_of_a_missing_peer_is_not_counted_as_met() -> None:
    results = fake_results({"clearprop": timed(1.0), "floor": timed(0.9)}, TINY)
    assert bars_met(results) == "Bars met: 1 of 1. 1 could not be measured."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2.3456e-7, "0.23 µs"),
        (7.56e-5, "75.6 µs"),
        (0.0123, "12.3 ms"),
        (0.99951, "1.00 s"),
        (1234.5, "1,234 s"),
    ],
)
def test_duration_has_three_digits_and_a_fitting_unit(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_command_measures_prints_and_writes_files(
    tiny_workloads: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file = tmp_path / "deep" / "bench.json"
    arguments = command(
        tmp_path,
        "--work",
        "train",
        "--peers",
        "scikit-learn",
        "--runs",
        "2",
        "--threads",
        "1",
        "--json",
        str(json_file),
    )
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    folder = tmp_path / "out"
    assert out.splitlines()[-3:] == [str(folder / "bench.md"), str(folder / "bench.png"), str(json_file)]
    turns = ("Clearprop", "scikit-learn", "floor")
    reported = [line for line in err.splitlines() if line.startswith("A tiny epoch, run ")]
    assert [line.split(": ")[1].split()[0] for line in reported] == [*turns, *turns[1:], turns[0]]
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    for text in (out, (folder / "bench.md").read_text()):
        assert "A tiny epoch" in text
        assert "Clearprop / it" in text
        assert "≤ 0.33" in text
        assert "Synthetic rows" in text
    found = json.loads(json_file.read_text())
    assert set(found) == {
        "schema_version", "results", "data", "threads", "runs", "machine", "versions", "libraries", "notes",
        "compiled",
        "created", "command", "interrupted", "problems",
    }  # fmt: skip
    assert (found["schema_version"], found["threads"], found["runs"], found["problems"]) == (1, 1, 2, [])
    (result,) = found["results"]
    assert [each["contestant"] for each in result["outcomes"]] == ["clearprop", "scikit-learn", "floor"]
    for each in result["outcomes"]:
        assert len(each["seconds"]) == 2
        assert each["median"] == np.median(each["seconds"])
    own, other, floor = (each["median"] for each in result["outcomes"])
    assert [each["ratio"] for each in result["comparisons"]] == [own / other, own / floor]
    assert [each["at_most"] for each in result["comparisons"]] == [0.33, 1.2]


def test_scaling_figure_compares_with_the_floor_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [
        dataclasses.replace(TINY, rows=n, group="training rows", at=f"{n:,}", bars=()) for n in (100, 1_000)
    ]
    monkeypatch.setattr(running, "workloads", lambda work, quick: points)
    assert main(command(tmp_path, "--work", "scaling", "--runs", "1", "--threads", "1", "--quiet")) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-2:] == [str(tmp_path / "out" / name) for name in ("bench.md", "scaling.png")]
    assert (tmp_path / "out" / "scaling.png").read_bytes().startswith(b"\x89PNG")
    assert (
        "| training rows | rows | Clearprop | floor | Clearprop / floor |"
        in (tmp_path / "out" / "bench.md").read_text()
    )
    assert "run 1 of 1" not in err


def with_runs_by(does: Callable[[Job], Answer]) -> Callable[..., BenchResults]:
    def run(works: Sequence[str], peers: Sequence[str], **rest: object) -> BenchResults:
        return run_bench(works, peers, **{**rest, "run": does})

    return run


@pytest.mark.parametrize("asked", [["--work", "predict,train"], ["--work", "predict", "--work", "train"]])
def test_work_option_accepts_commas_and_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(running, "workloads", lambda work, quick: seen.append(work) or [])
    main(command(tmp_path, *asked, "--peers", "floor", "--quiet"))
    assert seen == ["predict", "train"]


def test_failed_check_is_reported_and_exits_1(
    tiny_workloads: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(job: Job) -> Answer:
        return Answer(seconds=1.0, losses=(1.0 if job.contestant == "clearprop" else 1.5,))

    monkeypatch.setattr("clearprop.bench.running.run_bench", with_runs_by(run))
    assert main(command(tmp_path, "--peers", "scikit-learn", "--runs", "1", "--threads", "1", "--quiet")) == 1
    out, err = capsys.readouterr()
    assert "scikit-learn trained to a loss of 1.5000, Clearprop to 1.0000" in err
    assert "not compared" in out
    assert (tmp_path / "out" / "bench.md").exists()


def test_missing_peer_is_skipped_with_a_note(
    tiny_workloads: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("jax", "torch") else name)
    monkeypatch.setattr("clearprop.bench.running.run_bench", with_runs_by(lambda job: Answer(seconds=1.0)))
    assert main(command(tmp_path, "--work", "train", "--runs", "1", "--threads", "1")) == 0
    out, err = capsys.readouterr()
    for peer in ("jax", "torch"):
        sentence = f'{peer} is not installed and was skipped; pip install "clearprop[bench]" brings it.'
        assert sentence in err.splitlines()
        assert sentence in (tmp_path / "out" / "bench.md").read_text()
    assert "scikit-learn" in out
    assert "PyTorch" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--work", "trian"], 'Did you mean "train"'),
        (["--peers", "jax,pytorch"], 'peers is \'pytorch\', but must be one of "clearprop", "jax", "torch"'),
        (["--threads", "0"], "threads is 0, but must be a whole number of at least 1"),
        (["--threads", "9999"], "threads is 9999, but this process may use"),
        (["--runs", "0"], "runs is 0"),
        (["--data-dir", "nowhere"], "nowhere, given as the data folder, is not a folder"),
    ],
)
def test_invalid_argument_gives_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refused(capsys, *command(tmp_path, *arguments))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_child_process_survives_a_signal(how: signal.Signals, tmp_path: Path) -> None:
    # a worker that takes long, and has a child of its own
    noted = tmp_path / "processes"
    worker = (
        "import os, subprocess, sys\n"
        "from clearprop.bench import worker\n"
        "def perform(job):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    open({str(noted)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "    child.wait()\n"
        "worker.perform = perform; worker.main()"
    )
    # a shell that runs in the background hands down a SIGINT that is ignored; a terminal does not
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from clearprop.bench import processes\n"
        "from clearprop.cli import main\n"
        f"processes.WORKER = (sys.executable, '-c', {worker!r})\n"
        "sys.exit(main())"
    )
    arguments = command(tmp_path, "--quick", "--work", "train", "--peers", "floor")
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # where the rows are kept while it runs: a process that is killed cannot tidy up
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    deadline = time.monotonic() + 60
    while not (noted.exists() and noted.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert out == ""
    if how == signal.SIGINT:
        assert process.returncode == 130, err
        assert err == "Interrupted before the first work was complete; nothing was written.\n"
        assert not list(tmp_path.glob("clearprop-bench-*"))
    for child in map(int, noted.read_text().split()):
        assert not _runs(child)


@pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
)
def test_signal_keeps_completed_works(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sent: signal.Signals,
    code: int,
    word: str,
) -> None:
    def run(job: Job) -> Answer:
        if job.workload.name == "second":
            signal.raise_signal(sent)
        return Answer(seconds=1.0)

    planned = [TINY, dataclasses.replace(TINY, name="second", title="Another epoch")]
    monkeypatch.setattr(running, "workloads", lambda work, quick: planned)
    monkeypatch.setattr("clearprop.bench.running.run_bench", with_runs_by(run))
    assert main(command(tmp_path, "--work", "train", "--runs", "1", "--threads", "1", "--quiet")) == code
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == f"{word}. The works that were complete are kept in {tmp_path / 'out'}."
    text = (tmp_path / "out" / "bench.md").read_text()
    assert "A tiny epoch" in out
    assert "## A tiny epoch" in text
    assert "Another epoch" not in text


def _runs(process: int) -> bool:
    """Tell whether a process still runs; one that has ended may wait for its parent to notice."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        state = Path(f"/proc/{process}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.02)
    return True


def test_cold_start_without_mnist_is_skipped_with_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cold = dataclasses.replace(TINY, title="Cold start", kind="cold-start")
    monkeypatch.setattr(running, "workloads", lambda work, quick: [cold])
    results = run_bench(["cold-start"], [], runs=1)
    assert results.results == ()
    assert any(
        note.startswith("Cold start was skipped, since the files of MNIST are not here")
        for note in results.notes
    )
