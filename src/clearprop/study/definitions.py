"""A Study is a list of experiments, read from a TOML file."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearprop.arguments import listed, nearest
from clearprop.engines import ENGINES
from clearprop.errors import InvalidArgument, StudyError
from clearprop.network import Network
from clearprop.recipe import DoubleSoftmaxWarning, Recipe
from clearprop.study.toml_lines import line_of

_STUDIES = resources.files("clearprop.study") / "studies"


class _Table(BaseModel):
    """A table of a study file: an unknown key is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Settings(_Table):
    """What may be set for all experiments, for one, or for one on a certain data set.

    Names and meanings are those of ``Network`` and ``Recipe``; ``hidden`` are the sizes between input and
    output, which the data decides. ``validation`` is a number of rows or a share of them.
    """

    engine: str | None = None
    dtype: str | None = None
    hidden: list[int] | None = None
    activation: str | list[str] | None = None
    initialization: str | None = None
    dropout: float | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    weight_decay: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    loss: str | None = None
    label_smoothing: float | None = None
    early_stopping: int | None = None
    validation: int | float | None = None

    def given(self) -> dict[str, Any]:
        """Return what is set."""
        return self.model_dump(include=set(Settings.model_fields), exclude_none=True)


class Experiment(Settings):
    """One experiment: a name, a few words, and what differs from the defaults."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    title: str = ""
    description: str = ""


class OnData(_Table):
    """What a study does otherwise on one data set, and what the report says about it."""

    note: str = ""
    defaults: Settings = Settings()
    experiments: dict[str, Settings] = {}


class Study(_Table):
    """A study as its file states it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    title: str
    introduction: str = ""
    data: str = "digits"
    seeds: int = Field(default=1, ge=1)
    published: bool = False
    defaults: Settings = Settings()
    experiments: list[Experiment] = Field(min_length=1)
    on: dict[str, OnData] = {}

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Study:
        names = [experiment.name for experiment in self.experiments]
        twice = sorted({name for name in names if names.count(name) > 1})
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


class Plan(_Table):
    """One experiment with every setting decided."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    title: str
    description: str
    engine: str
    dtype: str
    network: Network
    recipe: Recipe
    validation: int | float | None


def built_in_studies() -> list[str]:
    """Return the names of the studies that come with Clearprop."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _STUDIES.iterdir() if entry.name.endswith(".toml")
    )


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
    names = built_in_studies()
    if name_or_path in names:
        return _parse((_STUDIES / f"{name_or_path}.toml").read_text("utf-8"), name_or_path)
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise StudyError(
            f"There is no study {name_or_path!r}; use {listed(names)}, or the path of a .toml file."
            f"{nearest(name_or_path, names)}"
        )
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise StudyError(f"Cannot read the study file {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise StudyError(f"The study file {path} is not UTF-8 text; save it as UTF-8.") from None
    return _parse(text, str(path))


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
            "engine": "numpy",
            "dtype": "float32",
            "hidden": [100],
            "validation": None,
            **study.defaults.given(),
            **experiment.given(),
            **special.defaults.given(),
            **special.experiments.get(experiment.name, Settings()).given(),
            **asked,
        }
        try:
            plans.append(_decide(experiment, settings, n_features, n_classes, seed))
        except InvalidArgument as error:
            raise StudyError(f"Experiment {experiment.name} of study {study.name}: {error}") from None
    return plans


def _decide(
    experiment: Experiment, settings: Mapping[str, Any], n_features: int, n_classes: int, seed: int
) -> Plan:
    rest = dict(settings)
    chosen_engine, dtype, validation = rest.pop("engine"), rest.pop("dtype"), rest.pop("validation")
    for field, value, allowed in (
        ("engine", chosen_engine, ENGINES),
        ("dtype", dtype, ("float32", "float64")),
    ):
        if value not in allowed:
            raise InvalidArgument(f"{field} is {value!r}, but must be {listed(allowed)}.")
    network_fields = ("activation", "initialization", "dropout")
    network = Network(
        (n_features, *rest.pop("hidden"), n_classes),
        **{name: rest.pop(name) for name in network_fields if name in rest},
    )
    with warnings.catch_warnings():
        # a study file that asks for it knows what it does; its report says so at length
        warnings.simplefilter("ignore", DoubleSoftmaxWarning)
        recipe = Recipe(seed=seed, **rest)
    return Plan(
        name=experiment.name,
        title=experiment.title or experiment.name,
        description=experiment.description,
        engine=chosen_engine,
        dtype=dtype,
        network=network,
        recipe=recipe,
        validation=validation,
    )


def _parse(text: str, name: str) -> Study:
    try:
        return Study.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"The study file {name} is not valid TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = [step for step in first["loc"] if isinstance(step, str | int)]
        line = line_of(text, place)
        where = f", line {line}" if line else ""
        if first["type"] == "extra_forbidden":
            known = Experiment.model_fields if "experiments" in place else _fields_at(place)
            problem = f"unknown key {place[-1]!r}; remove it or correct its name.{nearest(place[-1], known)}"
        else:
            # pydantic prefixes what our own checks raise
            words = first["msg"].removeprefix("Value error, ")
            problem = f"{'.'.join(str(step) for step in place) or 'the study'}: {words}."
        raise StudyError(f"In the study file {name}{where}: {problem}") from None


def _fields_at(place: list[str | int]) -> list[str]:
    if place[0] == "on" and len(place) == 3:
        return list(OnData.model_fields)
    return list(Study.model_fields if len(place) == 1 else Settings.model_fields)
