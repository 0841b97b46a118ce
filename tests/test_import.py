"""clearprop import, from_torch and from_sklearn: the same predictions as where the network came from."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import command_line
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

import clearprop as cp
from clearprop.cli import main
from clearprop.nn.activations import ACTIVATIONS
from clearprop.utils.errors import InvalidArgument, ModelFileError

torch = pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
skops = pytest.importorskip("skops.io", reason="skops is an extra and is not installed here")
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

MODULES = {name: getattr(nn, each.torch) for name, each in ACTIVATIONS.items()}


class Executed(Exception):
    """A file has run code."""


class Bomb:
    """Raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return _explode, ()


def _explode() -> None:
    raise Executed


@pytest.fixture(autouse=True)
def _fixed() -> None:
    torch.manual_seed(0)


def plain(*sizes: int, activation: str = "relu", dtype: torch.dtype = torch.float32) -> nn.Sequential:
    """Return Linears with activations between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), MODULES[activation]()]
    return nn.Sequential(*layers[:-1]).to(dtype)


def fitted(estimator: Any, x: np.ndarray, y: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(x, y)


def same_as_torch(model: cp.Model, network: nn.Module, x: np.ndarray) -> None:
    dtype = next(network.parameters()).dtype
    expected = network(torch.as_tensor(x, dtype=dtype)).softmax(1).detach().numpy()
    given = model.predict_proba(x)
    assert given.dtype == expected.dtype
    np.testing.assert_allclose(given, expected, rtol=0, atol=1e-6)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the sentence that clearprop import refuses with."""
    return command_line.refused(capsys, "import", *map(str, arguments))


X = np.random.default_rng(0).normal(size=(40, 6))


# --- PyTorch ---


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", sorted(MODULES))
def test_a_state_dict_predicts_as_its_network(activation: str, dtype: torch.dtype) -> None:
    network = plain(6, 8, 5, 3, activation=activation, dtype=dtype)
    model = cp.from_torch(network.state_dict(), activation=activation)
    same_as_torch(model, network, X)
    assert model.class_names == ("0", "1", "2")


@pytest.mark.parametrize("activation", sorted(MODULES))
def test_a_module_tells_its_own_activations(activation: str) -> None:
    network = plain(6, 8, 5, 3, activation=activation)
    model = cp.from_torch(network)
    assert model.network.activations == (activation, activation)
    same_as_torch(model, network, X)


def test_nested_modules_and_layers_without_effect_in_prediction_are_accepted() -> None:
    inner = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5))
    network = nn.Sequential(nn.Flatten(), inner, nn.Identity(), nn.Linear(8, 4, bias=False), nn.Linear(4, 3))
    model = cp.from_torch(network)
    assert model.network.activations == ("tanh", "identity")
    same_as_torch(model, network.eval(), X)


@pytest.mark.parametrize(
    ("last", "output"),
    [(nn.Softmax(dim=1), "softmax"), (nn.LogSoftmax(dim=-1), "softmax"), (nn.Sigmoid(), "sigmoid")],
)
def test_the_last_module_is_the_output(last: nn.Module, output: str) -> None:
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), last)
    model = cp.from_torch(network)
    assert model.network.output == output
    expected = network(torch.as_tensor(X, dtype=torch.float32)).detach()
    if isinstance(last, nn.LogSoftmax):
        expected = expected.exp()
    np.testing.assert_allclose(model.predict_proba(X), expected.numpy(), rtol=0, atol=1e-6)


def test_a_single_linear_is_a_network_without_hidden_layers() -> None:
    linear = nn.Linear(6, 3)
    for source in (linear, linear.state_dict()):
        same_as_torch(cp.from_torch(source), linear, X)


def test_layer_10_comes_after_layer_2_even_where_names_are_sorted_as_text() -> None:
    network = plain(6, 6, 6, 6, 6, 6, 6, 3)
    state = network.state_dict()
    assert "12.weight" in state
    model = cp.from_torch({name: state[name] for name in sorted(state)})
    same_as_torch(model, network, X)


def test_bfloat16_becomes_float32() -> None:
    network = plain(6, 5, 3).to(torch.bfloat16)
    model = cp.from_torch(network.state_dict())
    assert model.parameters[0][0].dtype == np.float32
    same_as_torch(model, network.float(), X)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float8_e4m3fn, torch.int8])
