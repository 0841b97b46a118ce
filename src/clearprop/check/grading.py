"""The judge: each function examined by itself, its mistakes named, those of its helpers told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clearprop.check import trusted
from clearprop.check.assignment import Assignment, Function
from clearprop.check.binding import Unbound, _names, _plain
from clearprop.check.calls import Runner, Submission
from clearprop.check.choosing import choose_dialect
from clearprop.check.definitions import Definition, Module, definitions_of
from clearprop.check.dialects import Dialect
from clearprop.check.evaluation import (
    Outcome,
    Problem,
    Substitutes,
    agrees_for_some_activation,
    cost,
    evaluate,
    explained,
    unchanged,
)
from clearprop.check.examinations import (
    EXAMINATIONS,
    FURTHER,
    Caller,
    Examination,
    Subject,
    own_gradients,
    with_own_caches,
)
from clearprop.check.formulas import steps
from clearprop.check.formulas.base import Variant
from clearprop.check.initialization import examine_initialization
from clearprop.check.matching import Explanation
from clearprop.check.resizing import examine_resizing
from clearprop.check.structures import Own, Unreadable, holds_exactly
from clearprop.check.training import examine_training
from clearprop.check.verdicts import FoundMistake, FunctionVerdict, Status, SubmissionVerdict
from clearprop.check.wording import found_mistakes, of_instability, of_problem, simple_mistake

# helpers are judged before the functions that call them
ORDER = (
    "activation",
    "activation_derivative",
    "softmax",
    "cost_derivative",
    "affine_forward",
    "activation_backward",
    "affine_backward",
    "affine_activation_forward",
    "affine_activation_backward",
    "one_hot",
    "initialize",
    "forward",
    "predict",
    "loss",
    "binary_loss",
    "softmax_loss",
    "backward",
    "update",
    "batch_update",
    "train",
)


@dataclass(slots=True)
class Judged:
    """What is known about one function while the others are judged."""

    function: Function
    definition: Definition | None
    verdict: FunctionVerdict
    outcome: Outcome | None = None
    explanation: Explanation | None = None

    @property
    def wrong(self) -> bool:
        """Whether it has a mistake of its own."""
        return self.verdict.status is Status.WRONG

    @property
    def takes_output(self) -> bool:
        """Whether it is a derivative given the output of the activation."""
        right = self.outcome.right if self.outcome is not None else None
        return (
            self.function.role == "activation_derivative"
            and self.function.of != "relu"
            and right is not None
            and bool(right.settings)
        )


@dataclass(slots=True)
class _Judge:
    """One submission while it is judged."""

    assignment: Assignment
    module: Module
    runner: Runner
    dialect: Dialect
    judged: dict[str, Judged] = field(default_factory=dict)
    # which form of derivative the backward pass was found to use: "input", "output" or ""
    consumed: str = ""


def judge(
    submission: Submission, runner: Runner, assignment: Assignment, reason: str = ""
) -> SubmissionVerdict:
    """Judge every function of a submission.

    Parameters
    ----------
    submission : Submission
        Its source must parse.
    runner : Runner
        The submission's process.
    assignment : Assignment
    reason : str
        How the assignment was chosen.
    """
    module = definitions_of(submission.source)
    dialect, notes = choose_dialect(assignment, module, runner)
    spoken = {
        "layout": dialect.layout,
        "weights": dialect.weights,
        "bias": dialect.bias,
        "truth": dialect.truth,
    }
    assignment = assignment.model_copy(update=spoken)
    state = _Judge(assignment, module, runner, dialect)
    ranked = sorted(
        assignment.functions, key=lambda f: ORDER.index(f.role) if f.role in ORDER else len(ORDER)
    )
    for function in ranked:
        definition = find(module, function)
        state.judged[function.name] = _judge_function(state, function, definition)
    _settle_derivatives(state)
    _settle_averages(state)
    _settle_flat_biases(state)
    verdicts = tuple(state.judged[function.name].verdict for function in assignment.functions)
    return SubmissionVerdict(assignment.name, reason, verdicts, tuple(notes))


def find(module: Module, function: Function) -> Definition | None:
    """Return the submission's definition of an assignment's function."""
    return module.find(function.name, *function.aliases)


def _judge_function(state: _Judge, function: Function, definition: Definition | None) -> Judged:
    out_of = float(function.points) if function.required or definition is not None else 0.0
    if definition is None:
        note = "" if function.required else "not required"
        verdict = FunctionVerdict(function.name, Status.MISSING, note=note, out_of=out_of)
        return Judged(function, None, verdict)
    base = FunctionVerdict(function.name, Status.RIGHT, line=definition.line, out_of=out_of)
    own = [definition, *(state.module.definitions[name] for name in state.module.helpers(definition))]
    if any(_is_ours(part, state.module) for part in own):
        verdict = replace(base, status=Status.NOT_JUDGED, note="it calls Clearprop's own lesson")
        return Judged(function, definition, verdict)
    subject = Subject(function, definition, state.assignment, state.dialect)
    try:
        if function.role == "initialize":
            verdict, dialect = examine_initialization(subject, state.runner, base)
            if dialect is not None:
                state.dialect = dialect
            return Judged(function, definition, verdict)
        if function.role == "train":
            return _examine_training(state, subject, base)
        if function.role == "resize":
            return _examine_resizing(state, subject, base)
        return _examine(state, subject, base)
    except Unbound as unbound:
        return Judged(function, definition, replace(base, status=Status.NOT_JUDGED, note=str(unbound)))


def _is_ours(definition: Definition, module: Module) -> bool:
    names = {definition.imported_from, *(module.imports.get(name, "") for name in definition.reads)}
    return any(name.partition(".")[0] == "clearprop" for name in names)


def _examine_training(state: _Judge, subject: Subject, base: FunctionVerdict) -> Judged:
    """Judge a training function with its own helpers, then with right ones in place of the wrong."""
    of_output = state.consumed == "output"
    helpers = _helpers(state, subject.definition)
    wrong = helpers.certain
    # helpers that do not return would be waited for again and again
    slow = any(m.id == "too_slow" for name in wrong for m in state.judged[name].verdict.mistakes)
    first = _substitutes(state, wrong) if slow else Substitutes()
    mistakes = examine_training(
        subject,
        state.runner,
        first,
        derivative_of_output=of_output,
        pairs=not wrong and not helpers.lasting,
    )
    follows: tuple[str, ...] = ()
    if mistakes and helpers.lasting:
        note = f"cannot be judged before {', '.join(helpers.lasting)} is right"
        verdict = replace(base, status=Status.NOT_JUDGED, note=note, follows_from=helpers.lasting)
        return Judged(subject.function, subject.definition, verdict)
    if mistakes and wrong:
        substitutes = _substitutes(state, wrong)
        # our backward pass gives derivatives the pre-activation
        of_output = of_output and not any(state.judged[name].function.role == "backward" for name in wrong)
        mistakes = examine_training(subject, state.runner, substitutes, derivative_of_output=of_output)
        follows = tuple(wrong)
    if mistakes:
        verdict = replace(base, status=Status.WRONG, mistakes=tuple(mistakes), follows_from=follows)
    else:
        note = f"right in itself; its wrong result follows from {', '.join(follows)}" if follows else ""
        verdict = replace(base, points=base.out_of, note=note, follows_from=follows)
    return Judged(subject.function, subject.definition, verdict)


def _examine_resizing(state: _Judge, subject: Subject, base: FunctionVerdict) -> Judged:
    mistakes = examine_resizing(subject, state.runner)
    if mistakes:
        verdict = replace(base, status=Status.WRONG, mistakes=tuple(mistakes))
    else:
        verdict = replace(base, points=base.out_of)
    return Judged(subject.function, subject.definition, verdict)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One reading of a function with its explanation."""

    outcome: Outcome
    explanation: Explanation
    globals: tuple[str, ...] = ()
    derivative_form: str = ""
    blamed: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        return cost(self.outcome, self.explanation) + len(self.globals)


