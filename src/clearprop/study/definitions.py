"""A Study is a list of experiments, read from a TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

from pydantic import Field, model_validator

from clearprop.training.settings import Decided, Settings, decide
from clearprop.utils.errors import InvalidArgument, StudyError
from clearprop.utils.toml_files import Place, Table, built_in, read_table

_STUDIES = resources.files("clearprop.study") / "studies"


class Experiment(Settings):
    """One experiment: a name, a description, and its differences from the defaults."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    title: str = ""
    description: str = ""


class OnData(Table):
    """The settings of a study on one data set, and the remarks of the report about it."""

    note: str = ""
    defaults: Settings = Settings()
    experiments: dict[str, Settings] = Field(default_factory=dict)


class Study(Table):
    """A study as its file states it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    title: str
    introduction: str = ""
    data: str = "digits"
    seeds: int = Field(default=1, ge=1)
    published: bool = False
    defaults: Settings = Settings()
    experiments: list[Experiment] = Field(min_length=1)
    on: dict[str, OnData] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Study:
        names = [experiment.name for experiment in self.experiments]
        # each has a folder of its name, and some file systems do not tell A from a
        folded = [name.casefold() for name in names]
        twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
        if twice:
            raise ValueError(f"two experiments are named {twice[0]}; give each its own name")
        for data, special in self.on.items():
            for name in special.experiments:
                if name not in names:
                    raise ValueError(
                        f"on.{data}.experiments names {name}, which is no experiment of the study; "
                        f"use one of {', '.join(names)}"
                    )
        return self


@dataclass(frozen=True, slots=True)
class Plan(Decided):
    """One experiment with every setting decided."""

    name: str
    title: str
    description: str


def built_in_studies() -> list[str]:
    """Return the names of the studies that come with Clearprop."""
    return built_in(_STUDIES)


def load_study(name_or_path: str) -> Study:
    """Read a study.

    Parameters
    ----------
    name_or_path : str
        The name of a built-in study, or the path of a TOML file.

    Raises
    ------
    StudyError
        If there is none, or it is not valid; the text names the line.
    """
    return read_table(name_or_path, _STUDIES, Study, "study", StudyError, _keys_at)


def plan(
    study: Study,
    data_name: str,
    n_features: int,
    n_classes: int,
    *,
    engine: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
) -> list[Plan]:
    """Decide every setting of every experiment for one data set.

    An experiment's own setting goes before the study's default, one for this data set before both, and
    ``engine`` and ``epochs`` before all.

    Parameters
    ----------
    study : Study
    data_name : str
    n_features, n_classes : int
        Of the data: the sizes of the input and the output layer.
    engine, epochs
        What the user asked for instead.
    seed : int
        The recipe's.

    Raises
    ------
    StudyError
        If a setting is not allowed; the text names the experiment.
    """
    special = study.on.get(data_name, OnData())
    asked = {name: value for name, value in (("engine", engine), ("epochs", epochs)) if value is not None}
    plans = []
    for experiment in study.experiments:
        settings: dict[str, Any] = {
            "hidden": [100],
            **study.defaults.given(),
            **experiment.given(),
            **special.defaults.given(),
            **special.experiments.get(experiment.name, Settings()).given(),
            **asked,
        }
        try:
            decided = decide(settings, n_features, n_classes, seed)
        except InvalidArgument as error:
            raise StudyError(f"Experiment {experiment.name} of study {study.name}: {error}") from None
        plans.append(
            Plan(
                decided.engine,
                decided.dtype,
                decided.network,
                decided.recipe,
                decided.validation,
                experiment.name,
                experiment.title or experiment.name,
                experiment.description,
            )
        )
    return plans


def _keys_at(place: Place) -> list[str]:
    """Return the keys that are known where an unknown one stands."""
    if len(place) == 1:
        return list(Study.model_fields)
    if place[0] == "on" and len(place) == 3:
        return list(OnData.model_fields)
    return list(Experiment.model_fields if place[0] == "experiments" else Settings.model_fields)
