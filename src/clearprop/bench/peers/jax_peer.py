"""JAX as its experts write it: an epoch under `jit` and `scan`, parameters donated, data on the device."""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from clearprop.bench.peers.base import Predictor, Task, Training
from clearprop.nn.optimizers import BETA_1, BETA_2, EPSILON

Tree = Any  # JAX's pytree: arrays in lists and tuples


def train(task: Task) -> Training:
    """Train with plain SGD or Adam; the ragged last batch is a step of its own after the scan."""
    x = jax.device_put(task.scaled())
    y = jax.device_put(task.y.astype(np.int32))
    parameters = jax.device_put(task.parameters)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state: Tree = (parameters,)
    if task.optimizer == "adam":
        state = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))
    update = functools.partial(_adam if task.optimizer == "adam" else _sgd, task.learning_rate)
    full = len(task.y) // task.batch_size * task.batch_size

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(state: Tree, x: jax.Array, y: jax.Array, order: jax.Array) -> tuple[Tree, jax.Array]:
        def step(state: Tree, rows: jax.Array) -> tuple[Tree, jax.Array]:
            loss, gradients = jax.value_and_grad(_loss)(state[0], x[rows], y[rows])
            return update(state, gradients), loss * len(rows)

        state, losses = lax.scan(step, state, order[:full].reshape(-1, task.batch_size))
        total = losses.sum()
        if full < len(x):
            state, loss = step(state, order[full:])
            total += loss
        return state, total / len(x)

    orders = task.orders()
    seconds, losses = [], []
    for _ in range(task.epochs):
        started = time.perf_counter()
        state, loss = epoch(state, x, y, next(orders).astype(np.int32))
        losses.append(float(loss))
        jax.tree.map(lambda leaf: leaf.block_until_ready(), state)
        seconds.append(time.perf_counter() - started)
    return Training(seconds, losses)


def predictor(task: Task) -> Predictor:
    """Predict with the parameters as constants of the compiled function."""
    parameters = jax.device_put(task.parameters)

    classes_of = jax.jit(lambda rows: _logits(parameters, rows).argmax(axis=1))
    return Predictor(lambda rows: classes_of(rows).block_until_ready(), jax.device_put(task.scaled()))


def _logits(parameters: Tree, rows: jax.Array) -> jax.Array:
    for weight, bias in parameters[:-1]:
        rows = jax.nn.relu(rows @ weight + bias)
    weight, bias = parameters[-1]
    logits: jax.Array = rows @ weight + bias
    return logits


def _loss(parameters: Tree, rows: jax.Array, labels: jax.Array) -> jax.Array:
    logits = _logits(parameters, rows)
    targets = jax.nn.one_hot(labels, logits.shape[1])
    loss: jax.Array = -(targets * jax.nn.log_softmax(logits)).sum(axis=1).mean()
    return loss


def _sgd(learning_rate: float, state: Tree, gradients: Tree) -> Tree:
    (parameters,) = state
    return (jax.tree.map(lambda p, g: p - learning_rate * g, parameters, gradients),)


def _adam(learning_rate: float, state: Tree, gradients: Tree) -> Tree:
    """Take Adam's step (Kingma and Ba 2015): w - α m̂ / (√v̂ + ε)."""
    parameters, first, second, step = state
    step = step + 1
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, gradients)
    rate = learning_rate / (1 - BETA_1**step)
    correction = 1 / jnp.sqrt(1 - BETA_2**step)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) * correction + EPSILON), parameters, first, second
    )
    return parameters, first, second, step
