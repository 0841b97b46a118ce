"""Two engines, one trajectory: against the lesson, against finite differences, against each other."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal
from unittest.mock import Mock

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

from clearprop import engines, scratch
from clearprop.data import Dataset
from clearprop.engines import numpy_inputs, numpy_step
from clearprop.engines.base import Engine, FloatArray, Task, dropout_masks
from clearprop.engines.kernels.blas import _is_right, gemm_for
from clearprop.engines.kernels.zero_columns import Block, cuts_of
from clearprop.engines.prediction import logits
from clearprop.engines.sparse_rows import SparseRows
from clearprop.engines.training_rows import Rows
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.initialization import initial_parameters
from clearprop.nn.losses import LOSSES, LOSSES_OF_OUTPUT
from clearprop.nn.network import Network
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import PIXELS, Scaling
from clearprop.training.loop import batches
from clearprop.utils.errors import EngineUnavailable, InvalidArgument

SIZES = (784, 64, 32, 10)


def create_engine(name: str, *arguments: Any, **more: Any) -> Engine:
    """Return an engine; the test is skipped where the engine's library is not installed."""
    if name == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    return engines.create_engine(name, *arguments, **more)


LEARNING_RATE = 0.003
SCRATCH = {
    "sigmoid": (scratch.sigmoid, scratch.dsigmoid),
    "tanh": (scratch.tanh, scratch.dtanh),
    "relu": (scratch.relu, scratch.drelu),
}


def make_task(
    data: Dataset, network: Network, recipe: Recipe, dtype: str = "float64", scaling: Scaling = PIXELS
) -> Task:
    return Task(
        network=network,
        recipe=recipe,
        parameters=initial_parameters(
            network.layer_sizes, network.initialization, np.random.default_rng(1), np.dtype(dtype)
        ),
        x=data.x,
        y=data.y,
        scaling=scaling,
        dropout_rng=np.random.default_rng(2),
    )


def recipe_of(**fields: object) -> Recipe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Recipe(**{"learning_rate": LEARNING_RATE, **fields})  # type: ignore[arg-type]


def smoothing_of(loss: str) -> float:
    """Return label smoothing where the loss has any."""
    return 0.1 if LOSSES[loss].smooths_labels else 0.0


def one_epoch(engine: Engine, recipe: Recipe, n_rows: int) -> tuple[np.ndarray, Parameters]:
    order = batches(np.random.default_rng(3), n_rows, recipe.batch_size)
    losses = [engine.train_step(rows, recipe.learning_rate) for rows in order]
    return np.array(losses), engine.parameters()


def rows_of(machine: Any) -> Rows:
    """Return the training rows inside a NumPy engine."""
    return machine._engine._stepper.rows


def distance(ours: Parameters, theirs: Parameters) -> float:
    """Return the relative distance of all parameters, taken as one vector, in the Euclidean norm.

    As one vector, since in float32 a single gradient that ought to be zero but is rounded to +1e-9 by one
    engine and to -1e-9 by the other moves one bias by a full step of Adam in opposite directions.
    """
    mine, others = (
        np.concatenate([array.ravel() for pair in parameters for array in pair]).astype(np.float64)
        for parameters in (ours, theirs)
    )
    return float(np.linalg.norm(mine - others) / np.linalg.norm(others))


