"""Ink on paper: segmentation of a drawing from its background, in scans and photographs.

Average a large picture down (``shrink``); estimate the brightness of the paper by a least-squares surface
(``paper_levels``); decide whether ink is darker or lighter, separate strong from faint ink by Otsu's
threshold, and keep the connected parts that are large enough (``find_ink``); cut the picture down to them
(``crop``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

# pixels; enough that a digit of a twentieth of the picture's side keeps as much detail as in MNIST
MAX_SIDE = 400
# ink differs from the paper by at least so many standard deviations of the paper's noise, and so many levels
NOISE_DEVIATIONS = 6.0
MIN_CONTRAST = 6.0
# the faintest ink, beside the darkest, that still belongs to a stroke
MIN_STROKE_SHARE = 0.05
# a blot of less than this share of the largest part is dust, and no part of the digit
MIN_PART_SHARE = 0.03


def shrink(grey: Grey) -> Floats:
    """Average a large picture down, so that the later steps need the same time and memory for any size.

    Parameters
    ----------
    grey : ndarray (height, width) of uint8

    Returns
    -------
    ndarray (at most 400, at most 400) of float32
        Each pixel the mean of k by k pixels; a smaller picture stays as it is.
    """
    from PIL import Image

    k = -(-max(grey.shape) // MAX_SIDE)
    return np.asarray(Image.fromarray(grey).reduce(k), np.float32)


def paper_levels(grey: Floats) -> Floats:
    """Estimate the grey levels of the paper, everywhere, from the margin of a picture.

    The levels are a surface of degree 2 in x and y, so that a lamp at one side, or darker corners, do not
    pass for ink. It is fitted by least squares to the outer twentieth; pixels more than three standard
    deviations away (ink that reaches the margin) are left out, and the fit repeated.

    Parameters
    ----------
    grey : ndarray (height, width) of float32

    Returns
    -------
    ndarray (height, width) of float32
    """
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in grey.shape)
    edge = np.nonzero(margin(grey.shape))
    # some thousand pixels fix six coefficients as well as all of them
    some = slice(None, None, 1 + edge[0].size // 2000)
    rows, columns = edge[0][some], edge[1][some]
    levels = grey[rows, columns].astype(np.float64)
    terms = _terms(y[rows], x[columns])
    coefficients = np.array([np.median(levels), 0, 0, 0, 0, 0])
    at_edge = np.stack(np.broadcast_arrays(*terms), axis=-1).astype(np.float64)
    for _ in range(4):
        away = np.abs(levels - at_edge @ coefficients)
        near = away <= max(3 * _deviation(away), 2.0)
        # the normal equations: well conditioned for x and y in -1..1, and lstsq copes with a single row
        gram = at_edge[near].T @ at_edge[near]
        coefficients = np.linalg.lstsq(gram, at_edge[near].T @ levels[near], rcond=None)[0]
    surface = np.zeros_like(grey)
    for coefficient, term in zip(coefficients.astype(np.float32), _terms(y[:, np.newaxis], x), strict=True):
        surface += coefficient * term
    return surface


def margin(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask, (height, width) of bool, of the outer twentieth of a picture, a pixel at the least."""
    mask = np.ones(shape, dtype=bool)
    band = max(1, min(shape) // 20)
    mask[band:-band, band:-band] = False
    return mask


def find_ink(grey: Floats) -> Floats:
    """Return how much ink each pixel has, on paper lighter or darker than the ink.

    Pixels that differ from the paper by more than its noise are ink or blemish; the side, darker or lighter,
    that differs more in total is the ink (polarity). Otsu's threshold separates strong from faint ink.
    Connected parts with strong ink are kept, down to their faint edges; parts much smaller than the largest
    are dust.

    Parameters
    ----------
    grey : ndarray (height, width) of float32

    Returns
    -------
    ndarray (height, width) of float32
        0 where there is no ink, 1 where a stroke is full; all 0 if nothing can be seen.
    """
    from scipy import ndimage

    ink = grey - paper_levels(grey)
    # the mean of a small neighbourhood decides, so that a single noisy pixel does not count as ink
    side = max(1, round(max(grey.shape) / 100))
    calm = ndimage.uniform_filter(ink, side) if side > 1 else ink
    least = max(NOISE_DEVIATIONS * _deviation(calm[margin(grey.shape)]), MIN_CONTRAST)
    found = np.zeros_like(grey)
    seen = np.abs(calm) > least
    if not seen.any():
        return found
    # only this rectangle needs the rest of the work, and in most pictures it is small
    where = _extent(seen)
    ink, calm, seen = ink[where], calm[where], seen[where]
    if calm[seen].sum() < 0:
        ink, calm = -ink, -calm
    strong = calm > otsu_threshold(calm[calm > least])
    full = float(np.percentile(ink[strong], 90))
    # the faint edge of a stroke may reach one pixel beyond this rectangle; losing that pixel does no harm
    parts, _ = ndimage.label(calm > max(0.75 * least, MIN_STROKE_SHARE * full), np.ones((3, 3)))
    amounts = np.bincount(parts.ravel(), np.where(strong, calm, 0).ravel())
    # number 0 is the paper
    amounts[0] = 0
    kept = amounts > MIN_PART_SHARE * amounts.max()
    found[where] = np.where(kept[parts], np.clip(ink / full, 0, 1), 0)
    return found


def otsu_threshold(values: Floats) -> float:
    """Return the threshold that separates values into two classes with the greatest variance between them.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man and
    Cybernetics 9 (1979): the variance between the classes is w0 w1 (m0 - m1)².

    Parameters
    ----------
    values : ndarray (n,) of float, n at least 1

    Returns
    -------
    float
        Below the greatest value; just below it where all are the same.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return float(np.nextafter(np.float32(low), np.float32(-np.inf)))
    counts, edges = np.histogram(values, 256, (low, high))
    weight = np.cumsum(counts)[:-1]
    total = np.cumsum(counts * edges[:-1])
    other = values.size - weight
    apart = total[:-1] / weight - (total[-1] - total[:-1]) / other
    return float(edges[1 + np.argmax(weight * other * apart**2)])


def crop(ink: Floats) -> Floats:
    """Cut a picture down to its ink.

    Parameters
    ----------
    ink : ndarray (height, width) of float32
        Above 0 somewhere.

    Returns
    -------
    ndarray (h, w) of float32
        A view of the smallest rectangle that holds everything above 0.
    """
    return ink[_extent(ink > 0)]


def _extent(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the smallest rectangle that holds everything true."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _terms(y: Floats, x: Floats) -> list[Floats]:
    """Return the terms of a surface of degree 2."""
    return [np.ones_like(x), y, x, y * x, y * y, x * x]


def _deviation(away: NDArray[np.floating[Any]]) -> float:
    """Return the standard deviation of noise, by its quartile: ink on the other pixels does not move it."""
    # a quarter of all normal deviates lie within 0.3186 standard deviations
    return float(np.percentile(np.abs(away), 25)) / 0.3186
