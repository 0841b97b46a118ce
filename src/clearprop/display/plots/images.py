"""Figures made of small images: samples, mistakes, and the weights of the first layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from clearprop.display.plots.style import SERIES, SMALL, WIDTH, Drawing, drawing, shortened

MOST_UNITS = 32
MOST_LINES = 40
#: With at least this share of black pixels, images count as strokes on a black ground.
MIN_BLACK_SHARE = 0.25


def plot_mistakes(images: Sequence[NDArray[Any]], captions: Sequence[tuple[str, str, float]]) -> Drawing:
    """Draw misclassified rows.

    Parameters
    ----------
    images : sequence of ndarray (height, width)
    captions : sequence of (str, str, float)
        True name, predicted name and the probability given to the prediction; the caption reads
        "true → predicted".

    Returns
    -------
    matplotlib.figure.Figure
        Four images a row.
    """
    columns = 4
    rows = max(1, -(-len(images) // columns))
    ink = on_black(images)
    with drawing():
        # one axes for all images: one for each image would take ten times as long to draw
        figure, axes = _sheet(1.15 * columns, 1.62 * rows)
        axes.set_xlim(0, columns)
        axes.set_ylim(rows, 0)
        axes.set_aspect("auto")
        for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
            row, column = divmod(number, columns)
            picture = np.asarray(image)
            height, width = (side / max(picture.shape) for side in picture.shape)
            # the caption takes part of the height of a cell
            left, top, across, down = column + 0.5 - 0.44 * width, row + 0.3, 0.88 * width, 0.625 * height
            _show(axes, picture, ink, extent=(left, left + across, top + down, top))
            truth, prediction, confidence = caption
            arrow = " → " if len(truth + prediction) <= 8 else "\n→ "
            axes.text(
                column + 0.5,
                top - 0.03,
                f"{shortened(truth)}{arrow}{shortened(prediction)}\n{percent(confidence)}",
                ha="center",
                va="bottom",
                fontsize=SMALL - 0.5,
                linespacing=1.1,
            )
        if not images:
            axes.text(0, 0.5, "No mistakes.")
    return figure


def percent(confidence: float) -> str:
    """Return a probability in percent; only exactly 1 is shown as 100 %."""
    return f"{min(100 * confidence, 99.9):.1f} %" if confidence < 1 else "100 %"


def plot_samples(images: Sequence[Sequence[NDArray[Any]]], class_names: Sequence[str]) -> Drawing:
    """Draw a few rows of each class.

    Parameters
    ----------
    images : sequence of sequences of ndarray (height, width)
        The images of each class, all of one size.
    class_names : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
        One line for each class, at most 40.
    """
    images, class_names = images[:MOST_LINES], class_names[:MOST_LINES]
    height, width = next(np.shape(image) for row in images for image in row)
    longest = max(len(row) for row in images)
    tiles = np.full((len(images), longest, height, width), np.nan)
    for line, row in enumerate(images):
        for place, image in enumerate(row):
            tiles[line, place] = image
    picture = mosaic(tiles[..., np.newaxis], longest)[..., 0]
    # a fifth of the width, left of the images, is for the names
    margin = 0.25 * picture.shape[1]
    with drawing():
        figure, axes = _sheet(WIDTH, WIDTH * picture.shape[0] / (picture.shape[1] + margin))
        _show(axes, picture, on_black(list(tiles)))
        axes.set_xlim(-margin, picture.shape[1])
        for line, name in enumerate(class_names):
            middle = (height + 1) * line + height / 2
            axes.text(-margin, middle, shortened(name), va="center", fontsize=SMALL)
    return figure


def plot_first_layer(
    weight: NDArray[np.floating[Any]], image_shape: tuple[int, int], count: int = MOST_UNITS
) -> Drawing:
    """Draw the weights of the first layer as images, one for each unit.

    Parameters
    ----------
    weight : ndarray (fan_in, fan_out)
        fan_in is height times width.
    image_shape : (int, int)
        Height and width.
    count : int, default 32
        The maximum number of units; those with the largest weights are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Blue for positive weights, orange for negative, each unit on its own scale.
    """
    units = strongest_units(weight, count)
    tiles = weight_images(weight, image_shape, units)
    columns = min(8, len(units))
    picture = mosaic(tiles, columns)
    with drawing():
        figure, axes = _sheet(WIDTH, WIDTH * picture.shape[0] / picture.shape[1])
        axes.imshow(picture, interpolation="nearest")
    return figure


def strongest_units(weight: NDArray[np.floating[Any]], count: int = MOST_UNITS) -> NDArray[np.int64]:
    """Return the numbers of the units with the largest weights, ``(at most count,)``, largest first.

    Parameters
    ----------
    weight : ndarray (fan_in, fan_out)
    count : int, default 32
    """
    norms = np.linalg.norm(weight.astype(np.float64), axis=0)
    return np.argsort(-norms, kind="stable")[:count]


def weight_images(
    weight: NDArray[np.floating[Any]], image_shape: tuple[int, int], units: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the weights into some units as images.

    Parameters
    ----------
    weight : ndarray (fan_in, fan_out)
    image_shape : (int, int)
        Height and width.
    units : ndarray (n,) of int64

    Returns
    -------
    ndarray (n, height, width, 4) of uint8
        Red, green, blue and opacity: blue for positive, orange for negative, more opaque for larger
        weights; zero is transparent.
    """
    chosen = weight[:, units].T.astype(np.float64)
    share = chosen / np.maximum(np.abs(chosen).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    signs = np.where(share[..., np.newaxis] > 0, to_rgb(SERIES[0]), to_rgb(SERIES[1]))
    colors = np.concatenate([signs, np.abs(share)[..., np.newaxis]], axis=-1)
    images: NDArray[np.uint8] = np.rint(255 * colors).astype(np.uint8)
    return images.reshape(len(units), *image_shape, 4)


def mosaic(tiles: NDArray[Any], columns: int) -> NDArray[Any]:
    """Lay images side by side with a gap of one pixel.

    Parameters
    ----------
    tiles : ndarray (..., height, width, channels)
        From left to right, then downwards.
    columns : int
        Images a line.

    Returns
    -------
    ndarray (pixel rows, pixel columns, channels)
        Gaps are zero, or NaN in an array of floats.
    """
    height, width, channels = tiles.shape[-3:]
    tiles = tiles.reshape(-1, height, width, channels)
    lines = -(-len(tiles) // columns)
    empty: Any = np.nan if tiles.dtype.kind == "f" else 0
    sheet = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1, channels), empty, tiles.dtype)
    for number, tile in enumerate(tiles):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def on_black(images: Sequence[NDArray[Any]]) -> bool:
    """Tell whether images are bright strokes on black, to be drawn as ink on paper, rather than pictures.

    Parameters
    ----------
    images : sequence of ndarray
        Gray levels; black is 0, and NaN is ignored.
    """
    pixels = [np.asarray(image)[~np.isnan(image)] for image in images]
    return bool(images) and float(np.mean(np.concatenate(pixels) == 0)) >= MIN_BLACK_SHARE


def _sheet(width: float, height: float) -> tuple[Drawing, Axes]:
    """Return a figure, its size in inches, with one plot that fills it and shows no axes."""
    figure = Drawing(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _show(axes: Axes, image: NDArray[Any], ink: bool, **place: Any) -> None:
    axes.imshow(image, cmap="gray_r" if ink else "gray", interpolation="nearest", aspect="auto", **place)