def _examine(state: _Judge, subject: Subject, base: FunctionVerdict) -> Judged:
    helpers = _helpers(state, subject.definition)
    caller = Caller(subject)
    examinations = [*_selected(state, subject), *_with_own_caches(state, subject)]
    tried: list[_Attempt] = []
    for examination in examinations:
        outcome = evaluate(examination, state.runner, caller)
        if outcome.flawless:
            judged = _right(state, subject, base, outcome, examination.derivative)
            return _shared_between_calls(state, judged, examination)
        tried.append(_Attempt(outcome, Explanation(()), derivative_form=examination.derivative))
    for blamed in (helpers.certain, (*helpers.certain, *helpers.possible) if helpers.possible else ()):
        if not blamed:
            continue
        substitutes = _substitutes(state, blamed)
        for examination in examinations:
            outcome = evaluate(examination, state.runner, caller, substitutes)
            attempt = _Attempt(outcome, Explanation(()), (), examination.derivative, blamed)
            if outcome.flawless:
                return _follows(state, subject, base, attempt)
            tried.append(attempt)
    if helpers.certain:
        # wrong helpers are out of the way; what is left is the function's own
        tried = [attempt for attempt in tried if attempt.blamed]
    if not all(_too_slow(attempt) for attempt in tried):
        tried += _with_globals(state, subject, caller, tried)
    best = _likeliest(tried)
    if helpers.lasting and not any(atom.id != "unexplained" for atom in best.explanation.atoms):
        note = f"cannot be judged before {', '.join(helpers.lasting)} is right"
        verdict = replace(base, status=Status.NOT_JUDGED, note=note, follows_from=helpers.lasting)
        return Judged(subject.function, subject.definition, verdict)
    return _wrong(state, subject, base, best)


