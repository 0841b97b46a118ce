"""The table of every setting: those of network and recipe, and those of how the training is carried out.

The options of ``clearprop train`` and the keys of recipe and study files are its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clearprop.engines import ENGINES
from clearprop.nn.setting import Setting
from clearprop.nn.settings_table import SETTINGS

DTYPES = ("float32", "float64")

_OF_TRAINING = (
    Setting(
        "validation",
        int | float,
        help="Rows to validate on, or a share below 1; a sixth if not given, 0 for none.",
    ),
    Setting("engine", str, "numpy", choices=ENGINES, help="{choices}."),
    Setting("dtype", str, "float32", choices=DTYPES),
)

#: Every setting by name, in the order of the help.
EVERY_SETTING: Mapping[str, Setting] = MappingProxyType(
    {**SETTINGS, **{row.name: row for row in _OF_TRAINING}}
)
