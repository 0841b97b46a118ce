"""Recompute in float64 the few rows whose probabilities or classes float32 rounding could change.

A float32 forward pass has an error of about δ = 4 ε max|z| in a logit z, with ε = 2⁻²³. It moves a
probability p by at most 2 p (1 - p) δ: by nothing where the network is sure, by more than 1e-6 where it is
not. ``predict`` takes the class of a row whose logits nearly tie from the probabilities, so that it names the
same class as ``predict_proba``.
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

# p (1 - p) max|z| from which 2 p (1 - p) δ exceeds 5e-7; the other half of 1e-6 is left for float32's softmax
MAX_SENSITIVITY = 0.5
# Small logits may be sums of large terms that cancel, whose rounding errors stay: max|z| counts as this at
# least. With 10, nine rows of ten are recomputed after label smoothing, and the result is the same
MIN_LARGEST_LOGIT = 4
# Two logits tie if they differ by less than this, relative to max|z|: twenty times δ. A larger tolerance
# would recompute many rows of an untrained network
TIE_TOLERANCE = 1e-5
# a looser absolute tolerance, right for logits up to a thousand: a quick test that rules out nearly all rows
QUICK_TOLERANCE = 0.01
# rows recomputed at a time, so that memory stays small where most rows are
CHUNK_ROWS = 8192


def refine(
    probabilities: FloatArray,
    values: FloatArray,
    network: Network,
    parameters: Parameters,
    scaling: Scaling,
    x: NDArray[Any],
) -> None:
    """Replace, in place, the probabilities that float32 may have rounded by more than 5e-7.

    Rows that overflow in float32 are recomputed too, since they may not in float64.

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
        largest = np.maximum(np.maximum.reduce(np.abs(values)), MIN_LARGEST_LOGIT)
        unsure = np.flatnonzero(~(slopes * largest <= MAX_SENSITIVITY))
    if not unsure.size:
        return
    if len(unsure) > CHUNK_ROWS:
        # converted once
        parameters = copy_parameters(parameters, np.float64)
    for start in range(0, len(unsure), CHUNK_ROWS):
        rows = unsure[start : start + CHUNK_ROWS]
        again = logits(parameters, network.activations, scaling, x[rows], dtype=np.float64)
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
        Few, and mostly empty. Rows with an infinite logit or NaN are included: float64 may not overflow.
    """
    # features first, since reducing along rows of a few numbers is slow
    columns = np.ascontiguousarray(values.T)
    if np.count_nonzero(np.isfinite(columns)) < columns.size:
        finite = np.isfinite(columns).all(axis=0)
        close = np.flatnonzero(finite)[close_rows(values[finite], output)]
        return np.sort(np.concatenate([np.flatnonzero(~finite), close]))
    if output == "sigmoid":
        near = np.abs(columns) < QUICK_TOLERANCE
        rows = np.flatnonzero(near.any(axis=0))
        distances = np.abs(columns[:, rows]).min(axis=0)
    else:
        near = columns >= np.maximum.reduce(columns) - QUICK_TOLERANCE
        # counting all at once is quicker than by row, and mostly enough: each row has its own best
        if np.count_nonzero(near) <= len(values):
            return np.empty(0, np.intp)
        rows = np.flatnonzero(np.add.reduce(near, dtype=np.intp) > 1)
        second, best = np.partition(columns[:, rows], (-2, -1), axis=0)[-2:]
        distances = best - second
    closest: Rows = rows[
        distances < TIE_TOLERANCE * np.maximum(np.abs(columns[:, rows]).max(axis=0), MIN_LARGEST_LOGIT)
    ]
    return closest
