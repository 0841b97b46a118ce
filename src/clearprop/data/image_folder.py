"""A folder of images, with one subfolder a class, whose name is the name of the class."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.reading import Arrays
from clearprop.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
SIZE = (28, 28)
# far more than any photograph of a thing to classify; a file of some bytes can claim billions
MOST_PIXELS = 50_000_000


def read_image_folder(folder: str | os.PathLike[str]) -> Arrays:
    """Read the images of a folder as grey rows of 28x28 pixels.

    Images are made grey, stretched to 28x28, and keep their sense of light: white is 255. What is
    transparent becomes white, as paper is. Hidden files and files that are no images by their names are
    passed over.

    Parameters
    ----------
    folder : path-like
        Its subfolders are the classes; the images lie directly in them.

    Returns
    -------
    Arrays
        x, (n, 28, 28) of uint8, by class and then by file name; and y, (n,) of str.

    Raises
    ------
    DataError
        Naming the file that is damaged, animated or too large, or the class that has no images.
    """
    folder = Path(folder)
    images, labels = [], []
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        files = sorted(path for path in subfolder.iterdir() if path.suffix.lower() in ENDINGS)
        files = [path for path in files if path.name[0] != "."]
        if not files:
            raise DataError(
                f"{subfolder} holds no images ({', '.join(ENDINGS)}); each subfolder of {folder} is a class, "
                "so take it away or fill it."
            )
        images += [read_image(path) for path in files]
        labels += [subfolder.name] * len(files)
    if not images:
        raise DataError(
            f"{folder} holds no data: neither the IDX files of MNIST, nor one subfolder of images for each "
            "class."
        )
    return Arrays(np.stack(images), np.array(labels))


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read one image as 28x28 grey pixels.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    ndarray (28, 28) of uint8

    Raises
    ------
    DataError
        If it is no image, damaged, animated, larger than 50 million pixels, or has more than 8 bits a pixel.
    """
    from PIL import Image

    from clearprop.scratch import resize_and_flatten

    try:
        # what Pillow warns of is either checked here or does no harm to the pixels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                problem = _problem(image)
                if problem is None:
                    grey = _grey(image)
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} claims to have too many pixels: {error}") from error
    except Exception as error:
        # the readers of Pillow raise whatever a damaged file leads them into
        raise DataError(f"{path} is damaged, or no image: {error}.") from error
    if problem is not None:
        raise DataError(f"{path} {problem}.")
    return resize_and_flatten(grey[np.newaxis], SIZE).reshape(SIZE)


def _problem(image: Any) -> str | None:
    """Say what keeps an image from being used, before its pixels are unpacked."""
    if image.width * image.height > MOST_PIXELS:
        return f"has {image.width:,} by {image.height:,} pixels; make it smaller"
    if getattr(image, "n_frames", 1) > 1:
        return f"holds {image.n_frames} pictures, but must hold one; save a single one of them"
    if image.mode[0] in "IF":
        return f"has more than 8 bits a pixel (mode {image.mode}); save it with 8"
    return None


def _grey(image: Any) -> NDArray[np.uint8]:
    from PIL import Image

    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return np.asarray(image.convert("L"))
