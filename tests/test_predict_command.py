"""clearprop predict: output on a terminal, in a pipe and as JSON, and errors for bad files."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from terminal import on_a_terminal

import clearprop as cp
from clearprop.cli import main
from clearprop.data import Dataset
from clearprop.display.pictures import shade_text
from clearprop.model.files.model_file import PARAMETERS_FILE


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on the embedded digits, as the command line does."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    arguments = ["--hidden", "32", "--epochs", "5", "--learning-rate", "0.1", "--quiet"]
    assert main(["train", "--out", str(folder), *arguments]) == 0
    return folder


@pytest.fixture
def pictures(digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two test digits as scans, dark on light and light on dark."""
    assert digits.test is not None
    monkeypatch.chdir(tmp_path)
    for name, row, light in (("one.png", 0, 255), ("two.png", 1, 0)):
        page = Image.fromarray(np.pad(digits.test.x[row].reshape(28, 28), 10)).resize((300, 300))
        Image.fromarray(np.asarray(page) ^ light).save(name)
    return ["one.png", "two.png"]


def test_a_pipe_gets_one_plain_line_an_image(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), *pictures, "--top", "2"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines] == pictures
    assert all(line.count("%") == 2 for line in lines)
    assert err == ""
    assert "\x1b" not in out


def test_json_has_every_class_of_every_image(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run / PARAMETERS_FILE), *pictures, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["path"] for each in found] == pictures
    model = cp.load(run / PARAMETERS_FILE)
    rows = np.array([cp.prepare_image(path, preparation="fill") for path in pictures])
    for each, probabilities in zip(found, model.predict_proba(rows), strict=True):
        assert list(each["probabilities"]) == list(model.class_names)
        assert list(each["probabilities"].values()) == pytest.approx(probabilities.tolist())
        assert each["class"] == model.class_names[probabilities.argmax()]


def test_a_terminal_gets_a_table(run: Path, pictures: list[str]) -> None:
    shown = on_a_terminal("predict", str(run), *pictures)
    assert "\x1b[1m" in shown
    lines = [line for line in shown.splitlines() if line.strip()]
    assert len(lines) == 3
    assert all(word in lines[0] for word in ("image", "class", "probability", "or"))
    assert lines[1].startswith("one.png")


def test_control_characters_in_file_names_are_escaped(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "[red]x:smile:\x1b[31m\n.png"
    Path("one.png").rename(hostile)
    missing = "y\x1b[31m\n.png"
    assert main(["predict", str(run), hostile, missing]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("[red]x:smile:\\x1b[31m\\n.png: ")
    assert (out.count("\n"), err.count("\n")) == (1, 1)
    assert "\x1b" not in out + err
    shown = on_a_terminal("predict", str(run), hostile)
    assert "[red]x:smile:\\x1b[31m\\n.png" in shown
    assert "\x1b[31m" not in shown


def test_file_name_that_is_not_valid_text_is_accepted(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    Path("one.png").rename(name)
    assert main(["predict", str(run), name]) == 0
    assert capsys.readouterr().out.startswith("\\udcff\\udcfe.png: ")
    assert main(["predict", str(run), name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["path"] == name


@pytest.mark.parametrize("as_json", [True, False])
def test_good_images_are_printed_and_each_bad_one_gives_an_error(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    Image.new("L", (50, 50), 200).save("blank.png")
    Path("notes.png").write_text("none")
    frames = [Image.new("L", (9, 9), colour) for colour in (0, 99)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (10_000, 1), 200).save("line.png")
    bad = ["blank.png", "notes.png", "moving.gif", "line.png", ".", "nowhere.png"]
    mixed = [bad[0], pictures[0], *bad[1:4], pictures[1], *bad[4:]]
    assert main(["predict", str(run), *mixed, *(["--json"] if as_json else [])]) == 2
    out, err = capsys.readouterr()
    if as_json:
        assert [each["path"] for each in json.loads(out)] == pictures
    else:
        assert [line.split(":")[0] for line in out.splitlines()] == pictures
    sentences = err.splitlines()
    assert len(sentences) == len(bad)
    assert all(sentence.startswith("Error: ") for sentence in sentences)
    assert all(path in sentence for path, sentence in zip(bad, sentences, strict=True))


def test_json_without_any_good_image_is_an_empty_list(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), "nowhere.png", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == []


def test_show_prints_what_the_network_saw(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), pictures[0], "--show"]) == 0
    picture = shade_text(cp.prepare_image(pictures[0], preparation="fill"), (28, 28))
    assert capsys.readouterr().out.split("\n", 1)[1] == picture + "\n"


def test_shades_go_from_black_to_white_and_halve_the_height() -> None:
    row = np.zeros((3, 4), np.uint8)
    row[:2, 1], row[:, 2], row[0, 3] = 255, 128, 255
    assert shade_text(row.ravel(), (3, 4)) == " @+=\n  : "


def test_the_preparation_is_that_of_the_data_it_was_trained_on(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for label in ("a", "b"):
        (tmp_path / "folder" / label).mkdir(parents=True)
        for number in range(5):
            pixels = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "folder" / label / f"{number}.png")
    options = ["--hidden", "", "--epochs", "1", "--quiet"]
    assert main(["train", "--data", str(tmp_path / "folder"), "--out", "own", *options]) == 0
    (tmp_path / "folder").rename(tmp_path / "moved")

    def printed(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["predict", *arguments]) == 0
        return capsys.readouterr().out

    for model, prepared in ((run, "fill"), (Path("own"), "stretch")):
        given = {
            name: printed(str(model), pictures[0], "--json", "--prepare", name)
            for name in ("mnist", "fill", "stretch")
        }
        assert len(set(given.values())) == 3
        assert printed(str(model), pictures[0], "--json") == given[prepared]


def test_model_trained_on_a_table_refuses_images(
    pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = [(np.zeros((4, 2), np.float32), np.zeros(2, np.float32))]
    cp.Model(cp.Network((4, 2)), parameters, class_names=("a", "b")).save("table.safetensors")
    assert main(["predict", "table.safetensors", *pictures]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: table.safetensors does not say that its rows are images, so")
    assert err.count("\n") == 1


def test_model_file_without_its_data_name_prepares_as_for_mnist(
    run: Path, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    replace(cp.load(run / PARAMETERS_FILE), training={}).save("bare.safetensors")
    assert main(["predict", "bare.safetensors", *pictures]) == 0
    bare = capsys.readouterr().out
    assert main(["predict", "bare.safetensors", *pictures, "--prepare", "mnist"]) == 0
    assert capsys.readouterr().out == bare


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top", "0"], "--top is 0"),
        (["--prepare", "mnits"], 'Did you mean "mnist"'),
        (["--nonsense"], "No such option"),
    ],
)
def test_invalid_option_gives_one_sentence(
    run: Path,
    pictures: list[str],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert main(["predict", str(run), *pictures, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
