"""Settings: the fields of a network and its training that a file or a command line may set."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, create_model

from clearprop.nn.network import NETWORK_SETTINGS, Network
from clearprop.nn.recipe import DoubleSoftmaxWarning, Recipe
from clearprop.nn.setting import Setting
from clearprop.training.settings_table import EVERY_SETTING
from clearprop.utils.toml_files import Table


def _key_of(row: Setting) -> tuple[Any, None]:
    """Return the field of a pydantic model for a setting: its type, its check and no default."""

    def check(value: Any) -> Any:
        return row.check(value, "it")

    return Annotated[row.file_type or row.type, AfterValidator(check)] | None, None


if TYPE_CHECKING:
    _Keys = Table
else:
    _Keys = create_model(
        "_Keys", __base__=Table, **{name: _key_of(row) for name, row in EVERY_SETTING.items()}
    )


class Settings(_Keys):
    """Optional settings, the rows of ``EVERY_SETTING``; one that is None has its default.

    Names and meanings are those of ``Network`` and ``Recipe``; ``hidden`` are the sizes between input and
    output, which the data decides. ``validation`` is a number of rows or a share of them.
    """

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
    engine, dtype = (rest.pop(name, EVERY_SETTING[name].default) for name in ("engine", "dtype"))
    EVERY_SETTING["engine"].check(engine)
    EVERY_SETTING["dtype"].check(dtype)
    validation = rest.pop("validation", None)
    network = Network(
        (n_features, *rest.pop("hidden", ()), n_classes),
        **{name: rest.pop(name) for name in NETWORK_SETTINGS if name in rest},
    )
    with warnings.catch_warnings():
        # a file asks for it on purpose, and the report of a study explains it at length
        warnings.simplefilter("ignore", DoubleSoftmaxWarning)
        recipe = Recipe(seed=seed, **rest)
    return Decided(engine, dtype, network, recipe, validation)
