"""Writing calls of a submission's function: its arguments in its dialect, its outputs by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clearprop.check import trusted
from clearprop.check.assignment import Assignment, Function
from clearprop.check.binding import bind
from clearprop.check.calls import Answer, Call, Generator, Result
from clearprop.check.definitions import Definition
from clearprop.check.dialects import Dialect
from clearprop.check.formulas.base import Formula, Outputs, Values
from clearprop.check.inference import inferred
from clearprop.check.structures import Unreadable, expanded, filled, has_stray_keys, names_in, read

FURTHER = (
    "n",
    "classes",
    "rng",
    "eta",
    "activation",
    "derivative",
    "total_layers",
    "batch_size",
    "truth",
    "size",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A function of a submission and the assignment's description of it."""

    function: Function
    definition: Definition
    assignment: Assignment
    dialect: Dialect
    # the submission's own container of what it returns, found at the first probe, whose shapes all differ
    own_container: list[Any] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """Calls with one set of reference inputs, and how to read the outputs.

    Parameters
    ----------
    values : mapping
        What the formula computes the right and the mistaken outputs from.
    calls : tuple of Call
        The last one is the function's; those before prepare it.
    read : callable
        ``answers -> outputs by name``; raises Unreadable.
    decisive : bool
        Whether a right function must agree here. The others only help to name a mistake.
    """

    values: Values
    calls: tuple[Call, ...]
    read: Callable[[Sequence[Answer]], Outputs]
    decisive: bool = True


@dataclass(frozen=True, slots=True)
class Examination:
    """All probes of a function under one reading of the assignment.

    Parameters
    ----------
    formula : Formula
    probes : tuple of Probe
    note : str
        Said if the function is right under this reading.
    stable : tuple of (id, Probe)
        Extreme inputs that only a numerically stable function survives, and the mistake if it does not.
    keeps_arguments : bool
        Whether the function must leave its arguments as they are.
    derivative : {"", "input", "output"}
        Whether the derivative given as an argument is of the pre-activation or of the output.
    """

    formula: Formula
    probes: tuple[Probe, ...]
    note: str = ""
    stable: tuple[tuple[str, Probe], ...] = ()
    keeps_arguments: bool = False
    derivative: str = ""


class Caller:
    """Writes calls of one subject: its arguments from values, its outputs from answers."""

    def __init__(self, subject: Subject, arguments: Sequence[Any] | None = None) -> None:
        self.subject = subject
        specification = subject.function.arguments if arguments is None else arguments
        self.binding = bind(subject.definition, specification, FURTHER)
        if subject.function.layout is not None:
            self.subject = replace(subject, dialect=replace(subject.dialect, layout=subject.function.layout))

    def structure(self, specification: Any) -> Any:
        """Return a specification expanded for the assignment's layers and the dialect's containers."""
        assignment = self.subject.assignment
        return expanded(specification, assignment.layers, self.subject.dialect.containers)

    def value(self, name: str, values: Values) -> Any:
        """Return one argument as the submission expects it."""
        dialect = self.subject.dialect
        if name in ("truth", "labels") and "truth" in values and name == "truth":
            if dialect.truth == "labels":
                return values["labels"].copy()
            return dialect.given("truth", values["truth"]).copy()
        if name not in values:
            return _SPECIAL[name](self.subject, values)
        return dialect.given(name, values[name])

    def filled(self, specification: Any, values: Values) -> Any:
        """Return a specification with the values in place of their names."""
        return filled(self.structure(specification), lambda name: self.value(name, values))

    def call(self, values: Values) -> Call:
        """Return the call with these values."""
        return Call(
            self.subject.definition.name.rpartition(".")[2],
            tuple(self.filled(specification, values) for specification in self.binding.positional),
            {name: self.filled(part, values) for name, part in self.binding.keywords.items()},
        )

    def own_structure(
        self, value: Any, wanted: Sequence[str], expected: Outputs, values: Values, *, exact: bool
    ) -> Any:
        """Return the structure in which the submission returns the outputs; pre-activations may be left out.

        Raises
        ------
        Unreadable
            If the outputs cannot be found in it.
        """
        dialect = self.subject.dialect
        laid_out = {n: dialect.given(n, np.asarray(expected[n])) for n in wanted if n in expected}
        others = {n: dialect.given(n, values[n]) for n in ("x",) if n in values and n not in laid_out}
        try:
            return inferred(value, laid_out, exact=exact, optional=others)
        except Unreadable:
            if "h1" not in laid_out:
                raise
            outputs = {n: a for n, a in laid_out.items() if n[0] != "a"}
            return inferred(value, outputs, exact=exact, optional=others)

    def outputs(self, value: Any, values: Values, wanted: Sequence[str], expected: Outputs) -> Outputs:
        """Return what the function returned by name, laid out as the judge does.

        Raises
        ------
        Unreadable
            If the outputs cannot be found in it.
        """
        dialect = self.subject.dialect
        structure = self.structure(self.subject.function.returns)
        try:
            found = _read_first(structure, value, wanted)
        except Unreadable as problem:
            if has_stray_keys(structure, value):
                raise
            own = self.subject.own_container
            try:
                if not own:
                    own.append(self.own_structure(value, wanted, expected, values, exact=False))
                found = read(own[0], value)
            except Unreadable:
                raise problem from None
            wanted = [name for name in wanted if name in found]
        missing = [name for name in wanted if name not in found]
        if missing:
            raise Unreadable(f"it does not return {', '.join(missing)}")
        arrays = {}
        for name in wanted:
            if name in found:
                arrays[name] = as_numbers(found[name], name)
                arrays[name] = dialect.taken(name, arrays[name])
        return arrays


