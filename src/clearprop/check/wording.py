"""From an explanation to words: sentence, location, evidence and fix of each mistake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.check.evaluation import Outcome, Problem
from clearprop.check.formulas.base import Array, Atom, Outputs
from clearprop.check.matching import Explanation, Observation, merged, predicted, same
from clearprop.check.mistakes import MISTAKES
from clearprop.check.verdicts import Evidence, FoundMistake

MAX_EVIDENCE = 4


def number(value: Any) -> str:
    """Return a number as short text."""
    return f"{float(value):.5g}"


def listed(names: Sequence[str]) -> str:
    """Return "dw1, dw2 and dw3"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def ratio(yours: Array, expected: Array) -> float | None:
    """Return c where yours = c · expected everywhere, else None."""
    if yours.shape != expected.shape or not yours.size or not np.isfinite(yours).all():
        return None
    largest = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    if abs(expected[largest]) < 1e-12:
        return None
    factor = float(yours[largest] / expected[largest])
    return factor if same(yours, factor * expected) and factor != 0 else None


def evidence_of(name: str, yours: Array, expected: Array) -> Evidence:
    """Return the entry that differs most, or the shapes if they differ."""
    yours, expected = np.asarray(yours), np.asarray(expected)
    if yours.shape != expected.shape:
        if yours.size == 1 or expected.size == 1:
            one = number(yours.ravel()[0]) if yours.size == 1 else f"shape {yours.shape}"
            other = number(expected.ravel()[0]) if expected.size == 1 else f"shape {expected.shape}"
            return Evidence(name, one, other)
        return Evidence(f"shape of {name}", str(yours.shape), str(expected.shape))
    if yours.ndim == 0:
        return Evidence(name, number(yours), number(expected))
    with np.errstate(all="ignore"):
        distance = np.abs(yours.astype(float) - expected)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    index = np.unravel_index(np.argmax(distance), distance.shape)
    place = ", ".join(str(int(i)) for i in index)
    return Evidence(f"{name}[{place}]", number(yours[index]), number(expected[index]))


def relation(name: str, yours: Array, expected: Outputs) -> str:
    """Describe how a wrong output differs: by its shape, a factor, a transposition, or another output."""
    yours, right = np.asarray(yours), np.asarray(expected[name])
    if yours.dtype.kind == "f" and not np.isfinite(yours).all():
        return f"{name} has entries that are not finite"
    if (factor := ratio(yours, right)) is not None:
        if abs(factor + 1) < 1e-3:
            return f"{name} has the opposite sign"
        return f"{name} is {number(factor)} times the right one"
    if yours.ndim == 2 and right.ndim == 2 and same(yours.T, right):
        return f"{name} is transposed"
    for other, value in expected.items():
        if other != name and same(yours, np.asarray(value)):
            return f"{name} is {other} instead"
    if yours.shape != right.shape:
        return f"{name} has shape {yours.shape} instead of {right.shape}"
    wrong = ~np.isclose(
        yours, right, rtol=1e-4, atol=1e-6 * max(float(np.max(np.abs(right), initial=0)), 1e-9)
    )
    if right.size > 1 and wrong.any() and wrong.mean() <= 0.5:
        return f"{name} differs in {int(wrong.sum())} of {right.size} entries"
    return f"{name} differs"


def found_mistakes(
    outcome: Outcome, explanation: Explanation, line: int | None, names: dict[str, str]
) -> tuple[FoundMistake, ...]:
    """Return the mistakes of an explanation, one for each id.

    Parameters
    ----------
    outcome : Outcome
    explanation : Explanation
    line : int, optional
        Of the function.
    names : mapping
        The names of outputs as the assignment has them, where they differ from the judge's.
    """
    formula = outcome.examination.formula
    found: list[FoundMistake] = []
    for identity in dict.fromkeys(atom.id for atom in explanation.atoms):
        atoms = [atom for atom in explanation.atoms if atom.id == identity]
        seen = outcome.observations[0]
        expected = formula.outputs(seen.values, formula.right[0].settings)
        wrong = _touched(outcome, atoms, seen, expected)
        found.append(_worded(identity, atoms, wrong, seen, expected, line, names))
    if explanation.open and outcome.observations:
        seen = outcome.observations[0]
        expected = formula.outputs(seen.values, formula.right[0].settings)
        identity = formula.otherwise
        shapes = [(np.shape(seen.outputs[n]), np.shape(expected[n])) for n in explanation.open]
        if identity != "unexplained":
            pass
        elif any(yours != right and np.prod(yours) * np.prod(right) != 1 for yours, right in shapes):
            identity = "wrong_shape"
        elif any(not np.isfinite(seen.outputs[n]).all() for n in explanation.open):
            identity = "not_finite"
        if identity not in {mistake.id for mistake in found}:
            found.append(_located(identity, explanation.open, seen, expected, line, names))
    return tuple(found)


