"""Checkpoint files are read back bit for bit; damaged ones are recognised, and the one before is used."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clearprop.training import checkpoint_files as checkpoints
from clearprop.training.checkpoint_files import Checkpoint, Checkpoints, decode, encode
from clearprop.training.history import History
from clearprop.utils.errors import CheckpointError, ClearpropWarning


def checkpoint_of(epoch: int = 2, **fields: Any) -> Checkpoint:
    rng = np.random.default_rng(epoch)
    stream = np.random.default_rng(epoch + 100)
    stream.random(3, dtype=np.float32)
    return Checkpoint(
        **{
            "settings": {"learning_rate": 0.1, "layer_sizes": [4, 3]},
            "versions": {"NumPy": "2"},
            "epoch": epoch,
            "epochs": 5,
            "stopped": False,
            "learning_rate_scale": 0.2,
            "seconds": 1.5,
            "history": History([{"epoch": 1, "train_loss": 0.1 + 0.2}], [0.1, 1 / 3]),
            "streams": {"shuffle": stream.bit_generator.state},
            "parameters": [(rng.normal(size=(4, 3)).astype(np.float32), np.zeros(3, np.float32))],
            "engine": {"step": np.array(7), "slots.0.0": rng.normal(size=12).astype(np.float32)},
            "callbacks": {"EarlyStopping-1": {"best_loss": 0.3, "best.0": rng.normal(size=(4, 3))}},
            **fields,
        }
    )


def plain(checkpoint: Checkpoint) -> Any:
    """Return a checkpoint as values that == compares."""

    def of(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return (value.dtype.name, value.shape, value.tobytes())
        if isinstance(value, dict):
            return {name: of(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [of(each) for each in value]
        return value.to_dict() if isinstance(value, History) else value

    return {name: of(getattr(checkpoint, name)) for name in Checkpoint.__dataclass_fields__}


CONTENT = encode(checkpoint_of())
DAMAGED = r"it is torn, or not a checkpoint|its digest does not fit its content"


def test_checkpoint_is_read_back_bit_for_bit() -> None:
    assert plain(decode(CONTENT)) == plain(checkpoint_of())


def test_zero_dimensional_and_strided_arrays_are_read_back() -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    kept = decode(encode(checkpoint_of(engine={"step": np.array(3), "turned": turned})))
    assert kept.engine["step"].shape == ()
    np.testing.assert_array_equal(kept.engine["turned"], turned)


def test_random_stream_continues_after_reading() -> None:
    stream = np.random.default_rng(0)
    stream.random(5, dtype=np.float32)
    kept = decode(encode(checkpoint_of(streams={"dropout": stream.bit_generator.state})))
    other = np.random.default_rng(1)
    other.bit_generator.state = kept.streams["dropout"]
    assert (other.random(9, dtype=np.float32) == stream.random(9, dtype=np.float32)).all()


@given(st.integers(0, 8 * len(CONTENT) - 1))
@example(0)
@example(8 * 8)
def test_flipped_bit_is_recognised(bit: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match=DAMAGED):
        decode(bytes(damaged))


def test_flipped_bit_in_the_header_is_recognised() -> None:
    # the part of the file that says where everything lies, and where a turned bit can do the oddest things
    for bit in range(8 * (8 + int.from_bytes(CONTENT[:8], "little"))):
        damaged = bytearray(CONTENT)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=DAMAGED):
            decode(bytes(damaged))


@given(st.integers(0, len(CONTENT) - 1))
@example(0)
@example(7)
def test_a_torn_file_is_recognised(length: int) -> None:
    for torn in (CONTENT[:length], CONTENT[:length] + bytes(len(CONTENT) - length)):
        if torn != CONTENT:
            with pytest.raises(ValueError, match=DAMAGED):
                decode(torn)


@given(st.binary(max_size=300))
def test_other_bytes_are_no_checkpoint(content: bytes) -> None:
    with pytest.raises(ValueError, match="it is torn, or not a checkpoint"):
        decode(content)


def test_folder_without_checkpoints_has_no_latest(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "run")
    assert not kept.present()
    assert kept.latest() is None


def test_newest_checkpoint_is_returned_and_the_one_before_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN_SYNCS", 0)
    kept = Checkpoints(tmp_path)
    for epoch in (1, 2, 3):
        kept.write(checkpoint_of(epoch))
    assert plain(Checkpoints(tmp_path).latest()) == plain(checkpoint_of(3))
    assert decode(kept.previous.read_bytes()).epoch == 2
    assert {path.name for path in tmp_path.iterdir()} == set(checkpoints.CHECKPOINT_FILES)
    kept.remove()
    assert not list(tmp_path.iterdir())


def test_only_a_synced_checkpoint_becomes_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    kept = Checkpoints(tmp_path)
    seen = []
    for epoch in range(1, 8):
        kept.write(checkpoint_of(epoch))
        seen.append(decode(kept.previous.read_bytes()).epoch if epoch > 1 else 0)
        now += 0.4
    # the disk is waited for at epochs 1, 4 and 7
    assert seen == [0, 1, 1, 1, 4, 4, 4]


@pytest.mark.parametrize("harm", ["torn", "bit", "empty", "gone"])
def test_damaged_newest_checkpoint_is_replaced_by_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN_SYNCS", 0)
    kept = Checkpoints(tmp_path)
    kept.write(checkpoint_of(1))
    kept.write(checkpoint_of(2))
    content = bytearray(kept.file.read_bytes())
    if harm == "gone":
        # killed between the two renamings
        kept.file.unlink()
        assert Checkpoints(tmp_path).latest().epoch == 1  # type: ignore[union-attr]
    else:
        content[len(content) // 2] ^= 4
        kept.file.write_bytes({"torn": content[:100], "bit": content, "empty": b""}[harm])
        found = Checkpoints(tmp_path)
        with pytest.warns(
            ClearpropWarning, match=r"is damaged \(.*\), so the one before it is taken, of epoch 1"
        ):
            assert found.latest().epoch == 1  # type: ignore[union-attr]
        # the damaged one never takes the place of the good one
        found.write(checkpoint_of(2))
        assert decode(found.previous.read_bytes()).epoch == 1
        assert decode(found.file.read_bytes()).epoch == 2


def test_two_damaged_checkpoints_give_a_warning_and_none(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.file.write_bytes(b"x")
    kept.previous.write_bytes(b"y")
    with pytest.warns(ClearpropWarning, match="no other is left, so the training starts anew"):
        assert kept.latest() is None


def test_a_new_training_leaves_no_checkpoint_of_an_earlier_one(tmp_path: Path) -> None:
    old = Checkpoints(tmp_path)
    old.write(checkpoint_of(1))
    old.write(checkpoint_of(2))
    new = Checkpoints(tmp_path)
    new.write(checkpoint_of(3))
    new.file.unlink()
    assert new.latest() is None


def test_checkpoint_of_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "FORMAT_VERSION", 2)
    Checkpoints(tmp_path).write(checkpoint_of())
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match=r"format version 2, but this Clearprop reads version 1; use a newer"
    ):
        Checkpoints(tmp_path).latest()


def test_unreadable_disk_raises_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / checkpoints.CHECKPOINT_FILE).mkdir()
    with pytest.raises(CheckpointError, match=r"Cannot read .*checkpoint\.safetensors \(Is a directory\)"):
        Checkpoints(tmp_path).latest()


def test_nothing_in_the_file_is_executed() -> None:
    header = json.loads(CONTENT[8 : 8 + int.from_bytes(CONTENT[:8], "little")])
    assert b"pickle" not in CONTENT
    assert json.loads(header["__metadata__"][checkpoints.METADATA_KEY])["epoch"] == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(CONTENT)
