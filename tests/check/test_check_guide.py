"""docs/check.md: its assignment judges its solution, its links have targets, no mistake is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sandboxing import require_containment

from clearprop.check.mistakes import MISTAKES
from clearprop.cli import main

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = (PROJECT / "docs" / "check.md").read_text("utf-8")
EXAMPLES = PROJECT / "examples" / "submissions"


def test_assignment_of_the_guide_passes_its_solution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_containment()
    section = GUIDE.partition("## An assignment of your own")[2].partition("\n## ")[0]
    (assignment,) = re.findall(r"```toml\n(.*?)```", section, flags=re.DOTALL)
    (solution,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("week-4.toml").write_text(assignment)
    Path("solution.py").write_text(solution)
    command = re.findall(r"```sh\n(.*?)\n", section)[0]
    assert main(command.split()[1:]) == 0
    Path("solution.py").write_text(solution.replace(" * h1 * (1 - h1)", ""))
    assert main([*command.split()[1:], "--gradescope", "results.json"]) == 3
    assert "activation is missing" in Path("results.json").read_text()


def test_every_mistake_has_its_paragraph() -> None:
    described = re.findall(r"^### (\w+)$", GUIDE.partition("## The mistakes")[2], flags=re.MULTILINE)
    assert set(described) == set(MISTAKES)


def test_links_within_the_guide_have_targets() -> None:
    headings = {h.lower().replace(" ", "-") for h in re.findall(r"^## (.*)$", GUIDE, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("right.py", 0, ["All 10 functions are right"]),
        ("two_mistakes.py", 3, ["softmax", "summed over the batch, not averaged"]),
        ("notebook.ipynb", 3, ["the gradient of the biases is one number"]),
    ],
)
def test_example_submissions_show_what_the_guide_says(
    name: str, code: int, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    require_containment()
    assert main(["check", str(EXAMPLES / name)]) == code
    out = " ".join(capsys.readouterr().out.split())
    assert all(words in out for words in told)
