"""Atomic writes: no reader sees half a file, and a failure keeps the earlier one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from clearprop.utils.errors import OutputError
from clearprop.utils.files import make_folder, write_atomic, write_json


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "a" / "b.txt", "käse")
    assert path.read_text("utf-8") == "käse"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.txt"]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    assert write_atomic(tmp_path / "new", "x").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = write_atomic(tmp_path / "results.json", "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":
        real = os.fdopen

        def open_full(descriptor: int, mode: str) -> object:
            file = real(descriptor, mode)
            return type("Full", (), {
                "__enter__": lambda self: self,
                "__exit__": lambda self, *rest: file.close(),
                "write": full,
            })()  # fmt: skip

        monkeypatch.setattr(os, "fdopen", open_full)
    else:
        monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match=r"results\.json: the disk is full; free some space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_real_full_disk_is_distinguished_from_other_failures() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    with full, pytest.raises(OSError, match="No space left") as caught:
        full.write(b"x")
    assert caught.value.errno == errno.ENOSPC


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        write_atomic(tmp_path / "file" / "x", "y")


def test_unwritable_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # root may write anywhere, so the refusal is the system call's own
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    with pytest.raises(OutputError, match="writing there is not permitted; choose another folder"):
        make_folder(tmp_path)


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())
