"""train: its measurements, callbacks, early stopping, divergence and refusals."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.loop import TrainingDiverged, batches
from clearprop.utils.errors import DataError, InvalidArgument

NETWORK = cp.Network((784, 32, 10))


def noise(n_rows: int = 100, n_features: int = 6, n_classes: int = 3) -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset(
        "noise",
        rng.normal(size=(n_rows, n_features)).astype(np.float32),
        rng.integers(0, n_classes, n_rows),
        tuple("abcdefg"[:n_classes]),
        None,
        Scaling(),
    )


def quiet_train(*arguments: object, **options: object) -> cp.Run:
    return cp.train(*arguments, progress=False, **options)  # type: ignore[arg-type]


def test_underflow_is_no_error_where_numpy_is_told_to_raise() -> None:
    rows = noise()
    far = Dataset("far", rows.x * 1000, rows.y, rows.class_names, None, Scaling())
    with np.errstate(all="raise"):
        run = quiet_train(cp.Network((6, 5, 3)), cp.Recipe(epochs=2, learning_rate=1e-6), far, far)
    assert len(run.history.epochs) == 2


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_the_readme_example_learns_the_digits(digits: Dataset, engine: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    train, validation, test = digits.split(validation=200, seed=0)
    recipe = cp.Recipe(optimizer="adam", learning_rate=0.003, epochs=10)
    run = quiet_train(NETWORK, recipe, train, validation, engine=engine)
    assert cp.evaluate(run.model, test).accuracy > 0.9
    assert set(run.history.epochs[-1]) - {"instruments"} == {
        "epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate", "seconds"
    }  # fmt: skip
    assert run.history.column("epoch") == list(range(1, 11))
    assert len(run.history.batch_losses) == 10 * math.ceil(1237 / 64)
    probabilities = run.model.predict_proba(test.x)
    assert probabilities.shape == (360, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (run.model.predict(test.x) == probabilities.argmax(axis=1)).all()
    assert [weight.shape for weight, _ in run.model.parameters] == [(784, 32), (32, 10)]


def test_the_same_seed_gives_the_same_run_bit_for_bit(digits: Dataset) -> None:
    train, validation, _ = digits.split(seed=1)
    network = cp.Network((784, 16, 10), dropout=0.2)
    recipe = cp.Recipe(optimizer="adam", epochs=2, seed=5)
    first, second = (quiet_train(network, recipe, train, validation) for _ in range(2))
    assert first.history.batch_losses == second.history.batch_losses
    for ours, theirs in zip(first.model.parameters, second.model.parameters, strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))


def test_another_seed_gives_another_run() -> None:
    first, second = (
        quiet_train(cp.Network((6, 4, 3)), cp.Recipe(epochs=1, seed=seed), noise()) for seed in (0, 1)
    )
    assert first.history.batch_losses != second.history.batch_losses


def test_the_batch_size_does_not_change_the_initial_weights() -> None:
    class First(Callback):
        def on_train_begin(self, state: TrainingState) -> None:
            seen.append(state.engine.parameters()[0][0])

    seen: list[np.ndarray] = []
    for batch_size in (7, 64):
        recipe = cp.Recipe(epochs=1, batch_size=batch_size)
        quiet_train(cp.Network((6, 4, 3)), recipe, noise(), callbacks=[First()])
    assert (seen[0] == seen[1]).all()


def test_the_epoch_loss_is_the_mean_over_its_rows() -> None:
    run = quiet_train(cp.Network((6, 4, 3)), cp.Recipe(epochs=1, batch_size=64), noise(100))
    first, last = run.history.batch_losses
    assert run.history.epochs[0]["train_loss"] == pytest.approx((64 * first + 36 * last) / 100)


def test_without_a_validation_set_its_figures_are_missing() -> None:
    run = quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=1), noise())
    assert run.history.epochs[0]["validation_loss"] is None
    assert run.history.epochs[0]["validation_accuracy"] is None
    assert "validation" not in repr(run)


def test_a_batch_larger_than_the_data_is_one_batch_an_epoch() -> None:
    run = quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=4, batch_size=10_000), noise())
    assert len(run.history.batch_losses) == 4


def test_each_epoch_sees_every_row_once_in_a_new_order() -> None:
    rng = np.random.default_rng(0)
    epochs = [list(batches(rng, 103, 10)) for _ in range(2)]
    for epoch in epochs:
        assert [len(rows) for rows in epoch] == [10] * 10 + [3]
        assert sorted(np.concatenate(epoch)) == list(range(103))
    assert (np.concatenate(epochs[0]) != np.concatenate(epochs[1])).any()


def test_a_schedule_moves_the_learning_rate_of_every_step() -> None:
    run = quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=4, schedule="step", learning_rate=0.1), noise())
    assert run.history.column("learning_rate") == pytest.approx([0.1, 0.1, 0.01, 0.001])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_non_finite_loss_stops_the_run_and_keeps_its_history(engine: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    recipe = cp.Recipe(learning_rate=1e6, epochs=50, batch_size=32)
    with pytest.raises(TrainingDiverged) as caught:
        quiet_train(cp.Network((6, 8, 8, 3), "identity"), recipe, noise(), noise(), engine=engine)
    history = caught.value.history
    assert history.batch_losses
    assert all(math.isfinite(loss) for loss in history.batch_losses)
    epoch, batch = divmod(len(history.batch_losses), 4)
    message = str(caught.value)
    assert f"epoch {epoch + 1}, batch {batch + 1} of 4" in message
    assert "learning rate 1e+06" in message
    assert f"last finite loss: {history.batch_losses[-1]:.6g}" in message


def test_overflow_in_the_last_step_is_detected() -> None:
    # one step of an absurd rate: the only loss was measured before it
    data = noise()
    with pytest.raises(TrainingDiverged):
        quiet_train(cp.Network((6, 3)), cp.Recipe(learning_rate=1e39, epochs=1, batch_size=100), data)


def test_early_stopping_ends_the_run_and_restores_the_best_epoch(digits: Dataset) -> None:
    train, validation, _ = digits.split(train=200, validation=400)
    recipe = cp.Recipe(optimizer="adam", learning_rate=0.01, epochs=100, early_stopping=3)
    run = quiet_train(NETWORK, recipe, train, validation)
    losses = run.history.column("validation_loss")
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 100
    accuracy = cp.evaluate(run.model, validation).accuracy
    assert accuracy == pytest.approx(run.history.epochs[best]["validation_accuracy"])


def test_early_stopping_needs_a_validation_set() -> None:
    with pytest.raises(InvalidArgument, match="early_stopping is 3, but there is no validation set"):
        quiet_train(cp.Network((6, 3)), cp.Recipe(early_stopping=3), noise())


def test_callbacks_see_every_moment_in_order() -> None:
    class Recorder(Callback):
        def __init__(self) -> None:
            self.moments: list[str] = []

        def on_train_begin(self, state: TrainingState) -> None:
            self.moments.append(f"begin {state.n_batches}")

        def on_batch_end(self, state: TrainingState) -> None:
            self.moments.append(f"batch {state.epoch}.{state.batch} {len(state.history.batch_losses)}")

        def on_epoch_end(self, state: TrainingState) -> None:
            self.moments.append(f"epoch {state.history.epochs[-1]['epoch']}")

        def on_train_end(self, state: TrainingState) -> None:
            self.moments.append("end")

        def close(self) -> None:
            self.moments.append("close")

    recorder = Recorder()
    quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=2), noise(), callbacks=[recorder])
    assert recorder.moments == [
        "begin 2", "batch 1.1 1", "batch 1.2 2", "epoch 1", "batch 2.1 3", "batch 2.2 4", "epoch 2",
        "end", "close",
    ]  # fmt: skip


def test_a_callback_is_closed_when_another_fails() -> None:
    class Failing(Callback):
        def on_batch_end(self, state: TrainingState) -> None:
            raise RuntimeError("from the callback")

    class Closing(Callback):
        closed = False

        def close(self) -> None:
            self.closed = True

    closing = Closing()
    with pytest.raises(RuntimeError, match="from the callback"):
        quiet_train(cp.Network((6, 3)), cp.Recipe(), noise(), callbacks=[closing, Failing()])
    assert closing.closed


def test_a_callback_can_stop_the_training() -> None:
    class Stop(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            state.stop = state.epoch == 2

    run = quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=9), noise(), callbacks=[Stop()])
    assert len(run.history.epochs) == 2


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((5, 3), "layer_sizes starts with 5, but noise has 6 features a row; start it with 6"),
        ((6, 4), "layer_sizes ends in 4, but noise has 3 classes; end it with 3"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        quiet_train(cp.Network(sizes), cp.Recipe(), noise())


def test_a_validation_set_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="The validation set has 5 features and 3 classes"):
        quiet_train(cp.Network((6, 3)), cp.Recipe(), noise(), noise(n_features=5))


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="dtype is 'float16', but must be one of"):
        quiet_train(cp.Network((6, 3)), cp.Recipe(), noise(), dtype="float16")


def test_float64_is_computed_in_float64() -> None:
    run = quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=1), noise(), dtype="float64")
    assert run.model.parameters[0][0].dtype == np.float64
    assert run.dtype == "float64"


def test_training_never_holds_a_float_copy_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(20_000, 784), dtype=np.uint8)
    data = Dataset("pixels", x, rng.integers(0, 10, 20_000), tuple("0123456789"), (28, 28), Scaling())
    tracemalloc.start()
    quiet_train(cp.Network((784, 32, 10)), cp.Recipe(epochs=1, learning_rate=1e-6), data, data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a float32 copy would take four times the bytes of the rows themselves
    assert peak < x.nbytes / 2


def test_a_model_refuses_rows_it_was_not_trained_on() -> None:
    run = quiet_train(cp.Network((6, 3)), cp.Recipe(epochs=1), noise())
    with pytest.raises(DataError, match=r"shape \(2, 5\) .* takes rows of 6 numbers"):
        run.model.predict(np.zeros((2, 5)))
    with pytest.raises(DataError, match=r"give it an array of shape \(n, 6\)"):
        run.model.predict(np.zeros(6))
