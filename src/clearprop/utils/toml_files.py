"""TOML files that people write: read into a checked table, every mistake named with its line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from clearprop.utils.arguments import listed, nearest
from clearprop.utils.errors import ClearpropError
from clearprop.utils.toml_lines import line_of


class Table(BaseModel):
    """A table of a TOML file: an unknown key is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


#: What is wrong and what to do, for the mistakes pydantic finds.
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

AnyTable = TypeVar("AnyTable", bound=Table)
Place = list[str | int]


def built_in(folder: Traversable) -> list[str]:
    """Return the names of the files that come with Clearprop in a folder of the package."""
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
    """Read a built-in file by its name, or the user's by its path.

    Parameters
    ----------
    name_or_path : str
    folder : Traversable
        Where the built-in files lie.
    table : subclass of Table
        What the file must hold.
    kind : str
        What errors call it, such as "study".
    error : subclass of ClearpropError
        What to raise.
    keys_at : callable
        Gives the keys that are known at a place of the file, of which the nearest is suggested.

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
        text = path.read_text("utf-8")
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
            problem = f"{'.'.join(str(step) for step in place) or f'the {kind}'}: {words}."
        raise error(f"In the {kind} file {name}{where}: {problem}") from None
