"""clearprop check: exit codes, files written, one sentence for each mistake in the call."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sandboxing import DOUBLE, require_containment
from terminal import on_a_terminal

from clearprop.check import checking
from clearprop.check.calls import Call, Runner, Submission
from clearprop.check.verdicts import FunctionVerdict, Status, SubmissionVerdict
from clearprop.cli import main

TRIPLE = DOUBLE.replace("2", "3")


def _judge(submission: Submission, runner: Runner) -> SubmissionVerdict:
    """Judge whether f doubles."""
    (answer,) = runner.run([Call("f", (np.ones(3),))])
    if submission.source.startswith("# defect"):
        raise KeyError("defect")
    right = isinstance(answer.value, np.ndarray) and np.array_equal(answer.value, np.full(3, 2.0))
    status = Status.RIGHT if right else Status.WRONG
    verdict = FunctionVerdict("f", status, line=1, points=float(right))
    return SubmissionVerdict("doubling", "given", (verdict,))


@pytest.fixture(autouse=True)
def doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    require_containment()
    monkeypatch.setattr(checking, "judge_of", lambda template: _judge)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "anna.py").write_text(DOUBLE)
    (folder / "ben.py").write_text(TRIPLE)
    (folder / "carl.py").write_text("import os\nprint('all passed')\nos._exit(0)\n" + DOUBLE)
    (folder / "dora.py").write_text("def f(x):\n    import os; os._exit(0)\n")
    (folder / "evil.py").symlink_to("/etc/passwd")
    (folder / "fred.ipynb").write_bytes(b"PK\x03\x04")
    (folder / "gina.py").write_text("from clearprop.scratch import softmax as f\n")
    return folder


def test_right_submission_exits_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text(DOUBLE)
    assert main(["check", str(tmp_path / "a.py")]) == 0
    assert capsys.readouterr().out.endswith("f  right\n\nAll 1 functions are right: 1 of 1 points.\n")


def test_wrong_submission_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TRIPLE)
    assert main(["check", str(tmp_path / "a.py")]) == 3


def test_defect_of_ours_exits_with_1_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text("# defect\n" + DOUBLE)
    (tmp_path / "b.py").write_text(DOUBLE)
    assert main(["check", str(tmp_path)]) == 1
    seen = capsys.readouterr()
    assert "which is a defect of Clearprop" in seen.out
    assert "b.py      1 of 1  all right" in seen.out
    assert "KeyError: 'defect'" in seen.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.py"],
        ["notes.txt"],
        ["empty"],
        ["a.py", "--hints", "everything"],
        ["a.py", "--jobs", "0"],
        ["a.py", "--html", "empty"],
        ["a.py", "--csv", "a.py"],
        ["a.py", "b.py", "--gradescope", "results.json"],
        [],
    ],
)
def test_mistake_in_the_call_is_one_sentence_and_exits_with_2(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.py", "notes.txt"):
        Path(name).write_text(DOUBLE)
    Path("empty").mkdir()
    assert main(["check", *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert Path("a.py").read_text() == DOUBLE


def test_hostile_submissions_cost_only_themselves(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--jobs", "2"]) == 3
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.split("\n\n")[0].splitlines())
    assert lines == {
        "anna.py": "1 of 1  all right",
        "ben.py": "0 of 1  f: wrong",
        "carl.py": "1 of 1  all right",
        "dora.py": "0 of 1  f: wrong",
        "evil.py": "not judged: It is a symbolic link, which is not followed.",
        "fred.ipynb": "not judged: It is no notebook: it is not JSON.",
        "gina.py": f"not judged: {checking.LESSON_PROBLEM}",
    }


def test_json_of_a_file_is_its_object_and_of_a_folder_a_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check", str(folder / "anna.py"), "--json"])
    one = json.loads(capsys.readouterr().out)
    assert (one["submission"]["name"], one["passed"]) == ("anna.py", True)
    main(["check", str(folder), "--json"])
    several = json.loads(capsys.readouterr().out)["submissions"]
    assert [each["submission"]["name"] for each in several] == sorted(path.name for path in folder.iterdir())
    assert "ended its process (exit code 0)" in several[2]["submission"]["notes"][0]


def test_pages_table_and_results_are_written(folder: Path, tmp_path: Path) -> None:
    main(
        ["check", str(folder), "--html", str(tmp_path / "class.html"), "--csv", str(tmp_path / "grades.csv")]
    )
    with open(tmp_path / "grades.csv", newline="") as file:
        assert [row["points"] for row in csv.DictReader(file)] == ["1", "0", "1", "0", "0", "0", "0"]
    assert (tmp_path / "class.html").exists()
    assert len(list((tmp_path / "class-pages").iterdir())) == 7
    main(["check", str(folder / "ben.py"), "--gradescope", str(tmp_path / "results.json")])
    assert json.loads((tmp_path / "results.json").read_text())["tests"][0]["status"] == "failed"


def test_link_that_is_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(DOUBLE)
    (tmp_path / "b.py").symlink_to("a.py")
    assert main(["check", str(tmp_path / "b.py")]) == 0


def test_check_is_a_function_of_python(tmp_path: Path) -> None:
    import clearprop.check

    (tmp_path / "a.py").write_text(DOUBLE)
    checked = clearprop.check.check(tmp_path / "a.py")
    assert checked.passed
    assert checked.functions[0].status is Status.RIGHT


def test_interrupt_ends_the_command_at_once(tmp_path: Path) -> None:
    # a minute and a half, if it went on
    for number in range(60):
        (tmp_path / f"{number}.py").write_text("import time\n" + "time.sleep(0.9)\n" * 20)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-c", "from clearprop.cli import main; raise SystemExit(main())"]
    running = subprocess.Popen(
        [*command, "check", str(tmp_path), "--jobs", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary)},
    )
    until = time.monotonic() + 60
    while not any(temporary.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.decode().strip().splitlines() == ["Interrupted."]
    assert time.monotonic() - began < 20
    assert not any(temporary.iterdir())


def test_terminal_shows_a_bar_and_a_line_for_each_submission(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.py").write_text(DOUBLE)
    shown = on_a_terminal("check", str(tmp_path))
    assert "3/3" in shown
    assert [shown.count(f"{number}.py") for number in range(3)] == [1, 1, 1]
    assert "3 of 3 submissions are right in every function." in shown


def test_quiet_shows_no_bar(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.py").write_text(DOUBLE)
    assert "2/2" not in on_a_terminal("check", str(tmp_path), "--quiet")