def test_numbers_of_other_types_become_float32(dtype: torch.dtype) -> None:
    state = {"weight": torch.tensor([[1.0, -2.0], [3.0, 4.0]]).to(dtype)}
    weight, _ = cp.from_torch(state).parameters[0]
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, [[1, 3], [-2, 4]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bfloat16_that_is_not_finite_is_refused_as_float32_is(value: float) -> None:
    state = plain(6, 5, 3).to(torch.bfloat16).state_dict()
    state["2.bias"][-1] = value
    with pytest.raises(InvalidArgument, match="Layer 1 has NaN or infinite numbers"):
        cp.from_torch(state)


def test_numbers_too_large_for_float32_are_refused() -> None:
    wide = np.full((3, 2), np.float64(1e300)).astype(np.longdouble)
    with pytest.raises(InvalidArgument, match="Layer 0 has NaN or infinite numbers"):
        cp.from_torch({"weight": wide})


def test_the_numbers_are_copied() -> None:
    network = plain(6, 5, 3)
    model = cp.from_torch(network)
    before = model.predict_proba(X)
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.zero_()
    assert (model.predict_proba(X) == before).all()


@pytest.mark.parametrize("output", ["sigmoid", "identity", "exponential"])
def test_single_output_needs_a_named_output_function(output: str) -> None:
    state = plain(6, 5, 1).state_dict()
    with pytest.raises(InvalidArgument, match="The last layer has 1 output, which may be a probability or a"):
        cp.from_torch(state)
    assert cp.from_torch(state, output=output).network.output == output


class Custom(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 3)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ({}, {}, "There is no layer to import"),
        (nn.Sequential(), {}, "There is no layer to import"),
        ({"0.weight": torch.zeros(3, 6), "1.weight": torch.zeros(2, 4)}, {}, "they are no chain of layers"),
        ({"0.weight": torch.zeros(3, 6), "0.bias": torch.zeros(2)}, {}, r"'0\.bias' has shape \(2,\)"),
        ({"0.weight": torch.zeros(3, 6, 5, 5)}, {}, "a Linear has a weight of two dimensions"),
        ({"0.weight": torch.zeros(3, 6), "1.running_mean": torch.zeros(3)}, {}, "has a BatchNorm, '1', and"),
        ({"0.weight": torch.zeros(3, 6), "mean": torch.zeros(6)}, {}, "has 'mean', which no Linear has"),
        ({"0.weight": torch.zeros(3, 6, dtype=torch.int32).numpy()}, {}, "has numbers of type int32"),
        ({"0.weight": torch.full((3, 6), torch.nan)}, {}, "Layer 0 has NaN or infinite numbers"),
        ({"0.weight": "weights"}, {}, "must be a tensor"),
        (Custom(), {}, "The module has 'Custom"),
        (nn.Sequential(nn.Linear(6, 3), nn.GELU(), nn.Linear(3, 2)), {}, "The module has .GELU"),
        (nn.Sequential(nn.Linear(6, 3), nn.Softmax(0)), {}, r"The module has 'Softmax\(dim=0\)'"),
        (nn.Sequential(nn.Linear(6, 3), nn.ReLU()), {}, "a ReLU or Tanh at its end"),
        (nn.Sequential(nn.Linear(6, 3), nn.Softmax(1), nn.Linear(3, 2)), {}, "a softmax before its end"),
        (nn.Sequential(nn.ReLU(), nn.Linear(6, 3)), {}, r"The module has 'ReLU\(\)'"),
        (
            nn.Sequential(nn.Linear(6, 3), nn.LeakyReLU(0.2), nn.Linear(3, 3)),
            {},
            r"The module has 'LeakyReLU\(negative_slope=0.2\)' where Clearprop has nothing like it",
        ),
        (nn.Linear(6, 3), {"activation": "relu"}, "but a module tells its own"),
        (nn.Sequential(nn.Linear(6, 3), nn.Sigmoid()), {"output": "softmax"}, "but the module ends in"),
        (nn.Linear(6, 3), {"class_names": ["a"]}, "class_names has 1 names, but must have 3"),
        (nn.Linear(6, 3), {"image_shape": (2, 2)}, "which makes 4 pixels, but the network has 6 inputs"),
        (nn.Linear(6, 3), {"scaling": cp.Scaling(np.zeros(5))}, r"scaling has a shift of shape \(5,\)"),
        (nn.Linear(6, 3), {"output": "softmaxx"}, "Did you mean"),
        (7, {}, "source is a int"),
    ],
)
def test_modules_that_are_not_stacks_of_linears_are_refused(
    source: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        cp.from_torch(source, **options)


# --- scikit-learn ---


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_a_classifier_keeps_its_probabilities_and_class_names(activation: str) -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    mlp = fitted(MLPClassifier((7, 5), activation=activation, max_iter=30, random_state=0), x, names)
    model = cp.from_sklearn(mlp)
    assert model.class_names == ("setosa", "versicolor", "virginica")
    given = model.predict_proba(x)
    assert given.dtype == np.float64
    np.testing.assert_allclose(given, mlp.predict_proba(x), rtol=0, atol=1e-6)


def test_float32_stays_float32() -> None:
    x, y = load_digits(return_X_y=True)
    mlp = fitted(MLPClassifier((16,), max_iter=5, random_state=0), x.astype(np.float32), y)
    model = cp.from_sklearn(mlp, image_shape=(8, 8))
    assert model.parameters[0][0].dtype == np.float32
    assert model.image_shape == (8, 8)
    expected = mlp.predict_proba(x.astype(np.float32))
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=0, atol=1e-6)


