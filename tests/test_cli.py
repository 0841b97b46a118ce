"""The command line: output, streams and exit codes of every verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import refused
from terminal import on_a_terminal

from clearprop.cli import main
from clearprop.nn.recipe import Recipe
from clearprop.utils.errors import FetchError

# a study small enough to run in a test
STUDY = """
name = "tiny"
title = "A tiny study"

[defaults]
hidden = [8]
epochs = 2

[[experiments]]
name = "only"
"""


PROGRAM = "import sys; from clearprop.cli import main; sys.exit(main())"


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, its output going into pipes."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def _small_figures() -> Iterator[None]:
    """Draw small: what is tested here is the command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clearprop.report.figures.gallery.PNG_DPI", 20)
        yield


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize(
    "verb",
    [
        "study",
        "train",
        "evaluate",
        "predict",
        "report",
        "bench",
        "data list",
        "data get",
        "data verify",
        "data info",
    ],
)
def test_every_verb_has_a_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    assert f"Example: clearprop {verb}" in capsys.readouterr().out


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    out, err = capsys.readouterr()
    assert "clearprop study" in out + err
    assert "Traceback" not in err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"clearprop {version('clearprop')}\n"


def test_internal_error_exits_1_and_asks_for_a_bug_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearprop.report.write_report", lambda folder: 1 / 0)
    assert main(["report", "."]) == 1
    assert "This is a defect of Clearprop" in capsys.readouterr().err


def test_a_study_shows_progress_prints_a_table_and_ends_with_the_report(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run("study", str(study_file), "--out", str(tmp_path / "out"))
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[-1] == str(tmp_path / "out" / "report.html")
    assert Path(lines[-1]).exists()
    assert any("only" in line and "numpy" in line for line in lines)
    progress = result.stderr.splitlines()
    assert [line.split("epoch ")[1][:3] for line in progress] == ["1/2", "2/2"]
    assert all(line.startswith("[1/1] only, seed 0") for line in progress)
    # the second time everything is there already
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["study", str(study_file), "--out", str(tmp_path / "out")]) == 0
    assert tuple(capsys.readouterr()) == (result.stdout, "")


@pytest.fixture(scope="module")
def quiet_study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the folder of a finished study, its arguments, and what it wrote to stderr."""
    folder = tmp_path_factory.mktemp("quiet")
    (folder / "tiny.toml").write_text(STUDY)
    arguments = ["study", str(folder / "tiny.toml"), "--out", str(folder / "out"), "--quiet"]
    errors = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["clearprop", *arguments])
        patch.setattr(sys, "stderr", errors)
        assert main(arguments) == 0
    return SimpleNamespace(out=folder / "out", arguments=arguments, err=errors.getvalue())


def test_quiet_shows_no_progress(quiet_study: SimpleNamespace) -> None:
    assert quiet_study.err == ""


def test_results_hold_the_command_that_repeats_the_study(quiet_study: SimpleNamespace) -> None:
    results = json.loads((quiet_study.out / "results.json").read_text())
    assert results["command"] == f"clearprop {' '.join(quiet_study.arguments)}"


def test_report_is_rendered_again_from_results(quiet_study: SimpleNamespace) -> None:
    report = quiet_study.out / "report.html"
    first = report.read_bytes()
    report.unlink()
    assert main(["report", str(quiet_study.out)]) == 0
    assert report.read_bytes() == first


def test_a_trained_run_is_kept_and_can_be_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", "--out", str(out), "--hidden", "16", "--epochs", "2", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("digits: accuracy")
    assert printed.splitlines()[-1] == str(out / "parameters.safetensors")
    config = json.loads((out / "config.json").read_text())
    assert config["network"]["layer_sizes"] == [784, 16, 10]
    assert len(json.loads((out / "history.json").read_text())["epochs"]) == 2
    for model in (out, out / "parameters.safetensors"):
        assert main(["evaluate", str(model), "--data", "digits"]) == 0
        assert capsys.readouterr().out.splitlines()[0] == printed.splitlines()[0]
    for split, rows in (("train", 1198), ("validation", 239), ("test", 360)):
        assert main(["evaluate", str(out), "--split", split, "--json"]) == 0
        measured = json.loads(capsys.readouterr().out)
        assert measured["split"] == split
        assert sum(map(sum, measured["confusion"])) == rows


def test_narrow_terminal_gets_narrow_text_and_a_pipe_the_full_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = on_a_terminal(
        "train", "--out", str(tmp_path), "--hidden", "8", "--epochs", "1", "--quiet", columns=40
    )
    shown = on_a_terminal("evaluate", str(tmp_path), columns=40)
    # the path that train ends with is for a program to read
    assert max(map(len, [*narrow.splitlines()[:-1], *shown.splitlines()])) <= 40
    piped = run("evaluate", str(tmp_path), COLUMNS="40").stdout
    assert "              precision  recall     f1  support" in piped
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["evaluate", str(tmp_path)]) == 0
    assert on_a_terminal("evaluate", str(tmp_path)) == capsys.readouterr().out.replace("\n", "\r\n")


def test_study_table_on_a_narrow_terminal_keeps_every_number(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(
        'name = "small"\ntitle = "Small"\n[defaults]\nhidden = [8]\nepochs = 1\n'
        '[[experiments]]\nname = "a-name-that-needs-room"\n'
    )
    arguments = ("study", str(tmp_path / "small.toml"), "--quiet", "--out", str(tmp_path / "out"))
    narrow = on_a_terminal(*arguments, columns=40)
    assert "a-name-that-needs-room (numpy)\r\n  test accuracy: 0." in narrow
    wide = on_a_terminal(*arguments)
    assert "\N{HORIZONTAL ELLIPSIS}" not in narrow + wide
    figures = [line.split(": ")[1] for line in narrow.splitlines() if ": " in line]
    assert len(figures) == 5
    assert all(figure in wide for figure in figures)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a file with 200 rows of 3 classes."""
    rng = np.random.default_rng(0)
    path = tmp_path / "data" / "letters.npz"
    path.parent.mkdir()
    np.savez(path, x=rng.normal(size=(200, 4)), y=np.arange(200) % 3)
    return path


