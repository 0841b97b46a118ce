"""Model files: what was saved comes back, and a file nobody can trust gives one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import clearprop as cp
from clearprop.errors import ModelFileError
from clearprop.model_files import load_model, read_training, save_model


def make_model() -> cp.Model:
    rng = np.random.default_rng(0)
    parameters = [
        (rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)),
        (rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)),
    ]
    scaling = cp.Scaling(np.arange(6.0), np.linspace(0.1, 1, 6))
    return cp.Model(cp.Network((6, 4, 3), ("tanh",)), parameters, scaling, ("a", "b", "ç"), (2, 3))


def write_file(path: Path, tensors: dict[str, Any], described: object) -> Path:
    path.write_bytes(save(tensors, metadata={"clearprop": json.dumps(described)}))
    return path


def parts(tmp_path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors and the description of a good file, to be spoiled."""
    from safetensors import safe_open

    path = save_model(tmp_path / "good.safetensors", make_model())
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["clearprop"])


def test_a_saved_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = make_model()
    path = model.save(tmp_path / "model.safetensors")
    again = cp.load(path)
    assert again.network == model.network
    assert (again.class_names, again.image_shape) == (model.class_names, model.image_shape)
    x = np.random.default_rng(1).normal(size=(20, 6))
    assert (again.predict_proba(x) == model.predict_proba(x)).all()


def test_how_it_was_trained_stays_with_it(tmp_path: Path) -> None:
    path = save_model(tmp_path / "model.safetensors", make_model(), {"data": "digits"})
    assert read_training(path) == {"data": "digits"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"There is no model file .*nowhere\.safetensors"):
        load_model(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 64, (1 << 60).to_bytes(8, "little")])
def test_bytes_that_are_no_safetensors_give_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="is not a readable safetensors file"):
        load_model(path)


def test_a_file_of_another_program_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"w": np.zeros(3)}))
    with pytest.raises(ModelFileError, match="was not written by Clearprop"):
        load_model(path)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    tensors, described = parts(tmp_path)
    path = write_file(tmp_path / "new.safetensors", tensors, {**described, "format_version": 99})
    with pytest.raises(ModelFileError, match="format version 99, but this Clearprop .* reads versions up to 2"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"layer_sizes": [6, 3], "activation": "none"}}, "describes no network"),
        ({"network": "everything"}, "describes no network"),
        ({"class_names": ["a", "b"]}, "do not fit its network"),
        ({"image_shape": [3, 3]}, "does not fit its network"),
        ({"scaling": {"shift": [1.0, 2.0], "factor": 1.0}}, "a scaling that does not fit"),
        ({"scaling": {"shift": 0.0, "factor": float("nan")}}, "a scaling that does not fit"),
        ({"network": {"layer_sizes": [6, *[4] * 9999, 3]}}, "more than 500 layers"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    tensors, described = parts(tmp_path)
    path = write_file(tmp_path / "odd.safetensors", tensors, {**described, **change})
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("layers.0.weight", np.zeros((6, 5), np.float32), r"shape \(6, 5\), but its network needs \(6, 4\)"),
        ("layers.0.weight", np.zeros((6, 4), np.int32), "numbers of type F32, I32"),
        ("layers.1.bias", np.array([0, np.nan, 0], np.float32), "NaN or infinite numbers in layers.1.bias"),
        ("extra", np.zeros(3, np.float32), "other tensors than its network has"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    tensors, described = parts(tmp_path)
    path = write_file(tmp_path / "odd.safetensors", {**tensors, name: array}, described)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(place=st.integers(0, 2000), byte=st.integers(0, 255), cut=st.none() | st.integers(0, 2000))
def test_a_damaged_file_loads_or_gives_one_sentence(
    tmp_path: Path, place: int, byte: int, cut: int | None
) -> None:
    path = tmp_path / "model.safetensors"
    if not path.exists():
        save_model(path, make_model())
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(bytes(content[:cut]))
    try:
        model = load_model(damaged)
    except ModelFileError:
        return
    assert np.isfinite(model.parameters[0][0]).all()
