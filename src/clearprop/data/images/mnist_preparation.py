"""A picture of a digit -> a row as in MNIST: crop to the ink, even the strokes, scale to a box, centre.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86 (1998), section III-A: the digits were "size normalized to fit in a 20x20 pixel
box while preserving their aspect ratio", with "grey levels as a result of the anti-aliasing", and "the images
were centered in a 28x28 image by computing the center of mass of the pixels, and translating the image so as
to position this point at the center". The paper starts from clean scans; ``ink`` finds the digit in any
scan or photograph first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.images.ink import Floats, Grey, crop, find_ink, shrink
from clearprop.data.images.read_image import grey_levels, read_grey, resize_grey, stretched
from clearprop.utils.arguments import check_choice, check_whole
from clearprop.utils.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from PIL.Image import Image

#: As in MNIST; the same, but filling the whole frame; or the whole picture stretched to the frame, as images
#: in a folder are.
PREPARATIONS = ("mnist", "fill", "stretch")
# ratio of the sides; a more elongated picture is a line and no digit
MAX_ASPECT_RATIO = 20
# the cropped digit is scaled to this many pixels for each pixel of its box before its strokes are measured
PIXELS_PER_BOX_PIXEL = 5
# quartiles of the stroke width in MNIST, in pixels
STROKE_WIDTHS = (2.2, 3.2)


def prepare_image(
    image: str | os.PathLike[str] | Image | NDArray[Any],
    image_shape: tuple[int, int] = (28, 28),
    *,
    preparation: str = "mnist",
) -> Grey:
    """Turn an image of a digit into a row of pixels for a network.

    Parameters
    ----------
    image : path-like, PIL.Image.Image, or ndarray (height, width) or (height, width, 3 or 4)
        A picture of one digit, of any size, colours and mode. Arrays hold grey levels or RGB(A); of uint8 as
        they are, of other numbers from the least (black) to the greatest (white).
    image_shape : (int, int), default (28, 28)
        Height and width of the images the network was trained on: ``model.image_shape``.
    preparation : str, default "mnist"
        ``"mnist"``: the digit light on black, in a box of 20/28 of the frame, its centre of mass in the
        middle. ``"fill"``: the same in a box as large as the frame. ``"stretch"``: the whole picture,
        stretched to the frame, as image folders are read.

    Returns
    -------
    ndarray (height * width,) of uint8
        So that ``model.predict(prepare_image("seven.png")[np.newaxis])`` works.

    Raises
    ------
    DataError
        If the image cannot be read, or shows no ink.
    InvalidArgument
        If the preparation is unknown, or the image shape is not two whole numbers from 1 to 4096.

    Examples
    --------
    >>> page = np.full((90, 60), 255)
    >>> page[20:70, 30:34] = 40
    >>> prepare_image(page).reshape(28, 28)[14, 12:16]
    array([  0, 255, 255,   0], dtype=uint8)
    """
    check_choice("preparation", preparation, PREPARATIONS)
    height, width = (check_whole("image_shape", side, minimum=1, maximum=4096) for side in image_shape)
    name = str(image) if isinstance(image, (str, os.PathLike)) else "The image"
    grey = _grey(image, paper=255 if preparation == "stretch" else None)
    if preparation == "stretch":
        return resize_grey(grey, (height, width)).flatten()
    if max(grey.shape) > MAX_ASPECT_RATIO * min(grey.shape):
        raise DataError(
            f"{name} is {grey.shape[1]:,} pixels wide and {grey.shape[0]:,} high, which is too narrow for a "
            "digit; crop it to the digit."
        )
    box = (height, width)
    if preparation == "mnist":
        box = (max(1, round(height * 20 / 28)), max(1, round(width * 20 / 28)))
    ink = find_ink(shrink(grey))
    if not ink.any():
        raise DataError(
            f"{name} shows nothing: no ink on it differs from the paper at its margin; give a picture of a "
            "digit with some paper around it."
        )
    digit = crop(ink)
    if preparation == "mnist":
        digit = even_strokes(digit, box)
    return centre(fit(digit, box), (height, width)).ravel()


def even_strokes(digit: Floats, box: tuple[int, int]) -> Floats:
    """Make strokes that are thinner or thicker than in MNIST as thick as in MNIST.

    The outline moves outwards or inwards by half the difference between the mean stroke width and MNIST's.
    The mean width of any long stroke is four times the mean distance of its ink to the outline.

    Parameters
    ----------
    digit : ndarray (h, w) of float32
        Cropped. One of fewer than 10 pixels for each 5 of the box has no room to measure a stroke in, and
        stays as it is.
    box : (int, int)
        Height and width of the box it will be scaled to; the strokes are meant for one of 20.

    Returns
    -------
    ndarray (h', w') of float32
        Cropped again.
    """
    from scipy.ndimage import distance_transform_edt

    if max(digit.shape) < 2 * max(box):
        return digit
    detail = PIXELS_PER_BOX_PIXEL * max(box)
    if max(digit.shape) > detail:
        digit = crop(fit(digit, (detail, detail)))
    # in pixels of a box of 20
    scale = max(digit.shape) / 20
    solid = np.pad(digit > 0.5, 1)
    inside = distance_transform_edt(solid)
    width = 4 * float(inside[solid].mean()) - 1
    move = (float(np.clip(width / scale, *STROKE_WIDTHS)) * scale - width) / 2
    if move == 0:
        return digit
    reach = int(np.ceil(max(move, 0)))
    solid = np.pad(solid, reach)
    distance = distance_transform_edt(solid) - distance_transform_edt(~solid)
    moved = np.clip(distance + move + 0.5, 0, 1).astype(np.float32)
    return crop(moved) if moved.any() else digit


def fit(digit: Floats, box: tuple[int, int]) -> Floats:
    """Scale a digit to fit a box, keeping its aspect.

    Every new pixel is the mean of the area it covers (anti-aliasing). Averaging dims thin strokes, so they
    are made full white again.

    Parameters
    ----------
    digit : ndarray (h, w) of float32
        From 0 to 1.
    box : (int, int)

    Returns
    -------
    ndarray (h', w') of float32
        From 0 to 1, with h' = box[0] or w' = box[1], and neither larger.
    """
    from PIL import Image

    scale = min(box[0] / digit.shape[0], box[1] / digit.shape[1])
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    scaled = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BOX))
    white = np.percentile(scaled[scaled > scaled.max() / 2], 90)
    full: Floats = np.clip(scaled / white, 0, 1).astype(np.float32)
    return full


def centre(digit: Floats, image_shape: tuple[int, int]) -> Grey:
    """Put a digit into a black frame, its centre of mass on the pixel in the middle.

    Parameters
    ----------
    digit : ndarray (h, w) of float32
        From 0 to 1; not larger than the frame.
    image_shape : (int, int)
        Height and width of the frame.

    Returns
    -------
    ndarray (height, width) of uint8
        The digit is moved by whole pixels, and never out of the frame.
    """
    frame = np.zeros(image_shape, np.uint8)
    place = []
    for axis, (side, whole) in enumerate(zip(digit.shape, image_shape, strict=True)):
        mass = digit.sum(axis=1 - axis, dtype=np.float64)
        middle = float(mass @ np.arange(side) / mass.sum())
        start = int(np.clip(round(whole // 2 - middle), 0, whole - side))
        place.append(slice(start, start + side))
    frame[tuple(place)] = np.rint(digit * 255)
    return frame


def _grey(image: Any, paper: int | None) -> Grey:
    from PIL import Image

    if isinstance(image, (str, os.PathLike)):
        return read_grey(Path(image), paper=paper)
    if isinstance(image, Image.Image):
        return grey_levels(image, paper)
    pixels = np.asarray(image)
    colours = pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    if pixels.dtype.kind not in "buif" or pixels.size == 0 or not (pixels.ndim == 2 or colours):
        raise InvalidArgument(
            f"image is an array of shape {pixels.shape} and type {pixels.dtype}, but must be numbers of "
            "shape (height, width), or (height, width, 3 or 4) for colours."
        )
    if pixels.dtype != np.uint8:
        pixels = stretched(pixels)
    return grey_levels(Image.fromarray(np.ascontiguousarray(pixels)), paper)
