"""The table of settings: all that a TOML file or the command line may set of a network and its recipe.

A field of ``Network`` or ``Recipe`` that is declared with ``setting`` is a row. The seed is not: a study
trains with several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from clearprop.nn.network import NETWORK_SETTINGS
from clearprop.nn.recipe import RECIPE_SETTINGS
from clearprop.nn.setting import Setting

HIDDEN = Setting(
    "hidden",
    int,
    # the published network; a study has a default of its own
    [500, 250, 100],
    minimum=1,
    file_type=list[int],
    help='Hidden layer sizes, first to last: {default} if not given, "" for none.',
    label="layers",
    change_label="layer sizes",
)


def _ordered(rows: Iterable[Setting]) -> dict[str, Setting]:
    """Return the rows by name, each one that has ``before`` moved in front of that row."""
    ordered = list(rows)
    for row in list(ordered):
        if row.before:
            ordered.remove(row)
            ordered.insert([each.name for each in ordered].index(row.before), row)
    return {row.name: row for row in ordered}


#: The settings of network and recipe by name, in the order of the help and of the report.
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    _ordered(
        (
            HIDDEN,
            *NETWORK_SETTINGS.values(),
            *(row for name, row in RECIPE_SETTINGS.items() if name != "seed"),
        )
    )
)
