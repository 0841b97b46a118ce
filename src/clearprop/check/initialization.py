"""Judging initial parameters: shapes, biases, the distribution of weights, sharing between calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.check.assignment import Assignment
from clearprop.check.calling import Caller, Subject
from clearprop.check.calls import Runner
from clearprop.check.definitions import Module
from clearprop.check.dialects import Dialect
from clearprop.check.evaluation import problem_of, unchanged
from clearprop.check.formulas.base import Array
from clearprop.check.inference import inferred
from clearprop.check.structures import Own, Unreadable, holds_exactly, read
from clearprop.check.verdicts import Evidence, FoundMistake, FunctionVerdict, Status
from clearprop.check.wording import number, of_problem, simple_mistake

# large enough that the largest of so many uniform numbers is within 3 % of the limit
_UNITS = (120, 100, 90, 80, 70, 60)
# the fourth moment over the squared second: 1.8 of a uniform, 3 of a normal distribution
_UNIFORM_KURTOSIS = (1.6, 2.05)

LIMITS: Mapping[str, Callable[[int, int], float]] = {
    "√(6 / (fan_in + fan_out))": lambda i, o: np.sqrt(6 / (i + o)),
    "√(3 / (fan_in + fan_out))": lambda i, o: np.sqrt(3 / (i + o)),
    "√(2 / (fan_in + fan_out))": lambda i, o: np.sqrt(2 / (i + o)),
    "√(12 / (fan_in + fan_out))": lambda i, o: np.sqrt(12 / (i + o)),
    "√(1 / (fan_in + fan_out))": lambda i, o: np.sqrt(1 / (i + o)),
    "6 / (fan_in + fan_out), without the root": lambda i, o: 6 / (i + o),
    "√6 / (fan_in + fan_out)": lambda i, o: np.sqrt(6) / (i + o),
    "√(6 / fan_in)": lambda i, o: np.sqrt(6 / i),
    "√(6 / fan_out)": lambda i, o: np.sqrt(6 / o),
    "√(1 / fan_in)": lambda i, o: np.sqrt(1 / i),
    "√(2 / fan_in)": lambda i, o: np.sqrt(2 / i),
    "√(3 / fan_in)": lambda i, o: np.sqrt(3 / i),
    "1 / fan_in": lambda i, o: 1 / i,
    "√(6 / (fan_in · fan_out))": lambda i, o: np.sqrt(6 / (i * o)),
    "√(6 / |fan_in - fan_out|)": lambda i, o: np.sqrt(6 / max(abs(i - o), 1)),
    "√(6 (fan_in + fan_out))": lambda i, o: np.sqrt(6 * (i + o)),
    "1": lambda i, o: 1.0,
    "0.5": lambda i, o: 0.5,
    "0.1": lambda i, o: 0.1,
    "0.05": lambda i, o: 0.05,
    "0.01": lambda i, o: 0.01,
}


def _values(assignment: Assignment, factor: float = 1.0) -> dict[str, Any]:
    units = [int(width * factor) for width in _UNITS[: assignment.layers]] + [assignment.classes]
    values: dict[str, Any] = {"units": tuple(units), "n": 1}
    for i in range(1, assignment.layers + 1):
        values[f"w{i}"] = np.zeros((units[i - 1], units[i]))
        values[f"b{i}"] = np.zeros(units[i])
    return values


def _dialects(default: Dialect) -> Iterator[Dialect]:
    yield default
    for weights, bias in (
        ("in_out", "flat"),
        ("in_out", "row"),
        ("in_out", "column"),
        ("out_in", "flat"),
        ("out_in", "column"),
        ("out_in", "row"),
    ):
        yield replace(default, weights=weights, bias=bias)


def _two_layers(assignment: Assignment) -> Assignment:
    """Return an assignment with one hidden layer, for an initialization that takes (n_x, n_h, n_y)."""
    return assignment.model_copy(update={"layers": 2})


def own_parameters(assignment: Assignment, module: Module, runner: Runner) -> Iterator[Dialect]:
    """Yield the dialect of the parameters that the submission's own initialization returns."""
    for function in assignment.functions:
        definition = module.find(function.name, *function.aliases) if function.role == "initialize" else None
        if (
            definition is None
            or function.method
            or "n_hidden" in function.arguments
            or not function.arguments
        ):
            continue
        caller = Caller(Subject(function, definition, assignment, assignment.dialect))
        values = _values(assignment)
        answer = runner.run([replace(caller.call(values), seed=1)])[0]
        if answer.failed:
            continue
        for dialect in _dialects(assignment.dialect):
            laid_out = {n: dialect.given(n, values[n]) for n in values if isinstance(values[n], np.ndarray)}
            try:
                structure = inferred(answer.value, laid_out, exact=False)
            except Unreadable:
                continue
            if all(_shape_agrees(answer.value, structure, n, a) for n, a in laid_out.items()):
                containers = {**dialect.containers, "parameters": Own(structure)}
                yield replace(dialect, containers=containers)
                return


