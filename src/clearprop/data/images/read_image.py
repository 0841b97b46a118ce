"""An image file -> grey levels: safe decoding, and conversion of every pixel mode to grey."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.utils.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

#: The formats that may be decoded. Pillow decodes more, but some of them run other programs (EPS).
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM")
# more than any photograph to classify has; a header of a few bytes can claim billions
MAX_PIXELS = 50_000_000
# some decoders load the whole file into memory first; this is MAX_PIXELS of RGBA
MAX_BYTES = 200_000_000


def read_grey(path: Path, *, paper: int | None = None, deep: bool = True) -> NDArray[np.uint8]:
    """Read one image as grey levels, upright as its EXIF orientation says.

    Parameters
    ----------
    path : pathlib.Path
        A PNG, JPEG, BMP, GIF, TIFF, WebP or PPM file.
    paper : int or None, default None
        The grey level behind transparent pixels; by default ``grey_levels`` chooses it.
    deep : bool, default True
        Accept images of more than 8 bits a pixel, and stretch their range to 0..255.

    Returns
    -------
    ndarray (height, width) of uint8

    Raises
    ------
    DataError
        If there is no such file, or it is no image, damaged, animated, larger than 50 million pixels, or
        deeper than allowed. The number of pixels is checked before any is decoded.
    """
    # a pipe or a device could block, or never end
    if not os.path.isfile(path):
        if not os.path.exists(path):
            raise DataError(f"There is no image {path}; check the path.")
        raise DataError(f"{path} is {'a folder' if path.is_dir() else 'no file'}; give the image itself.")
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} has {path.stat().st_size:,} bytes; make it smaller.")
        # Pillow's warnings concern things that are checked here or do not change the pixels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                problem = _problem(image, deep)
                if problem is not None:
                    raise DataError(f"{path} {problem}.")
                return grey_levels(ImageOps.exif_transpose(image), paper, str(path))
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} claims to have too many pixels; make it smaller.") from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path} is damaged, or no image of a kind that is read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM)."
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.strerror is not None:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        # on a damaged file, Pillow's decoders may raise any exception
        raise DataError(f"{path} is damaged, or no image: {str(error).rstrip('.')}.") from error


def grey_levels(image: Image, paper: int | None = None, name: str = "The image") -> NDArray[np.uint8]:
    """Return the grey levels of an image of any mode.

    Colours become their luminance 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Integers of more than 8 bits,
    and floats, are stretched so that the least is 0 and the greatest 255.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode: 1, L, LA, P, RGB, RGBA, CMYK, YCbCr, LAB, HSV, I, I;16, F.
    paper : int or None, default None
        The grey level behind transparent pixels. None chooses the one with more contrast: white behind dark
        pixels, black behind light ones.
    name : str
        The name of the image in error messages.

    Returns
    -------
    ndarray (height, width) of uint8

    Raises
    ------
    DataError
        If a pixel is NaN or infinite.
    """
    if image.mode[0] in "IF":
        return stretched(np.asarray(image), name)
    if image.mode == "LAB":
        return np.asarray(image.getchannel("L"))
    if image.has_transparency_data:
        image = on_paper(image.convert("RGBA"), paper)
    elif image.mode == "HSV":
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def on_paper(image: Image, paper: int | None = None) -> Image:
    """Composite an image over a background of one grey level.

    Parameters
    ----------
    image : PIL.Image.Image
        Of mode RGBA.
    paper : int or None, default None
        The grey level; None means black if the opaque part is light on average, else white.

    Returns
    -------
    PIL.Image.Image
        Of mode RGBA, opaque.
    """
    from PIL import Image as Images

    if paper is None:
        grey, opacity = np.asarray(image.convert("L")), np.asarray(image.getchannel("A"))
        light = np.einsum("ij,ij->", grey, opacity, dtype=np.int64)
        paper = 0 if light > 127 * opacity.sum(dtype=np.int64) else 255
    return Images.alpha_composite(Images.new("RGBA", image.size, (paper, paper, paper, 255)), image)


def stretched(values: NDArray[Any], name: str = "The image") -> NDArray[np.uint8]:
    """Return numbers of any range as grey levels: the least becomes 0, the greatest 255.

    Parameters
    ----------
    values : ndarray (height, width) of bool, int or float
    name : str
        The name of the image in error messages.

    Returns
    -------
    ndarray (height, width) of uint8
        All 0 where all values are the same.

    Raises
    ------
    DataError
        If a value is NaN or infinite.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise DataError(f"{name} holds NaN or infinite pixels; give every pixel a finite value.")
    grey = np.empty(values.shape, np.uint8)
    # row by row, since float64 takes eight times the memory of the result
    for levels, row in zip(grey, values, strict=True):
        levels[:] = np.rint((row.astype(np.float64) - low) * (255 / (high - low or 1.0)))
    return grey


def _problem(image: Image, deep: bool) -> str | None:
    """Return why an image cannot be used, or None; its pixels are not decoded for this."""
    if image.width * image.height > MAX_PIXELS:
        return f"has {image.width:,} by {image.height:,} pixels; make it smaller"
    frames = getattr(image, "n_frames", 1)
    # MPO, from phones: the second picture is a preview or a brightness map of the first
    if frames > 1 and image.format != "MPO":
        return f"holds {frames} pictures, but must hold one; save a single one of them"
    if not deep and image.mode[0] in "IF":
        return f"has more than 8 bits a pixel (mode {image.mode}); save it with 8"
    return None


def resize_grey(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an image in another size, without keeping its proportions.

    Parameters
    ----------
    grey : ndarray (height, width) of uint8
    size : (int, int)
        The new height and width. An image that has this size already keeps its pixels.

    Returns
    -------
    ndarray (new height, new width) of uint8
        Enlarging interpolates linearly, so a black background stays black and no edge gets a halo.
    """
    from PIL import Image as Images

    height, width = size
    # Pillow takes the width first
    return np.array(Images.fromarray(grey).resize((width, height), Images.Resampling.BILINEAR))
