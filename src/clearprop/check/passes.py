"""Examinations of whole passes through a network: forward, backward, the update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.check import probes
from clearprop.check.assignment import Assignment
from clearprop.check.calling import Caller, Examination, Probe, Subject, prepared, simple
from clearprop.check.calls import Answer, Runner
from clearprop.check.formulas import steps
from clearprop.check.formulas.backward_mistakes import BACKWARD
from clearprop.check.formulas.base import Formula, Outputs, Settings, Values
from clearprop.check.formulas.network import FORWARD, forward_outputs
from clearprop.check.structures import Unreadable, names_in


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


def forward(subject: Subject) -> list[Examination]:
    """Examine a forward pass, or a function that returns its prediction alone."""
    formula, assignment = FORWARD, subject.assignment
    if subject.function.role == "predict":
        formula = replace(FORWARD, outputs=_only_p)
    elif "p" in names_in(Caller(subject).structure(subject.function.returns)):
        formula = replace(FORWARD, outputs=_with_p)
    given = "activation" in subject.function.arguments
    found = []
    for shape in ("rectangular", "second", "cube"):
        # another activation where the function is given one, which a function that ignores it fails
        hidden = "sigmoid" if given and shape == "second" else assignment.hidden
        values = depth_of(assignment.model_copy(update={"hidden": hidden}), shape)
        values = {**values, "activation given": given}
        found.append(simple(subject, formula, values, decisive=shape != "cube"))
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


def backward(subject: Subject) -> list[Examination]:
    """Examine a backward pass, with derivatives of both kinds if it is given one."""
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


def update(subject: Subject) -> list[Examination]:
    """Examine an update by gradient descent."""
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


def batch_update(subject: Subject) -> list[Examination]:
    """Examine a method that updates its object from a mini-batch."""
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
