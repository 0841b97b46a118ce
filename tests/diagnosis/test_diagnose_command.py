"""clearprop diagnose: runs, studies and scripts, and what it says of those that cannot be used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clearprop import load
from clearprop.cli import main

SCRIPT = """
import numpy as np
from clearprop.diagnosis import Layer, Program
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 2))
y = (x[:, 0] * x[:, 1] > 0).astype(int)
program = Program((Layer(16), Layer(2, "softmax")), "cross_entropy", "adam", 0.01, epochs=60)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SCRIPT)
    return path


def test_script_is_diagnosed_shown_and_applied(script, tmp_path, capsys) -> None:
    page, out = tmp_path / "page.html", tmp_path / "run"
    code = main(["diagnose", str(script), "--seconds", "15", "--html", str(page), "--apply", str(out)])
    printed = capsys.readouterr().out
    assert code == 0
    assert "missing_hidden_nonlinearity" in printed
    assert "missing_hidden_nonlinearity" in page.read_text()
    assert load(out / "parameters.safetensors").network.activations == ("relu",)


def test_json_holds_the_diagnosis(script, capsys) -> None:
    assert main(["diagnose", str(script), "--seconds", "15", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["causes"][0]["name"] == "missing_hidden_nonlinearity"
    assert values["confirmed"]


def test_run_is_diagnosed(tmp_path, capsys) -> None:
    out = tmp_path / "run"
    slow = ["--learning-rate", "1e-6", "--epochs", "2", "--hidden", "32", "--quiet"]
    assert main(["train", "--out", str(out), *slow]) == 0
    assert main(["diagnose", str(out), "--seconds", "15"]) == 0
    assert "learning_rate_too_low" in capsys.readouterr().out


def test_every_experiment_of_a_study_is_diagnosed(tmp_path, capsys) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        'name = "two"\ntitle = "Two"\nintroduction = "."\n[defaults]\nhidden = [16]\nepochs = 8\n'
        '[[experiments]]\nname = "fine"\noptimizer = "adam"\n'
        '[[experiments]]\nname = "slow"\noptimizer = "sgd"\nlearning_rate = 1e-6\n'
    )
    out = tmp_path / "results"
    assert main(["study", str(study), "--data", "digits", "--seeds", "1", "--out", str(out), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["diagnose", str(out), "--seconds", "15", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["slow"]["causes"][0]["name"] == "learning_rate_too_low"
    assert list(values) == ["fine", "slow"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x = 1 / 0", "raises ZeroDivisionError in line 1"),
        ("x = (", "raises SyntaxError in line 1"),
        ("raise SystemExit(3)", "raises SystemExit"),
        ("x = [1]", "does not define program and y"),
        ("program, x, y = 1, [1], [1]", "program in .* is of type int"),
        (SCRIPT + "x[3, 1] = float('nan')", "NaN"),
        (SCRIPT + "y = y[:-1]", "300 rows and y 299"),
    ],
)
def test_script_that_cannot_be_used_is_one_sentence(text, names, tmp_path, capsys) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert main(["diagnose", str(path)]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error.count("\n") == 1
    assert re.search(names, error)


@pytest.mark.parametrize("arguments", [["nowhere"], ["nowhere.py"], ["nowhere", "--seconds", "0.1"]])
def test_mistake_of_the_user_ends_with_2(arguments, capsys) -> None:
    assert main(["diagnose", *arguments]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


def test_apply_never_replaces_a_run(script, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    assert main(["train", "--out", str(out), "--hidden", "4", "--epochs", "1", "--quiet"]) == 0
    assert main(["diagnose", str(script), "--apply", str(out)]) == 2
    assert "holds a run" in capsys.readouterr().err
