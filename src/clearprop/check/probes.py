"""Reference inputs: networks and batches of numbers so general that no two mistakes give the same result."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from clearprop.check.formulas.backward import backward_outputs
from clearprop.check.formulas.base import Array, Values
from clearprop.check.formulas.network import forward_outputs

# all different, and different from the batch sizes, so that an array's shape tells which one it is
_WIDTHS = (12, 9, 8, 7, 6, 5)
BATCH_SIZES = {"rectangular": 11, "second": 13, "square": 8, "cube": 10}
SQUARE_WIDTH = 10


def numbers(seed: int, *shape: int) -> Array:
    """Return numbers between -2 and 2, none near 0, that a generator of this seed draws."""
    rng = np.random.default_rng(seed)
    magnitude = rng.uniform(0.1, 2.0, size=shape)
    return magnitude * rng.choice([-1.0, 1.0], size=shape)


def labels(n: int, classes: int, seed: int = 0) -> Array:
    """Return n labels: as many classes as fit, the highest among them, not in order of their first rows."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(classes) for _ in range(n // classes + 1)])[:n]
    if n < classes:
        order[0] = classes - 1 if classes - 1 not in order else order[0]
    return order


def one_hot(labels: Array, classes: int) -> Array:
    """Return a row for each label, 1 in its column."""
    return np.eye(classes)[labels]


def sizes(layers: int, classes: int, shape: str) -> list[int]:
    """Return the units of each layer, the inputs first: all different, or all equal for a square probe."""
    hidden = list(_WIDTHS[:layers]) if shape in BATCH_SIZES and shape[0] in "r" else []
    if shape == "second":
        hidden = [width + 2 for width in _WIDTHS[:layers]]
        hidden[0] = 15
    if not hidden:
        hidden = [SQUARE_WIDTH] * layers
    return [*hidden, classes]


@lru_cache(maxsize=64)
def network(
    hidden: str,
    output: str,
    cost: str,
    mean: bool,
    layers: int,
    classes: int,
    shape: str = "rectangular",
    n: int | None = None,
    seed: int = 1,
) -> Values:
    """Return a network, a batch and everything that its training step computes, rows first, in float64.

    Parameters
    ----------
    hidden, output : str
        Activations.
    cost : {"cross_entropy", "quadratic"}
    mean : bool
        Whether the gradients are means over the batch.
    layers, classes : int
    shape : {"rectangular", "second", "square", "cube"}
        All sizes different, once more, all layers of equal width, or the batch as well.
    n : int, optional
        Rows; otherwise as the shape has it.
    seed : int

    Returns
    -------
    mapping
        ``x, truth, labels, w1, b1, a1, h1, dw1, db1, ...``, ``p`` (the last h), ``eta``, ``n`` and the names
        of the activations.
    """
    n = BATCH_SIZES[shape] if n is None else n
    units = sizes(layers, classes, shape)
    values: dict[str, Any] = {"hidden": hidden, "output": output, "cost": cost, "mean": mean}
    values["x"] = numbers(seed, n, units[0])
    values["labels"] = labels(n, classes, seed) if n > 1 else np.array([classes - 1 if classes > 1 else 0])
    if classes == 1:
        values["truth"] = (np.arange(n) % 3 == 1).astype(float)[:, None]
        values["labels"] = values["truth"][:, 0].astype(int)
    else:
        values["truth"] = one_hot(values["labels"], classes)
    for i in range(1, layers + 1):
        # signals keep their size, so that no activation saturates
        scale = 1.2 / np.sqrt(units[i - 1])
        values[f"w{i}"] = scale * numbers(seed + 10 * i, units[i - 1], units[i])
        values[f"b{i}"] = 0.4 * numbers(seed + 10 * i + 1, units[i])
    values |= forward_outputs(values, {})
    values |= backward_outputs(values, {})
    values |= {"p": values[f"h{layers}"], "eta": 0.3, "n": n, "units": tuple(units)}
    return values
