"""The table of settings, as Recipe, Network, the command line, TOML files and the report read it."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from report_fixtures import experiment

from clearprop.cli import main
from clearprop.nn.network import NETWORK_SETTINGS, Network
from clearprop.nn.recipe import RECIPE_SETTINGS, Recipe
from clearprop.nn.setting import Setting, documented, fields_for_files, setting, settings_of
from clearprop.nn.settings_table import SETTINGS
from clearprop.report.facts.settings import shown_settings
from clearprop.training.recipe_files import load_recipe
from clearprop.training.settings import Settings
from clearprop.training.settings_table import EVERY_SETTING
from clearprop.utils.errors import InvalidArgument

OPTIONS = sorted(name for name, row in EVERY_SETTING.items() if row.help is not None)
EVERY_ROW = pytest.mark.parametrize("name", sorted(EVERY_SETTING))
OUT_OF_RANGE = [
    ("above", 0.0, 0.0),
    ("minimum", 0.0, -0.1),
    ("below", 1.0, 1.0),
    ("maximum", 1.0, 1.1),
]


@documented
@dataclass(frozen=True)
class Example:
    """An example.

    Notes
    -----
    The end.
    """

    rate: float = setting(0.5, "How fast.", above=0.0, below=2.0, help="How fast; {default}.")
    kind: str = setting("plain", "{choices}.", choices=("plain", "fancy", "odd"), help="{choices}.")
    patience: int | None = setting(None, "How long.", minimum=1)
    other: int = 3
    newer: float = setting(0.0, "New.", is_newer=True)


def test_rows_have_name_type_and_default_of_their_fields() -> None:
    rows = settings_of(Example)
    assert [(row.name, row.type, row.default) for row in rows.values()] == [
        ("rate", float, 0.5),
        ("kind", str, "plain"),
        ("patience", int | None, None),
        ("newer", float, 0.0),
    ]


def test_docstring_states_meaning_default_and_range() -> None:
    assert Example.__doc__ == (
        "An example.\n\nParameters\n----------\n"
        "rate : float, default 0.5\n    How fast. Greater than 0 and less than 2.\n"
        'kind : str, default "plain"\n    "plain", "fancy" or "odd".\n'
        "patience : int or None, default None\n    How long. At least 1.\n"
        "newer : float, default 0.0\n    New.\n\n"
        "Notes\n-----\nThe end."
    )


def test_help_states_the_default_of_the_field() -> None:
    rows = settings_of(Example)
    assert rows["rate"].help_text() == "How fast; 0.5."
    assert rows["kind"].help_text() == "plain (the default), fancy or odd."


@pytest.mark.parametrize(("bound", "at", "value"), OUT_OF_RANGE)
def test_number_beyond_a_bound_is_refused(bound: str, at: float, value: float) -> None:
    bounds: dict[str, Any] = {bound: at}
    row = Setting("share", float, 0.5, **bounds)
    assert row.check(0.5) == 0.5
    with pytest.raises(InvalidArgument, match=f"^share is {value}, but must be a number"):
        row.check(value)


def test_none_is_allowed_where_the_type_says_so() -> None:
    assert settings_of(Example)["patience"].check(None) is None
    with pytest.raises(InvalidArgument, match="rate is None"):
        settings_of(Example)["rate"].check(None)


def test_newer_setting_at_its_default_is_left_out_of_files() -> None:
    rows = settings_of(Example)
    older = {"rate": 0.5, "kind": "plain", "patience": None, "other": 3}
    assert fields_for_files(Example(), rows) == older
    assert fields_for_files(Example(newer=0.5), rows) == {**older, "newer": 0.5}


def test_list_for_the_hidden_layers_is_checked_value_by_value() -> None:
    assert SETTINGS["hidden"].check([3, 4]) == [3, 4]
    with pytest.raises(InvalidArgument, match="it is 0, but must be a whole number of at least 1"):
        SETTINGS["hidden"].check([3, 0], "it")


def test_every_field_of_a_recipe_is_a_setting() -> None:
    assert list(RECIPE_SETTINGS) == [field.name for field in fields(Recipe)]
    assert set(SETTINGS) == {"hidden", *NETWORK_SETTINGS, *RECIPE_SETTINGS} - {"seed"}


def test_every_field_of_a_recipe_is_in_its_docstring() -> None:
    assert Recipe.__doc__ is not None
    for name, row in RECIPE_SETTINGS.items():
        assert f"\n{name} : {row.plain_type.__name__}" in Recipe.__doc__


def test_network_has_the_defaults_of_the_table() -> None:
    parameters = inspect.signature(Network).parameters
    assert {name: parameters[name].default for name in NETWORK_SETTINGS} == {
        name: row.default for name, row in NETWORK_SETTINGS.items()
    }


@EVERY_ROW
def test_default_is_allowed(name: str) -> None:
    row = EVERY_SETTING[name]
    assert row.default is None or row.check(row.default) == row.default


@EVERY_ROW
def test_setting_is_a_key_of_recipe_files(name: str) -> None:
    assert name in Settings.model_fields


@EVERY_ROW
def test_value_that_is_not_allowed_is_named_with_its_line_in_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'description = ""\n{name} = -7\n')
    if name == "validation":
        # whether so many rows can be spared is seen when the data is split
        load_recipe(str(path))
        return
    with pytest.raises(InvalidArgument, match=rf"mine\.toml, line 2: {name}.*: it (must be|is -7)"):
        load_recipe(str(path))


def test_command_line_has_an_option_for_each_setting_with_a_help_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--help"]) == 0
    shown = {name.replace("-", "_") for name in re.findall(r"^  --([a-z-]+)", capsys.readouterr().out, re.M)}
    assert shown & set(EVERY_SETTING) == set(OPTIONS)


@pytest.mark.parametrize("name", sorted(set(EVERY_SETTING) - set(OPTIONS)))
def test_setting_without_a_help_text_is_no_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"--{name.replace('_', '-')}", "1"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_options_of_a_recipe_stand_in_the_order_they_are_thought_of() -> None:
    order = ["weight_decay", "label_smoothing", "adversarial_epsilon", "early_stopping", "epochs"]
    assert [name for name in EVERY_SETTING if name in order] == order


def test_report_shows_settings_other_than_their_defaults() -> None:
    usual, special = experiment("a"), experiment("b", dropout=0.5, early_stopping=3, schedule="one_cycle")
    special.recipe["momentum"] = 0.5
    shown, changed = (dict(shown_settings(each)) for each in (usual, special))
    assert list(shown) == [
        "Activation", "Initialization", "Optimizer", "Learning rate", "Loss", "Epochs", "Batch size"
    ]  # fmt: skip
    assert changed == {
        **shown,
        "Dropout": "0.5",
        "Learning rate": "0.01, one cycle",
        "Early stopping": "after 3 epochs without gain",
        "Momentum": "0.5",
    }
