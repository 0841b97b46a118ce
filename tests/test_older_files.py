"""Files that Clearprop 0.1.0 wrote, before its modules moved, are read as they were then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

import clearprop as cp
from clearprop.cli import main

FILES = Path(__file__).parent / "files"


def test_interrupted_run_of_0_1_0_goes_on_to_the_same_end(tmp_path: Path) -> None:
    shutil.copytree(FILES / "run-0.1.0", tmp_path / "cut")
    command = ["train", "--data", "digits", "--hidden", "4", "--epochs", "400", "--quiet", "--out"]
    before = json.loads((tmp_path / "cut" / "history.json").read_text())
    assert main([*command, str(tmp_path / "cut"), "--resume"]) == 0
    assert main([*command, str(tmp_path / "whole")]) == 0
    cut, whole = (json.loads((tmp_path / name / "history.json").read_text()) for name in ("cut", "whole"))
    assert len(before["epochs"]) < len(cut["epochs"]) == 400
    # the first epochs are the file's own, the others continue from its parameters; another kernel of the BLAS
    # rounds differently
    assert cut["batch_losses"][: len(before["batch_losses"])] == before["batch_losses"]
    np.testing.assert_allclose(cut["batch_losses"], whole["batch_losses"], rtol=1e-3)
    models = [cp.load(tmp_path / name / "parameters.safetensors") for name in ("cut", "whole")]
    for (weight, bias), (other_weight, other_bias) in zip(*(m.parameters for m in models), strict=True):
        np.testing.assert_allclose(weight, other_weight, atol=1e-3)
        np.testing.assert_allclose(bias, other_bias, atol=1e-3)


def test_run_of_0_1_0_is_evaluated(capsys) -> None:
    assert main(["evaluate", str(FILES / "run-0.1.0")]) == 0
    assert "accuracy 0.2639 on 360 rows" in capsys.readouterr().out


def test_report_is_made_from_the_results_of_0_1_0(tmp_path: Path) -> None:
    shutil.copytree(FILES / "study-0.1.0", tmp_path / "study")
    assert main(["report", str(tmp_path / "study")]) == 0
    report = (tmp_path / "study" / "report.md").read_text()
    assert "0.1944" in report
    assert "0.2500" in report
    assert (tmp_path / "study" / "figures" / "relu-first-layer.png").stat().st_size > 1000


def test_finished_study_of_0_1_0_trains_nothing_again(tmp_path: Path) -> None:
    study = shutil.copytree(FILES / "study-0.1.0", tmp_path / "study")
    runs = {path: path.read_bytes() for path in (study / "runs").rglob("*.safetensors")}
    results = json.loads((study / "results.json").read_text())
    assert main(["study", str(study / "study.toml"), "--out", str(study), "--quiet"]) == 0
    assert len(runs) == 2
    assert all(path.read_bytes() == content for path, content in runs.items())
    again = json.loads((study / "results.json").read_text())
    # measured times included: what was trained is taken over whole
    assert again["experiments"] == results["experiments"]
