"""Finding the line of a key in a TOML file, which tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[?)(.+?)\]\]?\s*(?:#.*)?$")


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """Return the line that sets a key, from 1, or of the table that should.

    Parameters
    ----------
    text : str
        A valid TOML document.
    place : sequence of str and int
        The way to the key: table names, and positions in arrays of tables.

    Returns
    -------
    int or None
        None where neither the key nor a table on the way to it is found.
    """
    # every line after which a shorter document is valid TOML too may be where the key appears; the key's
    # line is the first whose document holds it. Parsing instead of matching keeps strings and comments
    # from being mistaken for keys.
    lines = text.splitlines(keepends=True)
    place = _without_positions_in_values(tomllib.loads(text), place)
    for depth in range(len(place), 0, -1):
        wanted = place[:depth]
        for number in range(1, len(lines) + 1):
            if not _may_set(lines[number - 1], wanted[-1]):
                continue
            if _holds("".join(lines[: _end_of_value(lines, number)]), wanted):
                return number
    return None


def _without_positions_in_values(value: object, place: Sequence[str | int]) -> Sequence[str | int]:
    """Cut the way short where it goes on inside a value, such as into a list of numbers."""
    for depth, step in enumerate(place):
        try:
            value = value[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return place
        if isinstance(step, int) and not isinstance(value, dict):
            return place[:depth]
    return place


def _may_set(line: str, step: str | int) -> bool:
    return bool(_HEADER.match(line)) if isinstance(step, int) else step in line


def _end_of_value(lines: Sequence[str], number: int) -> int:
    """Return the first line at or after this one where the document so far is complete."""
    for end in range(number, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return len(lines)


def _holds(text: str, place: Sequence[str | int]) -> bool:
    value = tomllib.loads(text)
    for step in place:
        try:
            value = value[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return False
    return True