def test_two_classes_are_one_sigmoid() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    mlp = fitted(MLPClassifier((9,), max_iter=20, random_state=0), x, y)
    model = cp.from_sklearn(mlp)
    assert model.network.output == "sigmoid"
    assert model.class_names == ("0", "1")
    np.testing.assert_allclose(model.predict_proba(x)[:, 0], mlp.predict_proba(x)[:, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_labels", [2, 3, 4])
def test_several_labels_are_several_sigmoids(n_labels: int) -> None:
    y = np.random.default_rng(1).integers(0, 2, size=(40, n_labels))
    mlp = fitted(MLPClassifier((9,), max_iter=20, random_state=0), X, y)
    model = cp.from_sklearn(mlp)
    assert model.network.output == "sigmoid"
    assert model.class_names == tuple(map(str, range(n_labels)))
    np.testing.assert_allclose(model.predict_proba(X), mlp.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize(("loss", "output"), [("squared_error", "identity"), ("poisson", "exponential")])
def test_a_regressor_keeps_its_values(n_targets: int, loss: str, output: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    targets = np.column_stack([y, 2 * y])[:, :n_targets].squeeze() / 100
    mlp = fitted(MLPRegressor(hidden_layer_sizes=(9,), loss=loss, max_iter=50, random_state=0), x, targets)
    model = cp.from_sklearn(mlp)
    assert model.network.output == output
    assert model.class_names == ()
    expected = mlp.predict(x).reshape(-1, n_targets)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((-1, 2)),
        "passthrough",
    ],
    ids=str,
)
def test_a_scaler_before_it_becomes_the_scaling(scaler: Any) -> None:
    x, y = load_iris(return_X_y=True)
    pipeline = fitted(make_pipeline(scaler, MLPClassifier((7,), max_iter=30, random_state=0)), x, y)
    model = cp.from_sklearn(pipeline)
    np.testing.assert_allclose(model.predict_proba(x), pipeline.predict_proba(x), rtol=0, atol=1e-6)


def test_objects_that_are_not_fitted_mlps_are_refused() -> None:
    x, y = load_iris(return_X_y=True)
    mlp = MLPClassifier((3,), max_iter=2)
    with pytest.raises(InvalidArgument, match="estimator is MLPClassifier, which is not fitted"):
        cp.from_sklearn(mlp)
    with pytest.raises(InvalidArgument, match="estimator is StandardScaler, which is no MLP of scikit-learn"):
        cp.from_sklearn(StandardScaler())
    with pytest.raises(InvalidArgument, match="estimator has MaxAbsScaler before its MLP"):
        cp.from_sklearn(fitted(make_pipeline(MaxAbsScaler(), mlp), x, y))
    with pytest.raises(InvalidArgument, match="estimator has MinMaxScaler before its MLP"):
        cp.from_sklearn(fitted(make_pipeline(MinMaxScaler(clip=True), mlp), x, y))


# --- the way there and back ---


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "exponential"])
def test_an_exported_state_dict_is_imported_bit_for_bit(tmp_path: Path, output: str) -> None:
    model = cp.from_torch(plain(6, 8, 3), output=output)
    path = model.save(tmp_path / "model.safetensors")
    assert main(["export", str(path), "--torch", str(tmp_path / "model.pt")]) == 0
    again = tmp_path / "again.safetensors"
    assert main(["import", str(tmp_path / "model.pt"), "--out", str(again), "--output", output]) == 0
    for mine, theirs in zip(cp.load(again).parameters, model.parameters, strict=True):
        assert (mine[0] == theirs[0]).all()
        assert (mine[1] == theirs[1]).all()


# --- the command ---


