"""Frames between Clearprop and a submission's process: JSON and raw arrays, with bounds on all of it.

A frame is 16 bytes (magic, length of the JSON, length of the arrays), the JSON, the arrays' bytes. Nothing is
pickled. The receiver believes nothing: lengths, depth, counts, types and shapes are checked before memory is
allocated for them. A submission may forge any frame of its own process; it can only change its own answers.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.check.calls import Generator, Named, Opaque, Result, Trusted

_HEAD = struct.Struct("<4sIQ")
_MAGIC = b"clpr"
MAX_JSON_BYTES = 8 << 20
MAX_ARRAY_BYTES = 64 << 20
MAX_NODES = 200_000
MAX_DEPTH = 24
MAX_TEXT = 4 << 20
# the largest integer that every reader of JSON keeps exactly is 2^53; NumPy's is this
_MAX_INTEGER = 1 << 64
_KINDS = frozenset("biufcSU")

# kept before a submission can replace them
_ndarray, _generic, _asarray, _frombuffer = np.ndarray, np.generic, np.asarray, np.frombuffer
_contiguous, _dumps, _loads = np.ascontiguousarray, json.dumps, json.loads


class BadFrame(Exception):
    """A frame that is damaged, forged or too large; the text says how."""


class _Packing:
    """The arrays of a frame being packed, and how much is in it."""

    def __init__(self) -> None:
        self.arrays: list[bytes] = []
        self.size = 0
        self.nodes = 0

    def add(self, array: np.ndarray[Any, Any]) -> int:
        self.size += array.nbytes
        if self.size > MAX_ARRAY_BYTES:
            raise BadFrame(f"its arrays are larger than {MAX_ARRAY_BYTES >> 20} MB")
        self.arrays.append(array.tobytes())
        return len(self.arrays) - 1


def pack(value: Any) -> bytes:
    """Return a value as a frame.

    Parameters
    ----------
    value
        Plain data and placeholders of ``calls``; anything else becomes an ``Opaque``.

    Raises
    ------
    BadFrame
        If it is larger or deeper than a frame may be, or contains itself.
    """
    packing = _Packing()
    text = _dumps(_tree(value, packing, 0)).encode()
    if len(text) > MAX_JSON_BYTES:
        raise BadFrame(f"it is larger than {MAX_JSON_BYTES >> 20} MB")
    body = b"".join(packing.arrays)
    return _HEAD.pack(_MAGIC, len(text), len(body)) + text + body


def _tree(value: Any, packing: _Packing, depth: int) -> Any:
    packing.nodes += 1
    if packing.nodes > MAX_NODES:
        raise BadFrame(f"it has more than {MAX_NODES:,} parts")
    if depth > MAX_DEPTH:
        raise BadFrame(f"it is nested more than {MAX_DEPTH} deep")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if abs(value) < _MAX_INTEGER else {"o": "int of more than 64 bits"}
    if kind is float:
        return value if math.isfinite(value) else {"f": repr(value)}
    if kind is complex:
        return {"c": [repr(value.real), repr(value.imag)]}
    if kind is str:
        # surrogates cannot be encoded
        return value[:MAX_TEXT].encode("utf-8", "replace").decode()
    if kind is bytes:
        return {"b": value[:MAX_TEXT].hex()}
    if kind in (list, tuple, set, frozenset):
        return {"l" if kind is list else "t": [_tree(item, packing, depth + 1) for item in value]}
    if isinstance(value, dict):
        pairs = dict.items(value)
        return {"d": [[_tree(k, packing, depth + 1), _tree(v, packing, depth + 1)] for k, v in pairs]}
    if isinstance(value, _ndarray):
        return _array_tree(value, packing, depth)
    if isinstance(value, _generic):
        return _array_tree(_asarray(value), packing, depth)
    if isinstance(value, (list, tuple)):
        # a subclass, such as a named tuple
        items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
        return {"t": [_tree(item, packing, depth + 1) for item in items]}
    if isinstance(value, (int, float, str)):
        # of subclasses that may have methods of their own
        if isinstance(value, str):
            return _tree(str.__add__(value, ""), packing, depth + 1)
        plain = float.__add__(value, 0.0) if isinstance(value, float) else int.__add__(value, 0)
        return _tree(plain, packing, depth + 1)
    return _placeholder_tree(value)


def _array_tree(array: np.ndarray[Any, Any], packing: _Packing, depth: int) -> Any:
    kind = array.dtype.kind
    if kind == "O" and array.ndim > 0:
        # ragged lists of gradients, as np.array(..., dtype=object) makes them
        return {"l": [_tree(item, packing, depth + 1) for item in _ndarray.tolist(array)]}
    if kind not in _KINDS or array.dtype.itemsize == 0:
        return {"o": f"array of {str(array.dtype)[:40]}"}
    if array.dtype.itemsize > 8 and kind in "fc":
        # extended precision differs between processors
        array = array.astype("c16" if kind == "c" else "f8")
    plain = _contiguous(array).view(_ndarray).reshape(array.shape)
    if plain.dtype.byteorder == ">":
        plain = plain.astype(plain.dtype.newbyteorder("<"))
    return {"a": [packing.add(plain), plain.dtype.str, list(array.shape)]}


def _placeholder_tree(value: Any) -> Any:
    kind = type(value)
    if kind is Result:
        return {"r": [value.call, list(value.path)]}
    if kind is Named:
        return {"n": value.name}
    if kind is Trusted:
        return {"s": [value.name, value.source]}
    if kind is Generator:
        return {"g": value.seed}
    if kind is Opaque:
        return {"o": value.type_name[:200]}
    return {"o": str(kind.__name__)[:200]}


def read_frame(read: Callable[[int], bytes]) -> Any:
    """Return the value of the next frame.

    Parameters
    ----------
    read : callable
        ``read(n)`` returns exactly n bytes or raises.

    Raises
    ------
    BadFrame
    """
    magic, text_bytes, array_bytes = _HEAD.unpack(read(_HEAD.size))
    if magic != _MAGIC or text_bytes > MAX_JSON_BYTES or array_bytes > MAX_ARRAY_BYTES:
        raise BadFrame("it does not begin as a frame does")
    text = read(text_bytes)
    body = read(array_bytes)
    try:
        tree = _loads(text, parse_constant=_no_constant)
        return _Unpacking(body).value(tree, 0)
    except BadFrame:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise BadFrame(f"it is damaged ({type(error).__name__})") from None


def _no_constant(name: str) -> Any:
    raise BadFrame(f"it has the number {name}")


class _Unpacking:
    """A frame's tree and bytes being turned into values."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._taken = 0
        self._arrays = 0
        self._nodes = 0

    def value(self, tree: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > 2 * MAX_NODES or depth > MAX_DEPTH + 1:
            raise BadFrame("it has too many parts")
        if not isinstance(tree, dict):
            if isinstance(tree, list):
                raise BadFrame("it has a bare list")
            if isinstance(tree, int) and abs(tree) >= _MAX_INTEGER:
                raise BadFrame("it has an integer of more than 64 bits")
            return tree
        ((tag, content),) = tree.items()
        if tag == "a":
            return self._array(content)
        if tag in ("l", "t"):
            items = [self.value(item, depth + 1) for item in _list(content)]
            return items if tag == "l" else tuple(items)
        if tag == "d":
            return {
                _hashable(self.value(key, depth + 1)): self.value(item, depth + 1)
                for key, item in _list(content)
            }
        if tag == "f":
            return float(_text(content, 8))
        if tag == "c":
            real, imaginary = content
            return complex(float(_text(real, 40)), float(_text(imaginary, 40)))
        if tag == "b":
            return bytes.fromhex(_text(content, 2 * MAX_TEXT))
        return _placeholder(tag, content)

    def _array(self, content: Any) -> np.ndarray[Any, Any]:
        number, name, shape = content
        dtype = np.dtype(_text(name, 20))
        if number != self._arrays or dtype.kind not in _KINDS or dtype.hasobject or dtype.itemsize == 0:
            raise BadFrame("it has an array of an unknown kind")
        if len(_list(shape)) > 16 or not all(type(n) is int and 0 <= n <= MAX_ARRAY_BYTES for n in shape):
            raise BadFrame("it has an array of an impossible shape")
        size = math.prod(shape) * dtype.itemsize
        if self._taken + size > len(self._body):
            raise BadFrame("it has an array larger than its bytes")
        self._arrays += 1
        if size == 0:
            return np.zeros(shape, dtype)
        flat = np.frombuffer(self._body, dtype, math.prod(shape), self._taken)
        self._taken += size
        return flat.reshape(shape).copy()


def _placeholder(tag: str, content: Any) -> Any:
    if tag == "o":
        return Opaque(_text(content, 200))
    if tag == "r":
        call, path = content
        if type(call) is not int:
            raise BadFrame("it has a result without a number")
        return Result(call, tuple(item if type(item) is int else _text(item, 200) for item in _list(path)))
    if tag == "n":
        return Named(_text(content, 1000))
    if tag == "s":
        name, source = content
        return Trusted(_text(name, 1000), _text(source, MAX_JSON_BYTES))
    if tag == "g" and type(content) is int:
        return Generator(content)
    raise BadFrame("it has an unknown part")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadFrame("it has no list where one must be")
    return value


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise BadFrame("it has no text where one must be")
    return value


def _hashable(value: Any) -> Any:
    # a key that is an array or a list could not be looked up
    if isinstance(value, (bool, int, float, str, bytes)) or value is None:
        return value
    if isinstance(value, tuple):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.item()
    raise BadFrame("it has a key that is no plain value")
