"""From a function's role to the calls that examine it: probes, arguments in its dialect, outputs by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clearprop.check import probes, trusted
from clearprop.check.assignment import Assignment, Function
from clearprop.check.binding import bind
from clearprop.check.calls import Answer, Call, Generator, Result, Runner
from clearprop.check.definitions import Definition
from clearprop.check.dialects import Dialect
from clearprop.check.formulas import data, elementwise, layers, steps
from clearprop.check.formulas.backward import BACKWARD
from clearprop.check.formulas.base import Formula, Outputs, Settings, Values
from clearprop.check.formulas.network import FORWARD, forward_outputs
from clearprop.check.formulas.softmax import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, SOFTMAX
from clearprop.check.structures import Unreadable, expanded, filled, inferred, names_in, read

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


def depth_of(assignment: Assignment, shape: str) -> Values:
    """Return the assignment's network and batch in one of the probes' shapes."""
    return probes.network(
        assignment.hidden,
        assignment.output,
        assignment.cost,
        assignment.mean,
        assignment.layers,
        assignment.classes,
        shape,
        1 if assignment.one_example else None,
        {"rectangular": 1, "second": 2, "square": 3, "cube": 4}[shape],
    )


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
            outputs = {n: a for n, a in laid_out.items() if n[0] == "h"}
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


# ---- One role after another ----------------------------------------------------------------------------


def _elementwise(subject: Subject) -> list[Examination]:
    function = subject.function
    assert function.of is not None
    formula = (
        elementwise.activation(function.of)
        if function.role == "activation"
        else elementwise.derivative(function.of)
    )
    main = simple(subject, formula, {"x": probes.numbers(5, 7, 4)})
    stable: tuple[tuple[str, Probe], ...] = ()
    if function.role == "activation" and function.of == "sigmoid":
        extreme = {"x": np.array([[-1000.0, -60.0, 0.5], [60.0, 800.0, 1000.0]])}
        stable = (("sigmoid_unstable", simple(subject, formula, extreme)),)
    return [Examination(formula, (main,), stable=stable)]


def _softmax(subject: Subject) -> list[Examination]:
    shapes = ((7, 4), (3, 5))
    plain = [simple(subject, SOFTMAX, {"x": probes.numbers(6 + i, *s)}) for i, s in enumerate(shapes)]
    cube = simple(subject, SOFTMAX, {"x": probes.numbers(9, 5, 5)})
    extreme = {
        "x": np.array([[1000.0, 0.0, -1000.0, 998.0], [999.0, 1000.0, 5.0, 1.0], [7.0, 999.5, 0.0, 1000.0]])
    }
    return [
        Examination(
            SOFTMAX, (*plain, cube), stable=(("softmax_unstable", simple(subject, SOFTMAX, extreme)),)
        )
    ]


def _loss(subject: Subject) -> list[Examination]:
    binary = subject.function.role == "binary_loss"
    formula = BINARY_CROSS_ENTROPY if binary else CROSS_ENTROPY
    found = []
    for seed, n in ((3, 7), (4, 11)):
        classes = 1 if binary else 10
        p = np.random.default_rng(seed).uniform(0.15, 0.9, size=(n, classes))
        p = p if binary else p / p.sum(axis=1, keepdims=True)
        labels = probes.labels(n, 10, seed)
        truth = (labels[:, None] % 2).astype(float) if binary else probes.one_hot(labels, classes)
        values = {"p": p, "truth": truth, "labels": truth[:, 0].astype(int) if binary else labels, "n": n}
        found.append(simple(subject, formula, values))
    stable: list[tuple[str, Probe]] = []
    if not subject.function.zero_probability and not binary:
        p = np.zeros((3, 10))
        p[0, 2] = p[1, 0] = p[2, 9] = 1.0
        labels = np.array([2, 4, 9])
        zero = {"p": p, "truth": probes.one_hot(labels, 10), "labels": labels, "n": 3}
        probe = simple(subject, formula, zero)
        stable.append(("cross_entropy_log_of_zero", replace(probe, values={**zero, "only finite": True})))
    return [Examination(formula, tuple(found), stable=tuple(stable))]


def _forward(subject: Subject) -> list[Examination]:
    formula, assignment = FORWARD, subject.assignment
    if subject.function.role == "predict":
        formula = replace(FORWARD, outputs=_only_p)
    elif "p" in names_in(Caller(subject).structure(subject.function.returns)):
        formula = replace(FORWARD, outputs=_with_p)
    given = "activation" in subject.function.arguments
    found = []
    for shape in ("rectangular", "second", "square"):
        # another activation where the function is given one, which a function that ignores it fails
        hidden = "sigmoid" if given and shape == "second" else assignment.hidden
        values = depth_of(assignment.model_copy(update={"hidden": hidden}), shape)
        values = {**values, "activation given": given}
        found.append(simple(subject, formula, values, decisive=shape != "square"))
    stable: tuple[tuple[str, Probe], ...] = ()
    if subject.assignment.output == "softmax":
        values = dict(depth_of(subject.assignment, "rectangular"))
        k = subject.assignment.layers
        # every row has its largest logit in the first class: a shift by the batch's largest is stable too
        values[f"b{k}"] = values[f"b{k}"] + 1000.0 * (np.arange(assignment.classes) == 0)
        probe = simple(subject, formula, values)
        stable = (("softmax_unstable", replace(probe, values={**values, "only finite": True})),)
    return [Examination(formula, tuple(found), stable=stable)]


def _last(outputs: Outputs) -> Any:
    return outputs[max((name for name in outputs if name[0] == "h"), key=lambda name: int(name[1:]))]


def _only_p(values: Values, settings: Settings) -> Outputs:
    return {"p": _last(forward_outputs(values, settings))}


def _with_p(values: Values, settings: Settings) -> Outputs:
    outputs = forward_outputs(values, settings)
    return {**outputs, "p": _last(outputs)}


def _backward(subject: Subject) -> list[Examination]:
    assignment = subject.assignment
    given = "derivative" in subject.function.arguments
    # another activation where the function is given one, which a function that ignores it fails
    hidden = ("tanh", "sigmoid") if given else (assignment.hidden,)
    formula = BACKWARD
    if not any(name in ("a1", "h1", "@activations", "@caches") for name in subject.function.arguments):
        # the function makes its own forward pass
        formula = steps.FORWARD_AND_BACKWARD
    examinations = []
    for of_output in (False, True) if given else (False,):
        found = []
        for shape in ("rectangular", "second", "square", "cube"):
            for name in hidden[:1] if shape in ("square", "cube") else hidden:
                values = depth_of(assignment.model_copy(update={"hidden": name}), shape)
                values = {**values, "derivative_of_output": of_output, "activation given": given}
                found.append(simple(subject, formula, values, decisive=shape in ("rectangular", "second")))
        examinations.append(
            Examination(
                formula, tuple(found), derivative=("output" if of_output else "input") if given else ""
            )
        )
    return examinations


def _update(subject: Subject) -> list[Examination]:
    single = "w" in subject.function.arguments
    found = []
    for seed, eta in ((1, 0.3), (2, 0.07)):
        if single:
            w, dw = probes.numbers(seed, 5, 3), probes.numbers(seed + 5, 5, 3)
            values: dict[str, Any] = {"w": w, "dw": dw, "n": 5, "units": (5, 3)}
        else:
            values = dict(depth_of(subject.assignment, "rectangular" if seed == 1 else "second"))
            for i, name in enumerate(n for n in list(values) if n[:2] in ("dw", "db")):
                # of a parameter's size, so that each of w, dw and eta counts
                values[name] = 0.3 * probes.numbers(seed + 50 + i, *values[name].shape)
        found.append(simple(subject, steps.UPDATE, {**values, "eta": eta}))
    return [Examination(steps.UPDATE, tuple(found), keeps_arguments=not subject.function.in_place)]


def _layer(subject: Subject) -> list[Examination]:
    function = subject.function
    formula = {
        "affine_forward": layers.AFFINE_FORWARD,
        "affine_activation_forward": layers.AFFINE_ACTIVATION_FORWARD,
        "affine_backward": layers.AFFINE_BACKWARD,
        "affine_activation_backward": layers.AFFINE_BACKWARD,
        "activation_backward": layers.activation_backward_formula(function.of or "relu"),
    }[function.role]
    mean = subject.assignment.mean if function.mean is None else function.mean
    with_activation = "affine_activation" in function.role
    kinds: tuple[str | None, ...] = (function.of,)
    if with_activation and function.of is None:
        kinds = ("relu", "sigmoid")
    found = []
    for of in kinds:
        for shape, (n, fan_in, fan_out) in {
            "rectangular": (7, 6, 4),
            "second": (9, 5, 3),
            "cube": (5, 5, 5),
        }.items():
            rng = 20 + n
            x = probes.numbers(rng, n, fan_in)
            if subject.assignment.layout == "rows" and fan_in == 6 and function.role[:6] == "affine":
                x = x.reshape(n, 2, 3)
            w, b = probes.numbers(rng + 1, fan_in, fan_out), probes.numbers(rng + 2, fan_out)
            a = x.reshape(n, -1) @ w + b
            values: dict[str, Any] = {"x": x, "w": w, "b": b, "a": a, "mean": mean, "n": n, "hidden": "relu"}
            if function.role == "activation_backward":
                values["x"] = values["a"] = a = probes.numbers(rng + 4, n, fan_out)
            if of is not None:
                values["of"], values["kinds"] = of, kinds
                values["out"] = elementwise.ACTIVATIONS[of][0](a)
            values["dout"] = probes.numbers(rng + 3, n, fan_out)
            found.append(simple(subject, formula, values, decisive=shape != "cube"))
    return [Examination(formula, tuple(found))]


def with_own_caches(backward: Subject, forward: Subject, examination: Examination) -> Examination:
    """Return the examination of a backward function with the caches of the submission's own forward one."""
    caller = Caller(forward)
    found = []
    for probe in examination.probes:
        *_, call = probe.calls
        first = caller.call(probe.values)
        cache = next(
            i for i, part in enumerate(backward.function.arguments) if part not in ("dout", "activation_name")
        )
        arguments = list(call.arguments)
        arguments[cache] = Result(0, (1,))
        found.append(replace(probe, calls=(first, replace(call, arguments=tuple(arguments)))))
    return replace(examination, probes=tuple(found))


