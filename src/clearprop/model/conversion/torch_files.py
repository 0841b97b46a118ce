"""Files of a PyTorch state_dict, read without executing anything: ``torch.save`` and safetensors."""

from __future__ import annotations

import io
import math
import os
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from clearprop.model.conversion.from_layers import BFloat16
from clearprop.model.conversion.torch_pickle_check import check_state_dict
from clearprop.model.files.model_file import METADATA_KEY
from clearprop.model.files.safetensors_reader import clip, opened, read_exactly, read_header, unreadable
from clearprop.utils.errors import MissingExtra, ModelFileError

if TYPE_CHECKING:
    import types

# NumPy's types for those of safetensors; I64 is for counters beside the weights
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}


class UnorderedState(dict[str, Any]):
    """A state_dict whose order means nothing, since its file sorts the names as text."""


def import_torch() -> types.ModuleType:
    """Return the module torch, or raise MissingExtra where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra('PyTorch is not installed; get it with pip install "clearprop[torch]".') from None
    return torch


def read_state_dict(path: str | os.PathLike[str]) -> dict[Any, Any]:
    """Read a state_dict, or a checkpoint with one in it, that ``torch.save`` wrote; nothing is executed.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
        As ``torch.load(path, weights_only=True)`` returns it.

    Raises
    ------
    ModelFileError
        If it holds objects other than tensors, numbers, text and containers of them, or is damaged.
    MissingExtra
        If torch is not installed.
    """
    torch = import_torch()
    with opened(path) as (file, size, place):
        check_state_dict(file, size, place)
        file.seek(0)
        # a stream without a descriptor: given a file, torch would first try it as a tar archive
        stream: Any = _Stream(file)
        try:
            state = torch.load(stream, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        # torch raises many types for a damaged file, and UnpicklingError for one that it does not trust
        except Exception:
            raise ModelFileError(
                f"{place} is damaged, or holds more than tensors; save the state_dict of the network: "
                'torch.save(network.state_dict(), "network.pt").'
            ) from None
    if not isinstance(state, dict) or not state:
        raise ModelFileError(
            f"{place} holds something else than a state_dict; save that of the network: "
            'torch.save(network.state_dict(), "network.pt").'
        )
    return state


def read_safetensors(path: str | os.PathLike[str]) -> UnorderedState:
    """Read a state_dict that another program wrote as a safetensors file.

    Raises
    ------
    ModelFileError
        If it is damaged.
    """
    with opened(path) as (file, size, place):
        header = read_header(file, size, place, METADATA_KEY)
        if header.metadata is not None:
            raise ModelFileError(f"{place} is a model file of Clearprop already; use it as it is.")
        state = UnorderedState()
        for name, tensor in header.tensors.items():
            dtype = TYPES.get(tensor.dtype)
            if dtype is None:
                raise ModelFileError(
                    f"{place} has numbers of type {clip(tensor.dtype)[1:-1]} in {clip(name)[1:-1]}, but a "
                    "Linear has floats; only a stack of them can be imported."
                )
            if math.prod(tensor.shape) * np.dtype(dtype).itemsize != tensor.end - tensor.begin:
                raise unreadable(place, f"its tensor {clip(name)} does not have the numbers that it claims")
            content = read_exactly(file, tensor.end - tensor.begin, place)
            array = np.frombuffer(content, dtype).reshape(tensor.shape)
            state[name] = BFloat16(array) if tensor.dtype == "BF16" else array
        return state


class _Stream(io.RawIOBase):
    """A file as a stream of bytes, without a name or a descriptor."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readinto(self, buffer: Any) -> int:
        return int(self._file.readinto(buffer))  # type: ignore[attr-defined]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
