"""Model files: saving and loading keeps a model exactly, and a damaged or hostile file gives one sentence."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.model_file_harness import check, check_sentence, hostile_files, peak_memory, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load, save

import clearprop as cp
from clearprop.model.model import load_model
from clearprop.utils.errors import InvalidArgument, ModelFileError


def make_model(dtype: type = np.float32, output: str = "softmax", **more: Any) -> cp.Model:
    rng = np.random.default_rng(0)
    parameters = [
        (rng.normal(size=(6, 4)).astype(dtype), rng.normal(size=4).astype(dtype)),
        (rng.normal(size=(4, 3)).astype(dtype), rng.normal(size=3).astype(dtype)),
    ]
    scaling = cp.Scaling(np.arange(6.0), np.linspace(0.1, 1, 6))
    network = cp.Network((6, 4, 3), ("tanh",), output=output)
    return cp.Model(network, parameters, scaling, ("a", "b", "ç"), (2, 3), **more)


def write_file(path: Path, tensors: dict[str, Any], described: object) -> Path:
    path.write_bytes(save(tensors, metadata={"clearprop": json.dumps(described)}))
    return path


def raw_file(path: Path, header: bytes | dict[str, Any], data: bytes = b"") -> Path:
    """Write a file whose header says what it likes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def parts(tmp_path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors and the description of a good file, to be spoiled."""
    content = make_model().save(tmp_path / "good.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return load(content), json.loads(header["__metadata__"]["clearprop"])


def refused(path: str | Path) -> str:
    """Return the one sentence that loading gives."""
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    return str(caught.value)


# --- what was saved comes back ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "exponential"])
def test_a_saved_model_comes_back_as_it_was(tmp_path: Path, dtype: type, output: str) -> None:
    model = make_model(dtype, output)
    again = cp.load(model.save(tmp_path / "model.safetensors"))
    assert again.network == model.network
    assert (again.class_names, again.image_shape) == (model.class_names, model.image_shape)
    assert again.parameters[0][0].dtype == dtype
    x = np.random.default_rng(1).normal(size=(20, 6))
    assert (again.logits(x) == model.logits(x)).all()


def test_file_holds_measurements_training_settings_and_version(tmp_path: Path) -> None:
    train, validation, _ = cp.load_data("digits").split(validation=240, seed=0)
    recipe = cp.Recipe(epochs=2, learning_rate=0.1)
    run = cp.train(cp.Network((784, 8, 10)), recipe, train, validation, progress=False)
    again = cp.load(run.model.save(tmp_path / "digits.safetensors"))
    last = run.history.epochs[-1]
    assert again.metrics == {
        name: last[name] for name in ("epoch", "train_loss", "validation_loss", "validation_accuracy")
    }
    assert again.training == run.model.training
    assert cp.Recipe(**again.training["recipe"]) == recipe
    assert again.training["rows"] == len(train)
    assert again.training["dataset"] == "digits"
    assert again.scaling.factor == 1 / 255
    assert again.image_shape == (28, 28)
    content = (tmp_path / "digits.safetensors").read_bytes()
    assert f'\\"clearprop_version\\": \\"{cp.__version__}\\"'.encode() in content


def test_the_metrics_are_those_of_the_epoch_that_early_stopping_went_back_to(tmp_path: Path) -> None:
    train, validation, _ = cp.load_data("digits").split(validation=240, seed=0)
    recipe = cp.Recipe(epochs=30, learning_rate=0.3, batch_size=16, early_stopping=2)
    run = cp.train(cp.Network((784, 32, 10)), recipe, train, validation, progress=False)
    best = min(run.history.epochs, key=lambda epoch: epoch["validation_loss"])
    assert best is not run.history.epochs[-1]
    assert run.model.metrics["epoch"] == best["epoch"]
    assert cp.evaluate(run.model, validation).accuracy == run.model.metrics["validation_accuracy"]


def test_how_it_was_trained_can_be_given(tmp_path: Path) -> None:
    path = replace(make_model(), training={"data": "digits"}).save(tmp_path / "model.safetensors")
    assert load_model(path).training == {"data": "digits"}


def test_safetensors_itself_reads_the_file(tmp_path: Path) -> None:
    model = make_model()
    tensors = load(model.save(tmp_path / "model.safetensors").read_bytes())
    assert (tensors["layers.0.weight"] == model.parameters[0][0]).all()


def test_the_path_may_be_text_or_a_path_or_bytes(tmp_path: Path) -> None:
    path = make_model().save(str(tmp_path / "model.safetensors"))
    for given_path in (str(path), path, os.fsencode(path)):
        assert cp.load(given_path).network.layer_sizes == (6, 4, 3)
    with pytest.raises(InvalidArgument, match="path is 3, but must be the path of a file"):
        cp.load(3)  # type: ignore[arg-type]


def test_a_standardised_model_with_many_features_and_no_hidden_layer_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scaling = cp.Scaling(rng.normal(size=20_000), rng.normal(size=20_000))
    parameters = [(rng.normal(size=(20_000, 2)).astype(np.float32), np.zeros(2, np.float32))]
    model = cp.Model(cp.Network((20_000, 2)), parameters, scaling, ("a", "b"))
    again = cp.load(model.save(tmp_path / "wide.safetensors"))
    assert (np.asarray(again.scaling.shift) == scaling.shift).all()
    assert (np.asarray(again.scaling.factor) == scaling.factor).all()


def test_a_model_of_500_layers_comes_back_and_one_of_501_is_not_saved(tmp_path: Path) -> None:
    def deep(n_layers: int) -> cp.Model:
        layers = [(np.eye(2, dtype=np.float32), np.zeros(2, np.float32)) for _ in range(n_layers)]
        return cp.Model(cp.Network((2,) * (n_layers + 1)), layers, cp.Scaling(), ("a", "b"))

    assert len(cp.load(deep(500).save(tmp_path / "deep.safetensors")).parameters) == 500
    with pytest.raises(InvalidArgument, match=r"The model was not saved, since .* more than 1,000 tensors"):
        deep(501).save(tmp_path / "deeper.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"loss": float("nan")}}, "its training or metrics are no JSON"),
        ({"training": {"data": object()}}, "its training or metrics are no JSON"),
        ({"training": {"notes": ["long"] * 100_000}}, "would need more memory"),
        ({"class_names": ("a", "b")}, "there are 2 class names"),
        ({"class_names": ("a", "b", "\udce7")}, "half a character"),
        ({"image_shape": (3, 3)}, "its image shape"),
    ],
)
def test_model_that_could_not_be_loaded_is_not_saved(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = make_model().save(tmp_path / "model.safetensors")
    before = path.read_bytes()
    good = make_model()
    fields = {name: getattr(good, name) for name in good.__dataclass_fields__}
    with pytest.raises(InvalidArgument, match=f"The model was not saved, since .*{message}"):
        cp.Model(**{**fields, **change}).save(path)
    assert path.read_bytes() == before


def test_a_model_with_nan_is_not_saved_over_a_good_one(tmp_path: Path) -> None:
    path = make_model().save(tmp_path / "model.safetensors")
    before = path.read_bytes()
    model = make_model()
    model.parameters[1][1][0] = np.nan
    with pytest.raises(InvalidArgument, match=r"layers\.1\.bias has NaN or infinite numbers"):
        model.save(path)
    assert path.read_bytes() == before


# --- older and newer files ---


def test_a_file_of_the_first_release_still_loads() -> None:
    # written by Clearprop 0.1.0, before a file named its writer
    model = cp.load(Path(__file__).parent / "files" / "model-0.1.0.safetensors")
    assert model.network == cp.Network((3, 4, 2), "tanh")
    assert model.class_names == ("no", "yes")
    assert model.training == {"data": "table.csv"}
    x = np.array([[2.0, 0.0, 3.5]], np.float32)
    np.testing.assert_allclose(model.predict_proba(x), [[0.7443757, 0.25562432]], atol=1e-7)


def test_a_softmax_network_is_written_so_that_the_first_release_reads_it(tmp_path: Path) -> None:
    _, described = parts(tmp_path)
    assert described["format_version"] == 1
    assert described["read_since"] == "0.1.0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"format_version": 99, "read_since": "7.2.0"},
            "has format version 99, but this Clearprop .* reads versions up to 2; "
            r"load it with Clearprop 7\.2\.0 or newer\.$",
        ),
        ({"format_version": 99}, r"load it with a newer Clearprop\.$"),
        ({"format_version": 99, "read_since": "\x1b[31m" * 9}, r"load it with a newer Clearprop\.$"),
        ({"format_version": 99, "read_since": "0.0.1"}, r"load it with a newer Clearprop\.$"),
        (
            {"clearprop_version": "9.9.0", "read_since": "9.8.0", "network": {"layer_sizes": [6, 3], "x": 1}},
            r"was written by Clearprop 9\.9\.0 \(its network has an unknown field 'x'\), .* "
            r"load it with Clearprop 9\.8\.0 or newer\.$",
        ),
    ],
)
def test_a_newer_file_says_which_version_reads_it(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    tensors, described = parts(tmp_path)
    path = write_file(tmp_path / "new.safetensors", tensors, {**described, **change})
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_unknown_keys_of_a_newer_release_are_ignored(tmp_path: Path) -> None:
    tensors, described = parts(tmp_path)
    path = write_file(tmp_path / "new.safetensors", tensors, {**described, "licence": {"name": "MIT"}})
    assert load_model(path).network.layer_sizes == (6, 4, 3)


# --- what is no model file ---


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"There is no model file .*nowhere\.safetensors"):
        load_model(tmp_path / "nowhere.safetensors")
    assert "There is no model file" in refused(Path(__file__) / "inside")


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        f"{tmp_path} is a folder, not a model file; name the file in it, such as parameters.safetensors."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are Unix")
def test_a_pipe_a_socket_and_a_device_are_no_model_files_and_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a named pipe, not a model file" in refused(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        # a socket's path must be short, which the test's folder may not be
        before = Path.cwd()
        os.chdir(tmp_path)
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
        assert "is a socket, not a model file" in refused(tmp_path / "socket")
    assert "is a device, not a model file" in refused("/dev/zero")


def test_invalid_path_gives_one_sentence(tmp_path: Path) -> None:
    assert "is no path" in refused("a\0b")
    assert "cannot be read" in refused(tmp_path / ("long" * 1000))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in refused(loop)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = make_model().save(tmp_path / "model.safetensors")
    path.chmod(0)
    assert "cannot be read (Permission denied)" in refused(path)


# --- damaged and hostile files ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes"),
        (b"not a model", "its header claims"),
        (b"\xff" * 64, "its header claims"),
        (
            struct.pack("<Q", 1 << 60),
            r"its header claims 1,152,921,504,606,846,976 bytes, but the file has 8",
        ),
        (struct.pack("<Q", 2) + b"[]", "no { where one must be"),
        (b"\x80\x04\x95" + b"." * 100, "its header claims"),
    ],
)
def test_bytes_that_are_no_safetensors_give_one_sentence(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"is not a readable safetensors file \(.*{message}"):
        load_model(path)


def test_file_of_another_program_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"w": np.zeros(3)}))
    with pytest.raises(ModelFileError, match="was not written by Clearprop"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"layer_sizes": [6, 3], "activation": "none"}}, "describes no network"),
        ({"network": {"layer_sizes": [6, 3], "activation": "a" * 99}}, "activation has a value 'aaa"),
        ({"network": {"layer_sizes": [6, 2**37, 3]}}, "layer_sizes has a value 137438953472"),
        ({"network": {"layer_sizes": [6, 4.0, 3]}}, "layer_sizes is 4.0, but must be a whole number"),
        ({"network": {"layer_sizes": [6, True, 3]}}, "layer_sizes has a value True"),
        ({"network": {"layer_sizes": [6, [4], 3]}}, r"layer_sizes has a value \[4\]"),
        ({"network": {"layer_sizes": [6, 4, 3], "dropout": 2}}, "dropout is 2"),
        ({"network": "everything"}, "describes no network"),
        ({"class_names": ["a", "b"]}, "do not fit its network"),
        ({"class_names": ["a", "b", 3]}, "must be a list of texts"),
        ({"class_names": 7}, "class_names is 7"),
        ({"image_shape": [3, 3]}, "does not fit its network"),
        ({"image_shape": [-2, -3]}, "must be a height and a width"),
        ({"image_shape": "23"}, "must be a height and a width"),
        ({"scaling": {"shift": [1.0, 2.0], "factor": 1.0}}, "a scaling that does not fit"),
        ({"scaling": {"shift": 0.0, "factor": float("nan")}}, "a scaling that does not fit"),
        ({"scaling": {"shift": 10**400, "factor": 1.0}}, "a scaling that does not fit"),
        ({"scaling": {"shift": 0.0, "factor": 1e39}}, "a scaling that does not fit"),
        ({"scaling": {"shift": [[1.0]], "factor": 1.0}}, "there is no JSON"),
        ({"scaling": None}, "scaling is None"),
        ({"network": {"layer_sizes": [6, *[4] * 9999, 3]}}, "more than 500 layers"),
        ({"metrics": []}, r"metrics is \[\], but must be an object"),
        ({"training": "well"}, "training is 'well', but must be an object"),
        ({"format_version": True}, "was not written by Clearprop"),
        ({"format_version": 0}, "has format version 0"),
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
        ("layers.0.weight", np.zeros((4, 6), np.float32), r"shape \(4, 6\), but its network needs \(6, 4\)"),
        ("layers.0.weight", np.zeros((6, 4), np.int32), "numbers of type F32, I32"),
        ("layers.0.weight", np.zeros((6, 4), np.float64), "numbers of type F32, F64"),
        ("layers.1.bias", np.array([0, np.nan, 0], np.float32), "NaN or infinite numbers in layers.1.bias"),
        ("layers.0.bias", np.full(4, -np.inf, np.float32), "NaN or infinite numbers in layers.0.bias"),
        ("extra", np.zeros(3, np.float32), "other tensors than its network has: it has a 'extra'"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    tensors, described = parts(tmp_path)
    path = write_file(tmp_path / "odd.safetensors", {**tensors, name: array}, described)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, "its tensor 'b' begins at byte 4, not at 8"),
        ({"a": tensor([2], 0, 8), "b": tensor([1], 12, 16)}, "its tensor 'b' begins at byte 12, not at 8"),
        ({"a": tensor([4], 8, 0)}, "ends before it begins"),
        ({"a": tensor([2], 0, 8)}, "its tensors have 8 bytes, but behind the header there are 16"),
        ({"a": tensor([8], 0, 32)}, "its tensors have 32 bytes, but behind the header there are 16"),
        ({"a": tensor([4], 0, 16, "F64")}, r"of shape \(4,\) and type F64 claims 16 bytes"),
        ({"a": tensor([2**40, 2**40], 0, 16)}, "and type F32 claims 16 bytes"),
        ({"a": tensor([-4], 0, 16)}, "a number that is no size"),
        ({"a": tensor([2**64], 0, 16)}, "a number that is no size"),
        ({"a": tensor([1] * 9, 0, 16)}, "has more than 8 numbers"),
        ({"a": {"dtype": "F32", "shape": [4]}}, "lacks its dtype, its shape or its data_offsets"),
        ({"a": {**tensor([4], 0, 16), "strides": [4]}}, "has an unknown field 'strides'"),
        ({"a": []}, "no { where one must be"),
        (b'{"a":{},"a":{}}', "lacks its dtype"),
        (b'{"a":{"dtype":"F32","dtype":"F32"}}', "a key that comes twice"),
        (b'{"__metadata__":{"a":1}}', 'no " where one must be'),
        (b'{"__metadata__":{"a":"\xff\xfe"}}', "a text that is not UTF-8"),
        (b'{"__metadata__":{"a":"\\ud800"}}', "half a character"),
        (b'{"__metadata__":{"a":"\\x41"}}', "an escape that JSON does not know"),
        (b'{"__metadata__":{"a":"' + b"a" * 100, "a string without an end"),
        (b'{"__metadata__":{"a":"\n"}}', "a control character in a string"),
        (b'{"a":' * 10_000, "has an unknown field 'a'"),
        (b"{} {}", "more text after its end"),
        (b'{"a\x00":1', "a control character"),
    ],
)
def test_false_header_is_refused(tmp_path: Path, header: bytes | dict[str, Any], message: str) -> None:
    path = raw_file(tmp_path / "liar.safetensors", header, bytes(16))
    with pytest.raises(ModelFileError, match=rf"is not a readable safetensors file \(.*{message}"):
        load_model(path)


def test_header_may_name_tensors_in_any_order(tmp_path: Path) -> None:
    content = make_model().save(tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    turned = dict(reversed(header.items()))
    path = raw_file(tmp_path / "turned.safetensors", turned, content[8 + length :])
    assert (load_model(path).parameters[1][0] == make_model().parameters[1][0]).all()


def test_a_file_that_shrinks_while_it_is_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_model().save(tmp_path / "model.safetensors")
    status = os.stat(path)
    os.truncate(path, status.st_size - 4)
    monkeypatch.setattr(os, "fstat", lambda descriptor: status)
    assert "it ends too soon" in refused(path)


@pytest.mark.parametrize("name", sorted(hostile_files()))
def test_a_hostile_file_takes_no_more_memory_than_twice_its_size(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # measuring is slow, so the files are small here, and what a small file may take is put aside;
    # `make fuzz` measures the same with files of a megabyte and as it is
    monkeypatch.setattr("clearprop.model.files.safetensors_reader.LEAST_MEMORY", 0)
    monkeypatch.setattr("clearprop.model.files.safetensors_reader.RESERVE", 2**14)
    content = hostile_files(2**16)[name]
    peak, sentence = peak_memory(content)
    check_sentence(sentence)
    assert peak <= 2 * len(content)


def test_a_small_file_takes_less_than_a_mebibyte() -> None:
    for content in seeds().values():
        assert peak_memory(content)[0] <= 2**20


def test_a_good_file_takes_no_more_memory_than_twice_its_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parameters = [(rng.normal(size=(2000, 500)).astype(np.float32), np.zeros(500, np.float32))]
    names = tuple(f"class {number}" for number in range(500))
    scaling = cp.Scaling(rng.normal(size=2000), rng.normal(size=2000))
    path = cp.Model(cp.Network((2000, 500)), parameters, scaling, names).save(tmp_path / "large.safetensors")
    peak, sentence = peak_memory(path.read_bytes())
    assert sentence == ""
    assert peak <= 2 * path.stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds on Linux")
def test_a_file_that_claims_more_than_there_is_loads_under_a_limit_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "vast.safetensors"
    header = json.dumps({"a": tensor([2**36], 0, 2**38)}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        # a sparse file: 256 GiB that take no room on the disk
        file.truncate(8 + len(header) + 2**38)
    code = (
        "import resource, sys, clearprop as cp; "
        "from clearprop.model.model import load_model; "
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize(); "
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**22, used + 2**22)); "
        "load_model(sys.argv[1])"
    )
    for claimed in (path, raw_file(tmp_path / "nested.safetensors", b"[" * 2**20)):
        result = subprocess.run(
            [sys.executable, "-c", code, str(claimed)], capture_output=True, text=True, check=False
        )
        assert "clearprop.utils.errors.ModelFileError" in result.stderr.splitlines()[-1]


# --- fuzzing, briefly: `make fuzz` goes on for a million files ---


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(sorted(seeds())),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=4),
    cut=st.none() | st.integers(0, 3000),
)
def test_a_damaged_file_loads_or_gives_one_sentence(
    seed: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    content = bytearray(seeds()[seed])
    for place, byte in changes:
        content[place % len(content)] = byte
    check(bytes(content[:cut]))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("version", ["9.9..3", "9.9.dev3", "9.9.9.9.9", "9.9.", "0.1..", "9.9a..1"])
@pytest.mark.parametrize("change", [{"format_version": 99}, {"network": {"layer_sizes": [6, 3], "x": 1}}])
def test_a_version_of_any_form_is_no_obstacle_to_the_sentence(
    tmp_path: Path, version: str, change: dict[str, Any]
) -> None:
    tensors, described = parts(tmp_path)
    written = {**described, **change, "clearprop_version": version, "read_since": version}
    check(write_file(tmp_path / "new.safetensors", tensors, written).read_bytes())


@settings(max_examples=300, deadline=None)
@given(
    field=st.sampled_from(["format_version", "network", "scaling", "class_names", "image_shape", "training"]),
    inner=st.sampled_from(["", "layer_sizes", "activation", "output", "shift", "factor"]),
    value=VALUES,
)
def test_a_description_with_any_value_in_any_place_loads_or_gives_one_sentence(
    field: str, inner: str, value: Any
) -> None:
    content = seeds()["hidden layer"]
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    described = json.loads(header["__metadata__"]["clearprop"])
    described[field] = (
        {**described[field], inner: value} if inner and field in ("network", "scaling") else value
    )
    header["__metadata__"]["clearprop"] = json.dumps(described)
    text = json.dumps(header).encode()
    check(struct.pack("<Q", len(text)) + text + content[8 + length :])


@settings(max_examples=300, deadline=None)
@given(shape=st.lists(st.integers(0, 9), max_size=3), begin=st.integers(0, 40), end=st.integers(0, 40))
def test_accepted_files_are_valid_safetensors(shape: list[int], begin: int, end: int) -> None:
    from io import BytesIO

    from clearprop.model.files.safetensors_reader import read_header

    text = json.dumps({"a": tensor(shape, begin, end), "b": tensor([2], 0, 8)}).encode()
    content = struct.pack("<Q", len(text)) + text + bytes(32)
    try:
        read_header(BytesIO(content), len(content), Path("file"), "")
    except ModelFileError:
        with pytest.raises(SafetensorError):
            load(content)
    else:
        load(content)
