"""Options of the settings: one for each row of the table that has a help text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import typer

from clearprop.nn.setting import Setting
from clearprop.training.settings_table import EVERY_SETTING
from clearprop.utils.errors import InvalidArgument

Command = Callable[..., None]

#: The parameter of a command in whose place the options of the settings stand.
ASKED = "asked"


def setting_option(help_text: str) -> Any:
    """Return an option that is None unless it is given, since a recipe may set it."""
    return typer.Option(help=help_text, show_default=False)


def with_setting_options(command: Command) -> Command:
    """Return the command with the options of the settings in the place of its parameter ``asked``.

    The command gets the settings that are given, as a dictionary of their values.
    """
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.name == ASKED:
            parameters += [_option_of(row) for row in EVERY_SETTING.values() if row.help is not None]
        else:
            parameters.append(parameter)

    def run(**given: Any) -> None:
        asked = {name: given.pop(name) for name in EVERY_SETTING if name in given}
        values = {name: _value(name, value) for name, value in asked.items() if value is not None}
        command(**given, **{ASKED: values})

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    # typer reads both
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _option_of(row: Setting) -> inspect.Parameter:
    kind = str if row.name in _PARSERS else row.plain_type
    return inspect.Parameter(
        row.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[kind | None, setting_option(row.help_text())],
    )


def _value(name: str, given: Any) -> Any:
    return _PARSERS[name](given) if name in _PARSERS else given


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise InvalidArgument(
            f'--hidden is "{text}", but must be whole numbers with commas, such as 500,250,100.'
        ) from None


def _name_or_names(text: str) -> str | list[str]:
    return text.replace(" ", "").split(",") if "," in text else text


def _rows_or_share(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(
            f'--validation is "{text}", but must be a number of rows such as 1000, or a share such as 0.2.'
        ) from None


#: The settings whose text is more than one number or name.
_PARSERS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"hidden": _sizes, "activation": _name_or_names, "validation": _rows_or_share}
)
