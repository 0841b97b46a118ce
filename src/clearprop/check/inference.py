"""Finding which array is which in a container of a submission's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np

from clearprop.check.formulas.base import Array, Values
from clearprop.check.structures import Constant, Structure, Unreadable, described, names_in


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
    if not exact:
        by_kind = _by_keys(value, expected) or _by_lists(value, expected)
        if by_kind is not None:
            return by_kind
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


def _by_lists(value: Any, expected: Values) -> Structure | None:
    """Return the structure of lists such as (pre_activations, activations): each is one kind of array.

    A list that is one longer has the inputs first.
    """
    kinds = sorted({name.rstrip("0123456789") for name in expected})
    if not isinstance(value, list | tuple) or len(kinds) < 2 or len(expected) % len(kinds):
        return None
    k = len(expected) // len(kinds)
    groups = [i for i, part in enumerate(value) if isinstance(part, list | tuple) and len(part) in (k, k + 1)]
    best: tuple[float, dict[int, list[str]]] | None = None
    for chosen in permutations(groups, len(kinds)) if len(groups) <= 4 else ():
        names: dict[int, list[str]] = {}
        total = 0.0
        for group, kind in zip(chosen, kinds, strict=True):
            arrays = [f"{kind}{i}" for i in range(1, k + 1)]
            names[group] = ["x"] * (len(value[group]) - k) + arrays
            total += sum(
                _distance(part, expected[name]) if name in expected else np.inf
                for name, part in zip(arrays, value[group][-k:], strict=True)
            )
        if best is None or total < best[0]:
            best = (total, names)
    if best is None or not np.isfinite(best[0]):
        return None
    found = [type(p)(best[1][i]) if i in best[1] else Constant(p) for i, p in enumerate(value)]
    return type(value)(found)


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
