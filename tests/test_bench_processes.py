"""The benchmark's processes: fresh, pinned, limited in time, and given the same rows."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clearprop.bench import processes, workloads
from clearprop.bench.cold_start import cold_start_command, time_command
from clearprop.bench.jobs import Answer, Job
from clearprop.bench.judging import judge
from clearprop.bench.peers import BY_NAME
from clearprop.bench.processes import environment, run_job
from clearprop.bench.rows import prepare_rows, read_rows
from clearprop.bench.worker import perform
from clearprop.bench.workloads import Bar, Workload
from clearprop.data import load_data

TINY = Workload("tiny", "A tiny epoch", "train", 300, layer_sizes=(20, 8, 3), epochs=1)


@pytest.fixture(scope="module")
def rows_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    prepare_rows(folder, TINY.layer_sizes, None)
    return folder


def tiny_job(rows_folder: Path, contestant: str = "clearprop", **changes: object) -> Job:
    return Job(contestant, dataclasses.replace(TINY, **changes), 0, 1, str(rows_folder))


def worker_of(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let a program stand in for the worker."""
    monkeypatch.setattr(processes, "WORKER", (sys.executable, "-c", program))


def test_every_job_gets_a_fresh_process_with_the_same_threads(
    monkeypatch: pytest.MonkeyPatch, rows_folder: Path
) -> None:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")
    worker_of(
        monkeypatch,
        "import os; from clearprop.bench.jobs import Answer; "
        f"told = {{'process': os.getpid(), **{{name: os.environ[name] for name in {names}}}}}; "
        "print(Answer(seconds=1.0, libraries=(told,)).to_json())",
    )
    told = [
        dict(run_job(dataclasses.replace(tiny_job(rows_folder), threads=3)).libraries[0]) for _ in range(2)
    ]
    assert len({each.pop("process") for each in told} | {os.getpid()}) == 3
    assert (
        told[0]
        == told[1]
        == dict.fromkeys(names[:3], "3")
        | {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=3"}
    )


def test_jobs_may_use_compiled_modules() -> None:
    assert "PYTHONDONTWRITEBYTECODE" not in environment(2, {"PYTHONDONTWRITEBYTECODE": "1", "HOME": "here"})
    assert environment(2, {"HOME": "here"})["HOME"] == "here"


def test_worker_libraries_use_the_requested_threads(rows_folder: Path) -> None:
    answer = run_job(tiny_job(rows_folder))
    assert answer.seconds is not None
    assert answer.seconds > 0
    assert len(answer.losses) == 2
    assert {library["num_threads"] for library in answer.libraries} == {1}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to cores")
def test_worker_is_pinned_to_as_many_cores_as_threads() -> None:
    program = "import os; from clearprop.bench.worker import pin; pin(1); print(len(os.sched_getaffinity(0)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "1\n"


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import sys; sys.exit('out of memory')", "ended with exit code 1: out of memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by signal 11 (SIGSEGV)"),
        ("import time; time.sleep(60)", "took longer than 0.4 s and was ended"),
    ],
)
def test_crashed_or_hung_worker_gives_one_sentence(
    monkeypatch: pytest.MonkeyPatch, rows_folder: Path, program: str, sentence: str
) -> None:
    worker_of(monkeypatch, program)
    assert run_job(tiny_job(rows_folder), timeout=0.4 if "sleep" in program else 60).error == sentence


def test_library_output_and_errors_do_not_corrupt_the_answer(
    monkeypatch: pytest.MonkeyPatch, rows_folder: Path
) -> None:
    worker_of(
        monkeypatch,
        "import os; from clearprop.bench import worker\n"
        "def perform(job):\n"
        "    print('noise'); os.system('echo more noise'); raise ValueError('no such\\nthing')\n"
        "worker.perform = perform; worker.main()",
    )
    assert run_job(tiny_job(rows_folder)) == Answer(error="raised ValueError: no such")


def test_job_survives_json() -> None:
    job = Job("jax", dataclasses.replace(TINY, bars=()), 3, 2, "folder", ("a", "b"))
    assert Job.from_json(job.to_json()) == job
    answer = Answer(1.5, (0.25,), (1, 2), None, 7, ({"a": 1},))
    assert Answer.from_json(answer.to_json()) == answer


def test_peer_that_trains_less_is_not_compared(rows_folder: Path) -> None:
    answers = {
        "clearprop": [run_job(tiny_job(rows_folder, epochs=60))],
        "scikit-learn": [run_job(tiny_job(rows_folder, "scikit-learn", epochs=1))],
    }
    result = judge(TINY, answers)
    assert result.comparisons == ()
    assert result.outcomes[1].problem.startswith("scikit-learn trained to a loss of ")
    assert "more than 5% apart, so its times are not compared." in result.outcomes[1].problem


def test_synthetic_rows_replace_missing_mnist_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARPROP_DATA", raising=False)
    monkeypatch.setattr("clearprop.data.fetching.cache_folder", lambda entry: tmp_path / "nothing")
    monkeypatch.setattr("clearprop.bench.rows.N_TRAIN", 90)
    monkeypatch.setattr("clearprop.bench.rows.N_TEST", 10)
    rows = prepare_rows(tmp_path, (784, 5, 10), None)
    assert rows.files == {}
    assert rows.description.startswith("Synthetic rows of the shape of MNIST, since its files are not here")
    x, y = read_rows(tmp_path, 90, test=False)
    assert (x.dtype, x.shape, y.dtype, y.shape) == (np.uint8, (90, 784), np.int64, (90,))
    assert not x[:, :65].any()
    assert read_rows(tmp_path, 10, test=True)[0].shape == (10, 784)