def _softmax_loss(subject: Subject) -> list[Examination]:
    found = []
    for seed, n in ((3, 7), (4, 11)):
        labels = probes.labels(n, 10, seed)
        values = {
            "x": probes.numbers(seed, n, 10),
            "labels": labels,
            "truth": probes.one_hot(labels, 10),
            "n": n,
        }
        found.append(simple(subject, layers.SOFTMAX_LOSS, values))
    x = np.zeros((3, 10))
    x[:, 0], x[:, 1], x[:, 2] = 1000.0, 999.0, -1000.0
    labels = np.array([0, 1, 0])
    extreme: dict[str, Any] = {"x": x, "labels": labels, "truth": probes.one_hot(labels, 10), "n": 3}
    extreme["only finite"] = True
    return [
        Examination(
            layers.SOFTMAX_LOSS,
            tuple(found),
            stable=(("softmax_unstable", simple(subject, layers.SOFTMAX_LOSS, extreme)),),
        )
    ]


def _one_hot(subject: Subject) -> list[Examination]:
    found = [
        simple(subject, data.ONE_HOT, {"labels": probes.labels(n, 10, seed), "n": n})
        for seed, n in ((3, 13), (5, 27))
    ]
    return [Examination(data.ONE_HOT, tuple(found))]


def _average_groups(subject: Subject) -> list[Examination]:
    group = subject.function.group or 7
    found = [
        simple(subject, data.AVERAGE_GROUPS, {"data": probes.numbers(seed, n), "group": group, "n": n})
        for seed, n in ((3, 2 * group + 3), (4, 3 * group))
    ]
    return [Examination(data.AVERAGE_GROUPS, tuple(found))]