def as_numbers(value: Any, name: str) -> Any:
    """Return a value as an array of numbers.

    Raises
    ------
    Unreadable
        If it is none.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise Unreadable(f"{name} is a ragged list, not an array") from None
    if array.dtype.kind not in "fiub":
        raise Unreadable(f"{name} is {type(value).__name__ if value is not None else 'None'}, not numbers")
    return array


def _read_first(structure: Any, value: Any, wanted: Sequence[str]) -> dict[str, Any]:
    """Read a value; where only the first output is wanted, the caches behind it may be laid out freely."""
    if isinstance(structure, tuple) and structure and isinstance(structure[0], str):
        first = structure[0]
        if set(wanted) & set(names_in(structure)) == {first}:
            if isinstance(value, list | tuple) and len(value) >= 1:
                return {first: value[0]}
            return {first: value}
    if isinstance(structure, str) and isinstance(value, tuple) and len(value) == 2:
        # (out, cache) where only out was asked for
        return {structure: value[0]}
    return read(structure, value)


_SPECIAL: dict[str, Callable[[Subject, Values], Any]] = {
    "activation": lambda s, v: trusted.activation(v.get("hidden", s.assignment.hidden)),
    "derivative": lambda s, v: trusted.derivative(
        v.get("hidden", s.assignment.hidden), of_output=v.get("derivative_of_output", False)
    ),
    "activation_name": lambda s, v: v["of"],
    "total_layers": lambda s, v: s.assignment.layers + 1,
    "weight_layers": lambda s, v: s.assignment.layers,
    "classes": lambda s, v: s.assignment.classes,
    "rng": lambda s, v: Generator(0),
    "batch_size": lambda s, v: v["n"],
    "n_inputs": lambda s, v: v["units"][0],
    "hidden_sizes": lambda s, v: list(v["units"][1:-1]),
    "n_hidden": lambda s, v: v["units"][1],
    "n_outputs": lambda s, v: v["units"][-1],
    "sizes": lambda s, v: list(v.get("units", (4, 3, 2))),
    "size": lambda s, v: (28, 28),
    "mini_batch": lambda s, v: [
        (x[:, None], y[:, None]) if s.dialect.layout == "columns" else (x, y)
        for x, y in zip(v["x"], v["truth"], strict=True)
    ],
}


def last_value(answers: Sequence[Answer]) -> Any:
    """Return the value of the last call."""
    return answers[-1].value


def simple(
    subject: Subject, formula: Formula, values: Values, *, decisive: bool = True, seconds: float | None = None
) -> Probe:
    """Return a probe of one plain call."""
    caller = Caller(subject)
    expected = formula.outputs(values, formula.right[0].settings)
    wanted = [n for n in expected if n in names_in(caller.structure(subject.function.returns))] or list(
        expected
    )
    wanted = wanted if len(wanted) else list(expected)

    def reading(answers: Sequence[Answer]) -> Outputs:
        return caller.outputs(last_value(answers), values, wanted, expected)

    return Probe(values, prepared(subject, caller.call(values), values), reading, decisive)


def prepared(subject: Subject, call: Call, values: Values) -> tuple[Call, ...]:
    """Return the calls before and with a method's: its object is made and given the values' parameters."""
    assignment = subject.assignment
    if "." not in subject.definition.name:
        return (call,)
    caller = object.__new__(Caller)
    caller.subject = subject
    arguments = tuple(
        filled(caller.structure(part), lambda name: caller.value(name, values))
        for part in assignment.constructor_arguments
    )
    made = Call(subject.definition.name.rpartition(".")[0], arguments)
    attributes = {
        name: filled(caller.structure(f"@{name}"), lambda each: caller.value(each, values))
        for name in assignment.containers
        if all(part in values for part in names_in(caller.structure(f"@{name}")))
    }
    return (made, replace(call, on=Result(0), attributes=attributes))
