"""run_epochs: any targets, any order of rows, any initial parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import clearprop as cp
from clearprop.engines import create_engine
from clearprop.engines.base import Engine, Task
from clearprop.nn.initialization import initial_parameters
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.history import History
from clearprop.training.loop import TrainingDiverged, finite_parameters, run_epochs
from clearprop.utils.randomness import streams

N_ROWS = 100


def regression(**recipe: Any) -> Task:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, 4))
    network = cp.Network((4, 8, 2), "tanh", output="identity")
    return Task(
        network=network,
        recipe=cp.Recipe(**{"loss": "squared_error", "learning_rate": 0.1, "epochs": 3, **recipe}),
        parameters=initial_parameters(network.layer_sizes, "glorot_uniform", rng, np.float64),
        x=x,
        y=np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 2])], axis=1),
        scaling=cp.Scaling(),
        dropout_rng=rng,
    )


def begin(task: Task, engine: Engine | None = None) -> TrainingState:
    return TrainingState(
        network=task.network,
        recipe=task.recipe,
        engine=engine or create_engine("numpy", task),
        n_rows=len(task.x),
        n_batches=-(-len(task.x) // task.recipe.batch_size),
        has_validation=False,
        history=History(),
    )


def in_order() -> NDArray[np.intp]:
    return np.arange(N_ROWS)


class Recorder(Callback):
    """Keeps the rows of every batch, by standing before the engine."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []

    def on_train_begin(self, state: TrainingState) -> None:
        engine, rows = state.engine, self.rows

        class Watched:
            def train_step(self, batch: NDArray[np.intp], learning_rate: float) -> float:
                rows.append(batch.tolist())
                return engine.train_step(batch, learning_rate)

        state.engine = Watched()  # type: ignore[assignment]


def test_regression_learns_its_targets() -> None:
    task = regression(optimizer="adam", learning_rate=0.01, epochs=300, batch_size=20)
    state = begin(task)
    rng = np.random.default_rng(1)
    run_epochs(state, order=lambda: rng.permutation(N_ROWS))
    model = cp.Model(task.network, finite_parameters(state))
    error = np.mean((model.predict(task.x) - task.y) ** 2)
    assert error < 0.05 * task.y.var()


def test_rows_are_trained_in_the_given_order_and_batch_size() -> None:
    recorder = Recorder()
    orders = iter([np.arange(N_ROWS), np.arange(N_ROWS)[::-1]])
    run_epochs(begin(regression(epochs=2, batch_size=40)), order=lambda: next(orders), callbacks=[recorder])
    assert [len(rows) for rows in recorder.rows] == [40, 40, 20] * 2
    assert [row for rows in recorder.rows for row in rows] == [*range(100), *range(99, -1, -1)]


def test_run_epochs_gives_the_same_numbers_as_train() -> None:
    data = cp.load_data("digits").split(train=200, validation=100).train
    network, recipe = cp.Network((784, 8, 10)), cp.Recipe(epochs=2, seed=4)
    run = cp.train(network, recipe, data, progress=False)
    randomness = streams(4)
    task = Task(
        network=network,
        recipe=recipe,
        parameters=initial_parameters(network.layer_sizes, "glorot_uniform", randomness.initialization),
        x=data.x,
        y=data.y,
        scaling=data.scaling,
        dropout_rng=randomness.dropout,
    )
    state = begin(task)
    run_epochs(state, order=lambda: randomness.shuffle.permutation(len(data)))
    assert state.history.batch_losses == run.history.batch_losses


def test_epoch_record_holds_the_measurements_after_it() -> None:
    class Reader(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            seen.append(state.history.epochs[-1]["r2"])

    seen: list[float] = []
    state = begin(regression())
    run_epochs(state, order=in_order, measure=lambda state: {"r2": state.epoch / 10}, callbacks=[Reader()])
    assert state.history.column("r2") == seen == [0.1, 0.2, 0.3]
    assert state.history.column("validation_loss") == [None] * 3


def test_non_finite_validation_loss_ends_the_training() -> None:
    with pytest.raises(TrainingDiverged, match="NaN or infinite in epoch 1"):
        run_epochs(begin(regression()), order=in_order, measure=lambda _: {"validation_loss": np.nan})


def test_a_callback_scales_the_learning_rate() -> None:
    class Halving(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            state.learning_rate_scale /= 2

    state = begin(regression())
    run_epochs(state, order=in_order, callbacks=[Halving()])
    assert state.history.column("learning_rate") == pytest.approx([0.1, 0.05, 0.025])


def test_learning_rate_scale_multiplies_the_schedule() -> None:
    class Third(Callback):
        def on_train_begin(self, state: TrainingState) -> None:
            state.learning_rate_scale = 1 / 3

    state = begin(regression(schedule="step", epochs=4))
    run_epochs(state, order=in_order, callbacks=[Third()])
    assert state.history.column("learning_rate") == pytest.approx([0.1 / 3, 0.1 / 3, 0.01 / 3, 0.001 / 3])


def test_training_interrupted_after_an_epoch_continues_bit_for_bit() -> None:
    task = regression(optimizer="adam", schedule="cosine", epochs=4)
    whole = begin(task)
    run_epochs(whole, order=in_order)

    class Stop(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            state.stop = state.epoch == 2

    cut = begin(task)
    run_epochs(cut, order=in_order, callbacks=[Stop()])
    cut.stop = False
    run_epochs(cut, order=in_order)
    assert cut.history.column("epoch") == [1, 2, 3, 4]
    assert cut.history.batch_losses == whole.history.batch_losses


def test_existing_engine_continues_with_its_optimizer_state() -> None:
    # three calls of one epoch each, as partial_fit makes them, are one of three
    task = regression(optimizer="adam", epochs=3)
    whole = begin(task)
    run_epochs(whole, order=in_order)
    single = replace(task, recipe=replace(task.recipe, epochs=1))
    engine = create_engine("numpy", single)
    losses = []
    for _ in range(3):
        engine.load_rows(task.x, task.y)
        state = begin(single, engine)
        run_epochs(state, order=in_order)
        losses += state.history.batch_losses
    assert losses == whole.history.batch_losses


def test_non_finite_parameters_are_refused() -> None:
    state = begin(regression(epochs=1))
    run_epochs(state, order=in_order)
    state.engine.load_parameters(
        [(np.full_like(weight, np.inf), bias) for weight, bias in state.engine.parameters()]
    )
    with pytest.raises(TrainingDiverged):
        finite_parameters(state)


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows() -> None:
    state = begin(regression(epochs=1, batch_size=60))
    run_epochs(state, order=in_order)
    first, last = state.history.batch_losses
    assert state.history.epochs[0]["train_loss"] == pytest.approx(0.6 * first + 0.4 * last)
