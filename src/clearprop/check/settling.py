"""Verdicts that depend on two functions: whose argument, who averages, which shape."""

from __future__ import annotations

from dataclasses import replace

from clearprop.check.calling import Caller, Subject
from clearprop.check.evaluation import evaluate
from clearprop.check.examinations import EXAMINATIONS
from clearprop.check.judged import Judged, Judgement
from clearprop.check.matching import predicted, same
from clearprop.check.verdicts import Status
from clearprop.check.wording import simple_mistake


def reproduced(judged: Judged) -> bool:
    """Whether the mistakes found in a function give all its numbers, the right ones too."""
    outcome, explanation = judged.outcome, judged.explanation
    if outcome is None or explanation is None:
        return False
    for seen in outcome.observations:
        found = predicted(outcome.examination.formula, seen.values, explanation.atoms)
        if found is None or not all(same(seen.outputs[n], found[n], loose=True) for n in seen.outputs):
            return False
    return True


def settle_derivatives(state: Judgement) -> None:
    """Blame the derivatives given the output if the backward pass gives them the pre-activation."""
    backward = [judged for judged in state.judged.values() if judged.function.role == "backward"]
    exists = any(judged.definition is not None for judged in backward)
    for judged in state.judged.values():
        if not judged.takes_output or judged.verdict.status is not Status.RIGHT or not exists:
            continue
        if state.consumed == "input":
            of = judged.function.of
            detail = (
                f"it is {of}'s derivative from the output, but backpropagation gives it the pre-activation"
            )
            mistake = simple_mistake("activation_derivative_wrong_argument", detail, judged.verdict.line)
            judged.verdict = replace(
                judged.verdict, status=Status.WRONG, mistakes=(mistake,), note="", points=0.0
            )


def settle_averages(state: Judgement) -> None:
    """Let backpropagation return sums if the update or the training divides, but not both divide."""
    by_role = {
        judged.function.role: judged for judged in state.judged.values() if judged.definition is not None
    }
    backward, update, train = by_role.get("backward"), by_role.get("update"), by_role.get("train")
    if backward is None or not state.assignment.mean:
        return
    atoms = backward.explanation.atoms if backward.explanation is not None else ()
    sums = (
        reproduced(backward)
        and len(atoms) == 1
        and dict(atoms[0].settings) == {"average": "sum"}
        and len(backward.verdict.mistakes) == 1
    )
    right = update.outcome.right if update is not None and update.outcome is not None else None
    divides = right is not None and bool(right.settings)
    trains = train is not None and train.verdict.status is Status.RIGHT and not train.verdict.follows_from
    takes_n = False
    if update is not None and update.definition is not None:
        subject = Subject(update.function, update.definition, state.assignment, state.dialect)
        takes_n = "n" in Caller(subject).binding.positional[len(update.function.arguments) :]
    if sums and takes_n and not divides and not trains and update is not None:
        # it is given the number of examples, so the average is its task
        divides = True
        if not update.wrong:
            detail = "the update is given the number of examples and does not divide by it"
            mistake = simple_mistake("gradient_not_averaged", detail, update.verdict.line)
            update.verdict = replace(
                update.verdict, status=Status.WRONG, mistakes=(mistake,), note="", points=0.0
            )
    if sums and (divides or trains):
        where = "update" if divides else "training"
        backward.verdict = replace(
            backward.verdict,
            status=Status.RIGHT,
            mistakes=(),
            note=f"it returns sums; the average over the batch is taken in the {where}",
            points=backward.verdict.out_of,
        )
    elif divides and update is not None and not update.wrong and backward.verdict.status is Status.RIGHT:
        detail = "the update divides by the number of examples, and backpropagation has already done so"
        mistake = simple_mistake("gradient_averaged_twice", detail, update.verdict.line)
        update.verdict = replace(
            update.verdict, status=Status.WRONG, mistakes=(mistake,), note="", points=0.0
        )


def settle_flat_biases(state: Judgement) -> None:
    """Let the gradients of biases be flat beside biases that are columns, if the update reshapes them."""
    by_role = {
        judged.function.role: judged for judged in state.judged.values() if judged.definition is not None
    }
    backward, update = by_role.get("backward"), by_role.get("update")
    if backward is None or update is None or update.definition is None or state.dialect.bias != "column":
        return
    atoms = backward.explanation.atoms if backward.explanation is not None else ()
    if len(backward.verdict.mistakes) != 1 or len(atoms) != 1 or atoms[0].id != "wrong_shape":
        return
    dialect = replace(state.dialect, flat_bias_gradients=True)
    subject = Subject(update.function, update.definition, state.assignment, dialect)
    examinations = EXAMINATIONS[update.function.role](subject)
    outcomes = [evaluate(examination, state.runner, Caller(subject)) for examination in examinations]
    seen = [observation for outcome in outcomes for observation in outcome.observations]
    # the shape counts; an update with a mistake of its own has other numbers
    if seen and all(
        o.outputs[name].shape == o.values[name].shape for o in seen for name in o.outputs if name[0] == "b"
    ):
        note = "its bias gradients are flat; the update gives them their shape"
        backward.verdict = replace(
            backward.verdict, status=Status.RIGHT, mistakes=(), note=note, points=backward.verdict.out_of
        )
