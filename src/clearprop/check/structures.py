"""Containers of arrays (tuples, lists, dicts, caches): filled with values, and read by name.

A structure is a name ("w1"), a tuple or list of structures, a dict of structures, or a constant wrapped in
:class:`Constant`. An assignment file writes ``{each = ...}`` and ``{list = ...}`` for one entry a layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from clearprop.check.formulas.base import Array, Values

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
    return f"a {type(value).__name__}"


def inferred(value: Any, expected: Values, *, exact: bool, optional: Values | None = None) -> Structure:
    """Return the structure of a value by finding which expected array each of its arrays is.

    Parameters
    ----------
    value
        What a function of the submission returned.
    expected : mapping of str to ndarray
        The arrays that it may hold, as this dialect lays them out.
    exact : bool
        Whether the numbers must agree; otherwise shapes decide, and among equal ones the nearest numbers.

    optional : mapping of str to ndarray, optional
        Arrays that it may hold besides, such as the inputs, recognised by their numbers.

    Raises
    ------
    Unreadable
        If not every expected array is found.
    """
    if not exact and (by_keys := _by_keys(value, expected)) is not None:
        return by_keys
    left = dict(expected)
    others = dict(optional or {})

    def visit(part: Any) -> Structure:
        if isinstance(part, dict):
            return {key: visit(item) for key, item in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(visit(item) for item in part)
        if isinstance(part, np.ndarray) and part.size > 1:
            name = (
                _nearest(part, others, True) or _nearest(part, left, exact) or _nearest(part, expected, True)
            )
            if name is not None:
                left.pop(name, None)
                return name
        return Constant(part)

    structure = visit(value)
    if left and not exact:
        structure = _by_order(value, expected) or structure
        left = {name: array for name, array in left.items() if name not in names_in(structure)}
    if left:
        raise Unreadable(f"it returns {described(value)} in which {', '.join(left)} cannot be found")
    return structure


_KEY = re.compile(r"^([A-Za-z]+)_?(\d+)$")


def _by_keys(value: Any, expected: Values) -> Structure | None:
    """Return the structure of a dict such as {"Z1": ..., "A1": ...}: each prefix is one kind of array.

    Wrong numbers of equal shape cannot be told apart one by one, but all arrays of a prefix together can.
    """
    if not isinstance(value, dict):
        return None
    matches = {key: match for key in value if (match := _KEY.match(str(key)))}
    prefixes = sorted({match[1] for match in matches.values()})
    kinds = sorted({name.rstrip("0123456789") for name in expected})
    best: tuple[float, dict[Any, str]] | None = None
    for chosen in permutations(prefixes, len(kinds)) if len(prefixes) <= 4 else ():
        kind_of = dict(zip(chosen, kinds, strict=True))
        names = {k: kind_of[m[1]] + m[2] for k, m in matches.items() if m[1] in kind_of}
        names = {key: name for key, name in names.items() if name in expected}
        if len(names) != len(expected):
            continue
        distances = [_distance(value[key], expected[name]) for key, name in names.items()]
        if best is None or sum(distances) < best[0]:
            inputs = {key: "x" for key, m in matches.items() if kind_of.get(m[1], "") + m[2] == "h0"}
            best = (sum(distances), {**names, **inputs})
    if best is None or not np.isfinite(best[0]):
        return None
    return {key: best[1].get(key, Constant(part)) for key, part in value.items()}


def _distance(part: Any, array: Array) -> float:
    if not isinstance(part, np.ndarray) or part.shape != array.shape or part.dtype.kind not in "fiu":
        return float(np.inf)
    return float(np.nan_to_num(np.max(np.abs(part - array)), nan=1e9, posinf=1e9))


def _is_matrix(array: Array) -> bool:
    return bool(array.ndim == 2 and min(array.shape) > 1)


def _by_order(value: Any, expected: Values) -> Structure | None:
    """Return a structure that names matrices and vectors in order, if there are as many of each."""
    leaves: list[Array] = []

    def visit(part: Any) -> Structure:
        if isinstance(part, dict):
            return {key: visit(item) for key, item in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(visit(item) for item in part)
        if isinstance(part, np.ndarray):
            leaves.append(part)
            return len(leaves) - 1
        return Constant(part)

    def named(part: Structure, names: Mapping[int, str]) -> Structure:
        if isinstance(part, dict):
            return {key: named(item, names) for key, item in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(named(item, names) for item in part)
        return names[part] if isinstance(part, int) else part

    numbered = visit(value)
    names: dict[int, str] = {}
    for is_matrix in (True, False):
        ours = [name for name, array in expected.items() if _is_matrix(array) is is_matrix]
        theirs = [i for i, leaf in enumerate(leaves) if _is_matrix(leaf) is is_matrix]
        if len(ours) != len(theirs):
            return None
        names |= dict(zip(theirs, ours, strict=True))
    return named(numbered, names) if names else None


def _nearest(part: Array, candidates: Values, exact: bool) -> str | None:
    distances = {}
    for name, array in candidates.items():
        array = np.asarray(array)
        fits = array.shape == part.shape or (array.size == part.size and 1 in (array.ndim, part.ndim))
        if fits and part.dtype.kind in "fiu":
            distance = float(np.max(np.abs(part.reshape(array.shape) - array)))
            if not exact or distance <= 1e-4 * float(np.max(np.abs(array))):
                distances[name] = distance if distance == distance else np.inf
    return min(distances, key=distances.__getitem__) if distances else None