def _shared_between_calls(state: _Judge, judged: Judged, examination: Examination) -> Judged:
    """Make two calls and look at the first one's result again."""
    plain = [probe for probe in examination.probes if len(probe.calls) == 1]
    if judged.function.role not in ("forward", "backward", "update") or len(plain) < 2:
        return judged
    first, second = plain[0].calls[0], replace(plain[1].calls[0], revisit=(0,))
    answers = state.runner.run([first, second])
    if any(answer.failed for answer in answers) or unchanged(answers[0].value, answers[1].revisited[0]):
        return judged
    detail = "a second call changes the result of the first"
    mistake = simple_mistake("parameters_shared_between_calls", detail, judged.verdict.line)
    verdict = replace(judged.verdict, status=Status.WRONG, mistakes=(mistake,), note="", points=0.0)
    return replace(judged, verdict=verdict)


_FORWARD_OF = {
    "activation_backward": "activation",
    "affine_backward": "affine_forward",
    "affine_activation_backward": "affine_activation_forward",
}


def _with_own_caches(state: _Judge, subject: Subject) -> list[Examination]:
    """Return the examination with the caches of the submission's own forward function, if that is right."""
    wanted = _FORWARD_OF.get(subject.function.role)
    for judged in state.judged.values():
        if (
            judged.function.role == wanted
            and judged.definition is not None
            and judged.verdict.status is Status.RIGHT
            and judged.function.of == subject.function.of
            and isinstance(judged.function.returns, list)
        ):
            forward = Subject(judged.function, judged.definition, state.assignment, state.dialect)
            return [
                with_own_caches(subject, forward, examination)
                for examination in EXAMINATIONS[subject.function.role](subject)
            ]
    return []


def _too_slow(attempt: _Attempt) -> bool:
    return attempt.outcome.problem is not None and attempt.outcome.problem.id == "too_slow"


