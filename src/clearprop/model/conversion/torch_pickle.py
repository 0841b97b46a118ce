"""A pickle that ``torch.save`` wrote, interpreted without creating any of the objects that it names."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clearprop.model.files.json_reader import Budget
from clearprop.model.files.safetensors_reader import clip

# bytes that a Python object takes, charged for each operation
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
# of the schedule of learning rates in a checkpoint
_COUNTER = "collections Counter"
_GLOBALS = {_DICT, _COUNTER, _TENSOR, _PARAMETER, *ITEM_SIZES}
_MARK = object()


class PickleError(ValueError):
    """The pickle has something that no state_dict or checkpoint has."""


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers that one or more tensors view: their name in the file, and how many there are."""

    key: str
    n_items: int
    item_size: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the pickle describes it; ``n_bytes`` is what its shape comes to."""

    storage: Storage
    n_bytes: int


class Pickle:
    """Interprets the pickles of a text one after another, with the few operations that ``torch.save`` uses.

    Parameters
    ----------
    text : bytes
    budget : Budget
        Charged for every operation.

    Attributes
    ----------
    at : int
        Where the next pickle begins.
    storages : dict of str to Storage
        All storages that a pickle has named.
    """

    def __init__(self, text: bytes, budget: Budget) -> None:
        self._text = text
        self.at = 0
        self.storages: dict[str, Storage] = {}
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

    def _float(self) -> float:
        return float(struct.unpack(">d", self._take(8))[0])

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
            raise PickleError("its pickle takes more values than it has")
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
            raise PickleError("its pickle takes more values than it has")
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
            raise PickleError("its pickle recalls a value that it has not stored")
        self._push(self._memo[number])

    def _set(self, items: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=False):
            # no tuples, since hashing tuples nested in tuples may take for ever
            if not isinstance(key, (str, int)):
                raise PickleError(f"it has {clip(type(key).__name__)} for a name")
            target[key] = value
        if len(items) % 2:
            raise PickleError("its pickle has a name without a value")

    def _extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _build(self) -> None:
        # _metadata: the versions of the modules, which an import does not need
        state = self._pop()
        if not isinstance(state, dict) or state.keys() - {"_metadata"}:
            raise PickleError("its pickle sets the state of an object that has none")
        self._top(dict)

    def _storage(self) -> None:
        named = self._pop()
        # a sixth item, in the format before archives, describes a view of another storage
        if not isinstance(named, tuple) or len(named) not in (5, 6) or named[5:] not in ((), (None,)):
            raise PickleError("its pickle names numbers as torch does not")
        kind, of, key, location, n_items = named[:5]
        item_size = ITEM_SIZES.get(of.name) if isinstance(of, _Global) else None
        if kind != "storage" or item_size is None or not _are(str, (key, location)) or not _sizes((n_items,)):
            raise PickleError("its pickle names numbers as torch does not")
        storage = Storage(key, n_items, item_size)
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
        elif name == _COUNTER and len(arguments) == 1 and isinstance(arguments[0], dict):
            self._push(arguments[0])
        elif name == _TENSOR and len(arguments) == 6:
            self._push(_tensor(*arguments))
        elif name == _PARAMETER and len(arguments) == 3 and isinstance(arguments[0], Tensor):
            # torch passes these two on without a check
            if not isinstance(arguments[1], bool) or arguments[2] != {}:
                raise PickleError("it has a parameter that torch.save would not write")
            self._push(arguments[0])
        else:
            raise PickleError("its pickle calls a function that no state_dict needs")


def _are(kind: type, values: Any) -> bool:
    return all(type(value) is kind for value in values)


def _sizes(values: Any) -> bool:
    return isinstance(values, tuple) and _are(int, values) and all(0 <= value < 2**48 for value in values)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, gradient: Any, hooks: Any) -> Tensor:
    if not (
        isinstance(storage, Storage)
        and _sizes((offset,))
        and _sizes(shape)
        and _sizes(strides)
        and len(shape) == len(strides) <= 8
        and isinstance(gradient, bool)
        and hooks == {}
    ):
        raise PickleError("it has a tensor that torch.save would not write")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 in shape or last >= storage.n_items:
        raise PickleError(f"a tensor of shape {clip(shape)} does not have the numbers that it claims")
    return Tensor(storage, math.prod(shape) * storage.item_size)


_OPERATIONS: dict[bytes, Callable[[Pickle], object]] = {
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
    b"G": lambda on: on._push(on._float()),
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
