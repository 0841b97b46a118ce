"""Image folder reader: one subfolder for each class, named as the class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearprop.data.formats.base import Arrays
from clearprop.data.images.read_image import read_grey, resize_grey
from clearprop.display.text import valid_unicode
from clearprop.utils.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
SIZE = (28, 28)
WHITE = 255


def read_image_folder(folder: str | os.PathLike[str]) -> Arrays:
    """Read the images of a folder as grey rows of 28x28 pixels.

    Images are turned upright by their EXIF orientation, converted to grey (white is 255) and stretched to
    28x28. Transparent pixels become white, like paper. Hidden files, and files without the ending of an
    image, are skipped.

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
        labels += [valid_unicode(subfolder.name)] * len(files)
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
        If the file is no image, damaged, animated, larger than 50 million pixels, or has more than 8 bits a
        pixel.
    """
    return resize_grey(read_grey(path, paper=WHITE, deep=False), SIZE)
