"""A file that means harm to clearprop import ends in one sentence, in little memory, and runs nothing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hostile_imports import KINDS, MARKER, good_files, measured
from torch import nn

from clearprop import cli

# as docs/reliability.md says
BESIDE = {"pt": 12 * 2**20, "safetensors": 2**20, "skops": 64 * 2**20}
# what a process takes by itself, whatever it imports
NOISE = 4 * 2**20
FILES = [(kind, name) for kind, files in KINDS.items() for name in files]


@dataclass(frozen=True, slots=True)
class Import:
    size: int
    code: int
    out: str
    err: str
    memory: int
    executed: bool


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Import]:
    """Import every hostile file, once."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the most memory of a process is measured as Linux tells it")
    folder = tmp_path_factory.mktemp("hostile")
    paths = {}
    for number, (kind, name) in enumerate(FILES):
        paths[kind, name] = folder / f"{number}.{kind}"
        paths[kind, name].write_bytes(KINDS[kind][name][0]())
    with pytest.MonkeyPatch.context() as patch:
        # where an attack would leave its file
        patch.chdir(folder)
        found = {path: rest for path, *rest in measured(good_files(folder), list(paths.values()))}
    executed = (folder / MARKER).exists()
    return {
        file: Import(path.stat().st_size, *found[path], executed)  # type: ignore[misc]
        for file, path in paths.items()
    }


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_hostile_file_is_one_sentence(kind: str, name: str, imports: dict[tuple[str, str], Import]) -> None:
    told = imports[kind, name]
    message = KINDS[kind][name][1]
    assert not told.executed
    assert message in told.err
    if message:
        assert (told.code, told.out) == (2, "")
        assert told.err.startswith("Error: ")
        assert told.err.count("\n") == 1
        assert len(told.err) < 700
    else:
        assert told.code in (0, 2)
    assert "\x1b" not in told.out + told.err


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_hostile_file_takes_no_more_than_is_promised(
    kind: str, name: str, imports: dict[tuple[str, str], Import]
) -> None:
    told = imports[kind, name]
    assert told.memory <= 2 * told.size + BESIDE[kind] + NOISE


def test_a_legacy_file_is_not_tried_as_a_tar_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "a.pt", _use_new_zipfile_serialization=False)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("torch would unpack it into a folder")

    monkeypatch.setattr("tarfile.open", opened)
    assert cli.main(["import", str(tmp_path / "a.pt"), "--out", str(tmp_path / "model")]) == 0
