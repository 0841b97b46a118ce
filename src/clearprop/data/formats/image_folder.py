"""Image folder reader: one subfolder for each class, named as the class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.data.images.read_image import read_grey, resize_grey
from clearprop.data.options import Note
from clearprop.display.text import valid_unicode
from clearprop.utils.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
SIZE = (28, 28)
WHITE = 255
MOST_NAMED = 20


class ImageArrays(NamedTuple):
    """The images of a folder and their labels, with sentences about those that were left out."""

    x: NDArray[np.uint8]
    y: NDArray[np.str_]
    x_test: NDArray[np.uint8] | None
    y_test: NDArray[np.str_] | None
    notes: list[Note]


def read_image_folder(folder: str | os.PathLike[str], *, skip_damaged: bool = False) -> ImageArrays:
    """Read the images of a folder as grey rows of 28x28 pixels.

    Images are turned upright by their EXIF orientation, converted to grey (white is 255) and stretched to
    28x28. Transparent pixels become white, like paper. Hidden files, and files without the ending of an
    image, are skipped.

    Parameters
    ----------
    folder : path-like
        Its subfolders are the classes; the images lie directly in them. Or it has the subfolders train and
        test (or val), and these have the classes.
    skip_damaged : bool, default False
        Leave images that cannot be read out; a note names them.

    Returns
    -------
    ImageArrays
        x, (n, 28, 28) of uint8, by class and then by file name; and y, (n,) of str.

    Raises
    ------
    DataError
        Naming the file that is damaged, animated or too large, or the class that has no images.
    """
    folder = Path(folder)
    damaged: list[Path] = []
    skipped = damaged if skip_damaged else None
    parts = _parts(folder)
    if parts is None:
        x, y = _read_classes(folder, skipped)
        return ImageArrays(x, y, None, None, _notes(folder, damaged))
    (x, y), (x_test, y_test) = (
        map(np.concatenate, zip(*(_read_classes(part, skipped) for part in some), strict=True))
        for some in parts
    )
    return ImageArrays(x, y, x_test, y_test, _notes(folder, damaged))


def _parts(folder: Path) -> tuple[list[Path], list[Path]] | None:
    """Return the folders of training and test images, if the classes are below such folders."""
    found = {path.name.lower(): path for path in _subfolders(folder)}
    train = [path for name, path in found.items() if name in ("train", "training")]
    held_out = [path for name, path in found.items() if name in ("val", "valid", "validation")]
    test = [path for name, path in found.items() if name in ("test", "testing")]
    if not train or len(train) + len(held_out) + len(test) < len(found) or not (held_out or test):
        return None
    if any(_images(path) for path in found.values()):
        return None
    # rows to choose a model by are split off the training rows again
    return (train + held_out, test) if test else (train, held_out)


def _read_classes(folder: Path, damaged: list[Path] | None) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Return images and labels; what is damaged is added to the list, or is an error without one."""
    images: list[NDArray[np.uint8]] = []
    labels: list[str] = []
    for subfolder in _subfolders(folder):
        files = _images(subfolder)
        if not files:
            raise DataError(
                f"{subfolder} holds no images ({', '.join(ENDINGS)}); each subfolder of {folder} is a class, "
                "so take it away or fill it."
            )
        before = len(images)
        for path in files:
            try:
                images.append(read_image(path))
            except DataError as error:
                if damaged is None:
                    raise DataError(
                        f"{error} --skip-damaged (skip_damaged=True) leaves such images out."
                    ) from error
                damaged.append(path)
        if len(images) == before:
            raise DataError(f"Every image of {subfolder} is damaged; take the folder away, or mend one.")
        labels += [valid_unicode(subfolder.name)] * (len(images) - before)
    if not images:
        raise DataError(
            f"{folder} holds no data: neither the IDX files of MNIST, nor one subfolder of images for each "
            "class."
        )
    return np.stack(images), np.array(labels)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _images(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    return [path for path in files if path.name[0] != "."]


def _notes(folder: Path, damaged: Sequence[Path]) -> list[Note]:
    if not damaged:
        return []
    names = ", ".join(valid_unicode(str(path.relative_to(folder))) for path in damaged[:MOST_NAMED])
    more = f" and {len(damaged) - MOST_NAMED} more" if len(damaged) > MOST_NAMED else ""
    count = "1 image" if len(damaged) == 1 else f"{len(damaged):,} images"
    verb = "is" if len(damaged) == 1 else "are"
    return [Note(f"{count} of {folder} cannot be read and {verb} left out: {names}{more}.", True)]


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