def _neuron(subject: Subject) -> list[Examination]:
    weights = subject.function.role == "weight_gradient_of_neuron"
    formula = steps.WEIGHT_GRADIENT if weights else steps.BIAS_GRADIENT
    subject = replace(
        subject, function=subject.function.model_copy(update={"returns": "dw" if weights else "db"})
    )
    found = []
    for seed, n in ((3, 7), (4, 4)):
        y = np.random.default_rng(seed).uniform(0.1, 0.9, n)
        values = {
            "x": probes.numbers(seed, n, 3),
            "w": probes.numbers(seed + 1, 3),
            "b": 0.37,
            "y": y,
            "n": n,
        }
        found.append(simple(subject, formula, values))
    return [Examination(formula, tuple(found))]


def _cost_derivative(subject: Subject) -> list[Examination]:
    values = depth_of(subject.assignment, "rectangular")
    return [Examination(data.COST_DERIVATIVE, (simple(subject, data.COST_DERIVATIVE, values),))]


def _predictions(subject: Subject) -> list[Examination]:
    if subject.function.role == "accuracy":
        labels = probes.labels(20, 10, 3)
        predicted = np.where(np.arange(20) % 3 == 0, labels, (labels + 1) % 10)
        values: dict[str, Any] = {"labels": labels, "predicted": predicted, "n": 20}
        return [Examination(data.ACCURACY, (simple(subject, data.ACCURACY, values),))]
    values = {"p": np.random.default_rng(3).uniform(size=(13, 10)), "n": 13}
    return [Examination(data.PREDICTIONS, (simple(subject, data.PREDICTIONS, values),))]


