"""IDX reader: the format of MNIST, a header of a few bytes and then an array of numbers, often gzipped."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.formats.base import MAX_DEFLATE_RATIO, Arrays, opened, read_exactly
from clearprop.utils.errors import DataError

# third byte of the file -> NumPy type; big-endian
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 4
FILES = {
    "x": "train-images-idx3-ubyte",
    "y": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


#: EMNIST calls its test set by its name.
OTHER_NAMES = {part: name.replace("t10k", "test") for part, name in FILES.items()}


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, gzipped or not.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ndarray
        Of the shape and number type in the header, in native byte order.

    Raises
    ------
    DataError
        If the file is empty, no IDX file, damaged, or shorter or longer than its header says. A header that
        promises more than the file can hold costs no memory.
    """
    path = Path(path)
    with opened(path) as file:
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        limit = path.stat().st_size * (MAX_DEFLATE_RATIO if gzipped else 1)
        if not gzipped:
            return _read(path, file, limit)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return _read(path, stream, limit)  # type: ignore[arg-type]
        except EOFError as error:
            raise DataError(f"{path} is truncated: its compressed data ends too early.") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is damaged: {error}.") from error


def _read(path: Path, stream: IO[bytes], limit: int) -> NDArray[Any]:
    magic = read_exactly(stream, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise DataError(
            f"{path} is not an IDX file: it begins with the bytes {magic.hex(' ') or '(none)'}, but must "
            "begin with 00 00, a type from 08 to 0e, and the number of dimensions."
        )
    if not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError(f"{path} has {magic[3]} dimensions, but 1 to {MAX_DIMENSIONS} can be read.")
    sizes = read_exactly(stream, 4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path} is truncated: it ends within its header.")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    dtype = np.dtype(TYPES[magic[2]])
    promised = math.prod(shape) * dtype.itemsize
    if promised == 0:
        raise DataError(f"{path} holds zero items (its shape is {shape}).")
    content = read_exactly(stream, promised) if promised <= limit else bytearray()
    if len(content) < promised:
        raise DataError(
            f"{path} is truncated: its header promises {promised:,} bytes of data (shape {shape}), which are "
            "not there; get the file again."
        )
    if stream.read(1):
        raise DataError(
            f"{path} goes on after the {promised:,} bytes that its header promises (shape {shape}); it is "
            "damaged, or no IDX file."
        )
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def find_idx_files(place: Path) -> dict[str, Path]:
    """Return the IDX files of a folder, under the keys x, y, x_test and y_test, as far as they exist.

    Parameters
    ----------
    place : pathlib.Path
        A folder, or one of the files. Their names may end in ``.gz``, may have a dot before "idx", as some
        archives unpack them, and may begin with the name of a data set and a hyphen, as EMNIST's do. Where a
        folder has no such file, torchvision's ``raw`` is searched for below it (``MNIST/raw``).

    Raises
    ------
    DataError
        If there are files of several data sets; the text says what to name instead.
    """
    if not place.is_dir():
        sets = _by_data_set(place.parent)
        return next((files for files in sets.values() if place in files.values()), {})
    found = _by_data_set(place)
    if not found:
        raws = {
            raw: _by_data_set(raw) for raw in (place / "raw", *sorted(place.glob("*/raw"))) if raw.is_dir()
        }
        filled = [raw for raw, sets in raws.items() if sets]
        if len(filled) > 1:
            names = " or ".join(str(raw.parent) for raw in filled)
            raise DataError(f"{place} has several data sets in the layout of torchvision; name {names}.")
        found = raws[filled[0]] if filled else {}
    if len(found) > 1:
        names = " or ".join(str(next(iter(files.values()))) for files in found.values())
        raise DataError(
            f"{place} has the IDX files of several data sets; name a file of one of them, {names}."
        )
    return next(iter(found.values()), {})


def _by_data_set(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the IDX files of a folder by the name they begin with, which is empty for those of MNIST."""
    ends = {end: part for part, name in FILES.items() for end in (*_names(name), *_names(OTHER_NAMES[part]))}
    found: dict[str, dict[str, Path]] = {}
    # sorted, so that an unpacked file comes before its archive
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        end = next((end for end in ends if name == end or name.endswith(f"-{end}")), None)
        # some archives unpack a file into a folder of its name
        file = path / path.name if path.is_dir() else path
        if end is not None and file.is_file():
            files = found.setdefault(name.removesuffix(end).removesuffix("-"), {})
            files.setdefault(ends[end], file)
    return found


def _names(name: str) -> tuple[str, str]:
    return name, name.replace("-idx", ".idx")


def read_idx_files(files: dict[str, Path]) -> Arrays:
    """Read images and labels, and check that their numbers are equal.

    Parameters
    ----------
    files : dict of str to pathlib.Path
        With the keys x and y, and either both or none of x_test and y_test.

    Returns
    -------
    Arrays
        x is (n, height, width), y is (n,).

    Raises
    ------
    DataError
        If a file is missing or cannot be read, or images and labels differ in number.
    """
    wanted = FILES if {"x_test", "y_test"} & files.keys() else ("x", "y")
    missing = [FILES[part] for part in wanted if part not in files]
    if missing:
        folder = next(iter(files.values())).parent
        raise DataError(f"{folder} has no {' and no '.join(missing)} (with or without .gz).")
    # zlib releases the GIL, and the training images take six times as long as all other files together
    with ThreadPoolExecutor() as threads:
        arrays = dict(zip(wanted, threads.map(read_idx, (files[part] for part in wanted)), strict=True))
    for images, labels in (("x", "y"), ("x_test", "y_test")):
        if images not in arrays:
            continue
        if arrays[labels].ndim != 1 or arrays[images].ndim < 2:
            raise DataError(
                f"{files[images]} has the shape {arrays[images].shape} and {files[labels]} "
                f"{arrays[labels].shape}, but they must be (images, height, width) and (labels,)."
            )
        if len(arrays[images]) != len(arrays[labels]):
            raise DataError(
                f"{files[images].name} has {len(arrays[images]):,} images, but {files[labels].name} has "
                f"{len(arrays[labels]):,} labels (in {files[images].parent}); get both again from one source."
            )
    return Arrays(**arrays)
