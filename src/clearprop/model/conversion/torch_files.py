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

# the types of safetensors that are read, and the bytes of a number of each
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


def import_torch() -> types.ModuleType:
    """Return the module torch, or raise MissingExtra where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra('PyTorch is not installed; get it with pip install "clearprop[torch]".') from None
    return torch


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote of a state_dict, with ``weights_only=True``: nothing is executed.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ModelFileError
        If it holds anything but tensors by name, or is damaged.
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
        # torch raises many types for a damaged file, and UnpicklingError for one that is not tensors only
        except Exception:
            raise ModelFileError(
                f"{place} is damaged, or holds more than tensors; save the state_dict of the network: "
                'torch.save(network.state_dict(), "network.pt").'
            ) from None
    if not isinstance(state, dict) or not state or not all(map(torch.is_tensor, state.values())):
        raise ModelFileError(
            f"{place} holds something else than a state_dict; save that of the network: "
            'torch.save(network.state_dict(), "network.pt").'
        )
    return state


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Any]:
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
        state = {}
        for name, tensor in header.tensors.items():
            item_size = FLOATS.get(tensor.dtype)
            if item_size is None:
                raise ModelFileError(
                    f"{place} has numbers of type {clip(tensor.dtype)[1:-1]} in {clip(name)[1:-1]}, but a "
                    "Linear has floats; only a stack of them can be imported."
                )
            if math.prod(tensor.shape) * item_size != tensor.end - tensor.begin:
                raise unreadable(place, f"its tensor {clip(name)} does not have the numbers that it claims")
            content = read_exactly(file, tensor.end - tensor.begin, place)
            array = np.frombuffer(content, "<u2" if tensor.dtype == "BF16" else f"<f{item_size}")
            array = array.reshape(tensor.shape)
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
