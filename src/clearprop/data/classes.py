"""Classes are matched by name: the labels of data, and the classes that a model tells apart."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.dataset import Dataset
from clearprop.utils.errors import ClearpropWarning, InvalidArgument

MOST_NAMED = 6
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(?:\.0*)?")


def match_names(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Return, for each name of a class in data, the number of the class of that name, or None.

    Whole numbers are the same however they are written ("1", "01", "1.0"). Where one side has only the
    numbers 0, 1, ... and no name is on both sides, the numbers stand for the names of the other.

    Parameters
    ----------
    names : sequence of str
    known : sequence of str
        The classes 0, 1, ... of a model.
    """
    exact = {name: i for i, name in enumerate(known)}
    loose = {_canonical(name): i for i, name in reversed(list(enumerate(known)))}
    found = [exact.get(name, loose.get(_canonical(name))) for name in names]
    if any(place is not None for place in found):
        return found
    if all(name.isascii() and name.isdigit() and int(name) < len(known) for name in names):
        return [int(name) for name in names]
    numbers = list(map(str, range(len(known))))
    if list(known) == numbers and len(names) == len(known):
        return list(range(len(names)))
    return found


def codes_of_labels(
    known: Sequence[str], *parts: NDArray[Any] | None
) -> tuple[tuple[str, ...], list[NDArray[np.int64] | None]]:
    """Return the classes, those of a model first, and the labels of each part as their numbers.

    Parameters
    ----------
    known : sequence of str
    *parts : ndarray (n,) of int or str, or None

    Returns
    -------
    tuple of str, list of ndarray (n,) of int64, or None
    """
    present = [np.unique(part) for part in parts if part is not None]
    names = sorted({str(label) for labels in present for label in labels.tolist()}, key=_by_size)
    places = dict(zip(names, match_names(names, known), strict=True))
    unknown = [name for name in names if places[name] is None]
    classes = (*known, *unknown)
    places |= {name: len(known) + i for i, name in enumerate(unknown)}
    codes: list[NDArray[np.int64] | None] = []
    for part in parts:
        if part is None:
            codes.append(None)
            continue
        labels, inverse = np.unique(part, return_inverse=True)
        numbers = np.array([places[str(label)] for label in labels.tolist()], np.int64)
        codes.append(numbers[inverse])
    return classes, codes


def matched(dataset: Dataset, known: Sequence[str]) -> Dataset:
    """Return a data set whose classes are those of a model, matched by name, and then the unknown ones.

    Parameters
    ----------
    dataset : Dataset
    known : sequence of str
        The classes 0, 1, ... of the model.

    Raises
    ------
    InvalidArgument
        If no class with rows is the model's.

    Warns
    -----
    ClearpropWarning
        If rows are of classes that the model does not know.
    """
    sizes = np.bincount(dataset.y, minlength=dataset.n_classes)
    if dataset.class_names[: len(known)] == tuple(known):
        places: list[int | None] = [*range(len(known)), *([None] * (dataset.n_classes - len(known)))]
    else:
        places = match_names(dataset.class_names, known)
    unknown = [i for i, place in enumerate(places) if place is None and sizes[i]]
    if len(dataset) and all(place is None for place, size in zip(places, sizes, strict=True) if size):
        own = [name for name, size in zip(dataset.class_names, sizes, strict=True) if size]
        raise InvalidArgument(
            f"{dataset.name} has {len(own)} classes, but the model tells {len(known)} apart, and no class "
            f"with rows is the same: {_listed(own)} there, {_listed(known)} in the model; "
            "evaluate it on the kind of data it was trained on."
        )
    if unknown:
        names = [dataset.class_names[i] for i in unknown]
        empty = [
            name
            for i, name in enumerate(known)
            if not any(p == i and n for p, n in zip(places, sizes, strict=True))
        ]
        shifted = f" and has no rows of {_listed(empty)}" if empty else ""
        warnings.warn(
            f"{dataset.name} has {int(sizes[unknown].sum()):,} rows of {_listed(names)}, which the model "
            f"does not know{shifted}; classes are compared by their names, and such rows count as mistakes.",
            ClearpropWarning,
            stacklevel=3,
        )
    # the usual case needs no new labels
    if not unknown and places == list(range(len(known))):
        return (
            dataset
            if dataset.n_classes == len(known)
            else replace(dataset, class_names=tuple(known), test=None)
        )
    numbers = dict(zip(unknown, range(len(known), len(known) + len(unknown)), strict=True))
    codes = np.array(
        [numbers.get(i, -1) if place is None else place for i, place in enumerate(places)], np.int64
    )
    class_names = (*known, *(dataset.class_names[i] for i in unknown))
    return replace(dataset, y=codes[dataset.y], class_names=class_names, test=None)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def _by_size(name: str) -> tuple[bool, float, str]:
    return (False, float(name), name) if _WHOLE.fullmatch(name) else (True, 0.0, name)


def _canonical(name: str) -> str:
    return str(int(float(name))) if _WHOLE.fullmatch(name) else name
