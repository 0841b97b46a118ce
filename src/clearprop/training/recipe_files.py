"""Recipes by name or path: settings of `clearprop train` that are worth keeping, as TOML."""

from __future__ import annotations

from importlib import resources

from clearprop.training.settings import Settings
from clearprop.utils.errors import InvalidArgument
from clearprop.utils.toml_files import built_in, read_table

_RECIPES = resources.files("clearprop") / "training" / "recipes"


class RecipeFile(Settings):
    """A recipe as its file states it; ``description`` says its use and its cost."""

    description: str = ""


def built_in_recipes() -> list[str]:
    """Return the names of the recipes that come with Clearprop."""
    return built_in(_RECIPES)


def load_recipe(name_or_path: str) -> Settings:
    """Read a recipe.

    Parameters
    ----------
    name_or_path : str
        The name of a built-in recipe, or the path of a TOML file.

    Raises
    ------
    InvalidArgument
        If there is none, or it is not valid; the text names the line.
    """
    return read_table(
        name_or_path, _RECIPES, RecipeFile, "recipe", InvalidArgument, lambda _: RecipeFile.model_fields
    )
