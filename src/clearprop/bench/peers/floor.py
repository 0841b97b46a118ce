"""The floor: only the matrix products of the work, in their fastest memory layout."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clearprop.bench.peers.base import Predictor, Task, Training

Array = NDArray[np.float32]
#: Two factors and the output array of their product.
Product = tuple[Array, Array, Array]

CHUNKS = (256, 512, 1024, 2048)
TRIALS = 3
TRIAL_SECONDS = 0.005


def train(task: Task) -> Training:
    """Compute an epoch's products: forward, weight gradients, input gradients except the first layer's."""
    n_full, ragged = divmod(len(task.x), task.batch_size)
    full_batch = best_products(task.layer_sizes, task.batch_size, backward=True) if n_full else []
    last_batch = best_products(task.layer_sizes, ragged, backward=True) if ragged else []
    seconds = []
    for _ in range(task.epochs):
        started = time.perf_counter()
        for _ in range(n_full):
            multiply(full_batch)
        multiply(last_batch)
        seconds.append(time.perf_counter() - started)
    return Training(seconds, [])


def predictor(task: Task) -> Predictor:
    """Compute a prediction's products; for a single row, read every weight from memory once."""
    if task.kind == "single":
        weights = [weight.ravel() for weight, _ in task.parameters]
        return Predictor(lambda rows: [weight.dot(weight) for weight in weights], task.x)
    n = len(task.x)
    ways = []
    for chunk in sorted({min(chunk, n) for chunk in (*CHUNKS, n)}):
        n_full, ragged = divmod(n, chunk)
        way = best_products(task.layer_sizes, chunk, backward=False) * n_full
        if ragged:
            way += best_products(task.layer_sizes, ragged, backward=False)
        ways.append(way)
    best = min(ways, key=_seconds)
    return Predictor(lambda rows: multiply(best), task.x)


def multiply(products: Sequence[Product]) -> None:
    """Compute products one after the other."""
    for left, right, out in products:
        np.matmul(left, right, out=out)


def best_products(layer_sizes: Sequence[int], batch: int, *, backward: bool) -> list[Product]:
    """Return the products of one batch in the fastest layout, found by a short trial.

    Activations are stored features-first or rows-first in all layers alike, since the outputs of one are the
    inputs of the next; each weight has the layout that is faster for it.
    """
    fans = list(pairwise(layer_sizes))
    layouts = []
    for features_first in (True, False):
        transposed = []
        for number, layer in enumerate(fans):
            ways = [
                network_products(layer, batch, features_first, [turn], backward, backward and number > 0)
                for turn in (False, True)
            ]
            transposed.append(_seconds(ways[1]) < _seconds(ways[0]))
        layouts.append(network_products(layer_sizes, batch, features_first, transposed, backward))
    return min(layouts, key=_seconds)


def network_products(
    layer_sizes: Sequence[int],
    batch: int,
    features_first: bool,
    transposed: Sequence[bool],
    backward: bool,
    input_gradient: bool = False,
) -> list[Product]:
    """Return the products of one batch, in the order of a training step.

    Parameters
    ----------
    layer_sizes : sequence of int
    batch : int
    features_first : bool
        Activations are ``(units, batch)``, else ``(batch, units)``.
    transposed : sequence of bool
        For each layer whether its weight is kept as ``(fan_out, fan_in)``, else ``(fan_in, fan_out)``.
    backward : bool
        Include the products of the gradients.
    input_gradient : bool
        Include the gradient of the first layer's input.

    Returns
    -------
    list of (left, right, out)
        Arrays in C order or transposed views of such; ``out`` is in C order.
    """
    shapes = [(units, batch) if features_first else (batch, units) for units in layer_sizes]
    outputs, gradients = [[_filled(shape) for shape in shapes] for _ in range(2)]
    forward: list[Product] = []
    back: list[Product] = []
    for layer, ((fan_in, fan_out), turn) in enumerate(zip(pairwise(layer_sizes), transposed, strict=True)):
        kept = (fan_out, fan_in) if turn else (fan_in, fan_out)
        # scaled so that the products of many layers do not overflow
        weight, weight_gradient = _filled(kept) / np.float32(max(kept)) ** 0.5, np.empty(kept, np.float32)
        w, g = (weight.T, weight_gradient.T) if turn else (weight, weight_gradient)
        h, z, d, e = outputs[layer], outputs[layer + 1], gradients[layer + 1], gradients[layer]
        forward.append((w.T, h, z) if features_first else (h, w, z))
        of_weight = (h, d.T, g) if features_first else (h.T, d, g)
        # (A B).T = B.T A.T, so the gradient of a transposed weight is in C order without a copy
        layer_back = [(of_weight[1].T, of_weight[0].T, g.T) if turn else of_weight]
        if layer or input_gradient:
            layer_back.append((w, d, e) if features_first else (d, w.T, e))
        back = layer_back + back
    return [*forward, *back] if backward else forward


def _filled(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _seconds(products: Sequence[Product]) -> float:
    """Return the seconds of the products: the best of a few trials, each long enough for the clock."""
    best = np.inf
    for _ in range(TRIALS):
        calls, started, elapsed = 0, time.perf_counter(), 0.0
        while elapsed < TRIAL_SECONDS:
            multiply(products)
            calls += 1
            elapsed = time.perf_counter() - started
        best = min(best, elapsed / calls)
    return best
