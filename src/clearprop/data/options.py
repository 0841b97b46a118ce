"""ReadOptions: how a user wants a file or a data frame to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from clearprop.data.tables.schema import MISSING_POLICIES
from clearprop.utils.arguments import check_choice
from clearprop.utils.errors import InvalidArgument


class Note(NamedTuple):
    """A sentence about how data was read; ``warns`` if the data may be other than the user thinks."""

    text: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How data is read.

    Parameters
    ----------
    label : str, int or None
        The column of a table that holds the labels: its name; as text also its number, counted from 1; as
        int its position, counted from 0. None takes "label", "class", "target" or "y", else the first.
    missing : str or None
        What to do with missing cells: ``"mean"`` of the training rows, ``"drop"`` the row, or ``"refuse"``
        the file; None is what a model was trained with, else ``"refuse"``.
    keep_index : bool
        Keep columns of a table that count or name its rows.
    skip_damaged : bool
        Leave damaged images of a folder out, and name them.

    Raises
    ------
    InvalidArgument
        If a value is not allowed.
    """

    label: str | int | None = None
    missing: str | None = None
    keep_index: bool = False
    skip_damaged: bool = False

    def __post_init__(self) -> None:
        if self.missing is not None:
            check_choice("missing", self.missing, MISSING_POLICIES)
        if self.label is not None and (
            not isinstance(self.label, (str, int)) or isinstance(self.label, bool)
        ):
            raise InvalidArgument(
                f"label is {self.label!r}, but must be the name of a column or its position."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the options that are given, as plain JSON values."""
        values = {name: getattr(self, name) for name in ("label", "missing", "keep_index", "skip_damaged")}
        return {name: value for name, value in values.items() if value not in (None, False)}

    @classmethod
    def from_dict(cls, values: object) -> ReadOptions:
        """Make options from the values of ``to_dict``; what a file holds instead is ignored."""
        if not isinstance(values, Mapping):
            return cls()
        kinds: dict[str, tuple[type, ...]] = {
            "label": (str, int),
            "missing": (str,),
            "keep_index": (bool,),
            "skip_damaged": (bool,),
        }
        given: dict[str, Any] = {
            name: values[name] for name, kind in kinds.items() if isinstance(values.get(name), kind)
        }
        try:
            return cls(**given)
        except InvalidArgument:
            return cls()
