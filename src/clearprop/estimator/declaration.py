"""Declarations of estimator parameters, each with its default, its check and its documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, make_dataclass
from textwrap import fill, indent
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C", bound=type)

#: Columns of a line of a class's documentation.
DOC_WIDTH = 102


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as it is declared; ``parameter`` explains the fields."""

    default: Any
    allowed: list[Any]
    kind: str
    doc: str
    kw_only: bool

    def documentation(self, name: str) -> str:
        """Return the parameter's entry under "Parameters", in NumPy style."""
        text = indent(fill(self.doc, DOC_WIDTH, break_on_hyphens=False, break_long_words=False), "    ")
        return f"{name} : {self.kind}, default={self.default!r}\n{text}"


def parameter(*, default: Any, allowed: list[Any], kind: str, doc: str, kw_only: bool = True) -> Any:
    """Declare a parameter of an estimator, as the value of a class attribute with its name.

    Parameters
    ----------
    default : object
    allowed : list
        The values that are allowed, as scikit-learn's ``_parameter_constraints`` has them.
    kind : str
        The values that are allowed, as the documentation names them.
    doc : str
        The effect of the parameter.
    kw_only : bool, default True
        Whether it can be given by its name only.
    """
    return Parameter(default, allowed, kind, doc, kw_only)


@dataclass_transform(eq_default=False, kw_only_default=True, field_specifiers=(parameter,))
def declares_parameters(**documentation: str) -> Callable[[C], C]:
    """Return a class decorator that makes the constructor of the parameters of a class and its bases.

    The bases come first, in reverse method resolution order, as in a dataclass. The class is no dataclass:
    tools such as Dask and Streamlit identify a dataclass instance by its fields, so they would take two
    estimators with the same parameters, fitted to different data, for the same.

    Parameters
    ----------
    **documentation : str
        Text to put where the class's docstring has its name in braces; ``{parameters}`` are the parameters.
    """

    def decorate(cls: C) -> C:
        namespace: Any = cls
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Parameter)}
        for name in own:
            delattr(cls, name)
        namespace._own_parameters = own
        declared: dict[str, Parameter] = {}
        for base in reversed(cls.__mro__):
            declared |= vars(base).get("_own_parameters", {})
        namespace._parameter_constraints = {name: each.allowed for name, each in declared.items()}
        namespace.__init__ = _constructor(cls.__name__, declared)
        _document(cls, {"parameters": _entries(declared), **documentation})
        return cls

    return decorate


def _constructor(name: str, declared: Mapping[str, Parameter]) -> Any:
    """Return a constructor that assigns its arguments and does nothing else, as scikit-learn requires it."""
    fields = [
        (field_name, Any, field(default=each.default, kw_only=each.kw_only))
        for field_name, each in declared.items()
    ]
    return vars(make_dataclass(name, fields))["__init__"]


def _entries(declared: Mapping[str, Parameter]) -> str:
    return "\n".join(each.documentation(name) for name, each in declared.items())


def _document(cls: type, texts: Mapping[str, str]) -> None:
    """Replace each name in braces, on a line of its own in the class's docstring, by a text."""
    # python -OO leaves none
    if cls.__doc__ is None:
        return
    for name, text in texts.items():
        cls.__doc__ = cls.__doc__.replace(f"    {{{name}}}", indent(text, "    "))
