"""Model files: weights as safetensors, everything else as JSON in its metadata; nothing is executed."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import IO, Any, TypeGuard

import numpy as np

from clearprop.model.files.json_reader import JsonError, JsonReader
from clearprop.model.files.model_contents import ModelContents, check_tensors, described_contents
from clearprop.model.files.safetensors_reader import (
    Header,
    clip,
    opened,
    read_header,
    read_tensors,
)
from clearprop.utils.errors import ClearpropError, InvalidArgument, ModelFileError
from clearprop.utils.files import write_atomic
from clearprop.utils.version import __version__

#: The newest format that this Clearprop reads; 2 is written for outputs other than the softmax.
FORMAT_VERSION = 2
#: The first Clearprop that reads each format version.
READ_SINCE = {1: "0.1.0", 2: "0.2.0"}
METADATA_KEY = "clearprop"
#: The file name of a model in a run's folder.
PARAMETERS_FILE = "parameters.safetensors"
# the numbers, then the suffix of a development version
_VERSION = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4}){1,3})(?:[a-z.+][a-z0-9.+]{0,20})?")


def write_model_file(path: str | os.PathLike[str], contents: ModelContents) -> Path:
    """Write a model as one safetensors file, atomically.

    Parameters
    ----------
    path : path-like
        An existing file is replaced.
    contents : ModelContents

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    InvalidArgument
        If ``read_model_file`` would refuse the file: numbers that are not finite, more than 500 layers, a
        training or metrics that are no JSON or larger than the model.
    OutputError
        If the file cannot be written.
    """
    content = model_bytes(contents)
    try:
        # a file that could not be read again is never written, so it is read first
        _described(io.BytesIO(content), len(content), Path(path))
    except ModelFileError as error:
        raise InvalidArgument(f"The model was not saved, since no one could load it: {error}") from None
    return write_atomic(path, content)


def read_model_file(path: str | os.PathLike[str]) -> ModelContents:
    """Read a file that ``write_model_file`` wrote.

    The file is not trusted: nothing in it is executed, every claim is checked first, and it takes no more
    memory than twice its size (a small file: than 1 MiB).

    Parameters
    ----------
    path : path-like

    Returns
    -------
    ModelContents

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of a newer format, or holds something else.
    """
    with opened(path) as (file, size, place):
        return read_contents(file, size, place)


def read_contents(file: IO[bytes], size: int, place: Path) -> ModelContents:
    """Read a model from an open file, as ``read_model_file`` does.

    Parameters
    ----------
    file : unbuffered binary file
        At its beginning.
    size : int
        The file's size in bytes.
    place : pathlib.Path
        The file's name in messages.
    """
    contents, header = _described(file, size, place)
    arrays = read_tensors(file, header, place)
    for layer in range(len(contents.network.layer_sizes) - 1):
        contents.parameters.append((arrays[f"layers.{layer}.weight"], arrays[f"layers.{layer}.bias"]))
    return contents


def model_bytes(contents: ModelContents) -> bytes:
    """Return the bytes of a model's file, as ``write_model_file`` writes it."""
    # the lowest version that can describe the model, so that older versions of Clearprop read it
    version = 1 if contents.network.output == "softmax" else 2
    described = {
        "format_version": version,
        "clearprop_version": __version__,
        "read_since": READ_SINCE[version],
        "network": contents.network.to_dict(),
        "scaling": contents.scaling.to_dict(),
        "class_names": list(contents.class_names),
        "image_shape": contents.image_shape,
        "metrics": contents.metrics,
        "training": contents.training,
    }
    if contents.table:
        described["table"] = contents.table
    try:
        metadata = json.dumps(described, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"The model was not saved, since its training or metrics are no JSON ({error}); "
            "use numbers that are finite, text, lists and dictionaries."
        ) from None
    tensors = {}
    for layer, arrays in enumerate(contents.parameters):
        for kind, values in zip(("weight", "bias"), arrays, strict=True):
            name = f"layers.{layer}.{kind}"
            if not np.isfinite(values).all():
                raise InvalidArgument(
                    f"The model was not saved, since {name} has NaN or infinite numbers; train it again, "
                    "with a smaller learning rate."
                )
            tensors[name] = np.ascontiguousarray(values)
    from safetensors.numpy import save

    return save(tensors, metadata={METADATA_KEY: metadata})


def _described(file: IO[bytes], size: int, place: Path) -> tuple[ModelContents, Header]:
    """Return the contents without parameters, and the header, which says where each of them is stored."""
    header = read_header(file, size, place, METADATA_KEY)
    foreign = ModelFileError(f"{place} was not written by Clearprop: its metadata describes no network.")
    if header.metadata is None:
        raise foreign
    try:
        reader = JsonReader(header.metadata, header.budget)
        described = reader.value(flat=("shift", "factor", "feature_means"))
        reader.finish()
    except JsonError as error:
        raise ModelFileError(
            f"{place} was not written by Clearprop, or is damaged: where it describes its network, {error}."
        ) from None
    if not isinstance(described, dict) or type(described.get("format_version")) is not int:
        raise foreign
    if not 1 <= described["format_version"] <= FORMAT_VERSION:
        raise _newer(
            place, described, f"has format version {clip(described['format_version'])}", FORMAT_VERSION
        )
    try:
        contents = described_contents(described)
    except (ClearpropError, ValueError) as error:
        written = described.get("clearprop_version")
        if _is_version(written) and _numbers(written) > _numbers(__version__):
            raise _newer(place, described, f"was written by Clearprop {written} ({error})") from None
        raise ModelFileError(f"{place} describes no network ({error}); save the model again.") from None
    check_tensors(place, contents.network, contents.scaling, header)
    # the header may be as long as the file, and the tensors come next
    return contents, Header(header.tensors, None, header.data_at, header.budget)


def _newer(place: Path, described: dict[str, Any], finding: str, reads: int | None = None) -> ModelFileError:
    since = described.get("read_since")
    newer = _is_version(since) and _numbers(since) > _numbers(__version__)
    reader = f"Clearprop {since} or newer" if newer else "a newer Clearprop"
    limit = "cannot read it" if reads is None else f"reads versions up to {reads}"
    return ModelFileError(
        f"{place} {finding}, but this Clearprop {__version__} {limit}; load it with {reader}."
    )


def _is_version(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, _VERSION.fullmatch(version)[1].split(".")))  # type: ignore[index]
