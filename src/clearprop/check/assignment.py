"""Assignments: which functions a submission must have, their roles, arguments and layouts, read from TOML."""

from __future__ import annotations

from importlib import resources
from typing import Any, Literal

from pydantic import Field, model_validator

from clearprop.check.dialects import Dialect
from clearprop.utils.errors import ClearpropError
from clearprop.utils.toml_files import Place, Table, built_in, read_table

_TEMPLATES = resources.files("clearprop.check") / "templates"

Role = Literal[
    "activation",
    "activation_derivative",
    "softmax",
    "loss",
    "binary_loss",
    "softmax_loss",
    "cost_derivative",
    "initialize",
    "forward",
    "predict",
    "backward",
    "update",
    "batch_update",
    "train",
    "affine_forward",
    "affine_backward",
    "activation_backward",
    "affine_activation_forward",
    "affine_activation_backward",
    "weight_gradient_of_neuron",
    "bias_gradient_of_neuron",
    "one_hot",
    "resize",
    "average_groups",
    "predictions",
    "accuracy",
]


class AssignmentError(ClearpropError):
    """An assignment file cannot be used; the text names the place."""


class Function(Table):
    """One function of an assignment.

    ``arguments`` and ``returns`` are structures: a name, a list of them, ``{each = ...}`` or ``{list = ...}``
    for one entry a layer, or ``"@name"`` for one of the assignment's ``containers``.
    """

    name: str
    role: Role
    aliases: list[str] = Field(default_factory=list)
    arguments: list[Any]
    returns: Any = "out"
    points: float | int = 1
    required: bool = True
    method: bool = False
    of: Literal["sigmoid", "tanh", "relu"] | None = None
    mean: bool | None = None
    layout: Literal["rows", "columns"] | None = None
    in_place: bool = False
    zero_probability: bool = False
    scheme: Literal["glorot", "any"] = "any"
    nonzero_biases: bool = False
    group: int | None = None

    @model_validator(mode="after")
    def _activation_is_named(self) -> Function:
        if self.of is None and self.role in ("activation", "activation_derivative", "activation_backward"):
            raise ValueError(f'a function of role {self.role} needs of = "sigmoid", "tanh" or "relu"')
        return self

    @property
    def short_name(self) -> str:
        """The name without the class's."""
        return self.name.rpartition(".")[2]


class Assignment(Table):
    """An assignment as its file states it; the network's conventions hold for all its functions."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    title: str = ""
    layout: Literal["rows", "columns"] = "rows"
    weights: Literal["in_out", "out_in"] = "in_out"
    bias: Literal["flat", "row", "column"] = "flat"
    truth: Literal["one_hot", "labels"] = "one_hot"
    hidden: Literal["sigmoid", "tanh", "relu"] = "tanh"
    output: Literal["softmax", "sigmoid"] = "softmax"
    cost: Literal["cross_entropy", "quadratic"] = "cross_entropy"
    mean: bool = True
    layers: int = Field(default=2, ge=2, le=6)
    classes: int = Field(default=10, ge=1, le=100)
    one_example: bool = False
    constructor_arguments: list[Any] = Field(default_factory=list)
    containers: dict[str, Any] = Field(default_factory=dict)
    functions: list[Function] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Assignment:
        names = [function.name for function in self.functions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two functions are named {twice[0]}; name each once")
        for function in self.functions:
            for used in _containers_used([function.arguments, function.returns]):
                if used not in self.containers:
                    raise ValueError(
                        f"function {function.name} uses @{used}, which containers does not define"
                    )
        return self

    @property
    def dialect(self) -> Dialect:
        """The layout that the assignment asks for."""
        return Dialect(self.layout, self.weights, self.bias, self.truth, containers=self.containers)


def _containers_used(specification: Any) -> list[str]:
    if isinstance(specification, str):
        return [specification[1:]] if specification.startswith("@") else []
    if isinstance(specification, dict):
        specification = list(specification.values())
    if not isinstance(specification, list):
        return []
    return [name for part in specification for name in _containers_used(part)]


def built_in_templates() -> list[str]:
    """Return the names of the templates that come with Clearprop."""
    return built_in(_TEMPLATES)


def load_assignment(name_or_path: str) -> Assignment:
    """Read an assignment.

    Parameters
    ----------
    name_or_path : str
        The name of a built-in template, or the path of a TOML file.

    Raises
    ------
    AssignmentError
        If there is none, or it is not valid; the text names the line.
    """
    return read_table(name_or_path, _TEMPLATES, Assignment, "assignment", AssignmentError, _keys_at)


def _keys_at(place: Place) -> list[str]:
    """Return the keys that are known where an unknown one stands."""
    return list(Assignment.model_fields if len(place) == 1 else Function.model_fields)
