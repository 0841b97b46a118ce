"""A file that means harm to clearprop import ends in one sentence, in little memory, and runs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearprop import cli

pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
pytest.importorskip("skops", reason="skops is an extra and is not installed here")
import torch
from hostile_imports import KINDS, MARKER, Imported, good_files, importing
from torch import nn

# as docs/reliability.md says
BESIDE = {"pt": 12 * 2**20, "safetensors": 2**20, "skops": 64 * 2**20}
# what a process takes by itself, whatever it imports
NOISE = 4 * 2**20
FILES = [(kind, name) for kind, files in KINDS.items() for name in files]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Imported]]:
    """Return what imports a file in a process of its own; an attack would leave its file beside it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the most memory of a process is measured as Linux tells it")
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with importing(good_files(folder)) as function:
            yield function


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_hostile_file_is_one_sentence_in_little_memory(
    kind: str, name: str, imported: Callable[[Path], Imported], tmp_path: Path
) -> None:
    content, message = KINDS[kind][name]
    path = tmp_path / f"hostile.{kind}"
    path.write_bytes(content())
    told = imported(path)
    assert not Path(MARKER).exists()
    assert message in told.err
    if message:
        assert (told.code, told.out) == (2, "")
        assert told.err.startswith("Error: ")
        assert told.err.count("\n") == 1
        assert len(told.err) < 700
    else:
        assert told.code in (0, 2)
    assert "\x1b" not in told.out + told.err
    assert told.memory <= 2 * path.stat().st_size + BESIDE[kind] + NOISE


def test_a_legacy_file_is_not_tried_as_a_tar_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "a.pt", _use_new_zipfile_serialization=False)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("torch would unpack it into a folder")

    monkeypatch.setattr("tarfile.open", opened)
    assert cli.main(["import", str(tmp_path / "a.pt"), "--out", str(tmp_path / "model")]) == 0
