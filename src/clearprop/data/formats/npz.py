"""NPZ and NPY reader: NumPy's archive of named arrays, and pairs of files; nothing is ever unpickled."""

from __future__ import annotations

import ast
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.formats.base import MAX_DEFLATE_RATIO, Arrays, opened, read_exactly
from clearprop.utils.errors import DataError

MAX_HEADER_BYTES = 10_000
FEATURE_NAMES = ("x", "images", "data")
LABEL_NAMES = ("y", "labels", "label", "targets", "target")
# numbers and text, as numpy.dtype.str writes them
PLAIN_TYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|[SU][0-9]{1,6})")


def read_npz(path: str | os.PathLike[str]) -> Arrays:
    """Read features and labels from an NPZ file.

    Parameters
    ----------
    path : path-like
        A file with arrays named x and y, or x_train and y_train, and perhaps x_test and y_test; capitals or
        not, and also train_images and train_labels (and val_, test_), or two arrays without names.

    Returns
    -------
    Arrays
        Of the shapes and types in the file.

    Raises
    ------
    DataError
        If the file is empty, no NPZ file, damaged, has other arrays, or arrays of Python objects. A header
        that promises more than the file can hold costs no memory.
    """
    path = Path(path)
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(path, archive)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError) as error:
            raise DataError(f"{path} is no NPZ file, or a damaged one: {error}.") from error
        except RuntimeError as error:
            # zipfile raises it for encrypted files and for later versions of the format
            raise DataError(f"{path} cannot be unpacked: {error}.") from error


def _read(path: Path, archive: zipfile.ZipFile) -> Arrays:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def read(name: str) -> NDArray[Any]:
        return _read_array(f"{name} in {path}", archive, members[name])

    parts = {part: _pair(members, part) for part in ("train", "val", "test", "")}
    if parts["train"] is not None:
        # other arrays may be of any purpose
        parts[""] = None
    train = parts["train"] or parts[""]
    if train is None and {"arr_0", "arr_1"} == members.keys():
        # numpy.savez(path, x, y)
        train = ("arr_0", "arr_1")
    if train is None or not all(train) or any(pair is not None and not all(pair) for pair in parts.values()):
        raise DataError(_what_is_missing(path, members, parts))
    arrays = [read(name) for name in train]
    if parts["val"] is not None:
        # rows to choose a model by are split off the training rows again
        more = [read(name) for name in parts["val"]]
        if arrays[0].shape[1:] != more[0].shape[1:]:
            raise DataError(
                f"A row of {train[0]} in {path} has the shape {arrays[0].shape[1:]}, but one of "
                f"{parts['val'][0]} {more[0].shape[1:]}."
            )
        arrays = [np.concatenate(pair) for pair in zip(arrays, more, strict=True)]
    if parts["test"] is not None:
        arrays += [read(name) for name in parts["test"]]
    return Arrays(*arrays)


def _pair(members: Collection[str], part: str) -> tuple[str, str] | None:
    """Return the names of the features and the labels of a part; empty for a name that is missing.

    The names of Keras (``x_train``), of MedMNIST (``train_images``) and of scikit-learn's habit (``X_train``,
    ``X``, ``data``).
    """
    lowered = {name.lower(): name for name in members}
    found = []
    for kinds in (FEATURE_NAMES, LABEL_NAMES):
        wanted = [
            name for kind in kinds for name in ((f"{kind}_{part}", f"{part}_{kind}") if part else (kind,))
        ]
        wanted += [f"{kind}_valid" for kind in kinds if part == "val"] + [
            f"valid_{kind}" for kind in kinds if part == "val"
        ]
        found.append(next((lowered[name] for name in wanted if name in lowered), ""))
    return (found[0], found[1]) if any(found) else None


def _what_is_missing(
    path: Path, members: Collection[str], parts: Mapping[str, tuple[str, str] | None]
) -> str:
    expected = {part: (f"x_{part}", f"y_{part}") if part else ("x", "y") for part in parts}
    halves = [part for part, pair in parts.items() if pair is not None and not all(pair)]
    part = halves[0] if halves else ""
    pair = parts[part] or ("", "")
    missing = [name for name, there in zip(expected[part], pair, strict=True) if not there]
    there = ", ".join(sorted(members)[:20]) or "none"
    return (
        f"{path} has no array named {' and none named '.join(missing)}, but must have x and y, or "
        "x_train and y_train (and perhaps x_test and y_test), or train_images and train_labels; it has "
        f"{there}."
    )


