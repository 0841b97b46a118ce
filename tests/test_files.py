"""Atomic writes: no reader sees half a file, and a failure keeps the earlier one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main
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


REFUSALS = [
    PermissionError(errno.EPERM, "Operation not permitted"),
    OSError(errno.EOPNOTSUPP, "Not supported"),
]


@pytest.fixture(params=REFUSALS, ids=["permission", "unsupported"])
def strict_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to change permissions and to flush, as some network file systems do."""

    def refused(*_: object, **__: object) -> None:
        raise request.param

    for call in ("chmod", "fchmod", "fsync", "fdatasync", "chown", "utime"):
        if hasattr(os, call):
            monkeypatch.setattr(os, call, refused)


@pytest.mark.usefixtures("strict_file_system")
def test_file_is_replaced_where_permissions_and_flushing_are_refused(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "a.txt", "old")
    write_atomic(path, "new", keep_as=tmp_path / "previous.txt")
    assert path.read_text() == "new"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "previous.txt"]


@pytest.mark.usefixtures("strict_file_system")
def test_training_with_checkpoints_is_saved_where_permissions_and_flushing_are_refused(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.random((60, 4), np.float32), y=np.arange(60) % 3)
    out = tmp_path / "run"
    arguments = ["train", "--data", str(tmp_path / "data.npz"), "--epochs", "2", "--out", str(out)]
    assert main(arguments) == 0
    assert cp.load(out / "parameters.safetensors").network.layer_sizes[0] == 4


def test_failure_of_the_disk_while_flushing_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OutputError, match="Input/output error; choose another place"):
        write_atomic(tmp_path / "a.txt", "x")
    assert not list(tmp_path.iterdir())


def test_path_without_a_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="Cannot write"):
        write_atomic("", "x")


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
