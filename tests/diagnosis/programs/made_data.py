"""Synthetic rows in the style of small first projects: logic gates, curves, tables, images, windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .real_data import Rows, split

GATE_INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


def gate(outputs: tuple[int, int, int, int]) -> Rows:
    """Return the four rows of a logic gate, which are also the rows it is judged by."""
    y = np.array(outputs, np.float32)
    return Rows(GATE_INPUTS, y, (GATE_INPUTS, y))


def parity(n_bits: int) -> Rows:
    """Return all rows of so many bits, and whether an odd number of them is set; judged by the same rows."""
    x = ((np.arange(2**n_bits)[:, None] >> np.arange(n_bits)) & 1).astype(np.float32)
    y = x.sum(axis=1) % 2
    return Rows(x, y, (x, y))


def curve(function, low: float, high: float, n: int, noise: float = 0.0, seed: int = 0) -> Rows:
    """Return points of a function of one number, as columns ``(n, 1)``."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, (n, 1))
    y = function(x) + noise * rng.normal(size=x.shape)
    return split(x, y, 0.75, seed)


def two_moons(n: int = 600, noise: float = 0.15, seed: int = 0) -> Rows:
    """Two interleaved half circles."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    angle = rng.uniform(0, np.pi, n)
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    x[y == 1] = [1.0, 0.5] - x[y == 1]
    return split(x + noise * rng.normal(size=x.shape), y, 0.7, seed)


def rings(n: int = 600, n_rings: int = 2, noise: float = 0.08, seed: int = 0) -> Rows:
    """Circles around one centre, a class each."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_rings
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = (y + 1) / n_rings + noise * rng.normal(size=n)
    return split(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y, 0.7, seed)


def spirals(n: int = 900, arms: int = 3, noise: float = 0.12, seed: int = 0) -> Rows:
    """Spiral arms, a class each."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % arms
    radius = np.sqrt(rng.uniform(0.02, 1, n))
    angle = 2 * np.pi * y / arms + 4 * radius + noise * rng.normal(size=n)
    return split(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y, 0.7, seed)


def blobs(n: int, features: int, n_classes: int, spread: float = 1.0, seed: int = 0) -> Rows:
    """Normal clouds around random centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (n_classes, features))
    y = rng.integers(0, n_classes, n)
    return split(centres[y] + spread * rng.normal(size=(n, features)), y, 0.7, seed)


def clinic(n: int = 768, seed: int = 0) -> Rows:
    """Eight clinical measurements with their units, and whether a patient fell ill."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [
            rng.poisson(3, n),
            rng.normal(120, 30, n).clip(50),
            rng.normal(70, 12, n),
            rng.normal(25, 9, n).clip(5),
            rng.gamma(2, 60, n),
            rng.normal(32, 7, n),
            rng.gamma(2, 0.24, n),
            rng.integers(21, 75, n),
        ]
    )
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    risk = standard @ np.array([0.3, 2.2, 0.1, 0.0, 0.3, 1.2, 0.6, 0.9]) - 0.5
    return split(x, (risk + 0.6 * rng.normal(size=n) > 0).astype(int), 0.7, seed)


def houses(n: int = 1000, seed: int = 0) -> Rows:
    """Area in square feet, rooms, age and distance; the price in dollars as ``(n, 1)``."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(500, 4000, n)
    rooms = np.round(area / 600 + rng.normal(0, 0.8, n)).clip(1)
    age, distance = rng.uniform(0, 90, n), rng.uniform(0.5, 30, n)
    price = 60_000 + 130 * area + 9_000 * rooms - 900 * age + 150_000 * np.exp(-distance / 6)
    price += 15_000 * rng.normal(size=n)
    return split(np.column_stack([area, rooms, age, distance]), price[:, None], 0.75, seed)


