"""clearprop export: ONNX Runtime and PyTorch give the same predictions as the model."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.model.conversion.onnx_export import onnx_bytes, stored_as
from clearprop.model.conversion.torch_export import state_dict_bytes, torch_usage
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.parameters import copy_parameters
from clearprop.utils.errors import InvalidArgument, MissingExtra

torch = pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
onnx = pytest.importorskip("onnx", reason="onnx is an extra and is not installed here")
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="onnxruntime, which runs ONNX files, is not installed"
)

OUTPUTS = ["softmax", "sigmoid", "identity", "exponential"]


def make_model(
    activation: str | tuple[str, ...] = "tanh", output: str = "softmax", dtype: str = "float32", **more: Any
) -> cp.Model:
    rng = np.random.default_rng(0)
    sizes = (6, 8, 5, 3)
    # small, so that an exponential stays where a relative error of 1e-6 is more than float32's own
    parameters = [
        ((0.3 * rng.normal(size=(fan_in, fan_out))).astype(dtype), rng.normal(size=fan_out).astype(dtype))
        for fan_in, fan_out in pairwise(sizes)
    ]
    fields = {"scaling": cp.Scaling(np.arange(6.0), np.linspace(0.1, 1, 6)), **more}
    network = cp.Network(sizes, activation, output=output)
    return cp.Model(network, parameters, class_names=("a", "b", "ç"), **fields)


def predicted(model: cp.Model, rows: np.ndarray) -> np.ndarray:
    if model.network.output in ("softmax", "sigmoid"):
        return model.predict_proba(rows)
    return model.predict(rows)


def run_onnx(model: cp.Model, rows: np.ndarray, input_type: str | None = None) -> np.ndarray:
    """Return what onnxruntime makes of the rows, given as the graph takes them."""
    session = onnxruntime.InferenceSession(onnx_bytes(model, input_type), providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert (
        taken.type
        == {"uint8": "tensor(uint8)", "float32": "tensor(float)", "float64": "tensor(double)"}[
            input_type or stored_as(model)
        ]
    )
    (given,) = session.run(None, {taken.name: rows.astype(input_type or stored_as(model))})
    return given


@pytest.fixture(scope="module")
def digits() -> tuple[cp.Model, np.ndarray]:
    """Return a model trained on the embedded digits, and the rows of their test part."""
    train, _, test = cp.load_data("digits").split(validation=240, seed=0)
    recipe = cp.Recipe(optimizer="adam", learning_rate=0.003, epochs=8, seed=0)
    run = cp.train(cp.Network((784, 64, 32, 10), ("relu", "tanh")), recipe, train, progress=False)
    assert test is not None
    assert cp.evaluate(run.model, test).accuracy > 0.9
    return run.model, test.x


@pytest.fixture
def digits_file(digits: tuple[cp.Model, np.ndarray], tmp_path: Path) -> Path:
    return digits[0].save(tmp_path / "digits.safetensors")


# --- ONNX ---


@pytest.mark.parametrize("input_type", [None, "uint8", "float32", "float64"])
def test_the_graph_takes_images_as_they_are_stored_and_gives_their_probabilities(
    digits: tuple[cp.Model, np.ndarray], input_type: str | None
) -> None:
    model, rows = digits
    assert rows.dtype == np.uint8
    given = run_onnx(model, rows.reshape(-1, 28, 28), input_type)
    np.testing.assert_allclose(given, model.predict_proba(rows), rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def published_model(mnist: cp.Dataset) -> cp.Model:
    train, _, _ = mnist.split(validation=0, seed=0)
    recipe = cp.Recipe(optimizer="adam", learning_rate=0.001, epochs=2, batch_size=128, seed=0)
    return cp.train(cp.Network((784, 500, 250, 100, 10)), recipe, train, progress=False).model


@pytest.mark.parametrize("trained", ["mnist_model", "published_model"])
def test_all_100_000_probabilities_of_mnist_are_those_of_the_model(
    trained: str, mnist: cp.Dataset, request: pytest.FixtureRequest
) -> None:
    model, test = request.getfixturevalue(trained), mnist.test
    assert test is not None
    assert cp.evaluate(model, test).accuracy > 0.96
    images = test.x.reshape(-1, 28, 28)
    assert model.predict_proba(test.x).dtype == np.float32
    np.testing.assert_allclose(run_onnx(model, images), model.predict_proba(test.x), rtol=0, atol=1e-6)
    # a row alone takes other ways through both libraries than one among many
    alone = np.concatenate([model.predict_proba(row) for row in test.x[:1000, np.newaxis]])
    np.testing.assert_allclose(run_onnx(model, images[:1000]), alone, rtol=0, atol=1e-6)
    double = replace(model, parameters=copy_parameters(model.parameters, np.float64))
    np.testing.assert_allclose(run_onnx(double, images), double.predict_proba(test.x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_program_without_float64_gets_a_graph_in_float32(
    digits: tuple[cp.Model, np.ndarray], dtype: str
) -> None:
    model, rows = digits
    given = replace(model, parameters=copy_parameters(model.parameters, np.dtype(dtype)))
    content = onnx_bytes(given, arithmetic="float32")
    graph = onnx.load_from_string(content).graph
    float64 = onnx.TensorProto.DOUBLE
    assert all(tensor.data_type != float64 for tensor in graph.initializer)
    assert all(field.i != float64 for node in graph.node for field in node.attribute)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"images": rows.reshape(-1, 28, 28)})
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, model.predict_proba(rows), rtol=0, atol=5e-6)


def test_float64_arithmetic_leaves_the_file_as_small_as_the_model() -> None:
    rng = np.random.default_rng(0)
    parameters = [(rng.normal(size=(600, 100)).astype("f"), np.zeros(100, "f"))]
    assert len(onnx_bytes(cp.Model(cp.Network((600, 100)), parameters))) < 1.01 * 4 * 601 * 100


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_graph_predicts_as_the_model_does(activation: str, output: str, dtype: str) -> None:
    model = make_model(activation, output, dtype)
    rows = np.random.default_rng(1).normal(np.arange(6), 0.3, size=(50, 6))
    kind = "float64" if dtype == "float64" else "float32"
    given = run_onnx(model, rows.astype(kind))
    expected = predicted(model, rows.astype(kind))
    assert given.dtype == expected.dtype
    np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arithmetic", ["float32", "float64"])
def test_infinite_logits_share_the_probability_and_nan_stays_nan(arithmetic: str) -> None:
    logits = [[np.inf, np.inf, 0], [-np.inf] * 3, [np.inf, 1, -np.inf], [np.nan, 0, 1], [3e38, -3e38, 3e38]]
    limits = [[1 / 2, 1 / 2, 0], [1 / 3] * 3, [1, 0, 0], [np.nan] * 3, [1 / 2, 0, 1 / 2]]
    for values, expected in zip(logits, limits, strict=True):
        parameters = [(np.zeros((2, 3), arithmetic), np.array(values, arithmetic))]
        model = cp.Model(cp.Network((2, 3)), parameters, class_names=("a", "b", "c"))
        content = onnx_bytes(model, arithmetic, arithmetic)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (given,) = session.run(None, {"rows": np.ones((4, 2), arithmetic)})
        np.testing.assert_allclose(given, [expected] * 4, rtol=1e-6)
        np.testing.assert_allclose(model.predict_proba(np.ones((4, 2))), [expected] * 4, rtol=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 700])
def test_the_batch_may_have_any_size(digits: tuple[cp.Model, np.ndarray], n_rows: int) -> None:
    model, rows = digits
    images = np.resize(rows, (n_rows, 784)).reshape(-1, 28, 28)
    assert run_onnx(model, images).shape == (n_rows, 10)


def test_graph_is_valid_and_names_its_classes() -> None:
    graph = onnx.load_from_string(onnx_bytes(make_model()))
    onnx.checker.check_model(graph, full_check=True)
    assert graph.producer_version == cp.__version__
    assert json.loads(graph.metadata_props[0].value) == ["a", "b", "ç"]


def test_pixels_are_taken_as_uint8_and_other_rows_in_the_type_of_the_weights() -> None:
    pixels = cp.Scaling(factor=1 / 255)
    assert stored_as(make_model(scaling=pixels, image_shape=(2, 3))) == "uint8"
    assert stored_as(make_model(scaling=pixels)) == "float32"
    assert stored_as(make_model(image_shape=(2, 3))) == "float32"
    assert stored_as(make_model(dtype="float64")) == "float64"


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="input is 'int8', but must be one of \"uint8\""):
        onnx_bytes(make_model(), "int8")
    with pytest.raises(InvalidArgument, match="arithmetic is 'float16', but must be one of \"float64\""):
        onnx_bytes(make_model(), arithmetic="float16")


def test_a_model_too_large_for_a_protocol_buffer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearprop.model.conversion.onnx_export.MOST_BYTES", 100)
    with pytest.raises(InvalidArgument, match="an ONNX file holds less than 2 GiB; export it with --torch"):
        onnx_bytes(make_model())


@pytest.mark.parametrize(("library", "option"), [("onnx", "--onnx"), ("torch", "--torch")])
def test_a_library_that_is_missing_is_named_with_its_extra(
    digits_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    library: str,
    option: str,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    out = digits_file.with_name("out")
    assert main(["export", str(digits_file), option, str(out)]) == 2
    assert f'is not installed; get it with pip install "clearprop[{library}]".' in capsys.readouterr().err
    assert not out.exists()
    function = onnx_bytes if library == "onnx" else state_dict_bytes
    with pytest.raises(MissingExtra):
        function(make_model())


# --- PyTorch ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", [None, cp.Scaling(), cp.Scaling(0.5, 1 / 255)])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, ("relu", "identity")])
def test_the_printed_lines_load_the_state_dict_and_predict_as_the_model_does(
    tmp_path: Path, activation: str, output: str, scaling: cp.Scaling | None, dtype: str
) -> None:
    model = make_model(activation, output, dtype, **({} if scaling is None else {"scaling": scaling}))
    path = model.save(tmp_path / "model.safetensors")
    (tmp_path / "model.pt").write_bytes(state_dict_bytes(model))
    rows = np.random.default_rng(1).normal(np.arange(6) if scaling is None else 0, 0.3, size=(50, 6))
    variables: dict[str, Any] = {"rows": rows}
    exec(torch_usage(model, str(tmp_path / "model.pt"), str(path)), variables)
    given = variables["values" if output in ("identity", "exponential") else "probabilities"].detach().numpy()
    assert given.dtype == dtype
    np.testing.assert_allclose(given, predicted(model, rows), rtol=1e-6, atol=1e-6)


def test_the_state_dict_is_that_of_a_plain_sequential(digits: tuple[cp.Model, np.ndarray]) -> None:
    from io import BytesIO

    model, rows = digits
    state = torch.load(BytesIO(state_dict_bytes(model)), weights_only=True)
    nn = torch.nn
    network = nn.Sequential(
        nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10), nn.Softmax(1)
    )
    network.load_state_dict(state, strict=True)
    given = network(torch.as_tensor(rows) / 255).detach().numpy()
    np.testing.assert_allclose(given, model.predict_proba(rows), rtol=0, atol=1e-6)


def test_exporting_leaves_the_model_as_it_was() -> None:
    model = make_model()
    before = [weight.tobytes() for weight, _ in model.parameters]
    state_dict_bytes(model)
    onnx_bytes(model)
    assert [weight.tobytes() for weight, _ in model.parameters] == before


# --- the command ---


def test_both_files_are_written_and_explained(
    digits_file: Path,
    digits: tuple[cp.Model, np.ndarray],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(digits_file.parent)
    assert main(["export", "digits.safetensors", "--onnx", "a.onnx", "--torch", "a.pt"]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0] == "a.onnx"
    assert lines[1] == (
        "takes images: uint8 (batch, 28, 28), as stored; gives probabilities: float32 (batch, 10)"
    )
    assert lines[2] == "a.pt"
    model, rows = digits
    session = onnxruntime.InferenceSession("a.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.run(["probabilities"], {"images": rows.reshape(-1, 28, 28)})
    np.testing.assert_allclose(given, model.predict_proba(rows), rtol=0, atol=1e-6)
    variables: dict[str, Any] = {"rows": rows}
    exec("\n".join(lines[3:]), variables)
    given = variables["probabilities"].detach().numpy()
    np.testing.assert_allclose(given, model.predict_proba(rows), rtol=0, atol=1e-6)


def test_a_run_is_exported_by_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", "--out", str(run), "--hidden", "8", "--epochs", "1", "--quiet"]) == 0
    assert main(["export", str(run), "--onnx", str(tmp_path / "run.onnx"), "--input", "float32"]) == 0
    assert "takes images: float32 (batch, 28, 28)" in capsys.readouterr().out


def test_the_command_writes_float32_arithmetic_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(dtype="float64").save(tmp_path / "model.safetensors")
    out = tmp_path / "model.onnx"
    assert main(["export", str(model), "--onnx", str(out), "--arithmetic", "float32"]) == 0
    assert (
        "takes rows: float32 (batch, 6), as stored; gives probabilities: float32 (batch, 3)"
        in capsys.readouterr().out
    )
    assert {tensor.data_type for tensor in onnx.load(out).graph.initializer} == {onnx.TensorProto.FLOAT}


def test_a_file_that_is_there_is_not_replaced_by_accident(
    digits_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = digits_file.with_name("model.onnx")
    out.write_text("precious")
    command = ["export", str(digits_file), "--onnx", str(out)]
    assert main(command) == 2
    assert (
        "model.onnx is there already; choose another --onnx, or add --overwrite." in capsys.readouterr().err
    )
    assert out.read_text() == "precious"
    assert main([*command, "--overwrite"]) == 0
    assert onnx.load(out).producer_name == "clearprop"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is nothing to write; name a file with --onnx or --torch."),
        (["--torch", "a.pt", "--input", "uint8"], "--input says what an ONNX graph takes"),
        (["--torch", "a.pt", "--arithmetic", "float32"], "--arithmetic says what an ONNX graph computes in"),
        (["--onnx", "a", "--arithmetic", "float16"], "arithmetic is "),
        (["--onnx", "a", "--torch", "a"], "--onnx and --torch both name a; choose two files."),
        (["--onnx", "a", "--input", "uint9"], 'Did you mean "uint8"?'),
        (["--onnx", ".", "--overwrite"], "--onnx is ., which is a folder; name a file in it."),
        (["--torch", "digits.safetensors", "--overwrite"], "which is read from; choose another file."),
        (["--torch", "digits.safetensors/a.pt"], "a file stands where a folder is needed"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    digits_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(digits_file.parent)
    assert main(["export", "digits.safetensors", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert [path.name for path in digits_file.parent.iterdir()] == ["digits.safetensors"]


def test_a_hostile_model_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 100)
    assert main(["export", str(path), "--onnx", str(tmp_path / "a.onnx")]) == 2
    assert "is not a readable safetensors file" in capsys.readouterr().err
