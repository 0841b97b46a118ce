"""NPZ reader: NumPy's zip archive of named arrays, read without ever unpickling."""

from __future__ import annotations

import ast
import math
import os
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.formats.base import MAX_DEFLATE_RATIO, Arrays, opened, read_exactly
from clearprop.utils.errors import DataError

MAX_HEADER_BYTES = 10_000
# numbers and text, as numpy.dtype.str writes them
PLAIN_TYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|[SU][0-9]{1,6})")
PARTS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: str | os.PathLike[str]) -> Arrays:
    """Read features and labels from an NPZ file.

    Parameters
    ----------
    path : path-like
        A file with arrays named x and y, or x_train and y_train, and perhaps x_test and y_test.

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
    if {"x_train", "y_train"} <= members.keys():
        wanted = PARTS if {"x_test", "y_test"} & members.keys() else PARTS[:2]
    else:
        wanted = ("x", "y")
    missing = [name for name in wanted if name not in members]
    if missing:
        there = ", ".join(sorted(members)[:20]) or "none"
        raise DataError(
            f"{path} has no array named {' and none named '.join(missing)}, but must have x and y, or "
            f"x_train and y_train (and perhaps x_test and y_test); it has {there}."
        )
    return Arrays(*(_read_array(f"{name} in {path}", archive, members[name]) for name in wanted))


def _read_array(where: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is compressed by a method that NumPy does not write.")
    with archive.open(member) as stream:
        dtype, fortran_order, shape = _read_header(where, stream)
        promised = math.prod(shape) * dtype.itemsize
        if promised == 0:
            raise DataError(f"{where} holds zero items (its shape is {shape}).")
        limit = member.compress_size * MAX_DEFLATE_RATIO
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