def test_a_state_dict_file_becomes_a_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = plain(6, 8, 3, activation="tanh")
    torch.save(network.state_dict(), tmp_path / "network.pt")
    out = tmp_path / "model.safetensors"
    arguments = ["--activation", "tanh", "--class-names", "a,b,ç", "--shift", "1", "--factor", "1/4"]
    arguments += ["--image-shape", "2x3"]
    assert main(["import", str(tmp_path / "network.pt"), "--out", str(out), *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(out),
        "6-8-3, hidden activations: tanh, output: softmax, rows: (x - 1) * 0.25",
    ]
    model = cp.load(out)
    assert (model.class_names, model.image_shape) == (("a", "b", "ç"), (2, 3))
    expected = network(torch.as_tensor((X - 1) / 4, dtype=torch.float32)).softmax(1).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-6)


def test_assumptions_about_a_state_dict_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = plain(6, 8, 5, 3)
    torch.save(network.state_dict(), tmp_path / "network.pt")
    out = tmp_path / "model.safetensors"
    assert main(["import", str(tmp_path / "network.pt"), "--out", str(out)]) == 0
    assert "hidden activations: relu, relu, output: softmax, rows: (x - 0) * 1" in capsys.readouterr().out
    same_as_torch(cp.load(out), network, X)


def test_one_activation_for_each_hidden_layer(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    torch.save(network.state_dict(), tmp_path / "network.pt")
    out = tmp_path / "model.safetensors"
    assert main(["import", str(tmp_path / "network.pt"), "--out", str(out), "--activation", "relu,tanh"]) == 0
    same_as_torch(cp.load(out), network, X)


@pytest.mark.parametrize("kind", ["legacy", "safetensors"])
def test_older_and_other_files_of_a_state_dict_are_read_too(tmp_path: Path, kind: str) -> None:
    network = plain(6, 8, 3)
    path = tmp_path / "network"
    if kind == "legacy":
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    else:
        save_file(network.state_dict(), path)
    out = tmp_path / "model.safetensors"
    assert main(["import", str(path), "--out", str(out)]) == 0
    same_as_torch(cp.load(out), network, X)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_fitted_mlp_in_a_skops_file_becomes_a_model_file(tmp_path: Path, solver: str) -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    mlp = MLPClassifier((7,), solver=solver, max_iter=30, random_state=0)
    pipeline = fitted(make_pipeline(StandardScaler(), mlp), x, names)
    skops.dump(pipeline, tmp_path / "mlp.skops")
    out = tmp_path / "model.safetensors"
    assert main(["import", str(tmp_path / "mlp.skops"), "--out", str(out)]) == 0
    model = cp.load(out)
    assert model.class_names == ("setosa", "versicolor", "virginica")
    np.testing.assert_allclose(model.predict_proba(x), pipeline.predict_proba(x), rtol=0, atol=1e-6)


def test_nothing_is_ever_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.safetensors"
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "text.pkl").write_bytes(pickle.dumps(Bomb(), protocol=0))
    torch.save(Bomb(), tmp_path / "zip.pt")
    torch.save({"0.weight": Bomb()}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    sentence = refused(capsys, tmp_path / "plain.pkl", "--out", out)
    assert "is a pickle, which can run code when it is opened, so it is not" in sentence
    assert "is a pickle" in refused(capsys, tmp_path / "text.pkl", "--out", out)
    assert "is damaged, or holds more than tensors" in refused(capsys, tmp_path / "zip.pt", "--out", out)
    assert "is damaged, or holds more than tensors" in refused(capsys, tmp_path / "legacy.pt", "--out", out)
    for name in ("plain.pkl", "zip.pt"):
        with pytest.raises(ModelFileError):
            cp.load(tmp_path / name)
    assert not out.exists()


def test_a_skops_file_with_another_type_is_not_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlp = fitted(MLPClassifier((3,), max_iter=2), X, np.arange(40) % 2)
    mlp.extra_ = Bomb()
    path = tmp_path / "mlp.skops"
    try:
        skops.dump(mlp, path)
    except Executed:
        pytest.skip("this skops calls what it writes")
    assert "holds types that are not trusted" in refused(capsys, path, "--out", tmp_path / "model")


@pytest.mark.parametrize("name", ["schema.json", "archive/data.pkl"])
def test_a_compressed_archive_is_not_unpacked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(10**7))
    sentence = refused(capsys, path, "--out", tmp_path / "m")
    assert "is compressed, so it may unpack to any size; save it again without compression" in sentence


