"""Settings: the fields of a network and its training that a file or a command line may set."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearprop.engines import ENGINES
from clearprop.nn.network import Network
from clearprop.nn.recipe import DoubleSoftmaxWarning, Recipe
from clearprop.utils.arguments import check_choice
from clearprop.utils.toml_files import Table

DTYPES = ("float32", "float64")


class Settings(Table):
    """Optional settings; one that is None has its default.

    Names and meanings are those of ``Network`` and ``Recipe``; ``hidden`` are the sizes between input and
    output, which the data decides. ``validation`` is a number of rows or a share of them.
    """

    engine: str | None = None
    dtype: str | None = None
    hidden: list[int] | None = None
    activation: str | list[str] | None = None
    initialization: str | None = None
    dropout: float | None = None
    input_dropout: float | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    weight_decay: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    loss: str | None = None
    label_smoothing: float | None = None
    early_stopping: int | None = None
    l2_penalty: float | None = None
    momentum: float | None = None
    beta_1: float | None = None
    beta_2: float | None = None
    epsilon: float | None = None
    adversarial_epsilon: float | None = None
    validation: int | float | None = None

    def given(self) -> dict[str, Any]:
        """Return the settings that are given."""
        return self.model_dump(include=set(Settings.model_fields), exclude_none=True)


@dataclass(frozen=True, slots=True)
class Decided:
    """One training with every setting decided."""

    engine: str
    dtype: str
    network: Network
    recipe: Recipe
    validation: int | float | None


def decide(settings: Mapping[str, Any], n_features: int, n_classes: int, seed: int) -> Decided:
    """Make network and recipe from settings.

    Parameters
    ----------
    settings : mapping
        Keys of ``Settings`` with their values; a missing one has the default of ``Network`` and ``Recipe``.
    n_features, n_classes : int
        Of the data: the sizes of the input and the output layer.
    seed : int

    Raises
    ------
    InvalidArgument
        If a value is not allowed.
    """
    rest = dict(settings)
    engine, dtype = rest.pop("engine", "numpy"), rest.pop("dtype", "float32")
    check_choice("engine", engine, ENGINES)
    check_choice("dtype", dtype, DTYPES)
    validation = rest.pop("validation", None)
    of_network = ("activation", "initialization", "dropout", "input_dropout")
    network = Network(
        (n_features, *rest.pop("hidden", ()), n_classes),
        **{name: rest.pop(name) for name in of_network if name in rest},
    )
    with warnings.catch_warnings():
        # a file asks for it on purpose, and the report of a study explains it at length
        warnings.simplefilter("ignore", DoubleSoftmaxWarning)
        recipe = Recipe(seed=seed, **rest)
    return Decided(engine, dtype, network, recipe, validation)
