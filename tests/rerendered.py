"""Digits of MNIST made again into what people have: scans, photographs and drawings, in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from scipy.ndimage import distance_transform_edt, maximum_filter

SIDE, INNER = 300, 220
SMOOTH = Image.Resampling.BICUBIC


def enlarged(digit: np.ndarray) -> Image.Image:
    """White on black, 300x300, with margins that are not the same on all sides."""
    page = Image.new("L", (SIDE, SIDE))
    page.paste(Image.fromarray(digit).resize((INNER, INNER), SMOOTH), (49, 33))
    return page


def inverted(digit: np.ndarray) -> Image.Image:
    return ImageOps.invert(enlarged(digit))


def rotated(digit: np.ndarray) -> Image.Image:
    return enlarged(digit).rotate(5, SMOOTH)


def see_through(digit: np.ndarray) -> Image.Image:
    """Dark blue ink on nothing at all."""
    page = Image.new("RGBA", (SIDE, SIDE), (20, 30, 120, 0))
    page.putalpha(enlarged(digit))
    return page


def stroke(digit: np.ndarray, width: float) -> Image.Image:
    """The middle line of the strokes, drawn again with a pen of another width, in pixels of 300."""
    inside = distance_transform_edt(np.asarray(enlarged(digit)) > 100)
    line = (inside >= maximum_filter(inside, 5) - 0.01) & (inside > 2)
    return Image.fromarray(np.where(distance_transform_edt(~line) <= width / 2, 30, 255).astype(np.uint8))


def thin(digit: np.ndarray) -> Image.Image:
    return stroke(digit, 6)


def thick(digit: np.ndarray) -> Image.Image:
    """Strokes that are 12 pixels wider than they were."""
    outside = distance_transform_edt(np.asarray(enlarged(digit)) <= 100)
    return Image.fromarray(np.where(outside <= 6, 30, 255).astype(np.uint8))


def faint(digit: np.ndarray) -> Image.Image:
    """A pencil 30 grey levels darker than its grey paper."""
    return enlarged(digit).point(lambda level: 140 - level * 30 // 255)


def lamp(digit: np.ndarray) -> Image.Image:
    """Lit from one side: the far corner of the paper is darker than the ink in the near one."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    paper = 245 - 180 * (0.7 * x + 0.3 * y)
    return Image.fromarray((paper * (1 - 0.75 * np.asarray(enlarged(digit)) / 255)).astype(np.uint8))


def noisy(digit: np.ndarray) -> Image.Image:
    """Noise of a standard deviation of 40 grey levels, a fifth of the contrast."""
    rng = np.random.default_rng(int(digit.sum()))
    levels = 215 - np.asarray(enlarged(digit)) * 0.7 + rng.normal(0, 40, (SIDE, SIDE))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def photograph(digit: np.ndarray) -> Image.Image:
    """Lit from one side, little contrast, some noise, out of focus, in colour."""
    rng = np.random.default_rng(int(digit.sum()))
    levels = np.asarray(lamp(digit)) * 0.6 + 50 + rng.normal(0, 12, (SIDE, SIDE))
    grey = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    return ImageOps.colorize(grey, "#101840", "#fff4e0").filter(ImageFilter.GaussianBlur(1.5))


#: What the issue of real images asks for: each must stay above 95% for a model of 98%.
REQUIRED: dict[str, tuple[Callable[[np.ndarray], Image.Image], str, dict[str, Any]]] = {
    "enlarged": (enlarged, "png", {"compress_level": 1}),
    "inverted": (inverted, "bmp", {}),
    "rotated": (rotated, "png", {"compress_level": 1}),
    "jpeg": (inverted, "jpg", {"quality": 60}),
    "rgba": (see_through, "png", {"compress_level": 1}),
}
#: What else people have.
HARDER: dict[str, tuple[Callable[[np.ndarray], Image.Image], str, dict[str, Any]]] = {
    "thin": (thin, "png", {"compress_level": 1}),
    "thick": (thick, "png", {"compress_level": 1}),
    "faint": (faint, "png", {"compress_level": 1}),
    "lamp": (lamp, "png", {"compress_level": 1}),
    "noisy": (noisy, "png", {"compress_level": 1}),
    "photograph": (photograph, "jpg", {"quality": 50}),
}


def write(variant: str, digit: np.ndarray, folder: Path) -> Path:
    """Write a digit, (784,) of uint8, as one of the variants, over what was written before."""
    render, ending, options = {**REQUIRED, **HARDER}[variant]
    path = folder / f"{variant}.{ending}"
    render(digit.reshape(28, 28)).save(path, **options)
    return path


def accuracy(model: Any, variant: str, x: np.ndarray, y: np.ndarray, folder: Path) -> float:
    """Return the share of rows that a model still knows after they have been a file of a variant.

    A file that is refused counts as a wrong prediction.
    """
    from clearprop.data.images.mnist_preparation import prepare_image
    from clearprop.utils.errors import DataError

    right = 0
    for start in range(0, len(x), 500):
        rows = []
        for digit in x[start : start + 500]:
            try:
                rows.append(prepare_image(write(variant, digit, folder)))
            except DataError:
                rows.append(np.zeros(784, np.uint8))
        refused = np.array([not row.any() for row in rows])
        known = model.predict(np.array(rows)) == y[start : start + 500]
        right += int(np.count_nonzero(known & ~refused))
    return right / len(x)