def _likeliest(tried: Sequence[_Attempt]) -> _Attempt:
    """Return the attempt that must assume least; pairs of mistakes are looked for only where needed."""
    quick = [replace(attempt, explanation=explained(attempt.outcome, pairs=False)) for attempt in tried]
    best = min(quick, key=lambda attempt: attempt.cost)
    if not best.explanation.open:
        return best
    closest = sorted(quick, key=lambda attempt: attempt.cost)[:3]
    full = [replace(attempt, explanation=explained(attempt.outcome)) for attempt in closest]
    return min(full, key=lambda attempt: attempt.cost)


def _selected(state: _Judge, subject: Subject) -> list[Any]:
    """Return the examinations, those first that agree with the submission's own derivatives."""
    examinations = EXAMINATIONS[subject.function.role](subject)
    if subject.function.role == "batch_update":
        return [_with_own_gradients(state, examination) for examination in examinations]
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


def _with_own_gradients(state: _Judge, examination: Examination) -> Examination:
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
class _Helpers:
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


def _helpers(state: _Judge, definition: Definition) -> _Helpers:
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
    return _Helpers(tuple(certain), tuple(possible), tuple(lasting))


def _substitutes(state: _Judge, names: Sequence[str]) -> Substitutes:
    module: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name in names:
        judged = state.judged[name]
        full = judged.definition.name if judged.definition is not None else judged.function.name
        owner, _, short = full.rpartition(".")
        ours = trusted.helper(judged.function, state.assignment, state.dialect)
        (attributes if owner else module)[short] = ours
    return Substitutes(module, attributes)


def _right(state: _Judge, subject: Subject, base: FunctionVerdict, outcome: Outcome, form: str) -> Judged:
    function = subject.function
    note = outcome.right.note if outcome.right is not None else ""
    if function.role == "backward":
        takers = [j for j in state.judged.values() if j.takes_output]
        called = state.module.helpers(subject.definition)
        if form:
            state.consumed = form
        elif any(j.definition is not None and j.definition.name in called for j in takers):
            state.consumed = "output"
    _learn(state, subject, outcome)
    follows = (note.rpartition(" ")[2],) if note.startswith("right in itself") else ()
    verdict = replace(base, status=Status.RIGHT, note=note, follows_from=follows, points=base.out_of)
    return Judged(function, subject.definition, verdict, outcome)


def _follows(state: _Judge, subject: Subject, base: FunctionVerdict, attempt: _Attempt) -> Judged:
    names = attempt.blamed
    for name in names:
        if state.judged[name].takes_output:
            state.consumed = "input"
    _learn(state, subject, attempt.outcome)
    note = f"right in itself; its wrong result follows from {', '.join(names)}"
    verdict = replace(base, status=Status.RIGHT, note=note, follows_from=names, points=base.out_of)
    return Judged(subject.function, subject.definition, verdict, attempt.outcome)


def _with_globals(
    state: _Judge, subject: Subject, caller: Caller, tried: Sequence[_Attempt]
) -> list[_Attempt]:
    """Return attempts in which the module's data has the values that the arguments have."""
    names = state.module.data_read(subject.definition)
    specifications = [*subject.function.arguments, *FURTHER]
    matching: dict[str, Any] = {}
    for name in names:
        for specification in (*([] if _plain(name) not in ("m", "n") else ["n"]), *specifications):
            if _plain(name) in _names(specification):
                matching[name] = specification
                break
    if not matching:
        return []
    found = []
    for chosen in ([name] for name in matching) if len(matching) > 1 else ([*matching],):
        found += _one_with_globals(state, tried, caller, {name: matching[name] for name in chosen})
    if len(matching) > 1:
        found += _one_with_globals(state, tried, caller, matching)
    return found


def _one_with_globals(
    state: _Judge, tried: Sequence[_Attempt], caller: Caller, matching: Mapping[str, Any]
) -> list[_Attempt]:
    found = []
    for attempt in tried:
        substitutes = replace(_substitutes(state, attempt.blamed), globals=matching)
        try:
            outcome = evaluate(attempt.outcome.examination, state.runner, caller, substitutes)
        except (KeyError, Unreadable):
            continue
        found.append(replace(attempt, outcome=outcome, globals=tuple(matching)))
    return found


