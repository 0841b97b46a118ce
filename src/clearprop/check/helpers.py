"""The functions that a function calls: the wrong ones, and right ones of ours in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clearprop.check import trusted
from clearprop.check.binding import Unbound
from clearprop.check.calling import Examination, Subject
from clearprop.check.definitions import Definition
from clearprop.check.evaluation import Substitutes
from clearprop.check.examinations import EXAMINATIONS, with_own_caches
from clearprop.check.formulas import steps
from clearprop.check.formulas.base import Variant
from clearprop.check.judged import Judgement
from clearprop.check.passes import own_gradients

_FORWARD_OF = {
    "activation_backward": "activation",
    "affine_backward": "affine_forward",
    "affine_activation_backward": "affine_activation_forward",
}


def wrong_forward_of(state: Judgement, subject: Subject) -> str:
    """Return the name of the forward function that makes a backward function's caches, if it is wrong."""
    wanted = _FORWARD_OF.get(subject.function.role)
    for name, judged in state.judged.items():
        wrong = judged.wrong or bool(judged.verdict.follows_from)
        if judged.function.role == wanted and wrong and judged.function.of == subject.function.of:
            return name
    return ""


def own_caches(state: Judgement, subject: Subject) -> list[Examination]:
    """Return the examination with the caches of the submission's own forward function."""
    wanted = _FORWARD_OF.get(subject.function.role)
    for judged in state.judged.values():
        if (
            judged.function.role == wanted
            and judged.definition is not None
            and judged.function.of == subject.function.of
            and isinstance(judged.function.returns, list)
        ):
            forward = Subject(judged.function, judged.definition, state.assignment, state.dialect)
            return [
                with_own_caches(subject, forward, examination)
                for examination in EXAMINATIONS[subject.function.role](subject)
            ]
    return []


def selected(state: Judgement, subject: Subject) -> list[Any]:
    """Return the examinations, those first that agree with the submission's own derivatives."""
    examinations = EXAMINATIONS[subject.function.role](subject)
    if subject.function.role == "batch_update":
        called = state.module.helpers(subject.definition)
        backward = (j for j in state.judged.values() if j.function.role == "backward" and j.definition)
        if not any(judged.definition and judged.definition.name in called for judged in backward):
            return examinations
        return [own_updates(state, examination) for examination in examinations]
    if subject.function.role != "backward" or len(examinations) < 2:
        return examinations
    own = [
        judged
        for judged in state.judged.values()
        if judged.function.role == "activation_derivative" and judged.function.of != "relu" and judged.outcome
    ]
    right = [judged for judged in own if not judged.wrong]
    if right and all(judged.takes_output for judged in right):
        return examinations[::-1]
    # wrong derivatives do not tell which argument they expect
    return examinations if own and not right else examinations[:1]


def own_updates(state: Judgement, examination: Examination) -> Examination:
    """Compare an update with the gradients of the submission's own backward pass, if that is wrong."""
    backward = next((j for j in state.judged.values() if j.function.role == "backward" and j.wrong), None)
    if backward is None or backward.definition is None or not examination.probes:
        return examination
    subject = Subject(backward.function, backward.definition, state.assignment, state.dialect)
    own = []
    for probe in examination.probes:
        gradients = own_gradients(subject, state.runner, probe.values)
        if gradients is None:
            raise Unbound(f"cannot be judged before {backward.function.name} is right")
        own.append(replace(probe, values={**probe.values, **gradients}))
    note = f"right in itself; its wrong result follows from {backward.function.name}"
    formula = replace(examination.formula, outputs=steps.update_from_own, right=(Variant(note),))
    return replace(examination, formula=formula, probes=tuple(own))


@dataclass(frozen=True, slots=True)
class Helpers:
    """The judged functions that a function calls and that may make its result wrong.

    Parameters
    ----------
    certain : tuple of str
        Wrong or missing ones that a right function of ours can replace.
    possible : tuple of str
        Derivatives given the output of the activation: right only if they are called so.
    lasting : tuple of str
        Wrong ones that nothing can replace.
    """

    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()


def helpers_of(state: Judgement, definition: Definition) -> Helpers:
    """Return the judged functions that a function calls and that may make its result wrong."""
    called = state.module.helpers(definition)
    reads = {*definition.reads, *definition.methods_called}
    for name in called:
        reads |= state.module.definitions[name].reads
    certain: list[str] = []
    possible: list[str] = []
    lasting: list[str] = []
    for name, judged in state.judged.items():
        if judged.definition is None:
            if judged.function.short_name not in reads:
                continue
        elif judged.definition.name not in called or not (judged.wrong or judged.takes_output):
            continue
        if trusted.helper(judged.function, state.assignment, state.dialect) is None:
            if judged.definition is None or judged.wrong:
                lasting.append(name)
        else:
            (possible if judged.takes_output and not judged.wrong else certain).append(name)
    return Helpers(tuple(certain), tuple(possible), tuple(lasting))


def substitutes_for(state: Judgement, names: Sequence[str], *, of_output: bool = False) -> Substitutes:
    """Return right functions of ours under the names that the submission calls.

    ``of_output`` says that derivatives are given the output of the activation.
    """
    module: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name in names:
        judged = state.judged[name]
        full = judged.definition.name if judged.definition is not None else judged.function.name
        owner, _, short = full.rpartition(".")
        ours = trusted.helper(judged.function, state.assignment, state.dialect, of_output=of_output)
        (attributes if owner else module)[short] = ours
    return Substitutes(module, attributes)
