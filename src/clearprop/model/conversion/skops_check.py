"""Check the schema of a .skops file: trusted types and consistent sizes, before skops creates objects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from clearprop.model.files.json_reader import Budget, JsonError, JsonReader
from clearprop.model.files.safetensors_reader import clip
from clearprop.model.files.zip_reader import Entry, read_entries, read_entry
from clearprop.utils.errors import ModelFileError

SCHEMA = "schema.json"
#: Memory for the objects of skops, in bytes, beside the arrays: 1,000 epochs take 5 MB.
RESERVE = 64 * 2**20
# bytes that skops and Python need for each node; an object also takes the names of all trusted types
NODE_COST = 1500
OBJECT_COST = 5000
MOST_NESTED = 100
# visits of nodes, counting a node once for each reference to it, or to a node that contains it
MOST_VISITS = 1_000_000
_NUMBERS = re.compile(r"ndarray|u?int\d+|float\d+|bool_?|str_?|int|float")
_LOADERS = {
    "ObjectNode": None,
    "DictNode": {"builtins.dict", "collections.OrderedDict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "JsonNode": None,
    "TypeNode": None,
    "NdArrayNode": None,
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
}
_LONGEST_NPY_HEADER = 10_000


class SchemaError(ValueError):
    """The schema has something that no fitted MLP has."""


def check_schema(file: IO[bytes], size: int, place: Path) -> None:
    """Check that a .skops file holds only plain objects, and arrays that have the bytes they claim.

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
        If it holds anything else, is damaged, or would take more memory than twice its size and ``RESERVE``.
    """
    budget = Budget(RESERVE)
    try:
        entries = read_entries(file, size, place, budget)
        schema = entries.get(SCHEMA, Entry(0, 0))
        if not schema.size:
            raise SchemaError("it has no schema.json")
        # the text itself is counted with the file
        text = memoryview(read_entry(file, schema, place))
        reader = JsonReader(text, budget, MOST_NESTED)
        root = reader.value()
        reader.finish()
        _Check(file, place, entries, budget).node(root)
    except (SchemaError, JsonError) as error:
        raise ModelFileError(
            f"{place} is damaged, or holds types that are not trusted ({error}); save a fitted MLP of "
            "scikit-learn with skops.io.dump."
        ) from None


class _Check:
    """Visits the nodes of a schema as skops does, without creating objects."""

    def __init__(self, file: IO[bytes], place: Path, entries: dict[str, Entry], budget: Budget) -> None:
        self._file, self._place, self._entries, self._budget = file, place, entries, budget
        self._left = sum(entry.size for entry in entries.values())
        # visits that each node comes to, itself included; 0 while they are counted
        self._visits: dict[Any, int] = {}

    def node(self, node: Any) -> int:
        """Check a node and all that it holds, and return how many nodes a visit of it comes to."""
        fields = ("__class__", "__module__", "__loader__")
        if not isinstance(node, dict) or not all(isinstance(node.get(field), str) for field in fields):
            raise SchemaError("its schema has something that is no node")
        name, module, loader = (node[field] for field in fields)
        number = node.get("__id__")
        if number is not None and type(number) is not int:
            raise SchemaError("its schema has a node whose id is no number")
        # skops looks a known node up by its id, and ignores the rest of the node
        if number and number in self._visits:
            if not self._visits[number]:
                raise SchemaError("its schema has a node that holds itself")
            return self._visits[number]
        if module.partition(".")[0] == "clearprop":
            raise SchemaError(
                "it holds an estimator of Clearprop, of which clearprop.from_sklearn(estimator).save(path) "
                "makes a model file"
            )
        if loader not in _LOADERS:
            raise SchemaError(f"{clip(f'{module}.{name}')[1:-1]} read by {clip(loader)[1:-1]}")
        classes = _LOADERS[loader]
        if classes is not None and f"{module}.{name}" not in classes:
            raise SchemaError(f"{clip(f'{module}.{name}')[1:-1]} read by {loader}")
        self._budget.take(OBJECT_COST if loader == "ObjectNode" else NODE_COST)
        if number:
            self._visits[number] = 0
        visits = 1 + sum(map(self.node, self._children(node, loader)))
        if visits > MOST_VISITS:
            raise SchemaError("its schema holds the same things again and again")
        if number:
            self._visits[number] = visits
        return visits

    def _children(self, node: dict[str, Any], loader: str) -> Iterable[Any]:
        content = node.get("content")
        if loader == "JsonNode":
            if not isinstance(content, str):
                raise SchemaError("its schema has a value that is no text")
            # skops reads the text with Python's json
            JsonReader(memoryview(bytearray(content.encode())), self._budget, MOST_NESTED).value()
            return ()
        if loader == "TypeNode":
            if _NUMBERS.fullmatch(node["__class__"]) is None:
                raise SchemaError(f"the type {clip(node['__class__'])}")
            return ()
        if loader == "NdArrayNode":
            return self._array(node)
        if loader == "DictNode":
            if not isinstance(content, dict):
                raise SchemaError("its schema has a dict without content")
            return (node.get("key_types"), *content.values())
        if loader in ("ListNode", "TupleNode"):
            if not isinstance(content, list):
                raise SchemaError("its schema has a list without content")
            return content
        return () if content is None else (content,)

    def _array(self, node: dict[str, Any]) -> Iterable[Any]:
        if _NUMBERS.fullmatch(node["__class__"]) is None or node["__module__"] != "numpy":
            raise SchemaError(f"the type {clip(node['__class__'])}")
        if node.get("type") == "json":
            content, shape = node.get("content"), node.get("shape")
            sizes = shape.get("content") if isinstance(shape, dict) else None
            # texts in a row, such as the names of classes; rows of rows would be copied as often as named
            if (
                not isinstance(content, list)
                or not isinstance(sizes, list)
                or len(sizes) != 1
                or not all(
                    isinstance(item, dict) and item.get("__loader__") == "JsonNode" for item in content
                )
            ):
                raise SchemaError("it has an array of objects that are no texts in a row")
            return (shape, *content)
        name = node.get("file")
        entry = self._entries.get(name) if isinstance(name, str) else None
        if node.get("type") != "numpy" or entry is None:
            raise SchemaError("its schema has an array without a file")
        self._left -= entry.size
        if self._left < 0:
            raise SchemaError("its schema has the same array again and again")
        head = read_entry(self._file, Entry(entry.begin, min(entry.size, _LONGEST_NPY_HEADER)), self._place)
        if _npy_size(head) != entry.size:
            raise SchemaError(f"{clip(name)} does not have the numbers that it claims")
        return ()


# the header that numpy.save writes for arrays of numbers or text; the digits are few enough to multiply
_NPY_HEADER = re.compile(
    rb"\{'descr': '(\|b1|\|[iu]1|[<>][iuf][248]|[<>]U[1-9]\d{0,6})', 'fortran_order': (?:True|False), "
    rb"'shape': \(((?:\d{1,15},? ?){0,8})\), \} *\n"
)


def _npy_size(head: bytearray) -> int | None:
    """Return the size of an .npy file that begins so, or None if it is not an array of numbers or text."""
    # longer headers, of version 2, are of structured types
    if head[:8] != b"\x93NUMPY\x01\x00":
        return None
    length = int.from_bytes(head[8:10], "little")
    match = _NPY_HEADER.fullmatch(bytes(head[10 : 10 + length]))
    if match is None:
        return None
    shape = [int(number) for number in re.findall(rb"\d+", match[2])]
    # an array without numbers may claim any other side
    if 0 in shape and len(shape) > 1:
        return None
    return 10 + length + math.prod(shape) * np.dtype(match[1].decode()).itemsize