def _wrong(state: _Judge, subject: Subject, base: FunctionVerdict, best: _Attempt) -> Judged:
    outcome, explanation, line = best.outcome, best.explanation, base.line
    mistakes: list[FoundMistake] = []
    if best.globals:
        mistakes.append(simple_mistake("uses_globals_instead_of_arguments", ", ".join(best.globals), line))
    ignored = agrees_for_some_activation(outcome) if outcome.right is None else None
    if ignored is not None:
        detail = f"the activation that it is given is ignored; its numbers are those of {ignored}"
        mistakes.append(simple_mistake("uses_globals_instead_of_arguments", detail, line))
    elif outcome.right is None:
        mistakes += found_mistakes(outcome, explanation, line, {})
    named = bool(mistakes)
    if outcome.problem is not None and not named:
        mistakes.append(of_problem(outcome.problem, line))
    mistakes += [of_instability(identity, seen, line) for identity, seen in outcome.unstable]
    if outcome.unkept:
        after = outcome.answers[-1].arguments_after
        detail = f"argument {outcome.changed[0] + 1} of {len(after)} is changed"
        mistakes.append(simple_mistake("update_in_place", detail, line))
    if best.derivative_form and subject.function.role == "backward":
        state.consumed = best.derivative_form
    elif subject.function.role == "backward":
        takers = [name for name in best.blamed if state.judged[name].takes_output]
        state.consumed = "input" if takers else state.consumed
    _learn(state, subject, outcome)
    certain = tuple(name for name in best.blamed if not state.judged[name].takes_output)
    note = f"also follows from {', '.join(certain)}" if certain else ""
    verdict = replace(
        base, status=Status.WRONG, mistakes=tuple(mistakes), note=note, follows_from=certain, points=0.0
    )
    return Judged(subject.function, subject.definition, verdict, outcome, explanation)


def _learn(state: _Judge, subject: Subject, outcome: Outcome) -> None:
    """Keep the container in which the submission returns its activations or gradients, if it is its own."""
    returns = subject.function.returns
    if (
        not (isinstance(returns, str) and returns.startswith("@"))
        or not outcome.answers
        or outcome.answers[-1].failed
    ):
        return
    caller = Caller(subject)
    value = outcome.answers[-1].value
    if not holds_exactly(caller.structure(returns), value):
        seen = outcome.observations[0] if outcome.observations else None
        if seen is None:
            return
        expected = outcome.examination.formula.outputs(seen.values, {})
        try:
            structure = caller.own_structure(
                value, list(expected), expected, seen.values, exact=outcome.right is not None
            )
        except Unreadable:
            return
        containers = {**state.dialect.containers, returns[1:]: Own(structure)}
        state.dialect = replace(state.dialect, containers=containers)


def _settle_derivatives(state: _Judge) -> None:
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


def _settle_averages(state: _Judge) -> None:
    """Let backpropagation return sums if the update or the training divides, but not both divide."""
    by_role = {
        judged.function.role: judged for judged in state.judged.values() if judged.definition is not None
    }
    backward, update, train = by_role.get("backward"), by_role.get("update"), by_role.get("train")
    if backward is None or not state.assignment.mean:
        return
    atoms = backward.explanation.atoms if backward.explanation is not None else ()
    sums = (
        len(atoms) == 1
        and dict(atoms[0].settings) == {"average": "sum"}
        and len(backward.verdict.mistakes) == 1
    )
    right = update.outcome.right if update is not None and update.outcome is not None else None
    divides = right is not None and bool(right.settings)
    if update is not None and update.definition is not None and update.wrong:
        subject = Subject(update.function, update.definition, state.assignment, state.dialect)
        divides = "n" in Caller(subject).binding.positional[len(update.function.arguments) :]
    trains = train is not None and train.verdict.status is Status.RIGHT and not train.verdict.follows_from
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


def _settle_flat_biases(state: _Judge) -> None:
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


__all__ = ["Judged", "Problem", "judge"]