def _batch_update(subject: Subject) -> list[Examination]:
    assignment = subject.assignment
    found = []
    for shape, n, eta in (("rectangular", 5, 0.6), ("second", 3, 0.2)):
        values = dict(
            probes.network(
                assignment.hidden,
                assignment.output,
                assignment.cost,
                True,
                assignment.layers,
                assignment.classes,
                shape,
                n,
                5 + n,
            )
        )
        values["eta"] = eta
        found.append(_attributes_probe(subject, steps.BATCH_UPDATE, values))
    return [Examination(steps.BATCH_UPDATE, tuple(found))]


def _attributes_probe(subject: Subject, formula: Formula, values: Values) -> Probe:
    """Return a probe of a method that changes its object; the outputs are the object's attributes."""
    caller = Caller(subject)
    expected = formula.outputs(values, {})
    names = tuple(subject.function.returns)
    calls = prepared(subject, caller.call(values), values)
    calls = (*calls[:-1], replace(calls[-1], collect=names))

    def reading(answers: Sequence[Answer]) -> Outputs:
        return caller.outputs(dict(answers[-1].collected), values, list(expected), expected)

    return Probe(values, calls, reading)


def own_gradients(subject: Subject, runner: Runner, values: Values) -> Outputs | None:
    """Return the sums over a batch of a submission's own gradients, "own dw1" and so on; None if it fails."""
    sums: dict[str, Any] = {}
    k = subject.assignment.layers
    names = [f"d{letter}{i}" for i in range(1, k + 1) for letter in "wb"]
    caller = Caller(subject)
    for row in range(len(values["x"])):
        one = {**values, "x": values["x"][row : row + 1], "truth": values["truth"][row : row + 1]}
        answers = runner.run(prepared(subject, caller.call(one), one))
        if any(answer.failed for answer in answers):
            return None
        try:
            found = caller.outputs(answers[-1].value, one, names, one)
        except Unreadable:
            return None
        for name, array in found.items():
            if array.shape != values[name].shape:
                return None
            sums[f"own {name}"] = sums.get(f"own {name}", 0) + array
    return sums


EXAMINATIONS: Mapping[str, Callable[[Subject], list[Examination]]] = {
    "activation": _elementwise,
    "activation_derivative": _elementwise,
    "softmax": _softmax,
    "loss": _loss,
    "binary_loss": _loss,
    "softmax_loss": _softmax_loss,
    "cost_derivative": _cost_derivative,
    "forward": _forward,
    "predict": _forward,
    "backward": _backward,
    "update": _update,
    "batch_update": _batch_update,
    "affine_forward": _layer,
    "affine_backward": _layer,
    "activation_backward": _layer,
    "affine_activation_forward": _layer,
    "affine_activation_backward": _layer,
    "weight_gradient_of_neuron": _neuron,
    "bias_gradient_of_neuron": _neuron,
    "one_hot": _one_hot,
    "average_groups": _average_groups,
    "predictions": _predictions,
    "accuracy": _predictions,
}
