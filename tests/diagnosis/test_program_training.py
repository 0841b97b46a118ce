"""Training of a Program: its gradients, its steps beside PyTorch's, and the accidents it reproduces."""

from __future__ import annotations

import time

import numpy as np
import pytest

from clearprop.diagnosis import Layer, Program
from clearprop.diagnosis.layer_functions import activate, through_activation
from clearprop.diagnosis.program import ACTIVATIONS, LOSSES
from clearprop.diagnosis.program_training import train_program
from clearprop.diagnosis.target_losses import loss_and_gradient, targets_for
from clearprop.utils.errors import DataError


def slopes(function, at: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Return the central differences of a function of an array."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        ahead, behind = at.copy(), at.copy()
        ahead[place] += step
        behind[place] -= step
        found[place] = (function(ahead) - function(behind)) / (2 * step)
    return found


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradient_of_activation_is_that_of_finite_differences(name: str, rng: np.random.Generator) -> None:
    z, weights = rng.normal(0, 2, (4, 3)), rng.normal(size=(4, 3))
    out = activate(name, z)
    gradient = through_activation(name, weights.copy(), z, out)
    np.testing.assert_allclose(
        gradient, slopes(lambda at: float((activate(name, at) * weights).sum()), z), atol=1e-7
    )


@pytest.mark.parametrize("framework", ["keras", "torch"])
@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_loss_is_that_of_finite_differences(loss, units, framework, rng) -> None:
    program = Program((Layer(units),), loss, framework=framework)
    outputs = rng.uniform(0.1, 0.9, (5, units))
    targets = targets_for(program, rng.integers(0, units + 1, 5), np.float64)
    _, gradient = loss_and_gradient(program, outputs, targets, False)
    numeric = slopes(lambda at: loss_and_gradient(program, at, targets, False)[0], outputs)
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


@pytest.mark.parametrize("place", ["before", "after"])
def test_gradient_through_batch_norm_is_that_of_finite_differences(place, rng) -> None:
    layers = (Layer(4, "tanh", batch_norm=place), Layer(2, "sigmoid"))
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    # one step of sgd with the rate 1 subtracts the gradient
    program = Program(layers, "squared_error", "sgd", 1.0, batch_size=6, epochs=1)
    still = Program(layers, "squared_error", "sgd", 0.0, batch_size=6, epochs=1)
    moved = train_program(program, x, y, dtype=np.float64).layers[0].weight
    at = train_program(still, x, y, dtype=np.float64).layers[0].weight

    def loss_at(weight: np.ndarray) -> float:
        frozen = (Layer(4, "tanh", batch_norm=place), layers[1])
        trained = train_program(
            Program(frozen, "squared_error", "sgd", 0.0, batch_size=6, epochs=1), x, y, dtype=np.float64
        )
        trained.layers[0].weight[:] = weight
        z = x @ weight
        normalize = lambda v: (v - v.mean(axis=0)) / np.sqrt(v.var(axis=0) + 1e-5)  # noqa: E731
        hidden = np.tanh(normalize(z)) if place == "before" else normalize(np.tanh(z))
        out = 1 / (1 + np.exp(-(hidden @ trained.layers[1].weight)))
        return float(np.mean((out - y) ** 2))

    np.testing.assert_allclose(at - moved, slopes(loss_at, at), atol=1e-7)


@pytest.mark.parametrize("framework", ["keras", "torch"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"])
def test_steps_are_those_of_pytorch(optimizer: str, framework: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 2))
    layers = (Layer(6, "gelu"), Layer(4, "elu"), Layer(2))
    made = {"loss": "squared_error", "weight_decay": 0.01, "batch_size": 8, "framework": framework}
    start = train_program(
        Program(layers, optimizer="sgd", learning_rate=0.0, epochs=1, **made), x, y, dtype=np.float64
    )
    done = train_program(
        Program(layers, optimizer=optimizer, learning_rate=0.02, epochs=30, **made), x, y, dtype=np.float64
    )
    linears = [torch.nn.Linear(*layer.weight.shape, dtype=torch.float64) for layer in start.layers]
    for linear, layer in zip(linears, start.layers, strict=True):
        linear.weight.data = torch.tensor(layer.weight.T.copy())
        linear.bias.data = torch.tensor(layer.bias.copy())
    module = torch.nn.Sequential(linears[0], torch.nn.GELU(), linears[1], torch.nn.ELU(), linears[2])
    epsilon = 1e-7 if framework == "keras" else 1e-8
    classes = {
        "sgd": (torch.optim.SGD, {}),
        "momentum": (torch.optim.SGD, {"momentum": 0.9}),
        "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        "adam": (torch.optim.Adam, {"eps": epsilon}),
        "adamw": (torch.optim.AdamW, {"eps": epsilon}),
        "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9 if framework == "keras" else 0.99, "eps": epsilon}),
    }
    make, options = classes[optimizer]
    rule = make(module.parameters(), lr=0.02, weight_decay=0.01, **options)
    for _ in range(30):
        rule.zero_grad()
        torch.nn.functional.mse_loss(module(torch.tensor(x)), torch.tensor(y)).backward()
        rule.step()
    for linear, layer in zip(linears, done.layers, strict=True):
        np.testing.assert_allclose(layer.weight.T, linear.weight.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_softmax_on_one_unit_learns_nothing(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(64, 3)), rng.integers(0, 2, 64)
    for loss in ("cross_entropy", "binary_cross_entropy"):
        program = Program((Layer(4, "relu"), Layer(1, "softmax")), loss, "adam", 0.1)
        trained = train_program(program, x, y)
        assert np.all(trained.outputs(x) == 1)
        assert len(set(np.round(trained.losses[:2], 5))) <= 2


def test_pytorch_broadcasts_targets_of_one_axis_and_predicts_their_mean(rng: np.random.Generator) -> None:
    x = rng.normal(size=(64, 1))
    y = 3 * x[:, 0] + 1
    layers = (Layer(1, initialization="torch_default"),)
    accident = Program(layers, "squared_error", "sgd", 0.1, batch_size=64, epochs=200)
    np.testing.assert_allclose(train_program(accident, x, y).outputs(x), y.mean(), atol=0.02)
    np.testing.assert_allclose(train_program(accident, x, y[:, None]).outputs(x)[:, 0], y, atol=0.02)


def test_keras_compares_targets_of_one_axis_row_by_row(rng: np.random.Generator) -> None:
    x = rng.normal(size=(64, 1))
    program = Program((Layer(1),), "squared_error", "sgd", 0.1, batch_size=64, epochs=200)
    np.testing.assert_allclose(
        train_program(program, x, 3 * x[:, 0]).outputs(x)[:, 0], 3 * x[:, 0], atol=0.02
    )


def test_columns_that_fit_no_output_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="2 columns and the output 3 units"):
        train_program(Program((Layer(3),), "squared_error"), rng.normal(size=(4, 2)), np.zeros((4, 2)))


def test_divergence_is_told_and_not_raised(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(64, 3)), rng.normal(size=64)
    trained = train_program(Program((Layer(9, "relu"), Layer(1)), "squared_error", "sgd", 1e6), x, y)
    assert trained.diverged
    assert np.isfinite(trained.losses).all()


def test_deadline_ends_a_training(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(64, 3)), rng.normal(size=64)
    program = Program((Layer(9, "relu"), Layer(1)), "squared_error", epochs=10**9)
    started = time.perf_counter()
    trained = train_program(program, x, y, deadline=started + 0.1)
    assert time.perf_counter() - started < 1
    assert 0 < trained.steps < trained.planned


def test_frozen_layer_keeps_its_parameters(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(64, 3)), rng.normal(size=64)
    layers = (Layer(4, "relu", trainable=False), Layer(1))
    first, last = (train_program(Program(layers, "squared_error", "adam", epochs=n), x, y) for n in (1, 20))
    np.testing.assert_array_equal(first.layers[0].weight, last.layers[0].weight)
    assert not np.array_equal(first.layers[1].weight, last.layers[1].weight)


def test_scaled_targets_are_predicted_in_their_own_units(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 2))
    y = 5000 + 300 * x[:, 0]
    program = Program(
        (Layer(16, "relu"), Layer(1)), "squared_error", "adam", 0.01, epochs=60, scale_targets="standard"
    )
    assert np.abs(train_program(program, x, y).outputs(x)[:, 0] - y).mean() < 60
