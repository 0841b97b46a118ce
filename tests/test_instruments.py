"""Instruments of a training: right, cheap, kept in the history, and without any effect on the training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.nn.losses import LOSSES
from clearprop.training import trainer
from clearprop.training.callbacks import Callback
from clearprop.training.history import History
from clearprop.training.instruments import (
    RECORD,
    Instruments,
    dead_share,
    guess_loss,
    look,
    saturated_share,
)
from clearprop.training.run_folder import RunFolder

FILES = Path(__file__).parent / "files"
ENGINES = ["numpy", "torch"]


def rows(n: int = 300, classes: int = 3, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    x = (rng.normal(size=(n, 6)) + 2 * np.eye(classes, 6)[y]).astype(np.float32)
    return Dataset("rows", x, y, tuple("abcdefg"[:classes]), None, Scaling())


def trained(recipe: cp.Recipe, network: cp.Network | None = None, engine: str = "numpy") -> cp.Run:
    network = network or cp.Network((6, 16, 8, 3), activation="tanh", dropout=0.1)
    return cp.train(network, recipe, rows(), engine=engine, progress=False)


class Nothing(Callback):
    """Stands in for the instruments."""

    def __init__(self, *arguments: object) -> None: ...


def needs(engine: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [64, 300])
def test_no_number_of_a_training_changes(
    monkeypatch: pytest.MonkeyPatch, engine: str, batch_size: int
) -> None:
    needs(engine)
    recipe = cp.Recipe(optimizer="adam", epochs=4, batch_size=batch_size, weight_decay=0.01)
    looked_at = trained(recipe, engine=engine)
    monkeypatch.setattr(trainer, "Instruments", Nothing)
    alone = trained(recipe, engine=engine)
    assert any(RECORD in record for record in looked_at.history.epochs)
    assert not any(RECORD in record for record in alone.history.epochs)
    assert looked_at.history.batch_losses == alone.history.batch_losses
    for ours, theirs in zip(looked_at.model.parameters, alone.model.parameters, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_show_the_same(engine: str) -> None:
    needs(engine)
    recipe = cp.Recipe(epochs=2, batch_size=50)
    expected = trained(recipe, cp.Network((6, 16, 3))).history.epochs[0][RECORD]
    found = trained(recipe, cp.Network((6, 16, 3)), engine).history.epochs[0][RECORD]
    assert found["predicted"] == expected["predicted"]
    for name in ("dead", "activation", "gradient", "update"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)


def test_gradient_size_is_that_of_the_loss_for_the_pre_activations() -> None:
    rng = np.random.default_rng(1)
    network = cp.Network((4, 5, 3), activation="sigmoid")
    parameters = [
        (rng.normal(size=(4, 5)), rng.normal(size=5)),
        (rng.normal(size=(5, 3)), rng.normal(size=3)),
    ]
    x, y = rng.normal(size=(7, 4)), rng.integers(0, 3, 7)

    def loss_of(hidden: np.ndarray) -> float:
        logits = 1 / (1 + np.exp(-hidden)) @ parameters[1][0] + parameters[1][1]
        return LOSSES["cross_entropy"](logits.T, y)[0]

    hidden = x @ parameters[0][0] + parameters[0][1]
    slopes = np.empty_like(hidden)
    for place in np.ndindex(hidden.shape):
        step = np.zeros_like(hidden)
        step[place] = 1e-6
        slopes[place] = (loss_of(hidden + step) - loss_of(hidden - step)) / 2e-6
    found = look(network, cp.Recipe(), parameters, x, y)["gradient"]
    assert found[0] == pytest.approx(7 * np.sqrt(np.mean(slopes**2)), rel=1e-6)


def test_update_is_the_last_step_over_the_weights() -> None:
    run = trained(cp.Recipe(epochs=1, batch_size=300), cp.Network((6, 4, 3)))
    start = trained(cp.Recipe(epochs=1, batch_size=300, learning_rate=1e-30), cp.Network((6, 4, 3)))
    for (now, _), (before, _), ratio in zip(
        run.model.parameters,
        start.model.parameters,
        run.history.epochs[0][RECORD]["update"],
        strict=True,
    ):
        assert ratio == pytest.approx(np.linalg.norm(now - before) / np.linalg.norm(now), rel=1e-4)


def test_dead_units_are_relu_units_that_are_zero_for_every_row() -> None:
    outputs = np.array([[0.0, 0.0, 1.0, 2.0], [0.0, 3.0, 1.0, 0.0]])
    assert dead_share("relu", outputs) == 0.25
    assert dead_share("leaky_relu", outputs) == 0.0


def test_saturated_outputs_are_those_without_a_slope() -> None:
    assert saturated_share("sigmoid", np.array([[0.5, 0.999], [0.001, 0.9]])) == 0.5
    assert saturated_share("tanh", np.array([[0.0, 0.999], [-0.999, 0.9]])) == 0.5
    assert saturated_share("relu", np.array([[0.0, 5.0]])) == 0.0


def test_guessing_costs_the_entropy_of_the_classes() -> None:
    shares = np.array([0.5, 0.25, 0.25, 0.0])
    assert guess_loss(shares, "cross_entropy") == pytest.approx(1.5 * np.log(2))
    assert guess_loss(np.full(10, 0.1), "double_softmax") == pytest.approx(np.log(10))


def test_first_loss_of_a_new_network_is_beside_that_of_guessing() -> None:
    run = trained(cp.Recipe(epochs=1), cp.Network((6, 16, 3), initialization="glorot_uniform"))
    assert run.history.batch_losses[0] == pytest.approx(run.history.epochs[0][RECORD]["guess_loss"], rel=0.5)


def test_small_data_are_looked_at_every_few_epochs_and_large_ones_after_each() -> None:
    small = rows(1400)
    assert Instruments(small.x, small.y, small.scaling).every == 3
    large = rows(60_000)
    assert Instruments(large.x, large.y, large.scaling).every == 1


def test_history_with_instruments_is_written_read_and_read_without_them(tmp_path: Path) -> None:
    run = trained(cp.Recipe(epochs=2))
    folder = RunFolder(tmp_path)
    folder.write_history(run.history)
    read = History(**json.loads((tmp_path / "history.json").read_text()))
    assert read.epochs == run.history.epochs
    older = History(**json.loads((FILES / "run-0.1.0" / "history.json").read_text()))
    assert not any(RECORD in record for record in older.epochs)
