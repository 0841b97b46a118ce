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


def test_every_command_of_make_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake (\w+)\b *#", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_every_verb_of_the_command_line_exists(capsys: pytest.CaptureFixture[str]) -> None:
    from clearprop.cli import main

    for verb in set(re.findall(r"clearprop (study|train|evaluate|report|data)\b", README)):
        assert main([verb, "--help"]) == 0
