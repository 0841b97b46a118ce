"""Where float32 would show: the few rows whose probabilities are computed once more, in float64.

A float32 forward pass leaves a logit z off by about δ = 4 ε max|z|, with ε = 2⁻²³. A probability p moves by
at most 2 p (1 - p) δ with it: nothing for a row the network is sure of, but more than 1e-6 for one it is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.prediction import OUTPUT_FUNCTIONS, logits
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters, copy_parameters
from clearprop.nn.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]
Rows = NDArray[np.intp]

# 2 p (1 - p) δ reaches 5e-7 here; the other half of 1e-6 is for float32's softmax and for whoever compares
VISIBLE = 0.5
# logits may be small because large terms cancel, whose rounding stays; smaller ones are taken for this large.
# With 10, nine rows of ten are looked at again after label smoothing, and the result is the same
LEAST = 4
# of the largest logit: twenty times δ. More would look again at much of what an untrained network says
CLOSE = 1e-5
# no less than that for logits up to a thousand, and quick to see
MAYBE_CLOSE = 0.01
# taken at a time, so that memory stays small where a network is unsure of most rows
ROWS = 8192


def refine(
    probabilities: FloatArray,
    values: FloatArray,
    network: Network,
    parameters: Parameters,
    scaling: Scaling,
    x: NDArray[Any],
) -> None:
    """Replace, in place, the probabilities that float32 may have put off by more than 5e-7.

    Those are also the ones of rows that overflow in float32, which float64 may not.

    Parameters
    ----------
    probabilities, values : ndarray (n_outputs, n) of float32
        The outputs, and the logits they were made of.
    network : Network
        With a softmax or sigmoid output.
    parameters : Parameters
    scaling : Scaling
    x : ndarray (n, features) of uint8 or float
        The rows as they are stored.
    """
    # a row with an infinite logit or NaN gives ∞ or NaN here
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.maximum.reduce(probabilities * (1 - probabilities))
        largest = np.maximum(np.maximum.reduce(np.abs(values)), LEAST)
        unsure = np.flatnonzero(~(slopes * largest <= VISIBLE))
    if not unsure.size:
        return
    exact = copy_parameters(parameters, np.float64)
    for start in range(0, len(unsure), ROWS):
        rows = unsure[start : start + ROWS]
        again = logits(exact, network.activations, scaling, x[rows])
        probabilities[:, rows] = OUTPUT_FUNCTIONS[network.output](again.T)


def close_rows(values: FloatArray, output: str) -> Rows:
    """Return the rows whose prediction could change if their logits were exact.

    Parameters
    ----------
    values : ndarray (n, n_outputs) of float32
        The logits.
    output : {"softmax", "sigmoid"}
        Whether two outputs compete, or each stands alone.

    Returns
    -------
    ndarray of int
        Few, and mostly none. Rows with an infinite logit or NaN are among them: float64 may not overflow.
    """
    # features first, since reducing along rows of a few numbers is slow
    columns = np.ascontiguousarray(values.T)
    if np.count_nonzero(np.isfinite(columns)) < columns.size:
        finite = np.isfinite(columns).all(axis=0)
        close = np.flatnonzero(finite)[close_rows(values[finite], output)]
        return np.sort(np.concatenate([np.flatnonzero(~finite), close]))
    if output == "sigmoid":
        near = np.abs(columns) < MAYBE_CLOSE
        rows = np.flatnonzero(near.any(axis=0))
        distances = np.abs(columns[:, rows]).min(axis=0)
    else:
        near = columns > np.maximum.reduce(columns) - MAYBE_CLOSE
        # counting all at once is quicker than by row, and mostly enough: each row has its own best
        if np.count_nonzero(near) <= len(values):
            return np.empty(0, np.intp)
        rows = np.flatnonzero(np.add.reduce(near, dtype=np.intp) > 1)
        second, best = np.partition(columns[:, rows], (-2, -1), axis=0)[-2:]
        distances = best - second
    closest: Rows = rows[distances < CLOSE * np.maximum(np.abs(columns[:, rows]).max(axis=0), LEAST)]
    return closest
