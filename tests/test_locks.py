"""Folder lock: one holder at a time, named in errors, released however the holder ends."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clearprop.utils.errors import ClearpropWarning, FolderInUse, OutputError
from clearprop.utils.locks import hold

HOLDER = """
import sys, time
from clearprop.utils.locks import hold
with hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=60)


def test_second_process_gets_an_error_that_names_the_holder(tmp_path: Path) -> None:
    process = start_holder(tmp_path / "run.lock")
    try:
        with pytest.raises(FolderInUse) as caught, hold(tmp_path / "run.lock"):
            pass
    finally:
        end(process)
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path))} is in use by process {process.pid} on \S+ since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; wait until it ends, or choose another\.",
        str(caught.value),
    )


def test_lock_of_a_killed_process_is_released_and_its_file_blocks_nobody(tmp_path: Path) -> None:
    end(start_holder(tmp_path / "run.lock"))
    assert (tmp_path / "run.lock").exists()
    with hold(tmp_path / "run.lock"):
        assert f'"pid": {os.getpid()}' in (tmp_path / "run.lock").read_text()
    assert not (tmp_path / "run.lock").exists()


@pytest.mark.parametrize("stale", [b"", b"{", b"\xff\xfe", b"[1]", b'{"pid": 1}', b"x" * 10_000])
def test_content_of_a_stale_lock_file_is_ignored(tmp_path: Path, stale: bytes) -> None:
    path = tmp_path / "run.lock"
    path.write_bytes(stale)
    with hold(path), pytest.raises(FolderInUse, match=f"process {os.getpid()} on "), hold(path):
        pass


def test_holder_that_has_not_written_its_name_is_called_another_process(tmp_path: Path) -> None:
    with hold(tmp_path / "run.lock"):
        (tmp_path / "run.lock").write_text("")
        with (
            pytest.raises(FolderInUse, match="is in use by another process; wait"),
            hold(tmp_path / "run.lock"),
        ):
            pass


def test_a_process_does_not_share_a_folder_with_itself(tmp_path: Path) -> None:
    with hold(tmp_path / "run.lock"), pytest.raises(FolderInUse), hold(tmp_path / "run.lock"):
        pass
    with hold(tmp_path / "run.lock"):
        pass


def test_exception_in_the_block_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), hold(tmp_path / "run.lock"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_lock_on_a_file_removed_by_its_holder_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # between our opening the file and our locking it, its last holder ends and removes it
    from clearprop.utils import locks

    path, lock, removed = tmp_path / "run.lock", locks._lock, []

    def lock_late(descriptor: int) -> None:
        if not removed:
            removed.append(True)
            path.unlink()
        lock(descriptor)

    monkeypatch.setattr(locks, "_lock", lock_late)
    with hold(path):
        assert path.exists()
        with pytest.raises(FolderInUse), hold(path):
            pass


def test_file_system_without_locks_gives_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("clearprop.utils.locks._lock", none)
    with pytest.warns(ClearpropWarning, match=r"without locks \(No locks available\)"), hold(tmp_path / "l"):
        pass


def test_unwritable_folder_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write .*run\.lock"), hold(tmp_path / "file" / "run.lock"):
        pass