def rentals(n: int = 1500, seed: int = 0) -> Rows:
    """Hour, temperature, wind and holiday, from 0 to 1; bicycles rented, a count."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (n, 4))
    x[:, 3] = x[:, 3] > 0.8
    rate = 1.2 + 1.5 * np.sin(2 * np.pi * (x[:, 0] - 0.3)) + 1.4 * x[:, 1] - 0.8 * x[:, 2] - 0.5 * x[:, 3]
    return split(x, rng.poisson(np.exp(rate)).astype(np.float64), 0.7, seed)


def recordings(n: int = 1200, n_classes: int = 6, seed: int = 0) -> Rows:
    """Forty coefficients of sounds: the first near -300, the others of falling size."""
    rng = np.random.default_rng(seed)
    sizes = 90 / (1 + np.arange(40)) ** 0.8
    centres = rng.normal(0, 0.9, (n_classes, 40)) * sizes
    centres[:, 0] -= 300
    y = rng.integers(0, n_classes, n)
    return split(centres[y] + sizes * rng.normal(0, 1.3, (n, 40)), y, 0.7, seed)


def shapes(n: int = 600, side: int = 20, seed: int = 0) -> Rows:
    """Flattened grey images from 0 to 255 of squares (0) and of crosses (1)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    images = rng.integers(0, 60, (n, side, side)).astype(np.float64)
    for image, is_cross in zip(images, y, strict=True):
        size = int(rng.integers(side // 3, side // 2 + 1))
        top, left = (side - size) // 2 + rng.integers(-1, 2, 2)
        patch = image[top : top + size, left : left + size]
        bright = rng.uniform(140, 255)
        if is_cross:
            patch[size // 2, :] = bright
            patch[:, size // 2] = bright
        else:
            patch[[0, -1], :] = bright
            patch[:, [0, -1]] = bright
    return split(images.reshape(n, -1), y, 0.7, seed)


def windows(n: int = 800, width: int = 12, size: float = 1.0, seed: int = 0) -> Rows:
    """Windows of a noisy sum of two waves, and the value that follows each as ``(n, 1)``."""
    rng = np.random.default_rng(seed)
    time = np.arange(n + width)
    series = np.sin(time / 5) + 0.5 * np.sin(time / 2.3 + 1) + 0.1 * rng.normal(size=len(time))
    x = np.lib.stride_tricks.sliding_window_view(size * series, width)[:n]
    return split(x, size * series[width:, None], 0.7, seed)


def fizz_buzz() -> Rows:
    """Numbers to 1,023 as ten bits; 0 as it is, 1 fizz, 2 buzz, 3 fizzbuzz. Held out: 1 to 100."""
    numbers = np.arange(1, 1024)
    bits = (numbers[:, None] >> np.arange(10)) & 1
    y = (numbers % 3 == 0) + 2 * (numbers % 5 == 0)
    held_out = numbers <= 100
    return Rows(bits[~held_out].astype(float), y[~held_out], (bits[held_out].astype(float), y[held_out]))


def tags(n: int = 900, features: int = 20, n_labels: int = 5, seed: int = 0) -> Rows:
    """Rows with several yes-or-no labels each, ``(n, n_labels)``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    scores = x @ rng.normal(size=(features, n_labels)) + 0.5 * rng.normal(size=(n, n_labels))
    return split(x, (scores > 1.5).astype(np.float32), 0.7, seed)


def reviews(n: int = 900, words: int = 800, seed: int = 0) -> Rows:
    """Counts of words in short texts, and whether the text is kind."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    base = rng.gamma(0.3, 1.0, words) * 0.1
    tone = np.exp(np.where(rng.random(words) < 0.15, rng.normal(0, 1.3, words), 0))
    return split(rng.poisson(base * np.where(y[:, None] == 1, tone, 1 / tone)).astype(float), y, 0.7, seed)


def payments(n: int = 4000, share: float = 0.03, seed: int = 0) -> Rows:
    """Twelve columns of payments, a few per cent of which are fraud."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    shift = rng.normal(0, 0.75, 12)
    return split(rng.normal(size=(n, 12)) + y[:, None] * shift, y, 0.6, seed)


def linear(n: int, features: int, informative: int, noise: float, seed: int = 0) -> Rows:
    """A number that depends linearly on a few of many columns; 400 more rows are held out."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 400, features))
    y = x[:, :informative] @ rng.normal(size=informative) + noise * rng.normal(size=n + 400)
    return Rows(x[:n], y[:n, None], (x[n:], y[n:, None]))


def without_some(y: NDArray, share: float, n_classes: int, seed: int = 0) -> NDArray:
    """Return class numbers of which a share is drawn anew at random."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(y)) < share, rng.integers(0, n_classes, len(y)), y)