def _shape_agrees(value: Any, structure: Any, name: str, array: Array) -> bool:
    part = read(structure, value).get(name)
    return part is not None and np.shape(part) == array.shape


def examine_initialization(
    subject: Subject, runner: Runner, base: FunctionVerdict
) -> tuple[FunctionVerdict, Dialect | None]:
    """Judge a function that returns initial weights and biases.

    Returns
    -------
    verdict : FunctionVerdict
    dialect : Dialect or None
        The dialect with the submission's own container, if it is not the assignment's.
    """
    function = subject.function
    if "n_hidden" in function.arguments:
        subject = replace(subject, assignment=_two_layers(subject.assignment))
    caller = Caller(subject)
    values, others = _values(subject.assignment), _values(subject.assignment, 0.5)
    if function.method:
        owner = subject.definition.name.rpartition(".")[0]
        names = tuple(function.returns)
        calls = [
            replace(caller.call(v), function=owner, seed=seed, collect=names)
            for seed, v in ((1, values), (2, others))
        ]
    else:
        calls = [replace(caller.call(v), seed=seed) for seed, v in ((1, values), (2, others))]
        calls[1] = replace(calls[1], revisit=(0,))
    answers = runner.run(calls)
    for answer in answers:
        if (problem := problem_of(answer)) is not None:
            return _wrong(base, [of_problem(problem, base.line)]), None
    value = dict(answers[0].collected) if function.method else answers[0].value
    mistakes: list[FoundMistake] = []
    try:
        parameters, dialect = _read(subject, caller, value, values)
    except Unreadable as problem:
        return _wrong(base, [simple_mistake("wrong_shape", str(problem), base.line)]), None
    if not function.method and not unchanged(value, answers[1].revisited[0]):
        detail = "after a second call the arrays of the first have changed"
        mistakes.append(simple_mistake("parameters_shared_between_calls", detail, base.line))
    mistakes += _numbers(function.scheme, function.nonzero_biases, parameters, base.line)
    if mistakes:
        return _wrong(base, mistakes), dialect
    return replace(base, status=Status.RIGHT, points=base.out_of), dialect


def _wrong(base: FunctionVerdict, mistakes: list[FoundMistake]) -> FunctionVerdict:
    return replace(base, status=Status.WRONG, mistakes=tuple(mistakes))