@pytest.mark.parametrize("absolute", [False, True])
def test_a_run_remembers_the_file_it_was_trained_on(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    absolute: bool,
) -> None:
    monkeypatch.chdir(table.parent)
    data = str(table) if absolute else table.name
    out = tmp_path / "run"
    assert (
        main(["train", "--data", data, "--out", str(out), "--hidden", "4", "--epochs", "1", "--quiet"]) == 0
    )
    printed = capsys.readouterr().out.splitlines()[0]
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == printed
    # a model file travels, and leads to nowhere of this machine
    assert str(tmp_path).encode() not in (out / "parameters.safetensors").read_bytes()
    # on another machine the data is named, or lies where one is
    table.rename(tmp_path / "moved.npz")
    message = refused(capsys, "evaluate", str(out))
    assert f"The data that the model was trained on, {table}, is not there; name it with --data." in message
    (tmp_path / "moved.npz").rename(tmp_path / table.name)
    assert main(["evaluate", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == printed


def test_a_run_remembers_the_folder_of_its_data(
    mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_download(*_: object) -> None:
        raise FetchError("downloading")

    monkeypatch.setattr("clearprop.data.fetching._fetch", no_download)
    monkeypatch.setattr("clearprop.data.fetching.cache_folder", lambda entry: tmp_path / "cache")
    monkeypatch.delenv("CLEARPROP_DATA", raising=False)
    monkeypatch.chdir(mnist_folder.parent)
    out = tmp_path / "run"
    asked = ["--data", "mnist", "--data-dir", mnist_folder.name, "--hidden", "", "--epochs", "1", "--quiet"]
    assert main(["train", "--out", str(out), *asked]) == 0
    printed = capsys.readouterr().out.splitlines()[0]
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--data", "mnist"]):
        assert main(["evaluate", str(out), *more]) == 0
        assert capsys.readouterr().out.splitlines()[0] == printed
    assert str(mnist_folder).encode() not in (out / "parameters.safetensors").read_bytes()
    # one that is gone is not missed where another has the files
    config = json.loads((out / "config.json").read_text())
    assert config["data_dir"] == str(mnist_folder.resolve())
    (out / "config.json").write_text(json.dumps({**config, "data_dir": str(tmp_path / "gone")}))
    assert "downloading" in refused(capsys, "evaluate", str(out))
    monkeypatch.setenv("CLEARPROP_DATA", str(mnist_folder))
    assert main(["evaluate", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == printed


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"data_path": 3, "data_dir": ["a"]}'])
def test_a_run_whose_settings_are_damaged_is_evaluated_by_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    main(["train", "--out", str(tmp_path), "--hidden", "", "--epochs", "1", "--quiet"])
    (tmp_path / "config.json").write_text(content)
    assert main(["evaluate", str(tmp_path)]) == 0
    (tmp_path / "config.json").unlink()
    assert main(["evaluate", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_the_runs_of_a_study_remember_their_data(
    study_file: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["study", str(study_file), "--data", str(table), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    )
    assert main(["evaluate", str(tmp_path / "out" / "runs" / "only" / "0")]) == 0
    assert "letters: accuracy" in capsys.readouterr().out


def test_train_writes_every_option_into_the_run(tmp_path: Path) -> None:
    options = [
        "--hidden", "8,6", "--activation", "tanh,relu", "--initialization", "he_normal", "--dropout", "0.1",
        "--optimizer", "adamw", "--learning-rate", "0.002", "--schedule", "cosine", "--weight-decay", "0.01",
        "--label-smoothing", "0.05", "--early-stopping", "5", "--epochs", "1", "--batch-size", "32",
        "--validation", "0.25", "--seed", "3", "--adversarial-epsilon", "0.05",
    ]  # fmt: skip
    assert main(["train", "--out", str(tmp_path / "run"), "--quiet", *options]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["network"] == {
        "layer_sizes": [784, 8, 6, 10], "activation": ["tanh", "relu"], "initialization": "he_normal",
        "dropout": 0.1, "output": "softmax",
    }  # fmt: skip
    recipe = Recipe(
        optimizer="adamw", learning_rate=0.002, schedule="cosine", weight_decay=0.01, epochs=1, batch_size=32,
        label_smoothing=0.05, early_stopping=5, seed=3, adversarial_epsilon=0.05,
    )  # fmt: skip
    assert config["recipe"] == recipe.to_dict()


def test_a_kept_run_is_not_overwritten_by_accident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--out", str(tmp_path), "--hidden", "", "--epochs", "1", "--quiet"]
    assert main(arguments) == 0
    before = (tmp_path / "parameters.safetensors").read_bytes()
    capsys.readouterr()
    assert "holds a run already" in refused(capsys, *arguments)
    assert (tmp_path / "parameters.safetensors").read_bytes() == before
    assert main([*arguments, "--overwrite", "--seed", "1"]) == 0
    assert (tmp_path / "parameters.safetensors").read_bytes() != before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--learning-rate", "1e30", "--activation", "identity"],
        ["--early-stopping", "2", "--validation", "0"],
        ["--data", "nowhere.csv"],
    ],
)
def test_refused_overwrite_keeps_the_old_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    good = ["train", "--out", str(tmp_path), "--hidden", "8", "--epochs", "1", "--quiet"]
    assert main(good) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    refused(capsys, *good, "--overwrite", *arguments)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("verb", [["train"], ["study", "--engine", "numpy"]], ids=["train", "study"])
def test_folder_with_other_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    (tmp_path / "holiday.jpg").touch()
    message = refused(capsys, *verb, "--out", str(tmp_path), "--epochs", "1", "--quiet")
    assert "holds other things, such as holiday.jpg" in message
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_memory_error_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 5.70 TiB")

    monkeypatch.setattr("clearprop.training.trainer.initial_parameters", none_left)
    message = refused(capsys, "train", "--out", str(tmp_path / "run"), "--quiet")
    assert "Not enough memory (Unable to allocate 5.70 TiB); choose smaller layers" in message


def test_diverged_run_reports_it_and_keeps_its_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(
        capsys,
        "train",
        "--out",
        str(tmp_path),
        "--quiet",
        "--activation",
        "identity",
        "--learning-rate",
        "1e9",
    )
    assert "The loss became NaN or infinite in epoch 1, batch" in message
    assert json.loads((tmp_path / "history.json").read_text())["batch_losses"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "0"], "learning_rate is 0.0, but must be a number greater than 0"),
        (["--hidden", "500,abc"], '--hidden is "500,abc", but must be whole numbers'),
        (["--hidden", "0"], "layer_sizes is 0"),
        (["--data", "mnits"], "mnist"),
        (["--data", "nowhere/at/all.csv"], "nowhere"),
        (["--optimizer", "admw"], 'Did you mean "adamw"'),
        (["--engine", "tf"], 'engine is \'tf\', but must be one of "numpy" or "torch"'),
        (["--device", "cuda"], 'the NumPy engine runs on "cpu" only'),
        (["--seed", "-1"], "seed is -1"),
        (["--validation", "nan"], "validation is nan"),
        (["--validation", "1.0"], "validation is 1.0"),
        (["--validation", "half"], '--validation is "half", but must be a number of rows'),
        (["--hidden", "8,,8"], '--hidden is "8,,8"'),
        (["--hidden", "1000000000,1000000000"], "more than the 68,719,476,736 a network may have"),
        (["--hidden", "9" * 30], "more than the 68,719,476,736 a network may have"),
        (["--validation", "5000"], "No row of digits is left to train on"),
        (["--activation", "tanh,relu", "--hidden", "8"], "activation names 2 functions"),
    ],
)
def test_invalid_train_options_give_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refused(capsys, "train", "--out", str(tmp_path / "run"), *arguments)
    assert not (tmp_path / "run" / "config.json").exists()


def test_data_that_does_not_match_the_model_gives_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["train", "--out", str(tmp_path / "run"), "--hidden", "", "--epochs", "1", "--quiet"])
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "two.npz", x=rng.normal(size=(40, 3)), y=np.arange(40) % 2)
    capsys.readouterr()
    message = refused(capsys, "evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "two.npz"))
    assert "the model takes rows of 784 numbers" in message
    np.savez(tmp_path / "words.npz", x=rng.normal(size=(40, 784)), y=["cat", "dog"] * 20)
    message = refused(capsys, "evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "words.npz"))
    assert "has 2 classes, but the model tells 10 apart" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nowhere.safetensors"], "There is no model file nowhere.safetensors"),
        (["evaluate", ".", "--split", "tset"], 'Did you mean "test"'),
        (["report", "."], "Cannot read results.json"),
        (["study", "activatoins"], 'Did you mean "activations"'),
        (["study", "--seeds", "0"], "seeds is 0"),
        (["study", "--seeds", "1000000000"], "at least 1 and at most 1,000"),
        (["study", "--sede", "3"], "No such option: --sede"),
        (["study", "--epochs", "1e9"], "--epochs"),
        (["tsudy"], "No such command 'tsudy'"),
        (["study", "--epochs", "0"], "Error: epochs is 0"),
        (["study", "--engine", "jax"], 'Error: engine is \'jax\', but must be one of "numpy" or "torch"'),
        (["data", "info", "mnits"], 'Did you mean "mnist"'),
    ],
)
def test_invalid_arguments_of_other_verbs_give_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_of_a_study_file_is_named_with_its_line(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study_file.write_text(STUDY.replace("epochs", "epoch"))
    assert "line 7: unknown key 'epoch'" in refused(capsys, "study", str(study_file))


def test_unwritable_output_folder_gives_one_sentence(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    message = refused(capsys, "study", str(study_file), "--out", str(tmp_path / "file" / "out"))
    assert "a file stands where a folder is needed" in message


def test_full_disk_keeps_the_earlier_results(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert main(["study", str(study_file), "--out", str(out), "--quiet"]) == 0
    before = (out / "results.json").read_bytes()
    capsys.readouterr()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = refused(capsys, "study", str(study_file), "--out", str(out), "--fresh", "--quiet")
    assert "the disk is full" in message
    assert (out / "results.json").read_bytes() == before


def test_a_killed_study_is_redone_where_it_was_and_never_counted(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    study_file.write_text(STUDY.replace("epochs = 2", "epochs = 1000000"))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "study", str(study_file), "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()
    process.kill()
    process.communicate(timeout=60)
    assert not (out / "results.json").exists()
    study_file.write_text(STUDY)
    assert main(["study", str(study_file), "--out", str(out)]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_closed_output_pipe_is_not_an_internal_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "data", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert errors == ""
    assert process.returncode == 0
