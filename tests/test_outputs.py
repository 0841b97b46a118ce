"""Every output in both engines: against finite differences, the lesson and each other; rows that weigh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop import scratch
from clearprop.engines import create_engine
from clearprop.engines.base import Engine, Task
from clearprop.model.model import load_model
from clearprop.nn.initialization import initial_parameters
from clearprop.nn.losses import LOSSES, LOSSES_OF_OUTPUT
from clearprop.nn.network import OUTPUTS, Network
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import Scaling
from clearprop.training.loop import batches
from clearprop.utils.errors import InvalidArgument

N_ROWS, FEATURES, N_OUTPUTS = 150, 6, 3
SIZES = (FEATURES, 8, 5, N_OUTPUTS)
ENGINES = pytest.mark.parametrize("engine", ["numpy", "torch"])
EVERY_OUTPUT = pytest.mark.parametrize("output", OUTPUTS)
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES)


def make_task(
    output: str,
    dtype: str = "float64",
    weighted: bool = False,
    dropout: float = 0.0,
    loss: str = "",
    **recipe: Any,
) -> Task:
    loss = loss or LOSSES_OF_OUTPUT[output][0]
    rng = np.random.default_rng(11)
    x = rng.normal(size=(N_ROWS, FEATURES))
    y = {
        "softmax": rng.integers(0, N_OUTPUTS, N_ROWS),
        "sigmoid": rng.random((N_ROWS, N_OUTPUTS)),
        "identity": rng.normal(size=(N_ROWS, N_OUTPUTS)),
        "exponential": rng.poisson(2, (N_ROWS, N_OUTPUTS)).astype(np.float64),
    }[output]
    if weighted and LOSSES[loss].smooths_labels:
        recipe["label_smoothing"] = 0.1
    network = Network(SIZES, "tanh", initialization="torch_default", dropout=dropout, output=output)
    return Task(
        network=network,
        recipe=Recipe(**{"loss": loss, "learning_rate": 0.01, **recipe}),
        parameters=initial_parameters(
            SIZES, network.initialization, np.random.default_rng(1), np.dtype(dtype)
        ),
        x=x,
        y=y,
        scaling=Scaling(),
        dropout_rng=np.random.default_rng(2),
        sample_weight=rng.exponential(size=N_ROWS) if weighted else None,
    )


def engine_of(name: str, task: Task) -> Engine:
    # a new stream of dropout masks, from the same seed
    task = replace(task, dropout_rng=np.random.default_rng(2))
    if name == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    return create_engine(name, task, "cpu" if name == "torch" else "auto")


def flat(parameters: Parameters) -> np.ndarray:
    return np.concatenate([array.ravel() for pair in parameters for array in pair]).astype(np.float64)


def steps(engine: Engine, n_epochs: int = 4) -> list[float]:
    rng = np.random.default_rng(3)
    return [engine.train_step(rows, 0.01) for _ in range(n_epochs) for rows in batches(rng, N_ROWS, 32)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@EVERY_LOSS
@pytest.mark.filterwarnings("ignore::clearprop.nn.recipe.DoubleSoftmaxWarning")
def test_numpy_and_torch_take_the_same_path(loss: str, optimizer: str, weighted: bool, dtype: str) -> None:
    task = make_task(
        LOSSES[loss].output, dtype, weighted, dropout=0.2, loss=loss, optimizer=optimizer,
        l2_penalty=0.5, weight_decay=0.01, momentum=0.7, beta_1=0.8, beta_2=0.9, epsilon=1e-6,
    )  # fmt: skip
    ours, theirs = engine_of("numpy", task), engine_of("torch", task)
    tolerance = {"float64": 1e-10, "float32": 1e-4}[dtype]
    np.testing.assert_allclose(steps(ours), steps(theirs), rtol=tolerance, atol=0)
    mine, others = flat(ours.parameters()), flat(theirs.parameters())
    assert np.linalg.norm(mine - others) < tolerance * np.linalg.norm(others)


@ENGINES
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_the_coefficients_of_a_recipe_reach_the_optimizer(optimizer: str, engine: str) -> None:
    usual = make_task("identity", optimizer=optimizer)
    other = replace(usual, recipe=replace(usual.recipe, momentum=0.5, beta_1=0.5, beta_2=0.7, epsilon=1e-3))
    losses = [steps(engine_of(engine, task)) for task in (usual, other)]
    assert (losses[0] == losses[1]) == (not OPTIMIZERS[optimizer].coefficients)


@ENGINES
@pytest.mark.parametrize("momentum", [0.0, 1.0])
@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
def test_momentum_may_be_all_or_nothing(optimizer: str, momentum: float, engine: str) -> None:
    task = make_task("identity", optimizer=optimizer, momentum=momentum)
    plain = replace(task, recipe=replace(task.recipe, optimizer="sgd"))
    losses, of_sgd = steps(engine_of(engine, task)), steps(engine_of(engine, plain))
    assert np.isfinite(losses).all()
    assert np.allclose(losses, of_sgd, rtol=1e-12) == (momentum == 0)


@ENGINES
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@EVERY_LOSS
@pytest.mark.filterwarnings("ignore::clearprop.nn.recipe.DoubleSoftmaxWarning")
def test_the_gradient_agrees_with_finite_differences(loss: str, weighted: bool, engine: str) -> None:
    task = make_task(LOSSES[loss].output, weighted=weighted, loss=loss, l2_penalty=2.0)
    rows = np.arange(40)
    machine = engine_of(engine, task)
    _, gradient = machine.loss_and_gradient(rows)
    step = 1e-4
    for layer, pair in enumerate(task.parameters):
        for kind, array in enumerate(pair):
            numeric = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                values = []
                for offset in (2, 1, -1, -2):
                    shifted = [[a.copy() for a in other] for other in task.parameters]
                    shifted[layer][kind][index] += offset * step
                    machine.load_parameters(shifted)  # type: ignore[arg-type]
                    values.append(machine.loss_and_gradient(rows)[0])
                # fourth-order central differences
                numeric[index] = (-values[0] + 8 * values[1] - 8 * values[2] + values[3]) / (12 * step)
            assert np.linalg.norm(gradient[layer][kind] - numeric) < 1e-7 * np.linalg.norm(numeric)


@ENGINES
@EVERY_OUTPUT
def test_a_step_of_plain_descent_goes_down_the_gradient_and_states_the_same_loss(
    output: str, engine: str
) -> None:
    task = make_task(output, weighted=True, optimizer="sgd", l2_penalty=0.5)
    machine = engine_of(engine, task)
    rows = np.arange(20, 70)
    loss, gradient = machine.loss_and_gradient(rows)
    assert machine.train_step(rows, 0.25) == pytest.approx(loss, rel=1e-12)
    expected = flat(task.parameters) - 0.25 * flat(gradient)
    np.testing.assert_allclose(flat(machine.parameters()), expected, rtol=1e-10, atol=1e-14)


@ENGINES
def test_asking_for_the_gradient_changes_nothing_and_leaves_no_unit_out(engine: str) -> None:
    machines = [engine_of(engine, make_task("sigmoid", dropout=0.5, optimizer="adam")) for _ in range(2)]
    without = engine_of(engine, make_task("sigmoid", optimizer="adam"))
    rows = np.arange(N_ROWS)
    loss, gradient = machines[0].loss_and_gradient(rows)
    other_loss, other_gradient = without.loss_and_gradient(rows)
    assert loss == other_loss
    assert (flat(gradient) == flat(other_gradient)).all()
    assert steps(machines[0]) == steps(machines[1])
    assert loss == other_loss


@ENGINES
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("output", ["sigmoid", "identity", "exponential"])
def test_each_engine_takes_the_steps_of_the_lesson(output: str, depth: int, engine: str) -> None:
    # the lesson hands h_k - y back through the layers, and that is the slope for each of these outputs too
    output_function = {"sigmoid": scratch.sigmoid, "identity": lambda a: a, "exponential": np.exp}[output]
    task = make_task(output)
    sizes = (FEATURES, *(5, 4)[: depth - 1], N_OUTPUTS)
    start = initial_parameters(sizes, "torch_default", np.random.default_rng(4), np.float64)
    task = replace(task, network=Network(sizes, "tanh", output=output), parameters=start)
    machine = engine_of(engine, task)
    parameters = {
        f"{kind}{layer}": array
        for layer, pair in enumerate(start, start=1)
        for kind, array in zip("wb", pair, strict=True)
    }
    for rows in batches(np.random.default_rng(3), N_ROWS, 64):
        passed = scratch.forward_prop(task.x[rows], parameters, depth + 1, scratch.tanh)
        prediction = passed[f"h{depth}"] = output_function(passed[f"a{depth}"])
        y = task.y[rows]
        loss = {
            "sigmoid": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)),
            "identity": lambda p, t: (p - t) ** 2 / 2,
            "exponential": lambda p, t: t * np.log(np.where(t > 0, t, 1) / p) - t + p,
        }[output](prediction, y)
        slopes = scratch.backprop(passed, parameters, y, depth, N_OUTPUTS, scratch.dtanh)
        parameters = scratch.gradient_descent(parameters, slopes, 0.1)
        assert machine.train_step(rows, 0.1) == pytest.approx(loss.sum(axis=1).mean(), rel=1e-12)
    for layer, (weight, bias) in enumerate(machine.parameters(), start=1):
        np.testing.assert_allclose(weight, parameters[f"w{layer}"], rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(bias, parameters[f"b{layer}"], rtol=1e-9, atol=1e-14)


# ---- Rows that weigh ---------------------------------------------------------------------------------


@ENGINES
@EVERY_OUTPUT
def test_weights_of_one_change_nothing(output: str, engine: str) -> None:
    task = make_task(output)
    weighted = replace(task, sample_weight=np.ones(N_ROWS))
    plain, other = (steps(engine_of(engine, each)) for each in (task, weighted))
    np.testing.assert_allclose(plain, other, rtol=1e-12)


@ENGINES
def test_rows_of_weight_zero_are_not_learned_from(engine: str) -> None:
    task = make_task("identity", l2_penalty=0.5)
    weight = np.ones(N_ROWS)
    weight[50:] = 0
    wild = task.y.copy()
    wild[50:] = 1e6
    weighted = engine_of(engine, replace(task, y=wild, sample_weight=weight))
    without = engine_of(engine, task)
    for _ in range(5):
        loss = weighted.train_step(np.arange(N_ROWS), 0.01)
        assert loss == pytest.approx(without.train_step(np.arange(50), 0.01), rel=1e-12)
    np.testing.assert_allclose(flat(weighted.parameters()), flat(without.parameters()), rtol=1e-10)


@ENGINES
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_batch_without_weight_is_a_step_without_effect(optimizer: str, engine: str) -> None:
    task = make_task("softmax", optimizer=optimizer, l2_penalty=0.5, weight_decay=0.1)
    weight = np.ones(N_ROWS)
    weight[:10] = 0
    with_one, without = (engine_of(engine, replace(task, sample_weight=weight)) for _ in range(2))
    for number in range(3):
        rows = np.arange(20 + 20 * number, 50 + 20 * number)
        assert with_one.train_step(np.arange(10), 0.01) == 0
        loss, gradient = with_one.loss_and_gradient(np.arange(10))
        assert loss == 0
        assert not flat(gradient).any()
        assert with_one.train_step(rows, 0.01) == without.train_step(rows, 0.01)
    assert (flat(with_one.parameters()) == flat(without.parameters())).all()


@ENGINES
def test_an_engine_goes_on_with_other_rows(engine: str) -> None:
    task = make_task("identity", "float32", weighted=True, optimizer="adam")
    machine, twin = engine_of(engine, task), engine_of(engine, task)
    assert task.sample_weight is not None
    # the same rows in another order and another type, so that both must end alike
    order = np.random.default_rng(5).permutation(N_ROWS)
    machine.train_step(np.arange(N_ROWS), 0.01)
    machine.load_rows(task.x[order].astype(np.float32), task.y[order], task.sample_weight[order])
    machine.train_step(np.argsort(order), 0.01)
    for _ in range(2):
        twin.train_step(np.arange(N_ROWS), 0.01)
    np.testing.assert_allclose(flat(machine.parameters()), flat(twin.parameters()), rtol=1e-4, atol=1e-6)


@ENGINES
def test_arrays_that_must_not_be_written_to_are_read(engine: str) -> None:
    task = make_task("identity", weighted=True)
    losses = steps(engine_of(engine, task))
    for array in (task.x, task.y, task.sample_weight):
        assert array is not None
        array.flags.writeable = False
    assert steps(engine_of(engine, task)) == losses


# ---- What does not fit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"y": np.zeros(N_ROWS)}, r"y is an array of shape \(150,\) .* give one row of targets for each row"),
        ({"y": np.zeros((N_ROWS, 2))}, r"y is an array of shape \(150, 2\)"),
        ({"sample_weight": np.ones(3)}, r"sample_weight is an array of shape \(3,\), but x has 150 rows"),
        ({"recipe": Recipe()}, 'loss is "cross_entropy", but a network with output="identity" learns by'),
    ],
)
def test_a_task_that_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        replace(make_task("identity"), **fields)


def test_the_classes_of_a_softmax_are_whole_numbers() -> None:
    task = make_task("softmax")
    with pytest.raises(InvalidArgument, match='type float64, but output="softmax" learns from whole'):
        replace(task, y=task.y.astype(np.float64))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_there_are_no_labels_to_smooth_in_a_regression(loss: str) -> None:
    with pytest.raises(InvalidArgument, match=f'label_smoothing is 0.1, but loss="{loss}" has no labels'):
        Recipe(loss=loss, label_smoothing=0.1)


# ---- The model ---------------------------------------------------------------------------------------


def model_of(output: str, n_outputs: int = N_OUTPUTS, class_names: tuple[str, ...] = ()) -> cp.Model:
    sizes = (FEATURES, 4, n_outputs)
    parameters = initial_parameters(sizes, "he_normal", np.random.default_rng(0), np.float64)
    return cp.Model(Network(sizes, "tanh", output=output), parameters, Scaling(), class_names)


ROWS = np.random.default_rng(8).normal(size=(20, FEATURES))


def test_a_sigmoid_gives_a_probability_for_each_output_by_itself() -> None:
    model = model_of("sigmoid")
    probabilities = model.predict_proba(ROWS)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-model.logits(ROWS))), rtol=1e-12)
    assert (model.predict(ROWS) == (probabilities > 0.5)).all()
    assert model.predict(ROWS).dtype == np.int64


@pytest.mark.parametrize(("output", "function"), [("identity", np.copy), ("exponential", np.exp)])
def test_a_regression_predicts_values_and_has_no_probabilities(output: str, function: Any) -> None:
    model = model_of(output)
    assert (model.predict(ROWS) == function(model.logits(ROWS))).all()
    assert model.predict(ROWS).shape == (20, N_OUTPUTS)
    with pytest.raises(InvalidArgument, match=f'output="{output}" and predicts values, not probabilities'):
        model.predict_proba(ROWS)


@pytest.mark.parametrize(
    ("output", "n_outputs", "names"),
    [
        ("softmax", 3, ("a", "b", "c")),
        ("sigmoid", 3, ("a", "b", "c")),
        ("sigmoid", 1, ("no", "yes")),
        ("sigmoid", 1, ()),
        ("identity", 3, ()),
        ("exponential", 2, ("cars", "bikes")),
    ],
)
def test_a_saved_model_keeps_its_output(
    tmp_path: Path, output: str, n_outputs: int, names: tuple[str, ...]
) -> None:
    model = model_of(output, n_outputs, names)
    again = load_model(model.save(tmp_path / "model.safetensors"))
    assert (again.network, again.class_names) == (model.network, names)
    assert (again.predict(ROWS) == model.predict(ROWS)).all()


@pytest.mark.parametrize(
    ("output", "n_outputs", "names"),
    [("softmax", 3, ()), ("sigmoid", 3, ("no", "yes")), ("sigmoid", 1, ("yes",)), ("identity", 3, ("a",))],
)
def test_names_that_do_not_fit_the_output_are_refused(
    tmp_path: Path, output: str, n_outputs: int, names: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidArgument, match=r"no one could load it: .* class names, which do not fit"):
        model_of(output, n_outputs, names).save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_only_a_network_that_tells_classes_apart_is_evaluated_on_a_data_set(digits: cp.Dataset) -> None:
    parameters = initial_parameters((784, 10), "he_normal", np.random.default_rng(0))
    model = cp.Model(Network((784, 10), output="sigmoid"), parameters)
    with pytest.raises(InvalidArgument, match='output="sigmoid", but a Dataset holds classes'):
        cp.evaluate(model, digits)
    with pytest.raises(InvalidArgument, match='output is "sigmoid", but a Dataset holds classes'):
        cp.train(model.network, Recipe(loss="binary_cross_entropy"), digits, progress=False)
