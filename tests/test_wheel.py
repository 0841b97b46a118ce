"""The wheel in an empty environment, without PyTorch: it runs the study, and says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
STUDY = """
name = "tiny"
title = "A tiny study"

[defaults]
hidden = [8]
epochs = 1

[[experiments]]
name = "with-torch"
engine = "torch"
"""


# PYTHONPATH would lead past the wheel; modules are compiled once, when they are first imported
LEFT_OUT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


def call(*command: object, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, PROJECT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    constraints = PROJECT / "constraints.txt"
    call(*pip, "install", "--quiet", "--no-compile", "--constraint", constraints, wheel, cwd=folder)
    return python


def test_the_wheel_brings_no_torch(python: Path, tmp_path: Path) -> None:
    result = call(python, "-c", "import torch", cwd=tmp_path, check=False)
    assert "No module named 'torch'" in result.stderr


def test_the_wheel_runs_the_study_on_the_numpy_engine(python: Path, tmp_path: Path) -> None:
    command = python.with_name("clearprop")
    result = call(command, "study", "--engine", "numpy", "--epochs", "1", cwd=tmp_path)
    report = tmp_path / result.stdout.splitlines()[-1]
    assert report.name == "report.html"
    assert report.stat().st_size > 100_000


def test_the_wheel_says_in_one_sentence_how_to_get_the_torch_engine(python: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(STUDY)
    command = python.with_name("clearprop")
    for arguments in (["study", "tiny.toml"], ["train", "--out", "run", "--engine", "torch"]):
        result = call(command, *arguments, cwd=tmp_path, check=False)
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == (
            "Error: The PyTorch engine is not installed; "
            'get it with pip install "clearprop[torch]", or choose engine="numpy" (--engine numpy).\n'
        )
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]
