"""A formula with switches: the right setting, the accepted variants, and the settings that are mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# an array or a number: the formulas hold for both
Array = Any
Values = Mapping[str, Any]
Settings = Mapping[Any, Any]
Outputs = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Atom:
    """One mistake as settings of a formula.

    Parameters
    ----------
    id : str
        The mistake's id.
    settings : mapping
        What it changes in the formula.
    detail : str
        Completes the mistake's sentence: "in layer 2".
    """

    id: str
    settings: Settings
    detail: str = ""

    @property
    def common(self) -> bool:
        """Whether it is looked for beside another mistake as well; rare forms are only looked for alone."""
        rare = self.id == "unexplained" or self.id.endswith(("_derivative_wrong", "_wrong"))
        return not rare and "forward" not in self.settings


@dataclass(frozen=True, slots=True)
class Variant:
    """A setting that is right too; ``note`` says which one the submission chose."""

    note: str = ""
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Formula:
    """The numbers that a function should return, and those that each mistake makes of them.

    Parameters
    ----------
    outputs : callable
        ``(values, settings) -> {name: array}``, or an exception of NumPy where shapes do not fit.
    atoms : callable
        ``values -> sequence of Atom``; the first that agrees is named.
    right : tuple of Variant
    otherwise : str
        The id of a mistake that nobody foresaw in this function.
    """

    outputs: Callable[[Values, Settings], Outputs]
    atoms: Callable[[Values], Sequence[Atom]]
    right: tuple[Variant, ...] = (Variant(),)
    otherwise: str = "unexplained"


def single(atoms: Sequence[Atom]) -> Callable[[Values], Sequence[Atom]]:
    """Return the same atoms for all values."""
    return lambda values: atoms


def table(
    key: str, right: Callable[[Array], Array], wrong: Mapping[str, Callable[[Array], Array]]
) -> Callable[[Values, Settings], Outputs]:
    """Return a formula of one input ``key`` whose setting "form" picks one of several functions of it."""

    def outputs(values: Values, settings: Settings) -> Outputs:
        form = settings.get("form")
        function = right if form is None else wrong[form]
        with np.errstate(all="ignore"):
            return {"out": np.asarray(function(values[key]))}

    return outputs