def read_npy_pair(path: Path) -> Arrays:
    """Read two .npy files: the one named, and the other of features and labels beside it.

    Parameters
    ----------
    path : pathlib.Path
        Such as ``X.npy`` beside ``y.npy``, or ``x_train.npy`` beside ``y_train.npy``, where ``x_test.npy``
        and ``y_test.npy`` are the test set; or a folder with such files.

    Raises
    ------
    DataError
        If there is no such pair, or a file is damaged.
    """
    folder = path if path.is_dir() else path.parent
    files = {file.stem: file for file in sorted(folder.glob("*.npy"))}
    train = [pair for part in ("train", "") if (pair := _pair(files, part)) is not None and all(pair)]
    if not path.is_dir():
        train = [pair for pair in train if path.stem in pair] or _partners(path.stem, files)
    if not train:
        raise DataError(
            f"{path} has no partner: features and labels are two files of one folder, such as x.npy and "
            f"y.npy, or x_train.npy and y_train.npy; {folder} has {', '.join(sorted(files)[:20])}."
        )
    names = list(train[0])
    test = _pair(files, "test")
    if test is not None and all(test) and train[0] == _pair(files, "train"):
        names += test
    return Arrays(*(_read_npy(files[name]) for name in names))


def _partners(stem: str, files: Collection[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that differ in one word alone, such as ``iris_X`` and ``iris_y``."""
    lowered, stem_lowered = {name.lower(): name for name in files}, stem.lower()
    features = (*FEATURE_NAMES, "features")
    pairs = []
    for own, others in ((features, LABEL_NAMES), (LABEL_NAMES, features)):
        for match in re.finditer(rf"(?<![a-z0-9])(?:{'|'.join(own)})(?![a-z0-9])", stem_lowered):
            before, after = stem_lowered[: match.start()], stem_lowered[match.end() :]
            names = [lowered[name] for other in others if (name := before + other + after) in lowered]
            pairs += [(stem, name) if others is LABEL_NAMES else (name, stem) for name in names]
    return pairs


def _read_npy(path: Path) -> NDArray[Any]:
    with opened(path) as file:
        try:
            return _read_stream(str(path), file, path.stat().st_size)
        except (ValueError, OverflowError, struct.error) as error:
            raise DataError(f"{path} is no array of NumPy, or a damaged one: {error}.") from error


def _read_array(where: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is compressed by a method that NumPy does not write.")
    with archive.open(member) as stream:
        return _read_stream(where, stream, member.compress_size * MAX_DEFLATE_RATIO)


def _read_stream(where: str, stream: IO[bytes], limit: int) -> NDArray[Any]:
    """Read an array of at most so many bytes."""
    dtype, fortran_order, shape = _read_header(where, stream)
    promised = math.prod(shape) * dtype.itemsize
    if promised == 0:
        raise DataError(f"{where} holds zero items (its shape is {shape}).")
    content = read_exactly(stream, promised) if promised <= limit else bytearray()
    # zipfile compares the checksum only when it reads to the end of the member
    if len(content) < promised or stream.read(1):
        raise DataError(f"{where} does not hold the {promised:,} bytes that its header promises.")
    array = np.frombuffer(content, dtype)
    array = array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(where: str, stream: IO[bytes]) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Read and validate the header of an array (numpy.lib.format describes it)."""
    no_array = DataError(f"{where} is not an array of numbers or text as NumPy saves it.")
    start = bytes(read_exactly(stream, 8))
    if start[:6] != b"\x93NUMPY" or start[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise no_array
    length_format = "<H" if start[6] == 1 else "<I"
    (length,) = struct.unpack(length_format, read_exactly(stream, struct.calcsize(length_format)))
    if length > MAX_HEADER_BYTES:
        raise no_array
    try:
        header = ast.literal_eval(read_exactly(stream, length).decode("latin1").strip())
        description, fortran_order, shape = header["descr"], header["fortran_order"], header["shape"]
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError) as error:
        raise no_array from error
    if description == "|O":
        raise DataError(
            f"{where} holds Python objects, which would have to be unpickled; save it as an array of numbers "
            "or text."
        )
    if (
        not isinstance(description, str)
        or not PLAIN_TYPE.fullmatch(description)
        or not isinstance(shape, tuple)
        or len(shape) > 4
        or not all(type(size) is int and size >= 0 for size in shape)
    ):
        raise no_array
    return np.dtype(description), bool(fortran_order), shape
