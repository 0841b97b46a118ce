"""Safetensors files of any origin: every claim of the header is checked before the tensors are read."""

from __future__ import annotations

import math
import os
import reprlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.model.files.json_reader import Budget, JsonError, JsonReader
from clearprop.utils.errors import InvalidArgument, ModelFileError

#: The types of a model file's numbers, little-endian on every machine.
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
MOST_TENSORS = 1000
MOST_HEADER = 32 * 2**20
# memory that a small file may take, since Python's own objects cost something
LEAST_MEMORY = 2**20
# memory beside the counted objects, such as the pieces in which numbers are checked
RESERVE = 2**17
TENSOR_COST = 500
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 50, 50
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header describes it: type, shape, and its first and last byte after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a safetensors file, checked to describe the rest of it without gap or overlap.

    Attributes
    ----------
    tensors : dict of str to Tensor
        In the order of their bytes.
    metadata : memoryview or None
        The text under the requested key, as UTF-8.
    data_at : int
        Where the tensors begin in the file.
    budget : Budget
        Memory that is left, so that header and tensors together stay within twice the file's size.
    """

    tensors: dict[str, Tensor]
    metadata: memoryview | None
    data_at: int
    budget: Budget


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], int, Path]]:
    """Open a regular file and tell its size.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    tuple of (unbuffered binary file, int, pathlib.Path)

    Raises
    ------
    ModelFileError
        If it is missing, cannot be read, or is a folder, a pipe or a device.
    InvalidArgument
        If the path is not a path.
    """
    try:
        place = Path(os.fsdecode(path))
    except TypeError:
        raise InvalidArgument(
            f"path is {clip(path)}, but must be the path of a file, as text or pathlib.Path."
        ) from None
    try:
        with open(_descriptor(place), "rb", buffering=0) as file:
            yield file, os.fstat(file.fileno()).st_size, place
    except (FileNotFoundError, NotADirectoryError):
        raise ModelFileError(f"There is no model file {place}; check the path.") from None
    except OSError as error:
        raise ModelFileError(
            f"{place} cannot be read ({error.strerror or error}); check the path and its rights."
        ) from None


def _descriptor(place: Path) -> int:
    """Open a file that is certainly a regular one."""
    try:
        # looked at before it is opened, since to open a device can already do something
        _check_regular(place, os.stat(place))
    except ValueError as error:
        raise ModelFileError(f"{clip(str(place))} is no path ({error}); check it.") from None
    # and never waited for, should a pipe take its place in between
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(place, flags)
    try:
        _check_regular(place, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(place: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ModelFileError(
            f"{place} is a folder, not a model file; name the file in it, such as parameters.safetensors."
        )
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise ModelFileError(f"{place} is {kind}, not a model file; name a file.")


def read_header(file: IO[bytes], size: int, place: Path, key: str) -> Header:
    """Read and check the header.

    Parameters
    ----------
    file : binary file
        At its beginning.
    size : int
        Of the file, in bytes.
    place : pathlib.Path
        The file's name in messages.
    key : str
        The key of the metadata whose text is returned.

    Raises
    ------
    ModelFileError
        If there is no valid header, or it contradicts itself or the file's size, or would take more memory
        than twice the file's size.
    """
    if size < 8:
        raise unreadable(place, f"it has {size} bytes, and the length of its header alone takes 8")
    length = int.from_bytes(read_exactly(file, 8, place), "little")
    if length > size - 8:
        raise unreadable(place, f"its header claims {length:,} bytes, but the file has {size:,}")
    if length > MOST_HEADER:
        raise unreadable(place, f"its header has {length:,} bytes, and may have {MOST_HEADER:,}")
    n_bytes = size - 8 - length
    budget = Budget(max(2 * size, LEAST_MEMORY) - max(length, n_bytes) - RESERVE)
    # writable, since it is decoded in place
    text = memoryview(read_exactly(file, length, place))
    tensors: dict[str, Tensor] = {}
    metadata = None
    try:
        reader = JsonReader(text, budget)
        for name in reader.object_keys():
            if name == "__metadata__":
                metadata = _metadata(reader, key)
                continue
            if len(tensors) == MOST_TENSORS:
                raise unreadable(place, f"it has more than {MOST_TENSORS:,} tensors")
            left = budget.left
            tensors[name] = _tensor(reader, name)
            # the memory for reading it is free again
            budget.left = left
            budget.take(TENSOR_COST)
        reader.finish()
    except JsonError as error:
        raise unreadable(place, f"in its header, {error}") from None
    # by their ends too, since a tensor without numbers begins where the next one does
    in_order = sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end))
    at = 0
    for name, tensor in in_order:
        if tensor.begin != at:
            raise unreadable(place, f"its tensor {clip(name)} begins at byte {tensor.begin}, not at {at}")
        at = tensor.end
    if at != n_bytes:
        raise unreadable(place, f"its tensors have {at:,} bytes, but behind the header there are {n_bytes:,}")
    return Header(dict(in_order), metadata, 8 + length, budget)


def _metadata(reader: JsonReader, key: str) -> memoryview | None:
    found = None
    for name in reader.object_keys():
        if name == key:
            found = reader.string_bytes()
        else:
            reader.string()
    return found


def _tensor(reader: JsonReader, name: str) -> Tensor:
    fields: dict[str, Any] = {}
    for key in reader.object_keys():
        if key == "dtype":
            fields[key] = reader.string()
        elif key in ("shape", "data_offsets"):
            numbers: list[int] = []
            for _ in reader.array_items():
                numbers.append(reader.whole())
                if len(numbers) > 8:
                    raise JsonError(f"the {key} of tensor {clip(name)} has more than 8 numbers")
            fields[key] = tuple(numbers)
        else:
            raise JsonError(f"tensor {clip(name)} has an unknown field {clip(key)}")
    if fields.keys() != {"dtype", "shape", "data_offsets"} or len(fields["data_offsets"]) != 2:
        raise JsonError(f"tensor {clip(name)} lacks its dtype, its shape or its data_offsets")
    tensor = Tensor(fields["dtype"], fields["shape"], *fields["data_offsets"])
    if tensor.end < tensor.begin:
        raise JsonError(f"tensor {clip(name)} ends before it begins")
    dtype = DTYPES.get(tensor.dtype)
    # the size of other types is not known here; the caller refuses them
    if dtype is not None and math.prod(tensor.shape) * dtype.itemsize != tensor.end - tensor.begin:
        raise JsonError(
            f"tensor {clip(name)} of shape {clip(tensor.shape)} and type {tensor.dtype} claims "
            f"{tensor.end - tensor.begin:,} bytes"
        )
    return tensor


def read_tensors(file: IO[bytes], header: Header, place: Path) -> dict[str, NDArray[Any]]:
    """Read all tensors, which must be finite numbers of a type in ``DTYPES``.

    Parameters
    ----------
    file : binary file
        Where ``read_header`` left it.
    header : Header
    place : pathlib.Path

    Raises
    ------
    ModelFileError
        If the file ends too soon, or has NaN or infinite numbers.
    """
    arrays = {}
    for name, tensor in header.tensors.items():
        try:
            array = np.empty(tensor.shape, DTYPES[tensor.dtype])
        except MemoryError:
            raise ModelFileError(
                f"{place} has numbers for {(tensor.end - tensor.begin) / 2**30:.1f} GiB, more than there is "
                "memory for; use it on a larger machine."
            ) from None
        flat = array.reshape(-1)
        _fill(file, flat.view(np.uint8).data, place)
        # a piece at a time, since the answers need memory too
        for at in range(0, flat.size, 2**15):
            if not np.isfinite(flat[at : at + 2**15]).all():
                raise ModelFileError(
                    f"{place} has NaN or infinite numbers in {clip(name)[1:-1]}; train the model again."
                )
        arrays[name] = array
    return arrays


def read_exactly(file: IO[bytes], size: int, place: Path) -> bytearray:
    """Return so many bytes, or raise ModelFileError where the file ends before."""
    content = bytearray(size)
    _fill(file, memoryview(content), place)
    return content


def _fill(file: IO[bytes], buffer: memoryview, place: Path) -> None:
    while buffer:
        count = file.readinto(buffer)  # type: ignore[attr-defined]
        if not count:
            raise unreadable(place, "it ends too soon")
        buffer = buffer[count:]


def unreadable(place: Path, reason: str) -> ModelFileError:
    """Return the error for a file that is damaged, or no safetensors at all."""
    return ModelFileError(f"{place} is not a readable safetensors file ({reason}); save it again.")


def clip(value: object) -> str:
    """Return a value of a file in quotes, made printable and short enough for a sentence."""
    text = _SHORT.repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:55]}..."
