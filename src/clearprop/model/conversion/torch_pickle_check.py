"""What a pickle of ``torch.save`` would make, followed without making it, before torch reads it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clearprop.model.files.json_reader import Budget, JsonError
from clearprop.model.files.safetensors_reader import MOST_TENSORS, clip, read_exactly
from clearprop.model.files.zip_reader import ZIP_BEGIN, Entry, read_entries, read_entry
from clearprop.utils.errors import ModelFileError

#: What the records of pickle and archive may take, beside the numbers: of 500 layers they take 5 MB.
RESERVE = 8 * 2**20
#: A state_dict of 500 layers has a tenth of it.
MOST_PICKLE = 2**20
# Python's, of anything that an operation makes
OPERATION_COST = 100
ITEM_SIZES = {
    "torch DoubleStorage": 8,
    "torch FloatStorage": 4,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch LongStorage": 8,
    "torch IntStorage": 4,
    "torch ShortStorage": 2,
    "torch CharStorage": 1,
    "torch ByteStorage": 1,
    "torch BoolStorage": 1,
}
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_GLOBALS = {_DICT, _TENSOR, _PARAMETER, *ITEM_SIZES}
_MARK = object()


class PickleError(ValueError):
    """The pickle has something that no state_dict has."""


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    n_items: int
    item_size: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    n_bytes: int


def check_state_dict(file: IO[bytes], size: int, place: Path) -> None:
    """See whether a file is a state_dict whose tensors have the bytes they claim, and no more than it has.

    The pickle is followed as torch follows it, but nothing is made of it save numbers, text and records of
    them; the first thing that ``torch.save`` does not write of a state_dict ends it.

    Parameters
    ----------
    file : unbuffered binary file
    size : int
        Of the file, in bytes.
    place : pathlib.Path
        What the file is called in a message.

    Raises
    ------
    ModelFileError
        If it is anything else, or damaged.
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
    # torch takes the folder of the first
    folder = next(iter(entries), "").partition("/")[0]
    found = entries.get(f"{folder}/data.pkl", Entry(0, 0))
    if not 0 < found.size <= MOST_PICKLE:
        raise PickleError(f"its data.pkl has {found.size:,} bytes")
    state = _Pickle(bytes(read_entry(file, found, place)), budget).last()
    data = f"{folder}/data/"
    return state, {name[len(data) :]: entry.size for name, entry in entries.items() if name.startswith(data)}


def _of_legacy(file: IO[bytes], size: int, place: Path, budget: Budget) -> tuple[Any, dict[str, int]]:
    """Read the format before archives: five pickles, then each storage as its length and its numbers."""
    file.seek(0)
    pickles = _Pickle(bytes(read_exactly(file, min(size, MOST_PICKLE), place)), budget)
    # torch's number, the version of the format, the machine that wrote it
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
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise PickleError(f"it has {clip(name)}, which is no tensor")
        storage = tensor.storage
        if sizes.get(storage.key) != storage.n_items * storage.item_size:
            raise PickleError(f"{clip(name)} claims {storage.n_items:,} numbers that are not there")
        total += tensor.n_bytes
    # else a single number could be stretched to any size, or a thousand tensors share one storage
    if total > sum(sizes.values()):
        raise PickleError(
            f"its tensors have {total:,} bytes of numbers, but the file has {sum(sizes.values()):,}"
        )


