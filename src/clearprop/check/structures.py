"""Containers of arrays (tuples, lists, dicts, caches): filled with values, and read by name.

A structure is a name ("w1"), a tuple or list of structures, a dict of structures, or a constant wrapped in
:class:`Constant`. An assignment file writes ``{each = ...}`` and ``{list = ...}`` for one entry a layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.check.calls import Opaque

Structure = Any


class Unreadable(Exception):
    """A returned value does not have the structure it should have; the text says so for the user."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A part of a structure that holds no array of ours and is given as it is."""

    value: Any


@dataclass(frozen=True, slots=True)
class Own:
    """A structure found in what a submission returns; it is complete as it is."""

    structure: Structure


def numbered(name: str, i: int) -> str:
    """Return "w2" of "w{i}" and "h1" of "h{i-1}" for i = 2; h0 is x."""
    name = name.replace("{i}", str(i)).replace("{i-1}", str(i - 1)).replace("{i+1}", str(i + 1))
    return "x" if name == "h0" else name


def expanded(specification: Any, layers: int, named: Mapping[str, Any]) -> Structure:
    """Return the structure that an assignment file's specification stands for, with this many layers.

    Raises
    ------
    KeyError
        If it names a structure that the file does not define.
    """
    if isinstance(specification, Own):
        return specification.structure
    if isinstance(specification, str):
        if specification.startswith("@"):
            return expanded(named[specification[1:]], layers, named)
        return specification
    if isinstance(specification, list | tuple):
        parts: list[Any] = []
        for part in specification:
            if isinstance(part, str) and "{i" in part:
                parts += [numbered(part, i) for i in range(1, layers + 1)]
            else:
                parts.append(expanded(part, layers, named))
        return tuple(parts)
    if set(specification) == {"list"}:
        return [_for_layer(specification["list"], i) for i in range(1, layers + 1)]
    if set(specification) == {"value"}:
        return Constant(specification["value"])
    if "each" in specification:
        merged: dict[str, Any] = {k: v for k, v in specification.items() if k != "each"}
        for i in range(1, layers + 1):
            merged.update(_for_layer(specification["each"], i))
        return merged
    return {key: expanded(value, layers, named) for key, value in specification.items()}


def _for_layer(specification: Any, i: int) -> Structure:
    if isinstance(specification, str):
        return numbered(specification, i)
    if isinstance(specification, dict):
        return {key.replace("{i}", str(i)): _for_layer(value, i) for key, value in specification.items()}
    return tuple(_for_layer(part, i) for part in specification)


def filled(structure: Structure, value_of: Callable[[str], Any]) -> Any:
    """Return the structure with the values in place of their names."""
    if isinstance(structure, str):
        return value_of(structure)
    if isinstance(structure, Constant):
        return structure.value
    if isinstance(structure, dict):
        return {key: filled(part, value_of) for key, part in structure.items()}
    return type(structure)(filled(part, value_of) for part in structure)


def names_in(structure: Structure) -> list[str]:
    """Return the names in a structure, in order."""
    if isinstance(structure, str):
        return [structure]
    if isinstance(structure, Constant):
        return []
    parts = structure.values() if isinstance(structure, dict) else structure
    return [name for part in parts for name in names_in(part)]


def _plain_key(key: Any) -> str:
    return re.sub(r"[_\s]", "", str(key)).lower()


def read(structure: Structure, value: Any) -> dict[str, Any]:
    """Return the parts of a value by the names in the structure.

    A list passes for a tuple, keys may differ in case and underscores, and a dict may hold more.

    Raises
    ------
    Unreadable
        If a part is missing.
    """
    if isinstance(structure, Constant):
        return {}
    if isinstance(structure, str):
        return {structure: value}
    found: dict[str, Any] = {}
    if isinstance(structure, dict):
        if not isinstance(value, dict):
            raise Unreadable(f"it returns {described(value)}, not a dict")
        by_key = {_plain_key(key): part for key, part in value.items()}
        for key, part in structure.items():
            if _plain_key(key) not in by_key:
                raise Unreadable(f'its dict lacks "{key}"')
            found.update(read(part, value.get(key, by_key[_plain_key(key)])))
        return found
    if isinstance(value, np.ndarray) and len(structure) == 1:
        value = (value,)
    if not isinstance(value, list | tuple) or len(value) != len(structure):
        raise Unreadable(f"it returns {described(value)}, not {len(structure)} values")
    for part, item in zip(structure, value, strict=True):
        found.update(read(part, item))
    return found


def holds_exactly(structure: Structure, value: Any) -> bool:
    """Whether a value has the very keys of a structure, so that the one can be given for the other."""
    if isinstance(structure, dict):
        return isinstance(value, dict) and all(
            key in value and holds_exactly(part, value[key]) for key, part in structure.items()
        )
    if isinstance(structure, list | tuple):
        same_length = isinstance(value, list | tuple) and len(value) == len(structure)
        return same_length and all(
            holds_exactly(part, item) for part, item in zip(structure, value, strict=True)
        )
    return True


def has_stray_keys(structure: Structure, value: Any) -> bool:
    """Whether a dict has the keys asked for in part, and others instead of the rest: misspelt ones."""
    if not isinstance(structure, dict) or not isinstance(value, dict):
        return False
    asked, given = set(structure), set(value)
    return 3 * len(asked & given) >= len(asked) and bool(given - asked) and bool(asked - given)


def described(value: Any) -> str:
    """Return a value's kind for a sentence: "a (3, 4) array", "a tuple of 2", "None"."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, Opaque):
        return f"an object of type {value.type_name}"
    return f"a {type(value).__name__}"
