"""The peers of the benchmark do the same work, from the same parameters, to the same loss."""

from __future__ import annotations

import importlib
import os
from itertools import pairwise

import numpy as np
import pytest

from clearprop.bench.peers import BY_NAME, floor
from clearprop.bench.peers.base import Task
from clearprop.bench.rows import synthetic_rows
from clearprop.nn.initialization import initial_parameters
from clearprop.utils.randomness import streams

os.environ.setdefault("JAX_PLATFORMS", "cpu")

SIZES = (30, 16, 8, 4)
PEERS = ["clearprop", "jax", "torch-eager", "scikit-learn"]


def task_for(
    name: str,
    kind: str = "train",
    *,
    rows: int = 150,
    batch_size: int = 64,
    optimizer: str = "sgd",
    epochs: int = 6,
) -> Task:
    x, y = synthetic_rows(rows, SIZES[0], SIZES[-1])
    return Task(
        kind=kind,
        variant=BY_NAME[name].variant,
        layer_sizes=SIZES,
        x=x,
        y=y,
        parameters=initial_parameters(SIZES, "glorot_uniform", streams(5).initialization, np.float32),
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=0.1 if optimizer == "sgd" else 0.01,
        epochs=epochs,
        seed=5,
        threads=1,
    )


def peer(name: str):
    contestant = BY_NAME[name]
    pytest.importorskip(contestant.package, reason=f"{contestant.package} is not installed")
    return importlib.import_module(f"clearprop.bench.peers.{contestant.module}")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", PEERS[1:])
def test_every_peer_has_the_losses_of_clearprop(name: str, optimizer: str) -> None:
    # the same batches in the same order, a ragged one at the end of each epoch
    own = peer("clearprop").train(task_for("clearprop", optimizer=optimizer))
    other = peer(name).train(task_for(name, optimizer=optimizer))
    np.testing.assert_allclose(other.losses, own.losses, rtol=2e-4)
    assert own.losses[-1] < 0.99 * own.losses[0]
    for training in (own, other):
        assert len(training.seconds) == 6
        assert min(training.seconds) > 0


@pytest.mark.parametrize("name", PEERS[1:])
@pytest.mark.parametrize("batch_size", [150, 200, 149])
def test_batch_may_hold_all_rows_or_leave_one(name: str, batch_size: int) -> None:
    own = peer("clearprop").train(task_for("clearprop", batch_size=batch_size))
    other = peer(name).train(task_for(name, batch_size=batch_size))
    np.testing.assert_allclose(other.losses, own.losses, rtol=2e-4)


@pytest.mark.parametrize("kind", ["train", "predict"])
def test_compiled_pytorch_variant_compiles_for_its_shapes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # compiling itself takes longer than all these tests; whether it is asked for can be told without
    module, asked = peer("torch-compile"), []
    monkeypatch.setattr(module.torch, "compile", lambda function, **how: asked.append(how) or function)
    for name, expected in (("torch-eager", []), ("torch-compile", [{"dynamic": False}])):
        work = module.train if kind == "train" else module.predictor
        work(task_for(name, kind))
        assert asked == expected


@pytest.mark.parametrize("name", PEERS)
def test_all_peers_predict_the_same_classes(name: str) -> None:
    predictor = peer(name).predictor(task_for(name, "predict"))
    expected = peer("clearprop").predictor(task_for("clearprop", "predict"))
    classes = np.asarray(expected.predict(expected.rows))
    np.testing.assert_array_equal(np.asarray(predictor.predict(predictor.rows)), classes)
    np.testing.assert_array_equal(np.asarray(predictor.predict(predictor.rows[3:4])), classes[3:4])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("features_first", [False, True])
def test_floor_computes_the_products_of_a_step_in_every_layout(
    features_first: bool, transposed: bool
) -> None:
    batch = 5
    products = floor.network_products(SIZES, batch, features_first, [transposed] * 3, backward=True)
    fans = list(pairwise(SIZES))
    expected = sum(3 * fan_in * fan_out for fan_in, fan_out in fans) - SIZES[0] * SIZES[1]
    assert (
        sum(left.shape[0] * left.shape[1] * right.shape[1] for left, right, _ in products) == batch * expected
    )
    floor.multiply(products)
    for left, right, out in products:
        assert out.flags.c_contiguous
        assert out.shape == (left.shape[0], right.shape[1])
    forward = floor.network_products(SIZES, batch, features_first, [transposed] * 3, backward=False)
    assert len(products) == 3 + 3 + 2
    assert len(forward) == 3
    floor.multiply(forward)
    for (_, _, out), (left, right, after) in zip(forward, forward[1:] + forward[:1], strict=True):
        # each layer multiplies what the one before it gave
        assert after is not out
        assert left is out or right is out or out is forward[-1][2]


def test_floor_of_an_epoch_includes_the_smaller_last_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []
    done: list[str] = []

    def best_products(sizes: tuple[int, ...], batch: int, *, backward: bool) -> list[str]:
        asked.append((batch, backward))
        return [str(batch)]

    monkeypatch.setattr(floor, "best_products", best_products)
    monkeypatch.setattr(floor, "multiply", done.extend)
    training = floor.train(task_for("floor", rows=150, batch_size=64, epochs=2))
    assert asked == [(64, True), (22, True)]
    assert done == ["64", "64", "22"] * 2
    assert (len(training.seconds), training.losses) == (2, [])


def test_floor_of_a_prediction_covers_every_row_for_any_chunk() -> None:
    predictor = floor.predictor(task_for("floor", "predict", rows=700))
    predictor.predict(predictor.rows)
    single = floor.predictor(task_for("floor", "single"))
    parameters = task_for("floor").parameters
    for read, (weight, _) in zip(single.predict(single.rows[:1]), parameters, strict=True):
        assert read == pytest.approx(np.square(weight).sum(), rel=1e-5)
