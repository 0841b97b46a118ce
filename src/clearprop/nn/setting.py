"""Setting: the range of a field, its help and its label in the report, declared once, where the field is.

``Recipe`` and ``Network`` declare their fields with ``setting``. The recipe's checks and docstring, the
options of ``clearprop train``, the keys of TOML files and the labels of the report are made of these rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from inspect import cleandoc
from textwrap import fill, indent
from types import MappingProxyType, NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from clearprop.utils.arguments import check_choice, check_number, check_whole, listed

AnyClass = TypeVar("AnyClass")
DOCSTRING_COLUMNS = 104


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a network or its training.

    Parameters
    ----------
    name : str
    type : type
        Of one value: ``str``, ``int`` or ``float``, perhaps ``| None``.
    default : object
    meaning : str
        For the docstring, without the range; ``{choices}`` stands for the names allowed.
    choices : collection of str
        The names allowed; empty for numbers.
    above, minimum, below, maximum : float or None
        The range of a number.
    file_type : type or None
        The type in a TOML file where it is not ``type``: a list with one value for each hidden layer.
    help : str or None
        Of the option of ``clearprop train``; None where only files offer the setting. ``{default}`` stands
        for the default, ``{names}`` for the names allowed, ``{choices}`` for these with the default marked.
    before : str
        The setting before which the help and the report show this one, if not in the order of the fields.
    label : str
        In the report; by default the name with spaces.
    change_label : str
        In the report's sentences about a change; by default the label.
    always_shown : bool
        Whether the report shows the setting even where it has its default.
    is_newer : bool
        Whether files of Clearprop 0.1.0 lack the setting. New files then lack it too where it has its
        default, so that a run of an older version counts as unchanged and is resumed.
    """

    name: str = ""
    type: Any = None
    default: Any = None
    meaning: str = ""
    choices: Collection[str] = ()
    above: float | None = None
    minimum: float | None = None
    below: float | None = None
    maximum: float | None = None
    file_type: Any = None
    help: str | None = None
    before: str = ""
    label: str = ""
    change_label: str = ""
    always_shown: bool = False
    is_newer: bool = False

    def __post_init__(self) -> None:
        label = self.label or self.name.replace("_", " ")
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "change_label", self.change_label or label)

    @property
    def plain_type(self) -> Any:
        """The type without ``| None``."""
        kinds = [kind for kind in get_args(self.type) if kind is not NoneType]
        return kinds[0] if len(kinds) == 1 else self.type

    def check(self, value: Any, name: str = "") -> Any:
        """Return the value as a plain ``str``, ``int`` or ``float``.

        Parameters
        ----------
        value : object
        name : str
            The subject of the error's sentence; by default the setting's name.

        Raises
        ------
        InvalidArgument
            If the value is not allowed; the text names it and the values allowed.
        """
        name = name or self.name
        if isinstance(value, list) and self.file_type is not None:
            return [self.check(each, name) for each in value]
        if value is None and NoneType in get_args(self.type):
            return None
        if self.choices:
            return check_choice(name, value, self.choices)
        if self.plain_type is int:
            maximum = None if self.maximum is None else int(self.maximum)
            return check_whole(name, value, minimum=int(self.minimum or 0), maximum=maximum)
        if self.plain_type is float:
            return check_number(
                name, value, above=self.above, minimum=self.minimum, below=self.below, maximum=self.maximum
            )
        return value

    def help_text(self) -> str:
        """Return the help of the option, with the default and the names allowed."""
        *others, last = [
            f"{name} (the default)" if name == self.default else name for name in self.choices
        ] or [""]
        return (self.help or "").format(
            default=_plain(self.default),
            names=", ".join(self.choices),
            choices=f"{', '.join(others)} or {last}",
        )

    def docstring(self) -> str:
        """Return the entry of the setting in a docstring of NumPy's style."""
        kind = "int or None" if self.type == int | None else self.plain_type.__name__
        default = f'"{self.default}"' if isinstance(self.default, str) else str(self.default)
        meaning = self.meaning.replace("{choices}", listed(self.choices) if self.choices else "")
        text = " ".join(part for part in (meaning, self._range()) if part)
        return f"{self.name} : {kind}, default {default}\n{indent(fill(text, DOCSTRING_COLUMNS), '    ')}"

    def _range(self) -> str:
        bounds = (
            ("greater than", self.above), ("at least", self.minimum),
            ("less than", self.below), ("at most", self.maximum),
        )  # fmt: skip
        words = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        return f"{words[0].upper()}{words[1:]}." if words else ""


def setting(default: Any, meaning: str = "", **more: Any) -> Any:
    """Return a dataclass field that is a setting; ``more`` are the fields of ``Setting``."""
    row = Setting(default=default, meaning=meaning, **more)
    return field(default=default, metadata={"setting": row})


def settings_of(declaring: type) -> Mapping[str, Setting]:
    """Return the settings that a dataclass declares, by name, in the order of its fields."""
    hints = get_type_hints(declaring)
    rows = {each.name: each.metadata["setting"] for each in fields(declaring) if "setting" in each.metadata}
    return MappingProxyType(
        {name: replace(row, name=name, type=row.type or hints[name]) for name, row in rows.items()}
    )


def fields_for_files(value: Any, rows: Mapping[str, Setting]) -> dict[str, Any]:
    """Return a dataclass's fields for a file: without newer settings that have their defaults."""
    left_out = {name for name, row in rows.items() if row.is_newer and getattr(value, name) == row.default}
    return {name: each for name, each in asdict(value).items() if name not in left_out}


def documented(declaring: type[AnyClass]) -> type[AnyClass]:
    """Put the parameters into a dataclass's docstring, after its first paragraph, and return the class."""
    # Python drops docstrings under -OO
    if declaring.__doc__:
        summary, _, rest = cleandoc(declaring.__doc__).partition("\n\n")
        entries = "\n".join(row.docstring() for row in settings_of(declaring).values())
        declaring.__doc__ = f"{summary}\n\nParameters\n----------\n{entries}\n\n{rest}"
    return declaring


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
