"""What happened in a study's experiments: found by the study, kept as plain data, shown by the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.data import Dataset
from clearprop.diagnosis.verdicts import (
    is_collapsed,
    is_no_better_than_guessing,
    predicted_classes,
    tells_classes_apart,
)
from clearprop.study import explaining
from clearprop.study.definitions import Study, load_study
from clearprop.study.explaining import explain_study
from clearprop.study.explanations import EXPLANATIONS_FILE, Explanation, read_explanations
from clearprop.study.runner import run_study

FILES = Path(__file__).parent / "files"
STUDY = """
name = "stuck"
title = "A network that learns and one that collapses"

[defaults]
hidden = [60, 40, 20]
epochs = 10
optimizer = "adam"
learning_rate = 0.01

[[experiments]]
name = "healthy"
activation = "tanh"
learning_rate = 0.001

[[experiments]]
name = "collapsed"
activation = "sigmoid"
loss = "double_softmax"
weight_decay = 0.01
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("study") / "stuck.toml"
    path.write_text(STUDY)
    return load_study(str(path))


@pytest.fixture(scope="module")
def finished(study: Study, digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    run_study(study, digits, folder)
    explain_study(study, digits, folder, seconds=8)
    return folder


@pytest.fixture(scope="module")
def explained(finished: Path) -> dict[str, Explanation]:
    return read_explanations(finished)


def test_network_that_learns_is_said_to_and_gets_no_experiments(explained: dict[str, Explanation]) -> None:
    healthy = explained["healthy"]
    assert healthy.healthy
    assert healthy.seconds == 0
    assert healthy.changes == healthy.causes == []
    assert healthy.sentences[0].startswith("The network learns: 10 of 10 classes are predicted")
    assert healthy.looks[0].epoch == 1
    assert len(healthy.looks) >= 3


def test_collapse_is_confirmed_by_taking_away_the_decay_and_the_second_softmax(
    explained: dict[str, Explanation],
) -> None:
    collapsed = explained["collapsed"]
    assert not collapsed.healthy
    assert collapsed.sentences[0].startswith("All predictions are one class since epoch")
    named = [change.change for change in collapsed.changes]
    assert named[:2] == ["without weight decay", "without the second softmax"]
    assert collapsed.changes[0].before < 0.2 < 0.3 < collapsed.changes[0].after


def test_results_file_stays_as_older_versions_read_it(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    records = results["experiments"][0]["seeds"][0]["history"]["epochs"]
    assert not any("instruments" in record for record in records)
    kept = json.loads((finished / "runs" / "healthy" / "0" / "history.json").read_text())
    assert any("instruments" in record for record in kept["epochs"])


def test_explanation_of_an_unchanged_run_is_not_made_again(
    finished: Path, study: Study, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("explained again")

    monkeypatch.setattr(explaining, "explain", refuse)
    before = (finished / EXPLANATIONS_FILE).read_bytes()
    explain_study(study, digits, finished, seconds=8)
    assert (finished / EXPLANATIONS_FILE).read_bytes() == before


def test_report_says_what_happened_in_every_experiment(finished: Path) -> None:
    assert main(["report", str(finished)]) == 0
    html, markdown = (finished / "report.html").read_text(), (finished / "report.md").read_text()
    assert html.count("What happened</h4>") == 2
    assert "All predictions are one class since epoch" in html
    assert "figures/collapsed-changes.png" in markdown
    assert (finished / "figures" / "healthy-evidence.png").stat().st_size > 1000
    assert not (finished / "figures" / "healthy-changes.png").exists()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"relu": {}}'])
def test_report_without_readable_explanations_has_no_such_section(
    tmp_path: Path, content: str | None
) -> None:
    folder = shutil.copytree(FILES / "study-0.1.0", tmp_path / "study")
    if content is not None:
        (folder / EXPLANATIONS_FILE).write_text(content)
    assert main(["report", str(folder)]) == 0
    assert "What happened" not in (folder / "report.html").read_text()


def test_verdicts_follow_from_the_confusion_matrix() -> None:
    right, one = np.diag([5, 4, 3]).tolist(), [[5, 0, 0], [4, 0, 0], [3, 0, 0]]
    assert predicted_classes(one) == [0]
    assert [is_collapsed(right), is_collapsed(one)] == [False, True]
    assert [is_no_better_than_guessing(right), is_no_better_than_guessing(one)] == [False, True]
    assert [tells_classes_apart(right), tells_classes_apart(one)] == [True, False]
    assert not tells_classes_apart([[1, 4, 0], [4, 1, 0], [0, 0, 5]][::-1])
