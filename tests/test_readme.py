"""The README and the guides: their code and commands run, and their links have targets."""

from __future__ import annotations

import contextlib
import io
import re
import time
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text("utf-8")


def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert "'epoch': 15" in printed.getvalue()
    assert "digits: accuracy 0.9" in printed.getvalue()
    assert (tmp_path / "history.png").stat().st_size > 1000


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)]+)\)", README))
def test_every_file_link_has_a_target(link: str) -> None:
    file, _, section = link.partition("#")
    assert (PROJECT / file).is_file()
    if section:
        headings = re.findall(r"^#+ (.*)$", (PROJECT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert section in [heading.lower().replace(" ", "-") for heading in headings]


def test_image_prediction_commands_run(
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


def test_no_placeholder_is_left() -> None:
    assert not re.search(r"[A-Z]{3,}_[A-Z]{3,}", README.replace("CLEARPROP_DATA", ""))


def test_study_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clearprop.cli import main

    guide = (PROJECT / "docs" / "studies.md").read_text("utf-8")
    (study,) = re.findall(r"```toml\n(.*?)```", guide, flags=re.DOTALL)
    (command,) = re.findall(r"```sh\nclearprop (.*?)\n```", guide)
    monkeypatch.chdir(tmp_path)
    Path("width.toml").write_text(study)
    assert main([*command.split(), "--quiet", "--epochs", "1", "--seeds", "1"]) == 0
    assert Path("results/width/report.html").exists()


def test_studies_guide_names_every_setting() -> None:
    from clearprop.training.settings import Settings

    guide = (PROJECT / "docs" / "studies.md").read_text("utf-8")
    for name in Settings.model_fields:
        assert f"`{name}`" in guide


def test_every_make_target_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake (\w+)\b *#", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_every_command_exists(capsys: pytest.CaptureFixture[str]) -> None:
    from clearprop.cli import main

    for verb in set(
        re.findall(r"clearprop (study|train|evaluate|predict|report|data|export|import)\b", README)
    ):
        assert main([verb, "--help"]) == 0


def test_estimator_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = (
        code
        for code in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
        if "MLPClassifier" in code
    )
    exec(compile(code, "README.md", "exec"), {})
    chosen, accuracy = capsys.readouterr().out.rsplit(maxsplit=1)
    assert "dropout" in chosen
    assert float(accuracy) > 0.95


def test_estimator_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (PROJECT / "docs" / "estimator.md").read_text("utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL):
        exec(compile(code, "estimator.md", "exec"), names)
    assert float(capsys.readouterr().out.split()[0]) > 0.9


def test_model_file_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import clearprop as cp
    from clearprop.cli import main

    for library in ("onnx", "torch"):
        pytest.importorskip(library, reason=f"{library} is an extra and is not installed here")
    section = README.split("## Model files")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("(360, 10)\n")
    for command in commands.strip().splitlines():
        assert main(command.split()[1:]) == 0
    rows = cp.load_data("digits").test.x
    again, model = cp.load("again.safetensors"), cp.load("digits.safetensors")
    assert (again.predict_proba(rows) == model.predict_proba(rows)).all()


def test_model_file_guide_imports_layers_in_a_given_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    guide = (PROJECT / "docs" / "model-files.md").read_text("utf-8")
    _, code = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    sizes = {"encoder.0": (16, 64), "decoder.0": (64, 16)}
    weights = {f"{name}.weight": np.ones(shape, np.float32) for name, shape in sizes.items()}
    biases = {f"{name}.bias": np.ones(shape[0], np.float32) for name, shape in sizes.items()}
    monkeypatch.chdir(tmp_path)
    save_file(weights | biases, "autoencoder.safetensors")
    namespace: dict[str, Any] = {}
    exec(compile(code, "model-files.md", "exec"), namespace)
    assert namespace["model"].network.layer_sizes == (64, 16, 64)


def test_model_file_guide_matches_the_format(tmp_path: Path) -> None:
    import json

    import numpy as np

    import clearprop as cp

    guide = (PROJECT / "docs" / "model-files.md").read_text("utf-8")
    code, _ = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    rng = np.random.default_rng(0)
    parameters = [
        (rng.normal(size=(3, 4)), rng.normal(size=4)),
        (rng.normal(size=(4, 2)), rng.normal(size=2)),
    ]
    scaling = cp.Scaling(rng.normal(size=3), rng.normal(size=3))
    model = cp.Model(cp.Network((3, 4, 2), "tanh"), parameters, scaling, ("a", "b"))
    content = model.save(tmp_path / "model.safetensors").read_bytes()
    # the guide's own reader, which knows nothing of Clearprop
    namespace: dict[str, object] = {"path": tmp_path / "model.safetensors", "rows": np.eye(3)}
    exec(compile(code, "model-files.md", "exec"), namespace)
    np.testing.assert_allclose(namespace["probabilities"], model.predict_proba(np.eye(3)), atol=1e-12)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    for name in json.loads(header["__metadata__"]["clearprop"]):
        assert f"| `{name}` |" in guide


def test_resume_commands_continue_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    from killing import epochs_in, start

    from clearprop.cli import main

    section = README.split("## Runs that survive anything")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    first, again, more = (shlex.split(line, comments=True)[1:] for line in block.splitlines())
    monkeypatch.chdir(tmp_path)
    process = start(first, Path("log.txt"))
    while process.poll() is None and len(epochs_in(Path("log.txt"))) < 2:
        time.sleep(0.01)
    process.kill()
    process.wait(timeout=60)
    assert main([*again, "--quiet"]) == 0
    assert re.search(r"Going on in runs/digits after epoch \d+ of 20\.", capsys.readouterr().err)
    assert main([*more, "--quiet"]) == 0
    assert "after epoch 20 of 25" in capsys.readouterr().err
