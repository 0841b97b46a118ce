"""From a picture of a digit to a row as MNIST has them, one step a function.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86 (1998), section III-A: the digits were "size normalized to fit in a 20x20 pixel
box while preserving their aspect ratio", with "grey levels as a result of the anti-aliasing", and "the images
were centered in a 28x28 image by computing the center of mass of the pixels, and translating the image so as
to position this point at the center". What comes before that, a scan or a photograph has to find out first:
the paper, which of paper and ink is the lighter, and where the ink is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.images.read_image import grey_levels, read_grey, resize_grey, stretched
from clearprop.utils.arguments import check_choice, check_whole
from clearprop.utils.errors import DataError, InvalidArgument

if TYPE_CHECKING:
    from PIL.Image import Image

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

#: How an image can become a row: as the digits of MNIST, the same filling the whole frame, or stretched to
#: the frame as image folders are.
PREPARATIONS = ("mnist", "fill", "stretch")
# longer and narrower than this, a picture is a line and no digit
MOST_ELONGATED = 20
# what is averaged down to first: a digit that is a twentieth of the picture's side still has MNIST's detail
LONGEST_SIDE = 400
# the digit alone is brought to this many pixels for each pixel of its box before its strokes are measured
PIXELS_A_BOX_PIXEL = 5
# ink is what differs from the paper by so many standard deviations of the paper's noise, and so many levels
NOISE_DEVIATIONS = 6.0
LEAST_CONTRAST = 6.0
# the faintest ink, beside the darkest, that still belongs to a stroke
FAINTEST = 0.05
# a blot of less than this share of the largest part is dust, and no part of the digit
SMALLEST_PART = 0.03
# the middle half of the digits of MNIST has strokes of this width, in pixels
STROKES = (2.2, 3.2)


def prepare_image(
    image: str | os.PathLike[str] | Image | NDArray[Any],
    image_shape: tuple[int, int] = (28, 28),
    *,
    preparation: str = "mnist",
) -> Grey:
    """Make an image into a row for a network.

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
        If the image cannot be read, or nothing can be seen on it.
    InvalidArgument
        If the preparation has no such name, or the image shape is none.

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
    if max(grey.shape) > MOST_ELONGATED * min(grey.shape):
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


def shrink(grey: Grey) -> Floats:
    """Average a large picture down, so that what follows takes the same time and memory for any size.

    Parameters
    ----------
    grey : ndarray (height, width) of uint8

    Returns
    -------
    ndarray (at most 400, at most 400) of float32
        Each pixel the mean of k by k pixels; a smaller picture stays as it is.
    """
    from PIL import Image

    k = -(-max(grey.shape) // LONGEST_SIDE)
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
    """Find out where the ink is, and how much of it, on paper lighter or darker than the ink.

    What differs from the paper by more than its noise is ink or blemish; the side, darker or lighter, that
    differs more in total is the ink (polarity). Otsu's threshold parts strong from faint ink. What is kept
    are connected parts that have strong ink, down to their faint edges; parts much smaller than the largest
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
    # judged by the mean of a small neighbourhood, so that a single noisy pixel is no ink
    side = max(1, round(max(grey.shape) / 100))
    calm = ndimage.uniform_filter(ink, side) if side > 1 else ink
    least = max(NOISE_DEVIATIONS * _deviation(calm[margin(grey.shape)]), LEAST_CONTRAST)
    found = np.zeros_like(grey)
    seen = np.abs(calm) > least
    if not seen.any():
        return found
    # the rest is worked out where there is something, which for most pictures is a small part
    where = _extent(seen)
    ink, calm, seen = ink[where], calm[where], seen[where]
    if calm[seen].sum() < 0:
        ink, calm = -ink, -calm
    strong = calm > otsu_threshold(calm[calm > least])
    full = float(np.percentile(ink[strong], 90))
    # the fainter edge of a stroke may lie outside of what is seen by one pixel, which is no loss
    parts, _ = ndimage.label(calm > max(0.75 * least, FAINTEST * full), np.ones((3, 3)))
    amounts = np.bincount(parts.ravel(), np.where(strong, calm, 0).ravel())
    # number 0 is the paper
    amounts[0] = 0
    kept = amounts > SMALLEST_PART * amounts.max()
    found[where] = np.where(kept[parts], np.clip(ink / full, 0, 1), 0)
    return found


def otsu_threshold(values: Floats) -> float:
    """Return the threshold that parts values into two classes as far apart as can be.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man and
    Cybernetics 9 (1979): it makes the variance between the classes, w0 w1 (m0 - m1)², greatest.

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


def even_strokes(digit: Floats, box: tuple[int, int]) -> Floats:
    """Make strokes that are thinner, or thicker, than those of MNIST as thick as those are.

    The outline moves outwards or inwards by half of what the mean width of the strokes lacks. That width is
    four times the mean distance of the ink to its outline, which holds for any long stroke.

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
    detail = PIXELS_A_BOX_PIXEL * max(box)
    if max(digit.shape) > detail:
        digit = crop(fit(digit, (detail, detail)))
    # in pixels of a box of 20
    scale = max(digit.shape) / 20
    solid = np.pad(digit > 0.5, 1)
    inside = distance_transform_edt(solid)
    width = 4 * float(inside[solid].mean()) - 1
    move = (float(np.clip(width / scale, *STROKES)) * scale - width) / 2
    if move == 0:
        return digit
    reach = int(np.ceil(max(move, 0)))
    solid = np.pad(solid, reach)
    distance = distance_transform_edt(solid) - distance_transform_edt(~solid)
    moved = np.clip(distance + move + 0.5, 0, 1).astype(np.float32)
    return crop(moved) if moved.any() else digit


def fit(digit: Floats, box: tuple[int, int]) -> Floats:
    """Scale a digit to fit a box, keeping its aspect.

    Every new pixel is the mean of the area it covers (the anti-aliasing); then the strokes are made full
    white again, which averaging has dimmed where they are thin.

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
