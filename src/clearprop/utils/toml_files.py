"""TOML files written by users (recipes, studies): parsed, validated, and mistakes named with their line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from clearprop.utils.arguments import listed, nearest
from clearprop.utils.encodings import decoded
from clearprop.utils.errors import ClearpropError


class Table(BaseModel):
    """A table of a TOML file: an unknown key is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


#: Type of a pydantic error -> what is wrong and what to do.
WORDS = {
    "missing": "it is missing; add it",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "string_type": "it must be a text in quotes",
    "list_type": "it must be a list in square brackets",
    "bool_type": "it must be true or false",
    "model_type": "it must be a table",
    "dict_type": "it must be a table",
    "string_pattern_mismatch": (
        "it must be of letters, digits, dots, hyphens and underscores, 80 at most, and begin with a "
        "letter or a digit"
    ),
    "greater_than_equal": "it must be 1 or greater",
    "too_short": "at least one is needed",
}

_HEADER = re.compile(r"^\s*(\[\[?)(.+?)\]\]?\s*(?:#.*)?$")

AnyTable = TypeVar("AnyTable", bound=Table)
Place = list[str | int]


def built_in(folder: Traversable) -> list[str]:
    """Return the names of the built-in files in a folder of the package, without ``.toml``."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def read_table(
    name_or_path: str,
    folder: Traversable,
    table: type[AnyTable],
    kind: str,
    error: type[ClearpropError],
    keys_at: Callable[[Place], Iterable[str]],
) -> AnyTable:
    """Read a built-in file by its name, or a user's file by its path.

    Parameters
    ----------
    name_or_path : str
    folder : Traversable
        The folder of the built-in files.
    table : subclass of Table
        The model that the file is validated with.
    kind : str
        The word for it in error messages, such as "study".
    error : subclass of ClearpropError
        The class to raise.
    keys_at : callable
        Returns the keys known at a place of the file; the nearest is suggested for an unknown key.

    Raises
    ------
    ClearpropError
        Of the class asked for, naming file and line.
    """
    names = built_in(folder)
    if name_or_path in names:
        text = (folder / f"{name_or_path}.toml").read_text("utf-8")
        return _parse(text, name_or_path, table, kind, error, keys_at)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise error(
            f"There is no {kind} {name_or_path!r}; use {listed(names)}, or the path of a .toml file."
            f"{nearest(name_or_path, names)}"
        )
    try:
        text = decoded(path.read_bytes())
    except OSError as failure:
        raise error(
            f"Cannot read the {kind} file {path}: {failure.strerror or failure}; check the path."
        ) from None
    except UnicodeDecodeError:
        raise error(f"The {kind} file {path} is not UTF-8 text; save it as UTF-8.") from None
    return _parse(text, str(path), table, kind, error, keys_at)


def _parse(
    text: str,
    name: str,
    table: type[AnyTable],
    kind: str,
    error: type[ClearpropError],
    keys_at: Callable[[Place], Iterable[str]],
) -> AnyTable:
    try:
        return table.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as failure:
        raise error(f"The {kind} file {name} is not valid TOML: {failure}.") from None
    except RecursionError:
        raise error(f"The {kind} file {name} is nested too deep to be read.") from None
    except ValidationError as failure:
        # a misspelt key is the likely cause of one that is missing
        errors = sorted(failure.errors(), key=lambda each: each["type"] != "extra_forbidden")
        first = errors[0]
        place = list(first["loc"])
        line = line_of(text, place)
        where = f", line {line}" if line else ""
        if first["type"] == "extra_forbidden":
            suggestion = nearest(place[-1], keys_at(place))
            problem = f"unknown key {place[-1]!r}; remove it or correct its name.{suggestion}"
        else:
            # pydantic prefixes what our own checks raise
            words = WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
            # a suggestion ends in a question mark
            end = "" if words.endswith((".", "?")) else "."
            problem = f"{'.'.join(str(step) for step in place) or f'the {kind}'}: {words}{end}"
        raise error(f"In the {kind} file {name}{where}: {problem}") from None


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """Return the line, counted from 1, that sets a key, or else of the table that should hold the key.

    tomllib does not tell lines.

    Parameters
    ----------
    text : str
        A valid TOML document.
    place : sequence of str and int
        The path to the key: table names, and positions in arrays of tables.

    Returns
    -------
    int or None
        None if the document has neither the key nor a table on its path.
    """
    # the key's line is the first one for which the document cut off after its value holds the key. Parsing
    # each such document, instead of matching text, keeps strings and comments from being mistaken for keys.
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
    """Cut the path off where it goes on inside a value, such as into a list of numbers."""
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
