"""Check that a file of ``torch.save`` is a state_dict or a plain checkpoint, before torch reads it."""

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
    """Check that a file is a state_dict, or a checkpoint, whose tensors have the bytes they claim.

    No dict of tensors may have more bytes than the file, so that none of them is expanded.

    The pickle is interpreted as torch interprets it, but creates only plain values and records of tensors;
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
    left: list[Any] = [state]
    seen = {id(state)}
    while left:
        holder = left.pop()
        if isinstance(holder, dict):
            _check_dict(holder, sizes)
        for value in holder.values() if isinstance(holder, dict) else holder:
            if isinstance(value, Tensor):
                _check_tensor("a tensor", value, sizes)
            # a container in itself, or in several others, is checked once
            elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
                seen.add(id(value))
                left.append(value)
            elif not isinstance(value, (dict, list, tuple, str, int, float, type(None))):
                raise PickleError(f"it has {clip(value)}, which is neither a tensor nor a plain value")


def _check_dict(tensors: dict[Any, Any], sizes: dict[str, int]) -> None:
    """Check the tensors of a dict, which may be the state_dict to import."""
    named = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
    if len(named) > MOST_TENSORS:
        raise PickleError(f"it has more than {MOST_TENSORS:,} tensors")
    by_storage: dict[str, str] = {}
    total, sharing = 0, ""
    for name, tensor in named.items():
        _check_tensor(clip(name), tensor, sizes)
        total += tensor.n_bytes
        first = by_storage.setdefault(tensor.storage.key, name)
        if first != name and not sharing:
            sharing = f"; {clip(first)} and {clip(name)} share theirs, so give each a clone()"
    # without this bound one number could be expanded to any size, or a thousand tensors share one storage
    if total > sum(sizes.values()):
        raise PickleError(
            f"its tensors have {total:,} bytes of numbers, but the file has {sum(sizes.values()):,}{sharing}"
        )


def _check_tensor(name: str, tensor: Tensor, sizes: dict[str, int]) -> None:
    storage = tensor.storage
    if sizes.get(storage.key) != storage.n_items * storage.item_size:
        raise PickleError(f"{name} claims {storage.n_items:,} numbers that are not there")
