"""Readings of a wrong function: with right helpers, with the globals it reads, the likeliest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clearprop.check.binding import plain_name, usual_names
from clearprop.check.calling import FURTHER, Caller, Subject
from clearprop.check.evaluation import Outcome, evaluate, explained
from clearprop.check.helpers import substitutes_for
from clearprop.check.judged import Attempt, Judgement
from clearprop.check.structures import Own, Unreadable, holds_exactly


def too_slow(attempt: Attempt) -> bool:
    """Whether the function did not return in time."""
    return attempt.outcome.problem is not None and attempt.outcome.problem.id == "too_slow"


def likeliest(tried: Sequence[Attempt]) -> Attempt:
    """Return the attempt that must assume least; pairs of mistakes are looked for only where needed."""
    quick = [replace(attempt, explanation=explained(attempt.outcome, pairs=False)) for attempt in tried]
    best = min(quick, key=lambda attempt: attempt.cost)
    if not best.explanation.open:
        return best
    closest = sorted(quick, key=lambda attempt: attempt.cost)[:3]
    full = [replace(attempt, explanation=explained(attempt.outcome)) for attempt in closest]
    return min(full, key=lambda attempt: attempt.cost)


def with_globals(
    state: Judgement, subject: Subject, caller: Caller, tried: Sequence[Attempt]
) -> list[Attempt]:
    """Return attempts in which the module's data has the values that the arguments have."""
    names = state.module.data_read(subject.definition)
    specifications = [*subject.function.arguments, *FURTHER]
    matching: dict[str, Any] = {}
    for name in names:
        for specification in (*([] if plain_name(name) not in ("m", "n") else ["n"]), *specifications):
            if plain_name(name) in usual_names(specification):
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
    state: Judgement, tried: Sequence[Attempt], caller: Caller, matching: Mapping[str, Any]
) -> list[Attempt]:
    found = []
    for attempt in tried:
        substitutes = replace(substitutes_for(state, attempt.blamed), globals=matching)
        try:
            outcome = evaluate(attempt.outcome.examination, state.runner, caller, substitutes)
        except (KeyError, Unreadable):
            continue
        found.append(replace(attempt, outcome=outcome, globals=tuple(matching)))
    return found


def learn_container(state: Judgement, subject: Subject, outcome: Outcome) -> None:
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
