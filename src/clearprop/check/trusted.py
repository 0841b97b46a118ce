"""Functions of ours as source text, to put in the place of a submission's wrong helper."""

from __future__ import annotations

from importlib import resources

from clearprop.check.assignment import Assignment, Function
from clearprop.check.calls import Trusted
from clearprop.check.dialects import Dialect

_SOURCE = (resources.files("clearprop.check") / "trusted_functions.py").read_text("utf-8")
_CACHED = {"activation", "affine_forward", "affine_activation_forward"}


def activation(name: str) -> Trusted:
    """Return an activation of one array."""
    return Trusted(name, f"{_SOURCE}\n{name} = elementwise('{name}', 'value')\n{name}.__name__ = '{name}'\n")


def derivative(name: str, *, of_output: bool = False) -> Trusted:
    """Return an activation's derivative, of the pre-activation or of the output."""
    form = "of_output" if of_output else "of_input"
    return Trusted(
        f"d{name}", f"{_SOURCE}\nd{name} = elementwise('{name}', '{form}')\nd{name}.__name__ = 'd{name}'\n"
    )


def helper(
    function: Function, assignment: Assignment, dialect: Dialect, *, of_output: bool = False
) -> Trusted | None:
    """Return a right function in the assignment's conventions, or None for a role that has none.

    Parameters
    ----------
    function : Function
        The assignment's description of the function to replace.
    assignment : Assignment
    dialect : Dialect
        Whole passes are replaced only in the lesson's own containers.
    of_output : bool
        Whether a derivative is given the output of the activation.
    """
    plain = (
        assignment.name == "lesson"
        and dialect.containers is assignment.containers
        and dialect.layout == "rows"
    )
    makers = {**MAKERS, **LESSON_MAKERS} if plain else MAKERS
    if function.role not in makers:
        return None
    cached = function.role in _CACHED and isinstance(function.returns, list)
    mean = assignment.mean if function.mean is None else function.mean
    columns = (function.layout or assignment.layout) == "columns"
    settings = {
        "columns": columns,
        "transposed": assignment.weights == "out_in",
        "bias": assignment.bias,
        "cached": cached,
        "mean": mean,
        "of": function.of,
        "hidden": assignment.hidden,
        "group": function.group,
        "of_output": of_output,
    }
    name = function.short_name
    name = name if name.isidentifier() else "helper"
    maker = makers[function.role]
    return Trusted(
        name, f"{_SOURCE}\n{name} = by_position({maker}(**{settings!r}))\n{name}.__name__ = '{name}'\n"
    )


MAKERS = {
    "activation": "make_activation",
    "activation_derivative": "make_derivative",
    "softmax": "make_softmax",
    "cost_derivative": "make_cost_derivative",
    "one_hot": "make_one_hot",
    "affine_forward": "make_affine_forward",
    "affine_backward": "make_affine_backward",
    "activation_backward": "make_activation_backward",
    "affine_activation_forward": "make_affine_activation_forward",
    "affine_activation_backward": "make_affine_activation_backward",
    "loss": "make_loss",
    "average_groups": "make_average",
}
# whole passes are put in place only where they speak the lesson's dicts
LESSON_MAKERS = {"forward": "make_forward", "backward": "make_backward", "update": "make_update"}
