"""Calibration: whether of all rows a model is 90% sure of, 90% are right.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.display.text import folded, table_lines
from clearprop.utils.errors import InvalidArgument

N_BINS = 15


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The rows whose confidence lies in one interval.

    Attributes
    ----------
    low, high : float
        The interval, without its lower end and with its upper end.
    rows : int
        How many; at least one.
    confidence : float
        The mean probability given to the predicted class.
    accuracy : float
        The share predicted right; a calibrated model has it equal to the confidence.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def calibration_bins(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], n_bins: int = N_BINS
) -> tuple[CalibrationBin, ...]:
    """Group rows by confidence: the points of a reliability diagram (Guo et al. 2017, section 2).

    Parameters
    ----------
    confidence : ndarray (n,) of float
        The probability each row's predicted class was given, from 0 to 1.
    correct : ndarray (n,) of bool
        Whether that class is the true one.
    n_bins : int, default 15
        Intervals ((m - 1) / n_bins, m / n_bins] of equal width.

    Returns
    -------
    tuple of CalibrationBin
        Those that have rows, from the least confident to the most.

    Raises
    ------
    InvalidArgument
        If a confidence is NaN or infinite, and so no probability.
    """
    if not np.isfinite(confidence).all():
        raise InvalidArgument(
            "confidence holds NaN or infinite numbers, but must hold probabilities; leave those rows out."
        )
    # rounding in float32 can lift a sum of probabilities a little above 1
    confidence = np.clip(confidence.astype(np.float64), 0, 1)
    edges = np.linspace(0, 1, n_bins + 1)
    # as scikit-learn's calibration_curve has them: the lower end of an interval belongs to the one before
    bins = np.searchsorted(edges[1:-1], confidence)
    counts, confidences, hits = (
        np.bincount(bins, weights=weights, minlength=n_bins) for weights in (None, confidence, correct)
    )
    return tuple(
        CalibrationBin(
            float(edges[m]),
            float(edges[m + 1]),
            int(counts[m]),
            float(confidences[m] / counts[m]),
            float(hits[m] / counts[m]),
        )
        for m in np.flatnonzero(counts)
    )


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Return the mean distance of accuracy and confidence: Σ rows / n |accuracy - confidence|.

    Parameters
    ----------
    bins : sequence of CalibrationBin
        With at least one row in all.

    Returns
    -------
    float
        From 0, calibrated, to 1 (Guo et al. 2017, equation 3).
    """
    n_rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.accuracy - each.confidence) for each in bins) / n_rows


def calibration_text(bins: Sequence[CalibrationBin], width: int | None = None) -> str:
    """Return the bins as a table, and the expected calibration error over it.

    Parameters
    ----------
    bins : sequence of CalibrationBin
    width : int or None
        Columns there are; None is no limit.
    """
    error = expected_calibration_error(bins)
    rows = [
        (
            f"{each.low:.2f} to {each.high:.2f}",
            f"{each.rows:7,}  {each.confidence:6.3f}  {each.accuracy:8.3f}  "
            f"{each.accuracy - each.confidence:+6.3f}",
        )
        for each in bins
    ]
    return "\n".join(
        [
            *folded(
                f"Calibration: expected calibration error {error:.4f}, the mean gap over all rows", width
            ),
            *table_lines(
                [("confidence", f"{'rows':>7}  {'mean':>6}  {'accuracy':>8}  {'gap':>6}"), *rows], width
            ),
        ]
    )