def assert_same_trajectory(data: Dataset, network: Network, recipe: Recipe, dtype: str) -> None:
    task = make_task(data, network, recipe, dtype)
    losses, parameters = one_epoch(create_engine("numpy", task), recipe, len(data))
    # a new stream of dropout masks, from the same seed
    twin = replace(task, dropout_rng=np.random.default_rng(2))
    torch_losses, torch_parameters = one_epoch(create_engine("torch", twin, "cpu"), recipe, len(data))
    tolerance = {"float64": 1e-10, "float32": 1e-4}[dtype]
    np.testing.assert_allclose(losses, torch_losses, rtol=tolerance, atol=0)
    assert distance(parameters, torch_parameters) < tolerance
    assert parameters[0][0].dtype == torch_parameters[0][0].dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("loss", LOSSES_OF_OUTPUT["softmax"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_numpy_and_torch_take_the_same_path(
    digits: Dataset, optimizer: str, activation: str, loss: str, dtype: str
) -> None:
    assert_same_trajectory(
        digits, Network(SIZES, activation), recipe_of(optimizer=optimizer, loss=loss), dtype
    )


@pytest.mark.parametrize("loss", LOSSES_OF_OUTPUT["softmax"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize(("dropout", "input_dropout"), [(0.2, 0.0), (0.0, 0.2), (0.2, 0.1)])
def test_the_path_stays_the_same_with_weight_decay_dropout_and_label_smoothing(
    digits: Dataset, optimizer: str, loss: str, dropout: float, input_dropout: float
) -> None:
    assert_same_trajectory(
        digits,
        Network(
            SIZES,
            ("tanh", "sigmoid"),
            initialization="torch_default",
            dropout=dropout,
            input_dropout=input_dropout,
        ),
        recipe_of(optimizer=optimizer, loss=loss, weight_decay=0.01, label_smoothing=smoothing_of(loss)),
        "float64",
    )


@pytest.mark.parametrize("min_batch", [1, 10_000], ids=["row by row", "unit by unit"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("settings", [{}, {"adversarial_epsilon": 0.5}], ids=["plain", "adversary"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_memory_order_of_hidden_units_does_not_change_the_path(
    digits: Dataset,
    dropout: float,
    settings: dict[str, float],
    optimizer: str,
    activation: str,
    min_batch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numpy_step, "MIN_ROW_BY_ROW_BATCH", min_batch)
    # so that the sizes do not matter
    monkeypatch.setattr(numpy_step, "SMALL_LAYER_RATIO", 10_000)
    network = Network((784, 16, 12, 8, 10), activation, dropout=dropout)
    assert_same_trajectory(digits, network, recipe_of(optimizer=optimizer, **settings), "float64")


@pytest.mark.parametrize(
    # over so many steps a unit comes to stand on the kink of the ReLU, and in float32 rounding decides on
    # which side: there two engines part by 2e-4, and each from float64 by as much
    ("activation", "dtype"),
    [("relu", "float64"), ("tanh", "float64"), ("tanh", "float32"), ("sigmoid", "float32")],
)
def test_the_path_stays_the_same_over_an_epoch_of_mnist(mnist: Dataset, activation: str, dtype: str) -> None:
    assert_same_trajectory(mnist, Network(SIZES, activation), recipe_of(optimizer="sgd"), dtype)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize(("weight_decay", "batch"), [(0.0, 60), (0.01, 60), (0.0, 512)])
@pytest.mark.parametrize(
    "factor", [1 / 255, np.linspace(0.5, 1.5, 784) / 255], ids=["one for all", "by column"]
)
def test_leaving_out_zero_columns_changes_nothing(
    mnist: Dataset,
    optimizer: str,
    weight_decay: float,
    batch: int,
    factor: float | np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the second batch size divides the number of rows, so that all its batches have as many blocks
    rows, n_blocks = mnist.subset(slice(0, 1_024)), []
    blocks_of = numpy_inputs.blocks_of

    def recorded(*arguments: Any) -> list[Block]:
        n_blocks.append(len(blocks_of(*arguments)))
        return blocks_of(*arguments)

    monkeypatch.setattr(numpy_inputs, "blocks_of", recorded)
    recipe = recipe_of(optimizer=optimizer, weight_decay=weight_decay, batch_size=batch)
    task = make_task(rows, Network(SIZES, "relu"), recipe, scaling=Scaling(factor=factor))
    machine = create_engine("numpy", task)
    assert rows_of(machine).widths.max() < mnist.n_features
    losses, parameters = one_epoch(machine, recipe, len(rows))
    if gemm_for("float64") is not None:
        assert max(n_blocks) == len(cuts_of(batch)) > 1
    monkeypatch.setattr("clearprop.engines.training_rows.sort_columns", lambda x, out: None)
    plain = create_engine("numpy", task)
    plain_losses, plain_parameters = one_epoch(plain, recipe, len(rows))
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-10)
    assert distance(parameters, plain_parameters) < 1e-10
    batch = np.arange(50)
    (loss, gradient), (plain_loss, plain_gradient) = (m.loss_and_gradient(batch) for m in (machine, plain))
    assert loss == pytest.approx(plain_loss, rel=1e-10)
    assert distance(gradient, plain_gradient) < 1e-9
    np.testing.assert_allclose(machine.logits(rows.x), plain.logits(rows.x), rtol=1e-9, atol=1e-12)
    # parameters go in as they come out, and other rows have other columns
    machine.load_parameters(parameters)
    assert distance(machine.parameters(), parameters) == 0
    for other in (machine, plain):
        other.load_parameters(parameters)
        other.load_rows(mnist.x[1_100:1_600, ::-1].copy(), mnist.y[1_100:1_600])
        one_epoch(other, recipe, 500)
    assert distance(machine.parameters(), plain.parameters()) < 1e-10


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("activation", sorted(SCRATCH))
def test_each_engine_takes_the_steps_of_the_lesson(
    digits: Dataset, activation: str, depth: int, engine: str
) -> None:
    sizes = (784, *(16, 12, 8)[: depth - 1], 10)
    recipe = recipe_of(optimizer="sgd", learning_rate=0.1)
    task = make_task(digits, Network(sizes, activation), recipe)
    machine = create_engine(engine, task, "cpu" if engine == "torch" else "auto")
    parameters = {
        f"{kind}{layer}": array
        for layer, pair in enumerate(task.parameters, start=1)
        for kind, array in zip("wb", pair, strict=True)
    }
    g_act, d_act = SCRATCH[activation]
    one_hot = scratch.one_hot_encode(digits.y).astype(np.float64)
    order = list(batches(np.random.default_rng(3), len(digits), 64))
    for rows in (order[0], order[1], order[-1]):
        passed = scratch.forward_prop(digits.x[rows] * (1 / 255), parameters, depth + 1, g_act)
        loss = scratch.cross_entropy(passed[f"h{depth}"], one_hot[rows])
        slopes = scratch.backprop(passed, parameters, one_hot[rows], depth, 10, d_act)
        parameters = scratch.gradient_descent(parameters, slopes, 0.1)
        assert machine.train_step(rows, 0.1) == pytest.approx(loss, rel=1e-12)
    for layer, (weight, bias) in enumerate(machine.parameters(), start=1):
        np.testing.assert_allclose(weight, parameters[f"w{layer}"], rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(bias, parameters[f"b{layer}"], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES_OF_OUTPUT["softmax"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_agrees_with_finite_differences(activation: str, loss: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(7, 5)).astype(np.float32)
    data = Dataset("noise", x, np.arange(7) % 3, ("a", "b", "c"), None, Scaling())
    recipe = recipe_of(learning_rate=1.0, loss=loss, label_smoothing=smoothing_of(loss))
    # biases other than zero: a row whose first layer is all off would put the second exactly on relu's kink
    network = Network((5, 4, 4, 3), activation, initialization="torch_default")
    task = make_task(data, network, recipe, scaling=Scaling())
    rows = np.arange(7)

    def loss_at(parameters: Parameters) -> float:
        engine = create_engine("numpy", replace(task, parameters=parameters))
        return engine.train_step(rows, 1.0)

    engine = create_engine("numpy", task)
    engine.train_step(rows, 1.0)
    # one step of plain gradient descent at rate 1 moves each parameter by its own gradient
    moved = engine.parameters()
    step = 1e-4
    for layer, pair in enumerate(task.parameters):
        for kind, array in enumerate(pair):
            numeric = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                values = []
                for offset in (2, 1, -1, -2):
                    shifted = [tuple(a.copy() for a in other) for other in task.parameters]
                    shifted[layer][kind][index] += offset * step
                    values.append(loss_at(shifted))  # type: ignore[arg-type]
                # fourth-order central differences
                numeric[index] = (-values[0] + 8 * values[1] - 8 * values[2] + values[3]) / (12 * step)
            gradient = array - moved[layer][kind]
            assert np.linalg.norm(gradient - numeric) < 1e-7 * np.linalg.norm(numeric)


def test_shift_and_factor_of_each_feature_reach_both_engines_alike() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(50, 20, size=(200, 12)).astype(np.float32)
    scaling = Scaling(x.mean(axis=0, dtype=np.float64), 1 / x.std(axis=0, dtype=np.float64))
    data = Dataset("table", x, rng.integers(0, 3, 200), ("a", "b", "c"), None, scaling)
    recipe = recipe_of(optimizer="adam")
    task = make_task(data, Network((12, 8, 3), "tanh"), recipe, scaling=scaling)
    engines = [create_engine("numpy", task), create_engine("torch", task, "cpu")]
    (losses, ours), (torch_losses, theirs) = (one_epoch(engine, recipe, 200) for engine in engines)
    np.testing.assert_allclose(losses, torch_losses, rtol=1e-10)
    assert distance(ours, theirs) < 1e-10
    np.testing.assert_allclose(engines[0].logits(x), engines[1].logits(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("hidden", [(64, 32), (64,), ()])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_fused_update_and_scaling_equal_separate_ones(
    digits: Dataset,
    optimizer: str,
    hidden: tuple[int, ...],
    weight_decay: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipe_of(optimizer=optimizer, learning_rate=0.1, weight_decay=weight_decay)
    task = make_task(digits, Network((784, *hidden, 10), "relu", input_dropout=0.1), recipe)
    twin = replace(task, dropout_rng=np.random.default_rng(2))
    fused = create_engine("numpy", task)
    losses, parameters = one_epoch(fused, recipe, len(digits))
    monkeypatch.setattr(numpy_step, "gemm_for", lambda dtype: None)
    plain = create_engine("numpy", twin)
    plain_losses, plain_parameters = one_epoch(plain, recipe, len(digits))
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-12)
    assert distance(parameters, plain_parameters) < 1e-12
    (_, gradient), (_, other) = (machine.loss_and_gradient(np.arange(9)) for machine in (fused, plain))
    assert distance(gradient, other) < 1e-10


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("at", ["kernels.optimizer_update.Updater.update", "numpy_step.Stepper._backward"])
def test_interrupted_step_leaves_no_gradient_behind(
    digits: Dataset, optimizer: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_layer_back(self: Any, *arguments: Any) -> Iterator[Any]:
        yield next(backward(self, *arguments))
        raise KeyboardInterrupt

    backward = numpy_step.Stepper._backward
    interrupt = first_layer_back if at.endswith("_backward") else Mock(side_effect=KeyboardInterrupt)
    task = make_task(digits, Network((784, 16, 10), "relu"), recipe_of(optimizer=optimizer))
    interrupted, whole = (create_engine("numpy", replace(task)) for _ in range(2))
    first, second = np.arange(30), np.arange(20, 50)
    with monkeypatch.context() as patch:
        patch.setattr(f"clearprop.engines.{at}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interrupted.train_step(first, 0.1)
    # the interrupted step was counted
    interrupted.load_state(whole.state())
    losses = [engine.train_step(second, 0.1) for engine in (interrupted, whole)]
    assert losses[0] == losses[1]
    assert distance(interrupted.parameters(), whole.parameters()) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("left_order", ["C", "F"])
@pytest.mark.parametrize("right_order", ["C", "F"])
def test_gemm_of_numpys_openblas_scales_and_adds(
    dtype: str, left_order: Literal["C", "F"], right_order: Literal["C", "F"]
) -> None:
    blas = np.show_config("dicts")["Build Dependencies"]["blas"]  # type: ignore[index,call-overload]
    if blas["name"] != "scipy-openblas":
        pytest.skip(f"this NumPy is built on {blas['name']}, which has no GEMM to call")
    prepare = gemm_for(dtype)
    assert prepare is not None
    rng = np.random.default_rng(0)
    output, left, right = (rng.normal(size=shape).astype(dtype) for shape in ((7, 5), (7, 3), (3, 5)))
    left, right = np.array(left, order=left_order), np.array(right, order=right_order)
    expected = np.concatenate([0.3 * output[:6] + 2.5 * left[:6, :2] @ right[:2], output[6:]])
    gemm = prepare(output, left, right)
    gemm(6, 2, 2.5, 0.3)
    np.testing.assert_allclose(output, expected, rtol=1e-5)
    expected[2:5, 3:] = 0.5 * expected[2:5, 3:] + 2 * left[2:5, 1:] @ right[1:, 3:]
    gemm(3, 2, 2.0, 0.5, (2, 1, 3))
    np.testing.assert_allclose(output, expected, rtol=1e-5)


def test_wrong_gemm_is_rejected() -> None:
    assert not _is_right(lambda output, left, right: lambda *numbers: None, "float32")


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_the_same_seed_gives_the_same_bits(digits: Dataset, engine: str) -> None:
    recipe = recipe_of(optimizer="adam")
    network = Network(SIZES, "relu", dropout=0.3)
    runs = []
    for _ in range(2):
        task = make_task(digits, network, recipe, "float32")
        runs.append(one_epoch(create_engine(engine, task), recipe, len(digits)))
    assert (runs[0][0] == runs[1][0]).all()
    for first, second in zip(runs[0][1], runs[1][1], strict=True):
        assert all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_engine_does_not_change_its_arguments(digits: Dataset, engine: str) -> None:
    recipe = recipe_of()
    task = make_task(digits, Network((784, 8, 10)), recipe)
    before = [(weight.copy(), bias.copy()) for weight, bias in task.parameters]
    x = digits.x.copy()
    machine = create_engine(engine, task, "cpu" if engine == "torch" else "auto")
    machine.train_step(np.arange(64), 0.1)
    machine.parameters()[0][0][:] = 0
    machine.train_step(np.arange(64), 0.1)
    assert np.abs(machine.parameters()[0][0]).max() > 0
    assert (digits.x == x).all()
    for pair, (weight, bias) in zip(task.parameters, before, strict=True):
        assert (pair[0] == weight).all()
        assert (pair[1] == bias).all()


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_loaded_parameters_are_returned(digits: Dataset, engine: str) -> None:
    machine = create_engine(engine, make_task(digits, Network((784, 8, 10)), recipe_of()))
    others = initial_parameters((784, 8, 10), "he_normal", np.random.default_rng(9), np.float64)
    machine.load_parameters(others)
    assert distance(machine.parameters(), others) == 0


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_engine_with_loaded_state_continues_bit_for_bit(digits: Dataset, engine: str, optimizer: str) -> None:
    recipe = recipe_of(optimizer=optimizer, batch_size=100)
    task = make_task(digits.subset(np.arange(300)), Network((784, 8, 10)), recipe)
    first = create_engine(engine, task, "cpu")
    rows = np.arange(100)
    first.train_step(rows, LEARNING_RATE)
    second = create_engine(engine, replace(task, parameters=first.parameters()), "cpu")
    second.load_state(first.state())
    for each in (first, second):
        each.train_step(rows + 100, LEARNING_RATE)
    assert distance(second.parameters(), first.parameters()) == 0.0


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_deep_copy_of_an_engine_takes_the_same_steps_on_its_own(digits: Dataset, engine: str) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=100)
    network = Network((784, 8, 10), dropout=0.5)
    first = create_engine(engine, make_task(digits.subset(np.arange(300)), network, recipe), "cpu")
    first.train_step(np.arange(100), LEARNING_RATE)
    second = copy.deepcopy(first)
    before = first.parameters()
    losses = [second.train_step(np.arange(100, 200), LEARNING_RATE) for _ in range(2)]
    assert distance(first.parameters(), before) == 0
    assert distance(second.parameters(), before) > 0
    assert [first.train_step(np.arange(100, 200), LEARNING_RATE) for _ in range(2)] == losses
    assert distance(second.parameters(), first.parameters()) == 0


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_sparse_rows_take_the_steps_of_dense_ones(digits: Dataset, engine: str) -> None:
    recipe = recipe_of(batch_size=100)
    task = make_task(digits, Network((784, 8, 10)), recipe)
    dense, sparse = (
        one_epoch(create_engine(engine, replace(task, x=x), "cpu"), recipe, 500)[1]
        for x in (task.x, csr_array(task.x))
    )
    assert distance(sparse, dense) == 0.0


def word_counts(n_rows: int, features: int, dtype: str = "float64") -> csr_array:
    """Return rows with one number in a hundred stored, some of them twice, and an empty row."""
    rng = np.random.default_rng(5)
    n_stored = n_rows * features // 100
    where = rng.integers(1, n_rows, n_stored), rng.integers(0, features, n_stored)
    return coo_array((rng.random(n_stored).astype(dtype), where), shape=(n_rows, features)).tocsr()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        *({"optimizer": name} for name in sorted(OPTIMIZERS)),
        {"weight_decay": 0.1},
        {"l2_penalty": 0.1},
        {"optimizer": "adam", "l2_penalty": 0.1},
        {"adversarial_epsilon": 0.1},
    ],
    ids=str,
)
def test_rows_that_stay_sparse_take_the_steps_of_dense_ones(options: dict[str, Any], dtype: str) -> None:
    rows, recipe = word_counts(130, 400, dtype), recipe_of(batch_size=32, **options)
    network = Network((400, 12, 6, 3), "tanh", dropout=0.2)
    factor = np.linspace(0.5, 1.5, 400)
    results = []
    for x in (rows.toarray(), rows):
        task = Task(
            network=network,
            recipe=recipe,
            parameters=initial_parameters(
                network.layer_sizes, "glorot_uniform", np.random.default_rng(1), np.dtype(dtype)
            ),
            x=x,
            y=np.arange(130) % 3,
            scaling=Scaling(factor=factor),
            dropout_rng=np.random.default_rng(2),
            sample_weight=np.linspace(0.1, 1, 130),
        )
        machine = create_engine("numpy", task)
        results.append((*one_epoch(machine, recipe, 130), machine.logits(x)))
        assert isinstance(rows_of(machine).x, SparseRows) == (x is rows and not recipe.adversarial_epsilon)
    (losses, parameters, values), (sparse_losses, sparse_parameters, sparse_values) = results
    tolerance = {"float64": 1e-11, "float32": 2e-5}[dtype]
    np.testing.assert_allclose(sparse_losses, losses, rtol=tolerance)
    assert distance(sparse_parameters, parameters) < tolerance
    np.testing.assert_allclose(sparse_values, values, rtol=0, atol=10 * tolerance)


def test_unknown_engine_error_names_the_allowed_ones(digits: Dataset) -> None:
    task = make_task(digits, Network((784, 8, 10)), recipe_of())
    with pytest.raises(InvalidArgument, match='engine is \'jax\', but must be one of "numpy" or "torch"'):
        create_engine("jax", task)


def test_the_numpy_engine_refuses_a_device_it_does_not_have(digits: Dataset) -> None:
    task = make_task(digits, Network((784, 8, 10)), recipe_of())
    with pytest.raises(InvalidArgument, match='runs on "cpu" only'):
        create_engine("numpy", task, "cuda")


def test_missing_device_is_refused_in_one_sentence(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    task = make_task(digits, Network((784, 8, 10)), recipe_of())
    with pytest.raises(EngineUnavailable, match='device is "cuda", but this machine'):
        create_engine("torch", task, "cuda")


@pytest.mark.parametrize("loss", LOSSES_OF_OUTPUT["softmax"])
def test_the_module_is_the_published_one_with_its_output_function(digits: Dataset, loss: str) -> None:
    torch = pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")

    from clearprop.engines.torch_engine import TorchEngine

    engine = TorchEngine(make_task(digits, Network((784, 8, 10)), recipe_of(loss=loss)), "cpu")
    outputs = engine.module(torch.from_numpy(digits.x[:5] / 255))
    sums_to_one = torch.allclose(outputs.sum(dim=1), torch.ones(5, dtype=torch.float64))
    assert sums_to_one == (loss == "double_softmax")


def test_input_dropout_applies_to_the_original_columns(mnist: Dataset) -> None:
    rows = mnist.subset(slice(0, 300))
    network = Network(SIZES, "tanh", input_dropout=0.3)
    task = make_task(rows, network, recipe_of(optimizer="adam"))
    assert rows_of(create_engine("numpy", task)).order is not None
    assert_same_trajectory(rows, network, recipe_of(optimizer="adam"), "float64")


def test_inputs_kept_by_dropout_are_scaled_up(digits: Dataset) -> None:
    network = Network((784, 8, 10), input_dropout=0.25)
    mask, hidden = dropout_masks(np.random.default_rng(0), network, 500, np.dtype("float32"))
    assert hidden is None
    assert mask is not None
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert mask.mean() == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_both_engines_take_the_same_path_with_adversarial_training(
    digits: Dataset, optimizer: str, dtype: str
) -> None:
    assert_same_trajectory(
        digits,
        Network(SIZES, "tanh", dropout=0.2, input_dropout=0.1),
        recipe_of(
            optimizer=optimizer,
            adversarial_epsilon=0.5,
            l2_penalty=0.5,
            weight_decay=0.01,
            label_smoothing=0.1,
        ),
        dtype,
    )


@pytest.mark.parametrize("sizes", [SIZES, (784, 10)])
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_adversarial_training_goes_down_the_gradient_of_rows_moved_uphill(
    mnist: Dataset, engine: str, sizes: tuple[int, ...]
) -> None:
    rows = np.arange(32)
    network, recipe = Network(sizes, "tanh"), recipe_of(l2_penalty=0.5, adversarial_epsilon=0.3)
    task = make_task(mnist.subset(rows), network, recipe)
    machine = create_engine(engine, task, "cpu")
    before = machine.parameters()
    loss, _ = machine.loss_and_gradient(rows)
    x = task.scaling.apply(task.x, np.float64)

    def loss_of_each(inputs: FloatArray) -> FloatArray:
        outputs = scratch.softmax(logits(before, network.activations, Scaling(), inputs))
        return -np.log(outputs[rows, task.y])

    # by finite differences
    gradient = np.empty_like(x)
    for column in range(x.shape[1]):
        h = np.zeros(x.shape[1])
        h[column] = 1e-5
        gradient[:, column] = (loss_of_each(x + h) - loss_of_each(x - h)) / 2e-5
    uphill = x + 0.3 * gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    assert (loss_of_each(uphill) > loss_of_each(x)).all()

    plain = replace(
        task, x=uphill, scaling=Scaling(), recipe=replace(recipe, adversarial_epsilon=0.0), parameters=before
    )
    _, there = create_engine(engine, plain, "cpu").loss_and_gradient(rows)
    assert machine.train_step(rows, 0.2) == pytest.approx(loss, rel=1e-12)
    assert distance(machine.parameters(), moved(before, there, -0.2)) < 1e-7


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_adversary_moves_no_row_without_a_gradient(engine: str) -> None:
    network = Network((3, 2), output="identity")
    task = Task(
        network=network,
        recipe=Recipe(loss="squared_error", adversarial_epsilon=0.1),
        parameters=[(np.zeros((3, 2)), np.zeros(2))],
        x=np.ones((4, 3)),
        y=np.array([[0.0, 0.0]] * 3 + [[1.0, 0.0]]),
        scaling=Scaling(),
        dropout_rng=np.random.default_rng(0),
    )
    machine = create_engine(engine, task, "cpu")
    # the weights are zero, so that no input has a gradient
    assert machine.train_step(np.arange(4), 0.1) == pytest.approx(1 / 8)
    weight, bias = machine.parameters()[0]
    np.testing.assert_allclose(weight, [[0.025, 0.0]] * 3)
    np.testing.assert_allclose(bias, [0.025, 0.0])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_adversary_moves_rows_of_every_kind_alike(digits: Dataset, engine: str) -> None:
    """Shifted, sparse and weighted rows take the path that plain ones take."""
    recipe = recipe_of(adversarial_epsilon=0.4, optimizer="adam")
    task = make_task(digits.subset(slice(0, 128)), Network(SIZES, "tanh"), recipe)
    dense = task.x.astype(np.float64)
    dense[:, :30] = 0
    weight = np.linspace(0, 1, 128)
    shift = np.full(dense.shape[1], 3.0)
    ways = [
        replace(task, x=dense, sample_weight=weight),
        replace(task, x=csr_array(dense), sample_weight=weight),
        replace(
            task, x=dense + 3, sample_weight=weight, scaling=Scaling(shift=shift, factor=task.scaling.factor)
        ),
    ]
    first, *others = (one_epoch(create_engine(engine, way, "cpu"), recipe, 128) for way in ways)
    for losses, parameters in others:
        np.testing.assert_allclose(losses, first[0], rtol=1e-9)
        assert distance(parameters, first[1]) < 1e-8


def moved(parameters: Parameters, by: Parameters, factor: float) -> Parameters:
    return [
        (weight + factor * of_weight, bias + factor * of_bias)
        for (weight, bias), (of_weight, of_bias) in zip(parameters, by, strict=True)
    ]


def test_batch_of_zero_weight_draws_no_dropout_masks(digits: Dataset) -> None:
    recipe, weight = recipe_of(optimizer="adam"), np.ones(len(digits))
    weight[:64] = 0
    network = Network((784, 16, 10), "relu", dropout=0.3, input_dropout=0.1)
    results = []
    for engine in ("numpy", "torch"):
        task = replace(make_task(digits, network, recipe), sample_weight=weight)
        machine = create_engine(engine, task, "cpu")
        losses = [
            machine.train_step(np.arange(start, start + 64), LEARNING_RATE) for start in (64, 0, 128, 0, 192)
        ]
        assert losses[1] == losses[3] == 0
        results.append((losses, machine.parameters()))
    (losses, ours), (torch_losses, theirs) = results
    np.testing.assert_allclose(losses, torch_losses, rtol=1e-10)
    assert distance(ours, theirs) < 1e-10


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("layout", ["backwards", "other byte order", "field"])
def test_any_memory_layout_is_accepted(digits: Dataset, engine: str, layout: str) -> None:
    def laid_out(array: np.ndarray) -> np.ndarray:
        if layout == "backwards":
            return array[::-1].copy()[::-1]
        if layout == "other byte order":
            return array.astype(array.dtype.newbyteorder())
        records = np.zeros(array.shape, [("other", "i1"), ("this", array.dtype)])
        records["this"] = array
        return records["this"]

    recipe, network = recipe_of(), Network((784, 16, 10))
    shift = np.linspace(0, 100, 784)
    task = make_task(digits, network, recipe, scaling=Scaling(shift=shift, factor=1 / (1 + shift)))
    task = replace(task, x=digits.x.astype(np.float32), y=digits.y.astype(np.int64))
    other = replace(
        task,
        x=laid_out(task.x),
        y=laid_out(task.y),
        parameters=[(laid_out(weight), laid_out(bias)) for weight, bias in task.parameters],
        scaling=Scaling(shift=laid_out(task.scaling.shift), factor=laid_out(task.scaling.factor)),
    )
    rows = np.arange(0, len(digits), 3)
    expected = create_engine(engine, task, "cpu").train_step(rows, 0.1)
    assert create_engine(engine, other, "cpu").train_step(laid_out(rows), 0.1) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("narrow", ["int8", "uint8", "uint64"])
def test_labels_may_have_any_integer_type(digits: Dataset, engine: str, narrow: str) -> None:
    task = make_task(digits, Network((784, 16, 10)), recipe_of())
    # a label times so many rows overflows a byte
    rows = np.arange(100)
    losses = [
        create_engine(engine, replace(task, y=digits.y.astype(kind)), "cpu").train_step(rows, 0.1)
        for kind in ("int64", narrow)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("hidden", [(), (1,)])
def test_network_without_a_shard_for_each_process_is_trained_by_one(
    digits: Dataset, hidden: tuple[int, ...]
) -> None:
    recipe, network = recipe_of(optimizer="sgd"), Network((784, *hidden, 10))
    machines = [
        create_engine("numpy", make_task(digits, network, recipe), processes=processes)
        for processes in (1, 2)
    ]
    assert distance(*(one_epoch(machine, recipe, len(digits))[1] for machine in machines)) == 0
    for machine in machines:
        machine.close()