def test_a_skops_file_tells_its_own_activation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skops.dump(fitted(MLPClassifier((3,), max_iter=2), X, np.arange(40) % 2), tmp_path / "mlp.skops")
    message = refused(capsys, tmp_path / "mlp.skops", "--out", tmp_path / "m", "--activation", "relu")
    assert "tells its own activation; leave --activation out" in message


def test_a_model_file_of_clearprop_needs_no_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cp.from_torch(plain(6, 8, 3)).save(tmp_path / "model.safetensors")
    sentence = refused(capsys, path, "--out", tmp_path / "again")
    assert "is a model file of Clearprop already; use it as it is." in sentence


def test_error_for_a_clearprop_estimator_in_skops_names_the_way_to_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlp = cp.MLPClassifier((3,), max_iter=2)
    skops.dump(fitted(mlp, X, np.arange(40) % 2), tmp_path / "mlp.skops")
    sentence = refused(capsys, tmp_path / "mlp.skops", "--out", tmp_path / "m")
    assert "clearprop.from_sklearn(estimator).save(path) makes a model file" in sentence


def test_every_layout_and_type_that_torch_saves_is_read(tmp_path: Path) -> None:
    network = plain(6, 8, 3)
    states = [
        dict(network.state_dict()),
        dict(network.named_parameters()),
        {name: tensor.t().contiguous().t() for name, tensor in network.state_dict().items()},
        {name: tensor[..., :] for name, tensor in network.half().state_dict().items()},
    ]
    for state in states:
        for archive in (True, False):
            torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=archive)
            out = tmp_path / "model.safetensors"
            assert main(["import", str(tmp_path / "a.pt"), "--out", str(out), "--overwrite"]) == 0
            for mine, theirs in zip(cp.load(out).parameters, cp.from_torch(state).parameters, strict=True):
                assert (mine[0] == theirs[0]).all()
                assert (mine[1] == theirs[1]).all()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + b"x" * 100, b"\x80\x02", b"\x00" * 99])
def test_bytes_that_are_no_network_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "network"
    path.write_bytes(content)
    refused(capsys, path, "--out", tmp_path / "model.safetensors")


@pytest.mark.parametrize("kind", ["pt", "legacy", "safetensors", "skops"])
def test_a_damaged_file_is_imported_or_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    network, path = plain(6, 8, 3), tmp_path / "network"
    if kind == "skops":
        skops.dump(fitted(MLPClassifier((3,), max_iter=2), X, np.arange(40) % 2), path)
    elif kind == "safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=kind == "pt")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged[: len(damaged) if rng.random() < 0.7 else rng.integers(0, len(damaged))])
        code = main(["import", str(path), "--out", str(tmp_path / "model.safetensors"), "--overwrite"])
        err = capsys.readouterr().err
        assert code == 0 or (code == 2 and err.count("\n") == 1), err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pt", "--out", "a"], "There is no model file nowhere.pt"),
        ([".", "--out", "a"], "is a folder, not a model file"),
        (["network.pt", "--out", "network.pt", "--overwrite"], "which is read from; choose another file"),
        (["network.pt", "--out", "."], "which is a folder; name a file in it"),
        (["network.pt", "--out", "a", "--activation", "gelu"], "activation is 'gelu', but must be one of"),
        (["network.pt", "--out", "a", "--activation", "relu,relu"], "activation names 2 functions"),
        (["network.pt", "--out", "a", "--factor", "1/0"], '--factor is "1/0", but must be a number'),
        (["network.pt", "--out", "a", "--factor", "nan"], "--factor is nan, but must be a finite number."),
        (
            ["network.pt", "--out", "a", "--image-shape", "28"],
            '--image-shape is "28", but must be HEIGHTxWID',
        ),
        (["network.pt", "--out", "a", "--image-shape", "3x3"], "which makes 9 pixels"),
        (["network.pt", "--out", "a", "--class-names", "a,b"], "class_names has 2 names, but must have 3"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(plain(6, 8, 3).state_dict(), "network.pt")
    assert message in refused(capsys, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["network.pt"]


def test_a_file_that_is_there_is_not_replaced_by_accident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(plain(6, 8, 3).state_dict(), tmp_path / "network.pt")
    out = tmp_path / "model.safetensors"
    out.write_text("precious")
    message = refused(capsys, tmp_path / "network.pt", "--out", out)
    assert "is there already; choose another --out, or add --overwrite." in message
    assert out.read_text() == "precious"
    assert main(["import", str(tmp_path / "network.pt"), "--out", str(out), "--overwrite"]) == 0
    assert cp.load(out).network.layer_sizes == (6, 8, 3)
