"""Rows as small pictures: PNG for pages, characters for terminals."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

# from black to white, in ASCII, which every terminal has
SHADES = " .:-=+*#%@"


def png_base64(row: NDArray[Any], image_shape: tuple[int, int]) -> str:
    """Return a row as a grayscale PNG.

    Parameters
    ----------
    row : ndarray (features,)
        uint8 pixels as they are; floats are stretched so that the least is black and the greatest white.
    image_shape : tuple of int
        (height, width), whose product is the number of features.

    Returns
    -------
    str
        The PNG file in base64.
    """
    from PIL import Image

    pixels = row
    if row.dtype != np.uint8:
        low, high = float(row.min()), float(row.max())
        pixels = ((row - low) * (255 / (high - low or 1.0))).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.reshape(image_shape)).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def shade_text(row: NDArray[np.uint8], image_shape: tuple[int, int]) -> str:
    """Return a row as a picture of characters, light where pixels are dark.

    Parameters
    ----------
    row : ndarray (features,) of uint8
    image_shape : tuple of int
        (height, width), whose product is the number of features.

    Returns
    -------
    str
        A line for each two rows of pixels, which a terminal shows about as high as it is wide.
    """
    height, width = image_shape
    pixels = np.zeros((height + height % 2, width))
    pixels[:height] = row.reshape(image_shape)
    levels = pixels.reshape(-1, 2, width).mean(axis=1) * (len(SHADES) - 1) / 255
    return "\n".join("".join(SHADES[round(level)] for level in line) for line in levels.tolist())
