"""The README: its Python runs as it stands, and what it points at is there."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text("utf-8")


def test_the_python_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert "'epoch': 15" in printed.getvalue()
    assert "digits: accuracy 0.9" in printed.getvalue()
    assert (tmp_path / "history.png").stat().st_size > 1000


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)]+)\)", README))
def test_every_link_to_a_file_leads_somewhere(link: str) -> None:
    assert (PROJECT / link).is_file()


def test_the_predictions_on_real_images_run_as_they_stand(
    mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import rerendered

    from clearprop.cli import main
    from clearprop.data import load_data

    section = README.partition("## Predictions on real images")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], flags=re.DOTALL)
    train, predict, evaluate = (line.split()[1:] for line in block.splitlines())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEARPROP_DATA", str(mnist_folder))
    test = load_data("mnist").test
    assert test is not None
    rerendered.write("enlarged", test.x[0], tmp_path).rename("seven.png")
    rerendered.write("photograph", test.x[1], tmp_path).rename("photo.jpg")
    # one epoch is enough for these two, and for the test
    assert main([*train, "--quiet", "--epochs", "1"]) == 0
    capsys.readouterr()
    assert main(predict) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seven.png: 7 (")
    assert lines[1].startswith("photo.jpg: 2 (")
    assert main(evaluate) == 0
    out = capsys.readouterr().out
    assert all(part in out for part in ("precision", "Confusion matrix", "expected calibration error"))


def test_nothing_is_left_to_be_filled_in() -> None:
    assert not re.search(r"[A-Z]{3,}_[A-Z]{3,}", README.replace("CLEARPROP_DATA", ""))


def test_the_study_of_the_guide_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clearprop.cli import main

    guide = (PROJECT / "docs" / "studies.md").read_text("utf-8")
    (study,) = re.findall(r"```toml\n(.*?)```", guide, flags=re.DOTALL)
    (command,) = re.findall(r"```sh\nclearprop (.*?)\n```", guide)
    monkeypatch.chdir(tmp_path)
    Path("width.toml").write_text(study)
    assert main([*command.split(), "--quiet", "--epochs", "1", "--seeds", "1"]) == 0
    assert Path("results/width/report.html").exists()


def test_the_guide_names_every_setting() -> None:
    from clearprop.settings import Settings

    guide = (PROJECT / "docs" / "studies.md").read_text("utf-8")
    for name in Settings.model_fields:
        assert f"`{name}`" in guide


def test_every_command_of_make_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake (\w+)\b *#", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_every_verb_of_the_command_line_exists(capsys: pytest.CaptureFixture[str]) -> None:
    from clearprop.cli import main

    for verb in set(re.findall(r"clearprop (study|train|evaluate|predict|report|data)\b", README)):
        assert main([verb, "--help"]) == 0
