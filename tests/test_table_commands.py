"""Tables on the command line: train, evaluate and predict read other files as the training file was read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main

SMALL = ("--hidden", "8", "--epochs", "2", "--quiet")


def write(path: Path, header: list[str], rows: list[list[object]], separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return path


@pytest.fixture
def passengers() -> tuple[list[str], list[list[object]]]:
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for i in range(120):
        sex = ("female", "male")[i % 2]
        age = "" if i % 10 == 3 else f"{rng.normal(30, 9):.1f}"
        rows.append([i + 1, int((sex == "female") != (i % 7 == 0)), f"Mr. {i}", sex, age])
    return ["PassengerId", "Survived", "Name", "Sex", "Age"], rows


@pytest.fixture
def run(tmp_path: Path, passengers, capsys: pytest.CaptureFixture[str]) -> Path:
    data = write(tmp_path / "train.csv", *passengers)
    out = tmp_path / "run"
    arguments = ["--data", str(data), "--label", "Survived", "--missing", "mean", "--out", str(out)]
    assert main(["train", *arguments, *SMALL]) == 0
    return out


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_train_says_how_the_table_was_read(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capsys.readouterr().err
    for sentence in (
        'The labels of {} are taken from column "Survived".',
        'Column "PassengerId" of {} is left out, since it counts or names the rows',
        'Column "Name" of {} is left out, since it holds too many different texts.',
        'Column "Sex" of {} is one-hot encoded: each of its 2 values is a feature.',
        'Missing cells of {} (12 in column "Age") are filled with the mean of the training rows.',
    ):
        assert sentence.format(run.parent / "train.csv") in said


def test_other_file_is_measured_on_all_its_rows_and_columns_are_found_by_name(
    run: Path, passengers, capsys: pytest.CaptureFixture[str]
) -> None:
    header, rows = passengers
    expected = figures(capsys, str(run), "--split", "all")
    assert expected["split"] == "all"
    assert np.sum(expected["confusion"]) == 120
    order = [4, 3, 1, 2, 0]
    other = write(
        run.parent / "other.csv",
        ["extra", *(header[i] for i in order)],
        [["x", *(row[i] for i in order)] for row in reversed(rows)],
        ";",
    )
    found = figures(capsys, str(run), "--data", str(other))
    assert found["split"] == "all"
    assert found["confusion"] == expected["confusion"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)


def test_file_that_was_trained_on_and_its_copy_are_measured_on_their_test_part(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = figures(capsys, str(run))
    assert own["split"] == "test"
    assert figures(capsys, str(run), "--data", str(run.parent / "train.csv")) == own
    copy = run.parent / "copy.csv"
    copy.write_bytes((run.parent / "train.csv").read_bytes())
    model = run.parent / "moved.safetensors"
    model.write_bytes((run / "parameters.safetensors").read_bytes())
    assert figures(capsys, str(model), "--data", str(copy))["confusion"] == own["confusion"]


def test_test_file_may_lack_a_class_or_have_one_only(
    run: Path, passengers, capsys: pytest.CaptureFixture[str]
) -> None:
    header, rows = passengers
    ones = [row for row in rows if row[1] == 1]
    found = figures(capsys, str(run), "--data", str(write(run.parent / "ones.csv", header, ones)))
    assert np.sum(found["confusion"], axis=1).tolist() == [0, len(ones)]
    one = figures(capsys, str(run), "--data", str(write(run.parent / "one.csv", header, ones[:1])))
    assert np.sum(one["confusion"]) == 1


def test_other_labels_than_the_models_are_told(
    run: Path, passengers, capsys: pytest.CaptureFixture[str]
) -> None:
    header, rows = passengers
    shifted = [[row[0], int(str(row[1])) + 1, *row[2:]] for row in rows]
    path = write(run.parent / "shifted.csv", header, shifted)
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(path)]) == 0
    assert 'rows of "2", which the model does not know and has no rows of "0"' in capsys.readouterr().err


def test_data_edited_since_the_training_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = run.parent / "train.csv"
    capsys.readouterr()
    assert main(["evaluate", str(run), "--split", "train"]) == 0
    assert "has changed" not in capsys.readouterr().err
    lines = data.read_text().splitlines()
    data.write_text("\n".join([*lines[:50], lines[50].replace("male", "female"), *lines[52:]]) + "\n")
    for split in ("train", "validation", "test"):
        assert main(["evaluate", str(run), "--split", split]) == 0
        assert "train has changed since the model was trained on it" in capsys.readouterr().err


def test_array_file_edited_since_the_training_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    out = str(tmp_path / "run")
    assert main(["train", "--data", str(tmp_path / "a.npz"), "--out", out, *SMALL]) == 0
    np.savez(tmp_path / "a.npz", x=x[::-1], y=y[::-1])
    assert main(["evaluate", out, "--split", "train"]) == 0
    assert "a has changed since the model was trained on it" in capsys.readouterr().err


def test_predictions_of_a_table_are_those_of_the_model(
    run: Path, passengers, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = passengers
    path = write(run.parent / "rows.csv", ["Sex", "Age"], [row[3:] for row in rows])
    capsys.readouterr()
    assert main(["predict", str(run), str(path)]) == 0
    printed = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [int(row["row"]) for row in printed] == list(range(1, 121))
    model = cp.load(run / "parameters.safetensors")
    ages = [float(str(row[4] or model.table["feature_means"][2])) for row in rows]
    x = np.array([[row[3] == "female", row[3] == "male", age] for row, age in zip(rows, ages, strict=True)])
    probabilities = model.predict_proba(x.astype(np.float32))
    assert [row["class"] for row in printed] == [model.class_names[i] for i in probabilities.argmax(axis=1)]
    out = run.parent / "predictions.csv"
    assert main(["predict", str(run), str(path), "--out", str(out), "--probabilities"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with out.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    for row, shares in zip(written, probabilities, strict=True):
        assert [float(row["probability_0"]), float(row["probability_1"])] == pytest.approx(shares, abs=1e-5)
    assert main(["predict", str(run), str(path), "--out", str(out)]) == 2
    assert "is there already; choose another --out, or add --overwrite" in capsys.readouterr().err
    assert main(["predict", str(run), str(path), "--json", "--probabilities"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["class"] for each in found] == [row["class"] for row in printed]
    assert list(found[0]["probabilities"]) == ["0", "1"]


def test_row_with_a_gap_has_no_prediction_where_such_rows_were_left_out(
    tmp_path: Path, passengers, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "train.csv", *passengers)
    out = str(tmp_path / "run")
    arguments = ["--data", str(data), "--label", "Survived", "--missing", "drop", "--out", out]
    assert main(["train", *arguments, *SMALL]) == 0
    path = write(tmp_path / "rows.csv", ["Age", "Sex"], [["20", "male"], ["", "male"], ["30", "female"]])
    capsys.readouterr()
    assert main(["predict", out, str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines()[2] == "2,,"
    assert "1 rows of" in captured.err
    assert "the first in line 3; --missing mean fills them" in captured.err
    assert main(["predict", out, str(path), "--missing", "mean"]) == 0
    assert all(len(line.split(",")[1]) == 1 for line in capsys.readouterr().out.splitlines()[1:])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv"], 'There is no data set "nowhere.csv"'),
        (["rows.csv", "rows.csv"], "One table is predicted at a time"),
        (["rows.csv", "--show"], "--show, --prepare and --top are for images"),
        (
            ["lacks.csv"],
            'lacks.csv has no column "Age", which the model was trained with; it has "Sex", "Size"',
        ),
        (["picture.png"], "does not say that its rows are images"),
        (["picture.png", "--missing", "mean"], "--missing is for the rows of a table"),
    ],
)
def test_mistake_with_a_table_gives_one_sentence(
    run: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(run.parent)
    write(Path("rows.csv"), ["Sex", "Age"], [["male", 3]])
    write(Path("lacks.csv"), ["Sex", "Size"], [["male", 3]])
    capsys.readouterr()
    assert main(["predict", str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("Error: ") == 1


def test_model_that_knows_no_columns_predicts_by_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    np.savez(tmp_path / "a.npz", x=x, y=(x[:, 0] > 0).astype(int))
    out = str(tmp_path / "run")
    assert main(["train", "--data", str(tmp_path / "a.npz"), "--out", out, *SMALL]) == 0
    capsys.readouterr()
    plain = write(tmp_path / "plain.csv", ["a", "b"], [[1.5, 2], [-1, 3]])
    labelled = write(tmp_path / "labelled.csv", ["label", "a", "b"], [[0, 1.5, 2], [1, -1, 3]])
    assert main(["predict", out, str(plain)]) == 0
    printed = capsys.readouterr().out
    assert main(["predict", out, str(labelled)]) == 0
    assert capsys.readouterr().out == printed
    wide = write(tmp_path / "wide.csv", ["a", "b", "c", "d"], [[1, 2, 3, 4]])
    assert main(["predict", out, str(wide)]) == 2
    assert "has 4 columns, but the model takes 2 features" in capsys.readouterr().err


def test_study_takes_the_options_of_a_table(
    tmp_path: Path, passengers, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "train.csv", *passengers)
    study = tmp_path / "mini.toml"
    study.write_text(
        'name = "mini"\ntitle = "Mini"\n[defaults]\nhidden = [4]\nepochs = 1\n[[experiments]]\nname = "one"\n'
    )
    out = tmp_path / "results"
    arguments = [
        "--data",
        str(data),
        "--label",
        "Survived",
        "--missing",
        "mean",
        "--out",
        str(out),
        "--quiet",
    ]
    assert main(["study", str(study), *arguments]) == 0
    assert 'are taken from column "Survived"' in capsys.readouterr().err
    place = str(out / "runs" / "one" / "0")
    assert np.sum(figures(capsys, place)["confusion"]) == 24
    lines = data.read_text().splitlines()
    data.write_text("\n".join(lines[:-1]))
    assert main(["evaluate", place, "--split", "train"]) == 0
    assert "has changed since" in capsys.readouterr().err
