"""The judge: each function examined by itself, its mistakes named, those of its helpers told apart."""

from __future__ import annotations

from dataclasses import replace

from clearprop.check.assignment import Assignment, Function
from clearprop.check.attempts import learn_container, likeliest, too_slow, with_globals
from clearprop.check.binding import Unbound
from clearprop.check.calling import Caller, Examination, Subject
from clearprop.check.calls import Runner, Submission
from clearprop.check.choosing import choose_dialect
from clearprop.check.definitions import Definition, Module, definitions_of
from clearprop.check.evaluation import Outcome, Substitutes, agrees_for_some_activation, evaluate, unchanged
from clearprop.check.examinations import EXAMINATIONS
from clearprop.check.helpers import helpers_of, own_caches, selected, substitutes_for, wrong_forward_of
from clearprop.check.incomplete import blame_incomplete, with_complete_containers
from clearprop.check.initialization import examine_initialization
from clearprop.check.judged import Attempt, Judged, Judgement, find
from clearprop.check.matching import Explanation
from clearprop.check.resizing import examine_resizing
from clearprop.check.settling import settle_averages, settle_derivatives, settle_flat_biases
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
    state = Judgement(assignment, module, runner, dialect)
    ranked = sorted(
        assignment.functions, key=lambda f: ORDER.index(f.role) if f.role in ORDER else len(ORDER)
    )
    for function in ranked:
        definition = find(module, function)
        state.judged[function.name] = _judge_function(state, function, definition)
    settle_derivatives(state)
    settle_averages(state)
    settle_flat_biases(state)
    verdicts = tuple(state.judged[function.name].verdict for function in assignment.functions)
    return SubmissionVerdict(assignment.name, reason, verdicts, tuple(notes))


def _judge_function(state: Judgement, function: Function, definition: Definition | None) -> Judged:
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


def _examine_training(state: Judgement, subject: Subject, base: FunctionVerdict) -> Judged:
    """Judge a training function with its own helpers, then with right ones in place of the wrong."""
    of_output = state.consumed == "output"
    helpers = helpers_of(state, subject.definition)
    wrong = helpers.certain
    # helpers that do not return would be waited for again and again
    slow = any(m.id == "too_slow" for name in wrong for m in state.judged[name].verdict.mistakes)
    first = substitutes_for(state, wrong) if slow else Substitutes()
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
        substitutes = substitutes_for(state, wrong)
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


def _examine_resizing(state: Judgement, subject: Subject, base: FunctionVerdict) -> Judged:
    mistakes = examine_resizing(subject, state.runner)
    if mistakes:
        verdict = replace(base, status=Status.WRONG, mistakes=tuple(mistakes))
    else:
        verdict = replace(base, points=base.out_of)
    return Judged(subject.function, subject.definition, verdict)


def _examine(state: Judgement, subject: Subject, base: FunctionVerdict) -> Judged:
    helpers = helpers_of(state, subject.definition)
    caller = Caller(subject)
    examinations = [*selected(state, subject), *own_caches(state, subject)]
    tried: list[Attempt] = []
    for examination in examinations:
        outcome = evaluate(examination, state.runner, caller)
        if outcome.flawless:
            judged = _right(state, subject, base, outcome, examination.derivative)
            return _shared_between_calls(state, judged, examination)
        tried.append(Attempt(outcome, Explanation(()), derivative_form=examination.derivative))
    if (complete := with_complete_containers(state, subject)) is not None:
        for examination in EXAMINATIONS[subject.function.role](complete):
            outcome = evaluate(examination, state.runner, caller)
            if outcome.flawless:
                blame_incomplete(state, subject)
                return _right(state, complete, base, outcome, examination.derivative)
    for blamed in (helpers.certain, (*helpers.certain, *helpers.possible) if helpers.possible else ()):
        if not blamed:
            continue
        # a wrong derivative does not tell which argument it expects
        unclear = [n for n in helpers.certain if state.judged[n].function.role == "activation_derivative"]
        for of_output in (False, True) if unclear and blamed == helpers.certain else (False,):
            substitutes = substitutes_for(state, blamed, of_output=of_output)
            # a container found in wrong numbers may be the wrong one
            subject.own_container.clear()
            for examination in examinations:
                outcome = evaluate(examination, state.runner, caller, substitutes)
                form = "output" if of_output else examination.derivative
                attempt = Attempt(outcome, Explanation(()), (), form, blamed)
                if outcome.flawless:
                    return _follows(state, subject, base, attempt)
                tried.append(attempt)
    if helpers.certain:
        # wrong helpers are out of the way; what is left is the function's own
        tried = [attempt for attempt in tried if attempt.blamed]
    if not all(too_slow(attempt) for attempt in tried):
        tried += with_globals(state, subject, caller, tried)
    best = likeliest(tried)
    named = any(atom.id != "unexplained" for atom in best.explanation.atoms)
    if not named and (forward := wrong_forward_of(state, subject)):
        note = f"cannot be judged before {forward}, which makes its cache, is right"
        verdict = replace(base, status=Status.NOT_JUDGED, note=note, follows_from=(forward,))
        return Judged(subject.function, subject.definition, verdict)
    if helpers.lasting and not any(atom.id != "unexplained" for atom in best.explanation.atoms):
        note = f"cannot be judged before {', '.join(helpers.lasting)} is right"
        verdict = replace(base, status=Status.NOT_JUDGED, note=note, follows_from=helpers.lasting)
        return Judged(subject.function, subject.definition, verdict)
    return _wrong(state, subject, base, best)


def _shared_between_calls(state: Judgement, judged: Judged, examination: Examination) -> Judged:
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


def _right(state: Judgement, subject: Subject, base: FunctionVerdict, outcome: Outcome, form: str) -> Judged:
    function = subject.function
    note = outcome.right.note if outcome.right is not None else ""
    if function.role == "backward":
        takers = [j for j in state.judged.values() if j.takes_output]
        called = state.module.helpers(subject.definition)
        if form:
            state.consumed = form
        elif any(j.definition is not None and j.definition.name in called for j in takers):
            state.consumed = "output"
    learn_container(state, subject, outcome)
    follows = (note.rpartition(" ")[2],) if note.startswith("right in itself") else ()
    verdict = replace(base, status=Status.RIGHT, note=note, follows_from=follows, points=base.out_of)
    return Judged(function, subject.definition, verdict, outcome)


def _follows(state: Judgement, subject: Subject, base: FunctionVerdict, attempt: Attempt) -> Judged:
    names = attempt.blamed
    for name in names:
        if state.judged[name].takes_output:
            state.consumed = "input"
    learn_container(state, subject, attempt.outcome)
    note = f"right in itself; its wrong result follows from {', '.join(names)}"
    verdict = replace(base, status=Status.RIGHT, note=note, follows_from=names, points=base.out_of)
    return Judged(subject.function, subject.definition, verdict, attempt.outcome)


def _wrong(state: Judgement, subject: Subject, base: FunctionVerdict, best: Attempt) -> Judged:
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
    learn_container(state, subject, outcome)
    certain = tuple(name for name in best.blamed if not state.judged[name].takes_output)
    note = f"also follows from {', '.join(certain)}" if certain else ""
    verdict = replace(
        base, status=Status.WRONG, mistakes=tuple(mistakes), note=note, follows_from=certain, points=0.0
    )
    return Judged(subject.function, subject.definition, verdict, outcome, explanation)
