"""Check that a file of ``torch.save`` is a plain state_dict, before torch reads it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

from clearprop.model.conversion.torch_pickle import Pickle, PickleError, Tensor
from clearprop.model.files.json_reader import Budget, JsonError
from clearprop.model.files.safetensors_reader import MOST_TENSORS, clip, read_exactly
from clearprop.model.files.zip_reader import ZIP_BEGIN, Entry, read_entries, read_entry
from clearprop.utils.errors import ModelFileError

#: Memory for the records of pickle and archive, in bytes, beside the numbers: 500 layers take 5 MB.
RESERVE = 8 * 2**20
#: The longest pickle, in bytes; that of 500 layers is a tenth as long.
MOST_PICKLE = 2**20


def check_state_dict(file: IO[bytes], size: int, place: Path) -> None:
    """Check that a file is a state_dict whose tensors have the bytes they claim, and no more than the file.

    The pickle is interpreted as torch interprets it, but creates only numbers, text and records of tensors;
    the first operation that ``torch.save`` of a state_dict does not write is an error.

    Parameters
    ----------
    file : unbuffered binary file
    size : int
        Of the file, in bytes.
    place : pathlib.Path
        The file's name in messages.

    Raises
    ------
    ModelFileError
        If the file is anything else, or damaged.
    """
    file.seek(0)
    budget = Budget(RESERVE)
    try:
        if read_exactly(file, min(len(ZIP_BEGIN), size), place) == ZIP_BEGIN:
            state, sizes = _of_archive(file, size, place, budget)
        else:
            state, sizes = _of_legacy(file, size, place, budget)
        _check(state, sizes)
    except (PickleError, JsonError) as error:
        raise ModelFileError(
            f"{place} is damaged, or holds more than tensors ({error}); save the state_dict of the network: "
            'torch.save(network.state_dict(), "network.pt").'
        ) from None


def _of_archive(file: IO[bytes], size: int, place: Path, budget: Budget) -> tuple[Any, dict[str, int]]:
    entries = read_entries(file, size, place, budget)
    # torch takes the folder of the archive's first entry
    folder = next(iter(entries), "").partition("/")[0]
    found = entries.get(f"{folder}/data.pkl", Entry(0, 0))
    if not 0 < found.size <= MOST_PICKLE:
        raise PickleError(f"its data.pkl has {found.size:,} bytes")
    state = Pickle(bytes(read_entry(file, found, place)), budget).last()
    data = f"{folder}/data/"
    return state, {name[len(data) :]: entry.size for name, entry in entries.items() if name.startswith(data)}


def _of_legacy(file: IO[bytes], size: int, place: Path, budget: Budget) -> tuple[Any, dict[str, int]]:
    """Read the format before archives: five pickles, then each storage as its length and its numbers."""
    file.seek(0)
    pickles = Pickle(bytes(read_exactly(file, min(size, MOST_PICKLE), place)), budget)
    # torch's magic number, the version of the format, and the byte order and sizes of the writer
    pickles.value(), pickles.value(), pickles.value()
    state = pickles.value()
    keys = pickles.value()
    if not isinstance(keys, list) or set(map(type, keys)) - {str} or set(keys) != pickles.storages.keys():
        raise PickleError("it has other numbers than its tensors name")
    at, sizes = pickles.at, {}
    for key in keys:
        storage = pickles.storages[key]
        file.seek(at)
        (n_items,) = struct.unpack("<q", read_exactly(file, 8, place))
        sizes[key] = n_items * storage.item_size
        at += 8 + sizes[key]
        if n_items < 0 or at > size:
            raise PickleError("its numbers end too soon")
    if at != size or len(sizes) != len(keys):
        raise PickleError("it does not end with its numbers")
    return state, sizes


def _check(state: Any, sizes: dict[str, int]) -> None:
    if not isinstance(state, dict) or not state:
        raise PickleError("it is no state_dict")
    if len(state) > MOST_TENSORS:
        raise PickleError(f"it has more than {MOST_TENSORS:,} tensors")
    total = 0
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise PickleError(f"it has {clip(name)}, which is no tensor")
        storage = tensor.storage
        if sizes.get(storage.key) != storage.n_items * storage.item_size:
            raise PickleError(f"{clip(name)} claims {storage.n_items:,} numbers that are not there")
        total += tensor.n_bytes
    # without this bound one number could be expanded to any size, or a thousand tensors share one storage
    if total > sum(sizes.values()):
        raise PickleError(
            f"its tensors have {total:,} bytes of numbers, but the file has {sum(sizes.values()):,}"
        )