class _Pickle:
    """Follows one pickle after another in a text, with the few operations that ``torch.save`` uses.

    Parameters
    ----------
    text : bytes
    budget : Budget
        Charged for every operation.

    Attributes
    ----------
    at : int
        Where the next pickle begins.
    storages : dict of str to _Storage
        All that were named.
    """

    def __init__(self, text: bytes, budget: Budget) -> None:
        self._text = text
        self.at = 0
        self.storages: dict[str, _Storage] = {}
        self._budget = budget

    def last(self) -> Any:
        """Return the value of the pickle, which must end with the text."""
        value = self.value()
        if self.at != len(self._text):
            raise PickleError("there is more than its pickle")
        return value

    def value(self) -> Any:
        """Return the value of the pickle that comes next."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        while True:
            self._budget.take(OPERATION_COST)
            operation = self._take(1)
            if operation == b".":
                return self._pop()
            act = _OPERATIONS.get(operation)
            if act is None:
                raise PickleError(f"its pickle has the operation {operation!r}")
            act(self)

    def _take(self, size: int) -> bytes:
        taken = self._text[self.at : self.at + size]
        if len(taken) != size:
            raise PickleError("its pickle ends too soon")
        self.at += size
        return taken

    def _number(self, code: str) -> int:
        (number,) = struct.unpack(code, self._take(struct.calcsize(code)))
        return int(number)

    def _long(self) -> int:
        return int.from_bytes(self._take(self._number("<B")), "little", signed=True)

    def _string(self) -> str:
        content = self._take(self._number("<I"))
        self._budget.take(4 * len(content))
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise PickleError("it has a name that is not UTF-8") from None

    def _name(self) -> _Global:
        end = self._text.find(b"\n", self._text.find(b"\n", self.at) + 1)
        name = self._take(min(max(end - self.at + 1, 0), 200)).decode("ascii", "replace")
        name = name.rstrip("\n").replace("\n", " ")
        if name not in _GLOBALS:
            raise PickleError(f"it names {clip(name)}")
        return _Global(name)

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise PickleError("its pickle takes what is not there")
        return self._stack.pop()

    def _top(self, kind: type) -> Any:
        value = self._pop()
        if not isinstance(value, kind):
            raise PickleError("its pickle mixes up its values")
        self._push(value)
        return value

    def _popped(self) -> list[Any]:
        """Return the items above the last mark."""
        items = []
        while self._stack and self._stack[-1] is not _MARK:
            items.append(self._stack.pop())
        if not self._stack:
            raise PickleError("its pickle takes what is not there")
        self._stack.pop()
        return items[::-1]

    def _tuple(self, size: int) -> None:
        self._push(tuple([self._pop() for _ in range(size)][::-1]))

    def _keep(self, number: int) -> None:
        value = self._pop()
        self._push(value)
        self._memo[number] = value

    def _recall(self, number: int) -> None:
        if number not in self._memo:
            raise PickleError("its pickle recalls what it has not kept")
        self._push(self._memo[number])

    def _set(self, items: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=False):
            # only text, since the hash of a tuple within tuples may take for ever
            if not isinstance(key, str):
                raise PickleError(f"it has {clip(type(key).__name__)} for a name")
            target[key] = value
        if len(items) % 2:
            raise PickleError("its pickle has a name without a value")

    def _extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _build(self) -> None:
        # the versions of the modules, which a state_dict holds and no import needs
        state = self._pop()
        if not isinstance(state, dict) or state.keys() - {"_metadata"}:
            raise PickleError("its pickle gives a state to what has none")
        self._top(dict)

    def _storage(self) -> None:
        named = self._pop()
        # the last, of the format before archives, is for a view of another storage
        if not isinstance(named, tuple) or len(named) not in (5, 6) or named[5:] not in ((), (None,)):
            raise PickleError("its pickle names numbers as torch does not")
        kind, of, key, location, n_items = named[:5]
        item_size = ITEM_SIZES.get(of.name) if isinstance(of, _Global) else None
        if kind != "storage" or item_size is None or not _are(str, (key, location)) or not _sizes((n_items,)):
            raise PickleError("its pickle names numbers as torch does not")
        storage = _Storage(key, n_items, item_size)
        if self.storages.setdefault(key, storage) != storage:
            raise PickleError(f"its pickle names the numbers {clip(key)} in two ways")
        self._push(storage)

    def _call(self) -> None:
        arguments, called = self._pop(), self._pop()
        name = called.name if isinstance(called, _Global) else ""
        if not isinstance(arguments, tuple):
            raise PickleError("its pickle mixes up its values")
        if name == _DICT and not arguments:
            self._push({})
        elif name == _TENSOR and len(arguments) == 6:
            self._push(_tensor(*arguments))
        elif name == _PARAMETER and len(arguments) == 3 and isinstance(arguments[0], _Tensor):
            # torch gives it these two as they are
            if not isinstance(arguments[1], bool) or arguments[2] != {}:
                raise PickleError("it has a parameter as torch writes none")
            self._push(arguments[0])
        else:
            raise PickleError("its pickle calls what no state_dict calls")


def _are(kind: type, values: Any) -> bool:
    return all(type(value) is kind for value in values)


def _sizes(values: Any) -> bool:
    return isinstance(values, tuple) and _are(int, values) and all(0 <= value < 2**48 for value in values)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, gradient: Any, hooks: Any) -> _Tensor:
    if not (
        isinstance(storage, _Storage)
        and _sizes((offset,))
        and _sizes(shape)
        and _sizes(strides)
        and len(shape) == len(strides) <= 8
        and isinstance(gradient, bool)
        and hooks == {}
    ):
        raise PickleError("it has a tensor as torch writes none")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 in shape or last >= storage.n_items:
        raise PickleError(f"a tensor of shape {clip(shape)} has not the numbers it claims")
    return _Tensor(storage, math.prod(shape) * storage.item_size)


_OPERATIONS: dict[bytes, Callable[[_Pickle], object]] = {
    b"\x80": lambda on: on._take(1),
    b"c": lambda on: on._push(on._name()),
    b"q": lambda on: on._keep(on._number("<B")),
    b"r": lambda on: on._keep(on._number("<I")),
    b"h": lambda on: on._recall(on._number("<B")),
    b"j": lambda on: on._recall(on._number("<I")),
    b"(": lambda on: on._push(_MARK),
    b")": lambda on: on._push(()),
    b"}": lambda on: on._push({}),
    b"]": lambda on: on._push([]),
    b"t": lambda on: on._push(tuple(on._popped())),
    b"\x85": lambda on: on._tuple(1),
    b"\x86": lambda on: on._tuple(2),
    b"\x87": lambda on: on._tuple(3),
    b"N": lambda on: on._push(None),
    b"\x88": lambda on: on._push(True),
    b"\x89": lambda on: on._push(False),
    b"J": lambda on: on._push(on._number("<i")),
    b"K": lambda on: on._push(on._number("<B")),
    b"M": lambda on: on._push(on._number("<H")),
    b"\x8a": lambda on: on._push(on._long()),
    b"X": lambda on: on._push(on._string()),
    b"Q": lambda on: on._storage(),
    b"R": lambda on: on._call(),
    b"b": lambda on: on._build(),
    b"s": lambda on: on._set([on._pop(), on._pop()][::-1]),
    b"u": lambda on: on._set(on._popped()),
    b"e": lambda on: on._extend(on._popped()),
    b"a": lambda on: on._extend([on._pop()]),
}
