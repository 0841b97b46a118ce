"""Adapters: runs, estimators, PyTorch modules and Keras models are read as the Programs that they are."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

import clearprop as cp
from clearprop.diagnosis import Layer, diagnose
from clearprop.diagnosis.adapters.estimators import read_estimator
from clearprop.diagnosis.adapters.runs import program_of, read_run_folder
from clearprop.utils.errors import ClearpropError, DataError, InvalidArgument

ROWS = np.random.default_rng(0).normal(size=(300, 4))
CLASSES = (ROWS[:, 0] * ROWS[:, 1] > 0).astype(int)


def test_network_and_recipe_become_a_program_on_logits() -> None:
    program, notes = program_of(
        cp.Network((4, 8, 3), "tanh", dropout=0.2), cp.Recipe("momentum", 0.1, schedule="cosine")
    )
    assert program.layers == (Layer(8, "tanh", dropout=0.2), Layer(3))
    assert (program.loss, program.optimizer) == ("cross_entropy_from_logits", "momentum")
    assert "schedule cosine" in notes[0]


def test_run_on_a_known_data_set_is_diagnosed(digits: cp.Dataset) -> None:
    recipe = cp.Recipe("sgd", 1e-5, epochs=4)
    run = cp.train(cp.Network((784, 32, 10)), recipe, digits, progress=False)
    diagnosis = cp.diagnose(run, seconds=15)
    assert diagnosis.causes[0].name == "learning_rate_too_low"
    assert diagnosis.confirmed


def test_run_without_its_rows_says_what_is_missing() -> None:
    x, y = ROWS.astype(np.float32), CLASSES.astype(np.int64)
    data = cp.Dataset("mine", x, y, ("a", "b"), None, cp.Scaling())
    run = cp.train(cp.Network((4, 8, 2)), cp.Recipe(epochs=1), data, progress=False)
    with pytest.raises(InvalidArgument, match="diagnose\\(run, x, y\\)"):
        diagnose(run)
    assert not diagnose(run, x, y, seconds=10).healthy


def test_folder_without_a_run_is_refused(tmp_path) -> None:
    with pytest.raises(InvalidArgument, match="no run"):
        read_run_folder(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InvalidArgument, match="settings"):
        diagnose(tmp_path)


@pytest.mark.parametrize("make", [cp.MLPClassifier, SklearnClassifier])
def test_classifier_is_diagnosed(make) -> None:
    estimator = make((16,), activation="identity", learning_rate_init=0.01, max_iter=60)
    diagnosis = diagnose(estimator, ROWS, np.where(CLASSES, "yes", "no"), seconds=15)
    assert diagnosis.causes[0].name == "missing_hidden_nonlinearity"


def test_regressor_is_read_with_its_settings() -> None:
    estimator = SklearnRegressor(
        hidden_layer_sizes=(5, 6), activation="logistic", solver="sgd", alpha=0.4, batch_size=20
    )
    program = read_estimator(estimator, ROWS, ROWS[:, 0], None).program
    assert [layer.activation for layer in program.layers] == ["sigmoid", "sigmoid", "linear"]
    assert (program.optimizer, program.weight_decay) == ("nesterov", 0.02)


class TestTorch:
    """Modules of PyTorch."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        pytest.importorskip("torch", reason="reads modules of PyTorch")

    def read(self, module, y=CLASSES, **settings):
        from clearprop.diagnosis.adapters.torch_modules import read_module

        return read_module(module, ROWS, y, None, **settings)

    def test_chain_of_layers_is_read(self) -> None:
        from torch import nn, optim

        module = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(8, 1),
            nn.Sigmoid(),
        )
        optimizer = optim.SGD(module.parameters(), 0.2, momentum=0.8, weight_decay=0.01)
        program = self.read(module, loss=nn.BCELoss(), optimizer=optimizer, epochs=3).program
        assert program.layers == (
            Layer(8, "relu", "torch_default", 0.3, "before"),
            Layer(1, "sigmoid", "torch_default"),
        )
        assert (program.loss, program.optimizer, program.rate) == ("binary_cross_entropy", "momentum", 0.2)
        assert (program.momentum, program.weight_decay, program.epochs) == (0.8, 0.01, 3)

    def test_forward_with_functions_is_read(self) -> None:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

            def forward(self, x):
                x = torch.relu(self.first(x.view(x.size(0), -1)))
                return nn.functional.log_softmax(self.last(x), dim=1)

        program = self.read(Net(), loss=nn.functional.nll_loss, optimizer="adam").program
        assert [layer.activation for layer in program.layers] == ["relu", "linear"]
        assert program.loss == "cross_entropy_from_logits"

    def test_squeezed_outputs_meet_their_targets_row_by_row(self) -> None:
        from torch import nn

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.last = nn.Linear(4, 1)

            def forward(self, x):
                return self.last(x).squeeze(1)

        assert self.read(Net(), ROWS[:, 0], loss=nn.MSELoss()).y.shape == (300, 1)
        assert self.read(Net(), ROWS[:, :1], loss=nn.MSELoss()).y.shape == (300,)

    def test_parameters_that_the_optimizer_lacks_are_not_trained(self) -> None:
        from torch import nn, optim

        module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = optim.Adam(module[2].parameters())
        layers = self.read(module, loss=nn.CrossEntropyLoss(), optimizer=optimizer).program.layers
        assert [layer.trainable for layer in layers] == [False, True]

    def test_softmax_before_cross_entropy_is_diagnosed(self) -> None:
        from torch import nn

        module = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1), nn.Softmax(dim=1))
        diagnosis = diagnose(
            module, ROWS, CLASSES[:, None], loss=nn.BCELoss(), learning_rate=0.01, epochs=30, seconds=15
        )
        assert diagnosis.causes[0].name == "softmax_on_one_unit"

    def test_module_of_another_shape_is_trained_as_it_is(self) -> None:
        from torch import nn

        class Residual(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.inner, self.last = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 2)

            def forward(self, x):
                x = nn.functional.relu(self.first(x))
                return self.last(x + nn.functional.relu(self.inner(x)))

        settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "epochs": 30, "seconds": 20}
        assert diagnose(Residual(), ROWS, CLASSES, learning_rate=0.01, **settings).healthy
        diagnosis = diagnose(Residual(), ROWS, CLASSES, learning_rate=1e-6, **settings)
        assert diagnosis.causes[0].name == "learning_rate_too_low"
        assert "no chain" in diagnosis.notes[0]

    def test_rows_that_the_module_does_not_take_are_refused(self) -> None:
        from torch import nn

        with pytest.raises(DataError, match="does not take rows of the shape \\(4,\\)"):
            self.read(nn.Linear(7, 1), loss=nn.MSELoss())

    @pytest.mark.parametrize("settings", [{}, {"loss": "hinge"}, {"loss": "mse_loss", "optimizer": "lion"}])
    def test_missing_or_unknown_setting_is_refused(self, settings) -> None:
        from torch import nn

        with pytest.raises(InvalidArgument):
            self.read(nn.Linear(4, 1), **settings)


KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np
from keras import layers
from clearprop.diagnosis import Layer, diagnose
from clearprop.diagnosis.adapters.keras_models import read_keras
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 4)); y = (x[:, 0] > 0).astype(int)
model = keras.Sequential([
    keras.Input((4,)), layers.Dense(8, kernel_initializer=keras.initializers.RandomNormal(stddev=0.3)),
    layers.BatchNormalization(), layers.Activation("relu"), layers.Dropout(0.25),
    layers.Dense(1, activation="softmax"),
])
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="binary_crossentropy")
program = read_keras(model, x, y, None, batch_size=16, epochs=20).program
assert program.layers == (Layer(8, "relu", ("normal", 0.3), 0.25, "before"), Layer(1, "softmax")), program
assert (program.loss, program.optimizer, program.framework) == ("binary_cross_entropy", "momentum", "keras")
assert abs(program.rate - 0.05) < 1e-6 and (program.batch_size, program.epochs) == (16, 20)
found = diagnose(model, x, y, batch_size=16, epochs=20, seconds=15)
assert found.causes[0].name == "softmax_on_one_unit", found
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
assert read_keras(model, x, y, None).program.loss == "cross_entropy_from_logits"
from clearprop.utils.errors import InvalidArgument
for bad in ([keras.Input((4,)), layers.Dense(1)], [keras.Input((4, 1)), layers.Conv1D(2, 2)]):
    bad = keras.Sequential(bad)
    try:
        read_keras(bad, x, y, None)
    except InvalidArgument as error:
        assert "compile" in str(error)
    else:
        raise AssertionError
"""


def test_keras_model_is_read_by_its_configuration_and_diagnosed() -> None:
    if find_spec("keras") is None or find_spec("torch") is None:
        pytest.skip("reads models of Keras 3 on its PyTorch backend")
    # a process of its own: the backend of Keras is chosen once
    done = subprocess.run([sys.executable, "-c", KERAS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("subject", [None, 3, object()])
def test_other_objects_are_refused(subject) -> None:
    with pytest.raises(ClearpropError, match="must be a Program"):
        diagnose(subject, ROWS, CLASSES)


def test_diagnosing_a_program_imports_neither_torch_nor_keras_nor_sklearn() -> None:
    code = (
        "import sys, numpy as np\n"
        "from clearprop.diagnosis import Layer, Program, diagnose\n"
        "x = np.random.default_rng(0).normal(size=(100, 2))\n"
        "diagnose(Program((Layer(1),), 'squared_error', 'sgd', 0.1), x, x[:, 0] - x[:, 1], seconds=5)\n"
        "assert not {'torch', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
