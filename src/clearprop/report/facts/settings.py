"""The settings of an experiment: their values, and their labels from the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from clearprop.nn.settings_table import HIDDEN, SETTINGS
from clearprop.report.facts.words import counted
from clearprop.study.results import ExperimentResult

#: The settings by which the report compares experiments, with their words in a sentence.
COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "layer_sizes": HIDDEN.change_label,
        **{name: row.change_label for name, row in SETTINGS.items() if row is not HIDDEN},
        "engine": "engine",
    }
)


def settings_of(experiment: ExperimentResult) -> dict[str, Any]:
    """Return every setting; settings that results of an earlier version lack had their defaults."""
    defaults = {name: row.default for name, row in SETTINGS.items()}
    return {**defaults, **experiment.network, **experiment.recipe, "engine": experiment.engine}


def shown_settings(experiment: ExperimentResult) -> Iterator[tuple[str, str]]:
    """Return label and text of the settings of network and recipe that the report shows."""
    values = settings_of(experiment)
    for name, row in SETTINGS.items():
        # the layers have a row of their own, and the schedule stands beside the learning rate
        if name not in ("hidden", "schedule") and (row.always_shown or values[name] != row.default):
            yield row.label.capitalize(), _TEXTS.get(name, _plain)(values[name], values)


def _plain(value: Any, values: Mapping[str, Any]) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _activation(value: Any, values: Mapping[str, Any]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _learning_rate(value: float, values: Mapping[str, Any]) -> str:
    schedule = values["schedule"]
    return f"{value:g}" if schedule == "constant" else f"{value:g}, {schedule.replace('_', ' ')}"


def _loss(value: str, values: Mapping[str, Any]) -> str:
    return "softmax twice" if value == "double_softmax" else value.replace("_", "-")


def _early_stopping(value: int, values: Mapping[str, Any]) -> str:
    return f"after {counted(value, 'epoch')} without gain"


#: The settings whose text is more than their value.
_TEXTS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = MappingProxyType(
    {
        "activation": _activation,
        "optimizer": lambda value, values: str(value),
        "learning_rate": _learning_rate,
        "loss": _loss,
        "early_stopping": _early_stopping,
    }
)
