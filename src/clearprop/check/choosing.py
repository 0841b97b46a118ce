"""Choosing the template from a file's names, and the layout from how its functions behave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clearprop.check.assignment import Assignment, built_in_templates, load_assignment
from clearprop.check.binding import Unbound
from clearprop.check.calling import Subject
from clearprop.check.calls import Runner
from clearprop.check.definitions import Definition, Module
from clearprop.check.dialects import Dialect
from clearprop.check.evaluation import Outcome, cost, evaluate, explained
from clearprop.check.examinations import EXAMINATIONS
from clearprop.check.initialization import own_parameters

LAYOUTS = {
    ("rows", "in_out"): "examples are rows and weights (fan_in, fan_out)",
    ("rows", "out_in"): "examples are rows and weights (fan_out, fan_in)",
    ("columns", "out_in"): "examples are columns and weights (fan_out, fan_in)",
    ("columns", "in_out"): "examples are columns and weights (fan_in, fan_out)",
}
TRUTHS = {"labels": "labels", "one_hot": "one-hot arrays"}


def choose_template(module: Module) -> tuple[Assignment, str]:
    """Return the template whose functions the file has, and the reason in words.

    A name that several templates share counts less; a matching number of arguments counts more.
    """
    templates = [load_assignment(name) for name in built_in_templates()]
    sharing: dict[str, int] = {}
    for template in templates:
        for name in {n for f in template.functions for n in (f.name, *f.aliases)}:
            sharing[name] = sharing.get(name, 0) + 1
    best: tuple[float, Assignment, list[str]] | None = None
    # the lesson wins a tie, since it is the assignment that Clearprop teaches
    for template in sorted(templates, key=lambda t: t.name != "lesson"):
        found: list[str] = []
        score = 0.0
        for function in template.functions:
            if "." in function.name:
                definition = module.find(function.name)
            else:
                definition = _exactly(module, function.name, *function.aliases)
            if definition is None:
                continue
            fits = definition.parameters is None or (
                definition.required <= len(function.arguments) <= len(definition.parameters)
            )
            score += (1.0 if fits else 0.5) / sharing[function.name]
            found.append(definition.name)
        if best is None or score > best[0]:
            best = (score, template, found)
    assert best is not None
    if not best[2]:
        return best[1], "no function of any template was found"
    names = ", ".join(best[2][:4])
    return best[1], f"the file defines {names}"


def _exactly(module: Module, *names: str) -> Definition | None:
    return next((module.definitions[name] for name in names if name in module.definitions), None)


def choose_dialect(assignment: Assignment, module: Module, runner: Runner) -> tuple[Dialect, list[str]]:
    """Return the layout in which the submission's forward or backward pass fits best, and what to say of it.

    The assignment's own layout is kept unless the functions do not run in it and do run in another.
    """
    default = assignment.dialect
    first = _fit(assignment, module, runner, default)
    if first is None or first < 100:
        return default, []
    best, chosen = first, default
    for dialect in _others(assignment, module, runner):
        found = _fit(assignment, module, runner, dialect)
        if found is not None and found < best - 5:
            best, chosen = found, dialect
            if found == 0:
                break
    if chosen is default:
        return default, []
    if (chosen.layout, chosen.weights) != (default.layout, default.weights):
        return chosen, [f"In this file {LAYOUTS[chosen.layout, chosen.weights]}; it is judged so."]
    if chosen.truth != default.truth:
        return chosen, ["In this file the truth is given as " + TRUTHS[chosen.truth] + "; it is judged so."]
    return chosen, ["In this file parameters have a container of their own; it is judged so."]


def _fit(assignment: Assignment, module: Module, runner: Runner, dialect: Dialect) -> float | None:
    """Return how badly the forward and backward pass fit a dialect; 0 is right, None if there are none."""
    total: float | None = None
    for role in ("forward", "backward"):
        for function in assignment.functions:
            definition = module.find(function.name, *function.aliases) if function.role == role else None
            if definition is None:
                continue
            try:
                examination = EXAMINATIONS[role](Subject(function, definition, assignment, dialect))[0]
            except Unbound:
                continue
            decisive = tuple(probe for probe in examination.probes if probe.decisive)[:1]
            outcome = evaluate(replace(examination, probes=decisive, stable=()), runner)
            total = (total or 0.0) + _badness(outcome)
    return total


def _badness(outcome: Outcome) -> float:
    if outcome.right is not None:
        return 0.0
    if outcome.problem is not None and outcome.problem.id == "too_slow":
        return 50.0
    if not outcome.observations:
        return 100.0
    return min(cost(outcome, explained(outcome, pairs=False)), 50.0)


def _others(assignment: Assignment, module: Module, runner: Runner) -> Iterator[Dialect]:
    """Yield other dialects: with the containers of the submission's own parameters, then other layouts."""
    default = assignment.dialect
    for own in own_parameters(assignment, module, runner):
        for layout in dict.fromkeys(("columns" if own.weights == "out_in" else "rows", "rows", "columns")):
            yield replace(own, layout=layout)
    for layout, weights, biases in (
        ("rows", "in_out", ("flat", "row")),
        ("columns", "out_in", ("column", "flat")),
        ("rows", "out_in", ("flat", "row")),
        ("columns", "in_out", ("column",)),
    ):
        for bias in biases:
            if (layout, weights, bias) != (default.layout, default.weights, default.bias):
                yield replace(default, layout=layout, weights=weights, bias=bias)
    yield replace(default, truth="labels" if default.truth == "one_hot" else "one_hot")
