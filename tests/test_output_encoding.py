"""Names that the output's encoding lacks, and file names that are not UTF-8: escaped, never fatal."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.display.text import valid_unicode
from clearprop.utils.files import write_atomic, write_json

# the byte E9 is é in Latin-1, and no UTF-8
BAD_NAME = os.fsdecode(b"caf\xe9")


def printed(encoding: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Run the command with an output of an encoding, and return what it printed."""
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    code = main(list(arguments))
    stream.flush()
    assert code == 0
    assert stream.errors == "strict"
    return buffer.getvalue().decode(encoding)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """A table whose class names are Japanese and German."""
    lines = [f"{i % 2},{i % 3},{('猫', 'Möwe')[i % 2]}" for i in range(40)]
    path = tmp_path / "animals.csv"
    path.write_text("\n".join(["a,b,label", *lines]), "utf-8")
    return path


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", ("\\u732b", "M\\xf6we")), ("cp1252", ("\\u732b", "Möwe")), ("utf-8", ("猫", "Möwe"))],
)
def test_class_names_that_the_output_lacks_are_escaped(
    tmp_path: Path, animals: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, shown: tuple[str, str]
) -> None:
    run = str(tmp_path / "run")
    arguments = ["train", "--data", str(animals), "--epochs", "1", "--hidden", "4", "--out", run]
    text = printed(encoding, monkeypatch, *arguments)
    assert all(name in text for name in shown)
    for more in (["evaluate", run], ["data", "info", str(animals)]):
        text = printed(encoding, monkeypatch, *more)
        assert all(name in text for name in shown)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_file_name_that_is_not_utf_8_is_trained_on_and_evaluated(
    tmp_path: Path, animals: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    data = tmp_path / f"{BAD_NAME}.csv"
    animals.rename(data)
    out = str(tmp_path / f"run-{BAD_NAME}")
    arguments = ["--data", str(data), "--epochs", "2", "--hidden", "4", "--out", out]
    text = printed(encoding, monkeypatch, "train", *arguments)
    assert "caf\\xe9: accuracy" in text
    assert json.loads(Path(out, "config.json").read_bytes())["data_path"] == str(data.resolve())
    assert cp.load(f"{out}/parameters.safetensors").class_names == ("Möwe", "猫")
    # the folder's record finds the file again
    assert "caf\\xe9: accuracy" in printed(encoding, monkeypatch, "evaluate", out)
    assert "caf\\xe9" in printed(encoding, monkeypatch, "train", *arguments, "--resume")


def test_study_of_a_file_whose_name_is_not_utf_8_writes_its_report(
    tmp_path: Path, animals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / f"{BAD_NAME}.csv"
    animals.rename(data)
    study = tmp_path / "mini.toml"
    study.write_text(
        'name = "mini"\ntitle = "Mini"\ndata = "digits"\n[[experiments]]\nname = "one"\ntitle = "One"\n'
        'description = "One."\nhidden = [4]\nepochs = 1\n',
        "utf-8",
    )
    out = tmp_path / "results"
    arguments = ["study", str(study), "--data", str(data), "--out", str(out), "--quiet"]
    monkeypatch.setattr(sys, "argv", ["clearprop", *arguments])
    printed("ascii", monkeypatch, *arguments)
    assert "caf\\xe9" in (out / "report.html").read_text("utf-8")


def test_class_folders_whose_names_are_not_utf_8_are_escaped(tmp_path: Path) -> None:
    from PIL import Image

    for name in (BAD_NAME, "tea"):
        (tmp_path / "cups" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (28, 28), number * 40).save(tmp_path / "cups" / name / f"{number}.png")
    assert cp.load_data(tmp_path / "cups").class_names == ("caf\\xe9", "tea")


def test_json_keeps_a_path_that_is_not_utf_8(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", {"path": BAD_NAME, "é": "猫"})
    assert json.loads(path.read_text("ascii")) == {"path": BAD_NAME, "é": "猫"}


def test_written_text_escapes_half_characters(tmp_path: Path) -> None:
    assert write_atomic(tmp_path / "a.txt", f"é{BAD_NAME}").read_text("utf-8") == "écaf\\udce9"


@pytest.mark.parametrize(
    ("text", "valid"),
    [("é猫", "é猫"), (BAD_NAME, "caf\\xe9"), ("\ud83d", "\\ud83d"), ("", "")],
)
def test_half_characters_are_escaped(text: str, valid: str) -> None:
    assert valid_unicode(text) == valid


def test_predictions_name_an_image_whose_name_is_not_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: cp.data.Dataset
) -> None:
    from PIL import Image

    train = digits.split(validation=0).train
    recipe = cp.Recipe(epochs=1)
    model = cp.train(cp.Network((784, 10)), recipe, train, progress=False).model
    model.save(tmp_path / "m.safetensors")
    picture = tmp_path / f"{BAD_NAME}.png"
    Image.fromarray(np.asarray(digits.x[0]).reshape(28, 28)).save(picture)
    for more in ((), ("--json",)):
        text = printed("ascii", monkeypatch, "predict", str(tmp_path / "m.safetensors"), str(picture), *more)
        assert "caf\\udce9" in text


def test_evaluation_and_data_set_print_on_any_output(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = animals.rename(animals.with_name("Möwen.csv"))
    dataset = cp.load_data(named)
    bias = np.array([0, 1], np.float32)
    model = cp.Model(
        cp.Network((2, 2)), [(np.zeros((2, 2), np.float32), bias)], dataset.scaling, dataset.class_names
    )
    evaluation = cp.evaluate(model, dataset)
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    print(dataset, repr(evaluation), evaluation, evaluation.confusion_text(), flush=True)
    shown = buffer.getvalue().decode("ascii")
    assert "Dataset(M\\xf6wen: 32 rows" in shown
    assert "\\u732b" in shown
