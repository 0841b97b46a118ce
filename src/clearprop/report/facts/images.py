"""Small images of the report: PNG in base64 to pixel arrays, and pixel arrays to PNG in base64."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearprop.utils.errors import StudyError


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One small image: a PNG in base64, its alternative text and a caption."""

    image: str
    alt: str
    caption: tuple[str, ...] = ()


def decoded(image: str) -> NDArray[np.uint8]:
    """Return a PNG in base64 as gray levels.

    Parameters
    ----------
    image : str

    Returns
    -------
    ndarray (height, width) of uint8

    Raises
    ------
    StudyError
        If it is not an image.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(image, validate=True))) as picture:
            return np.asarray(picture.convert("L"))
    except (OSError, ValueError):
        raise StudyError(
            "results.json is damaged: one of its images is no PNG; run the study again."
        ) from None


def encoded(image: NDArray[np.uint8]) -> str:
    """Return pixels as a PNG in base64.

    Parameters
    ----------
    image : ndarray (height, width, 4) of uint8
        Red, green, blue and opacity.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