def _read(
    subject: Subject, caller: Caller, value: Any, values: dict[str, Any]
) -> tuple[dict[str, Array], Dialect | None]:
    """Return the parameters by name in the judge's layout.

    Raises
    ------
    Unreadable
        If they are not all there, or have other shapes than the sizes ask for.
    """
    wanted = [name for name in values if isinstance(values[name], np.ndarray)]
    structure = caller.structure(subject.function.returns)
    fixed = not subject.function.arguments
    problem = Unreadable("its parameters have other shapes than the sizes ask for")
    try:
        found = read(structure, value)
        parameters = {name: subject.dialect.taken(name, np.asarray(found[name])) for name in wanted}
        # the bias of a single unit is taken as a number
        parameters = {n: p if p.ndim else p.reshape(1) for n, p in parameters.items()}
        wrong = [n for n in wanted if parameters[n].shape != values[n].shape]
        if fixed:
            chained = all(
                parameters[f"b{i}"].shape == parameters[f"w{i}"].shape[1:]
                and (i == 1 or parameters[f"w{i - 1}"].shape[1] == parameters[f"w{i}"].shape[0])
                for i in range(1, len(wanted) // 2 + 1)
            )
            if chained:
                return parameters, None
            raise Unreadable("the shapes of its weights and biases do not fit each other")
        if not wrong and not holds_exactly(structure, value):
            laid_out = {name: subject.dialect.given(name, values[name]) for name in wanted}
            own = inferred(value, laid_out, exact=False)
            containers = {**subject.dialect.containers, "parameters": Own(own)}
            return parameters, replace(subject.dialect, containers=containers)
        if not wrong:
            return parameters, None
        problem = Unreadable(
            f"{wrong[0]} has shape {np.shape(found[wrong[0]])} instead of "
            f"{np.shape(subject.dialect.given(wrong[0], values[wrong[0]]))}"
        )
    except Unreadable as unreadable:
        problem = unreadable
    for dialect in _dialects(subject.dialect):
        laid_out = {name: dialect.given(name, values[name]) for name in wanted}
        try:
            own = inferred(value, laid_out, exact=False)
        except Unreadable:
            continue
        parts = read(own, value)
        if all(np.shape(parts[name]) == laid_out[name].shape for name in wanted):
            if dialect.weights != subject.dialect.weights:
                continue
            parameters = {name: dialect.taken(name, np.asarray(parts[name])) for name in wanted}
            containers = {**subject.dialect.containers, "parameters": Own(own)}
            return parameters, replace(subject.dialect, bias=dialect.bias, containers=containers)
    raise problem


def _numbers(
    scheme: str, nonzero_biases: bool, parameters: dict[str, Array], line: int | None
) -> list[FoundMistake]:
    mistakes = []
    weights = {name: array for name, array in parameters.items() if name[0] == "w"}
    biases = {name: array for name, array in parameters.items() if name[0] == "b"}
    if not all(np.isfinite(array).all() for array in parameters.values()):
        return [simple_mistake("not_finite", "", line)]
    filled = {name: array for name, array in biases.items() if np.any(array)}
    if filled and not nonzero_biases:
        name, array = next(iter(filled.items()))
        table = [Evidence(f"{name}[0]", number(np.ravel(array)[0]), "0")]
        mistakes.append(simple_mistake("biases_not_zero", ", ".join(filled), line, table))
    alike = _alike(weights)
    if alike:
        mistakes.append(simple_mistake("layers_initialized_alike", alike, line))
    elif scheme == "glorot":
        mistakes += _glorot(weights, line)
    return mistakes


def _alike(weights: dict[str, Array]) -> str:
    """Say which weights repeat each other, if any do."""
    for name, array in weights.items():
        if np.ptp(array) == 0:
            return f"all entries of {name} are {number(array.flat[0])}"
        if min(array.shape) > 1 and (np.ptp(array, axis=0) == 0).all():
            return f"the rows of {name} are equal"
        if min(array.shape) > 1 and (np.ptp(array, axis=1) == 0).all():
            return f"the columns of {name} are equal"
    names = list(weights)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            for first, second in (
                (weights[one].ravel(), weights[other].ravel()),
                (weights[one].T.ravel(), weights[other].T.ravel()),
            ):
                length = min(len(first), len(second), 60)
                a, b = first[:length], second[:length]
                if length > 5 and abs(np.corrcoef(a, b)[0, 1]) > 0.999:
                    return f"{one} and {other} begin with the same numbers, up to a factor"
    return ""


def _glorot(weights: dict[str, Array], line: int | None) -> list[FoundMistake]:
    """Compare each layer's weights with U(-M, M)."""
    kurtoses = {}
    for name, w in weights.items():
        centred = w - w.mean()
        kurtoses[name] = float(np.mean(centred**4) / np.mean(centred**2) ** 2)
    least, most = _UNIFORM_KURTOSIS
    odd = [name for name, value in kurtoses.items() if not least <= value <= most]
    if odd:
        share = float(np.mean(np.abs(weights[odd[0]]) <= weights[odd[0]].std()))
        table = [Evidence(f"share of {odd[0]} within one standard deviation", f"{share:.2f}", "0.58")]
        detail = "they look normally distributed" if abs(share - 0.683) < 0.03 else ""
        return [simple_mistake("glorot_not_uniform", detail, line, table)]
    wrong, table = [], []
    for name, w in weights.items():
        limit = np.sqrt(6 / sum(w.shape))
        centre = w.mean()
        off = abs(centre) > 5 * w.std() / np.sqrt(w.size)
        largest = float(np.max(np.abs(w)))
        if off or not 0.97 * limit <= largest <= 1.0001 * limit:
            wrong.append(name)
            table.append(Evidence(f"range of {name}", f"{w.min():.4f} to {w.max():.4f}", f"±{limit:.4f}"))
    if not wrong:
        return []
    return [simple_mistake("glorot_wrong_limit", _limit_detail(weights, wrong), line, table[:4])]


def _limit_detail(weights: dict[str, Array], wrong: list[str]) -> str:
    name = wrong[0]
    w = weights[name]
    if w.min() >= 0:
        return "they are drawn from 0 to M instead of -M to M"
    if w.max() <= 0:
        return "they are drawn from -M to 0 instead of -M to M"
    for text, limit in LIMITS.items():
        if all(
            0.96 * limit(*weights[n].shape) <= np.max(np.abs(weights[n])) <= 1.0001 * limit(*weights[n].shape)
            for n in wrong
        ):
            return f"M is {text}"
    return ""