def test_rows_repeat_beyond_the_data_size(rows_folder: Path) -> None:
    once, labels = read_rows(rows_folder, 60_000, test=False)
    more, more_labels = read_rows(rows_folder, 130_000, test=False)
    np.testing.assert_array_equal(more, np.concatenate([once, once, once[:10_000]]))
    np.testing.assert_array_equal(more_labels, np.concatenate([labels, labels, labels[:10_000]]))


def test_rows_are_the_published_split_of_mnist(tmp_path: Path, mnist_folder: Path) -> None:
    rows = prepare_rows(tmp_path, workloads.LAYER_SIZES, mnist_folder)
    assert rows.description.startswith("MNIST: the 50,000 training rows of the published split")
    assert set(rows.files) == {"x", "y", "x_test", "y_test"}
    expected = load_data("mnist", mnist_folder).split(validation=10_000, seed=0)
    np.testing.assert_array_equal(read_rows(tmp_path, 50_000, test=False)[0], expected.train.x)
    assert expected.test is not None
    np.testing.assert_array_equal(read_rows(tmp_path, 10_000, test=True)[1], expected.test.y)


def idx_files(folder: Path) -> dict[str, Path]:
    """Write four small files in the format of MNIST."""
    rng = np.random.default_rng(0)
    paths = {}
    for part, n in (("x", 300), ("y", 300), ("x_test", 40), ("y_test", 40)):
        images = part.startswith("x")
        shape = (n, 28, 28) if images else (n,)
        header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        paths[part] = folder / part
        data = rng.integers(0, 256, shape) if images else np.arange(n) % 10
        paths[part].write_bytes(header + data.astype(np.uint8).tobytes())
    return paths


@pytest.mark.parametrize(("script", "package"), [("torch_script", "torch"), ("sklearn_script", "sklearn")])
def test_peer_script_reads_trains_and_prints_its_accuracy(tmp_path: Path, script: str, package: str) -> None:
    pytest.importorskip(package, reason="the peer is not installed")
    answer = time_command(cold_start_command(script, (20, 12), idx_files(tmp_path), None, 3, tmp_path))
    assert answer.error == ""
    assert answer.seconds is not None
    assert answer.accuracy is not None
    assert 0 <= answer.accuracy < 0.6
    assert answer.peak_memory is None or answer.peak_memory > 10_000_000


def test_cold_start_runs_the_installed_command(tmp_path: Path) -> None:
    parts = cold_start_command("", (384,), {}, tmp_path, 4, tmp_path / "run")
    typed = parts[3:]
    assert typed == (
        "train", "--recipe", "fast", "--data", "mnist", "--quiet", "--seed", "4",
        "--out", str(tmp_path / "run"), "--data-dir", str(tmp_path),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("import sys; sys.exit('Error: no such recipe')", "ended with exit code 1: Error: no such recipe"),
        ("print('hello')", "printed no accuracy"),
    ],
)
def test_failed_cold_start_gives_its_reason(program: str, error: str) -> None:
    assert time_command([sys.executable, "-c", program]).error == error


def test_every_contestant_has_a_module_and_workloads() -> None:
    bench = Path(processes.__file__).parent
    for contestant in BY_NAME.values():
        folder = "cold_start" if "cold-start" in contestant.kinds else "peers"
        assert not contestant.module or (bench / folder / f"{contestant.module}.py").is_file()
        assert set(contestant.kinds) <= {"train", "predict", "single", "cold-start", "fit", "instruments"}


@pytest.mark.parametrize("data", ["digits", "mnist", "synthetic", "sparse"])
def test_both_estimators_fit_the_same_rows_to_the_same_loss(rows_folder: Path, data: str) -> None:
    features, classes = {"digits": (64, 10), "mnist": (20, 3), "synthetic": (30, 4), "sparse": (2_000, 4)}[
        data
    ]
    changes = {
        "kind": "fit",
        "data": data,
        "dtype": "float64",
        "optimizer": "adam",
        "layer_sizes": (features, 8, classes),
    }
    answers = {
        name: [perform(tiny_job(rows_folder, name, **changes))] for name in ("clearprop-fit", "sklearn-fit")
    }
    own, other = (given[0] for given in answers.values())
    assert own.losses == pytest.approx(other.losses, rel=1e-9)
    result = judge(dataclasses.replace(TINY, bars=(Bar("scikit-learn", 1000.0),)), answers)
    assert [comparison.met for comparison in result.comparisons] == [True]


def test_instruments_change_no_loss_of_a_training(rows_folder: Path) -> None:
    answers = [
        perform(tiny_job(rows_folder, name, kind="instruments"))
        for name in ("clearprop-instruments", "clearprop-bare")
    ]
    assert answers[0].losses == answers[1].losses
    assert all(answer.seconds for answer in answers)