def _touched(outcome: Outcome, atoms: Sequence[Atom], seen: Observation, expected: Outputs) -> list[str]:
    """Return the wrong outputs that these mistakes alone would change."""
    formula = outcome.examination.formula
    wrong = [name for name in seen.outputs if not same(seen.outputs[name], expected[name])]
    settings = merged(atoms)
    alone = predicted(formula, seen.values, atoms) if settings is not None else None
    if alone is None:
        return wrong
    return [name for name in wrong if not same(np.asarray(alone[name]), np.asarray(expected[name]))] or wrong


def _worded(
    identity: str,
    atoms: Sequence[Atom],
    wrong: Sequence[str],
    seen: Observation,
    expected: Outputs,
    line: int | None,
    names: dict[str, str],
) -> FoundMistake:
    mistake = MISTAKES[identity]
    details = list(dict.fromkeys(atom.detail for atom in atoms if atom.detail))
    shown = [names.get(name, name) for name in wrong]
    if identity == "unexplained" and details:
        sentence = "; ".join(details)
    else:
        sentence = mistake.sentence + (f": {'; '.join(details)}" if details else "")
    if len(wrong) and len(shown) <= 8 and list(wrong) != ["out"]:
        factors = [ratio(np.asarray(seen.outputs[n]), np.asarray(expected[n])) for n in wrong]
        same_factor = factors[0] is not None and all(
            f is not None and abs(f - (factors[0] or 0)) < 1e-3 * abs(factors[0] or 1) for f in factors
        )
        are = "is" if len(shown) == 1 else "are"
        one = "one" if len(shown) == 1 else "ones"
        if same_factor and factors[0] is not None and abs(factors[0] + 1) > 1e-3:
            sentence += f"; {listed(shown)} {are} {number(factors[0])} times the right {one}"
            n = seen.values.get("n")
            if n and any(abs(factors[0] - f) < 1e-3 * f for f in (n, 1 / n)):
                sentence += f", and {n} is the size of the batch"
        elif same_factor:
            sentence += f"; {listed(shown)} {are} the right {one} times -1"
        else:
            sentence += f" ({listed(shown)})"
    location = (
        f"{listed(shown)} {'is' if len(shown) == 1 else 'are'} wrong" if shown else "its numbers are wrong"
    )
    table = tuple(
        evidence_of(names.get(name, name), seen.outputs[name], expected[name])
        for name in list(wrong)[:MAX_EVIDENCE]
    )
    return FoundMistake(identity, sentence, mistake.fix, location, table, line)


def _located(
    identity: str,
    open_names: Sequence[str],
    seen: Observation,
    expected: Outputs,
    line: int | None,
    names: dict[str, str],
) -> FoundMistake:
    mistake = MISTAKES[identity]
    relations = [
        relation(name, seen.outputs[name], expected).replace(name, names.get(name, name), 1)
        for name in open_names
        if not same(seen.outputs[name], expected[name])
    ]
    shown = [names.get(name, name) for name in open_names]
    sentence = mistake.sentence + (f": {'; '.join(relations[:4])}" if relations else "")
    table = tuple(
        evidence_of(names.get(n, n), seen.outputs[n], expected[n]) for n in list(open_names)[:MAX_EVIDENCE]
    )
    return FoundMistake(
        identity,
        sentence,
        mistake.fix,
        f"{listed(shown)} {'is' if len(shown) == 1 else 'are'} wrong",
        table,
        line,
    )


def of_problem(problem: Problem, line: int | None) -> FoundMistake:
    """Return the mistake that a failed call is."""
    mistake = MISTAKES[problem.id]
    return FoundMistake(
        problem.id,
        problem.sentence,
        mistake.fix,
        "a call with reference inputs fails"
        if problem.id != "wrong_shape"
        else "the returned value is not as asked",
        (Evidence("call", problem.sentence, "a result"),),
        problem.line or line,
    )


def of_instability(identity: str, seen: Outputs | Problem, line: int | None) -> FoundMistake:
    """Return the mistake that extreme inputs showed."""
    mistake = MISTAKES[identity]
    if isinstance(seen, Problem):
        yours = seen.sentence
    else:
        flat = np.concatenate([np.ravel(value) for value in seen.values()]).astype(float)
        bad = flat[~np.isfinite(flat)]
        yours = str(bad[0]) if bad.size else number(flat[0])
    return FoundMistake(
        identity,
        f"{mistake.sentence}; the result is {yours}",
        mistake.fix,
        "for extreme inputs its result is wrong",
        (Evidence("result for extreme inputs", yours, "a finite number"),),
        line,
    )


def simple_mistake(
    identity: str, detail: str, line: int | None, evidence: Sequence[Evidence] = (), location: str = ""
) -> FoundMistake:
    """Return a mistake that is found without a formula."""
    mistake = MISTAKES[identity]
    sentence = mistake.sentence + (f": {detail}" if detail else "")
    return FoundMistake(
        identity,
        sentence,
        mistake.fix,
        location or "its result is not as it should be",
        tuple(evidence),
        line,
    )
