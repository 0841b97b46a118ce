"""Making an examination's calls and comparing what comes back with the right numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clearprop.check.calling import Caller, Examination, Probe
from clearprop.check.calls import Answer, Call, Runner
from clearprop.check.formulas.base import Outputs, Variant
from clearprop.check.matching import Explanation, Observation, differing, explain, same
from clearprop.check.structures import Unreadable


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a probe has no outputs: "raises", "wrong_shape", "too_slow" or "not_finite", and the sentence."""

    id: str
    sentence: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an examination showed.

    Parameters
    ----------
    examination : Examination
    right : Variant, optional
        The accepted setting that every decisive probe agrees with.
    observations : tuple of Observation
        Of the probes that gave outputs.
    problem : Problem, optional
        Of the first decisive probe without outputs.
    unstable : tuple of (id, Observation or Problem)
        Extreme inputs that were not survived.
    changed : tuple of int
        Positions of the arguments that the function changed.
    answers : tuple of Answer
        Of the first probe's last call.
    """

    examination: Examination
    right: Variant | None
    observations: tuple[Observation, ...]
    problem: Problem | None = None
    unstable: tuple[tuple[str, Outputs | Problem], ...] = ()
    changed: tuple[int, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def flawless(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.right is not None and not self.unstable and not self.unkept

    @property
    def unkept(self) -> bool:
        """Whether arguments were changed that must stay."""
        return bool(self.changed) and self.examination.keeps_arguments


@dataclass(frozen=True, slots=True)
class Substitutes:
    """What is put into the submission's module for an examination.

    Parameters
    ----------
    module : mapping
        Right helpers by name.
    attributes : mapping
        Right methods by name.
    globals : mapping of str to specification
        Names of the module that take a value of each probe.
    """

    module: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    globals: Mapping[str, Any] = field(default_factory=dict)


def problem_of(answer: Answer) -> Problem | None:
    """Return why an answer has no value."""
    if answer.timed_out:
        return Problem("too_slow", "it did not return within the time limit")
    if answer.lost:
        return Problem("raises", f"there is no answer: {answer.lost}")
    if answer.error is not None:
        text = f"it raises {answer.error.kind}: {answer.error.message}".rstrip(": ")
        return Problem("raises", text, answer.error.line)
    return None


def observe(
    probe: Probe, runner: Runner, caller: Caller | None, substitutes: Substitutes
) -> tuple[Observation | Problem, Sequence[Answer]]:
    """Make one probe's calls and read the outputs."""
    module = dict(substitutes.module)
    if caller is not None:
        module |= {name: caller.filled(part, probe.values) for name, part in substitutes.globals.items()}
    calls: list[Call] = [replace(call, module={**call.module, **module}) for call in probe.calls]
    if substitutes.attributes and calls[-1].on is not None:
        calls[-1] = replace(calls[-1], attributes={**calls[-1].attributes, **substitutes.attributes})
    answers = runner.run(calls)
    for answer in answers:
        problem = problem_of(answer)
        if problem is not None:
            return problem, answers
    try:
        outputs = probe.read(answers)
    except Unreadable as unreadable:
        return Problem("wrong_shape", str(unreadable)), answers
    return Observation(probe.values, outputs), answers


def evaluate(
    examination: Examination,
    runner: Runner,
    caller: Caller | None = None,
    substitutes: Substitutes | None = None,
) -> Outcome:
    """Make all calls of an examination and compare.

    Parameters
    ----------
    examination : Examination
    runner : Runner
    caller : Caller, optional
        Fills the specifications of ``substitutes.globals``.
    substitutes : Substitutes, optional
    """
    substitutes = substitutes or Substitutes()
    observations: list[Observation] = []
    decisive: list[Observation] = []
    problem: Problem | None = None
    changed: set[int] = set()
    first: tuple[Answer, ...] = ()
    for probe in examination.probes:
        if problem is not None and problem.id == "too_slow":
            break
        if not probe.decisive and problem is None and _right(examination, decisive) is not None:
            continue
        seen, answers = observe(probe, runner, caller, substitutes)
        first = first or tuple(answers)
        if isinstance(seen, Problem):
            problem = problem or (seen if probe.decisive else None)
            continue
        seen = _with_update_rate(seen, probe, answers[-1])
        observations.append(seen)
        if probe.decisive:
            decisive.append(seen)
            changed |= _changed(probe.calls[-1], answers[-1])
    right = None if problem is not None else _right(examination, decisive)
    unstable: list[tuple[str, Outputs | Problem]] = []
    for mistake, probe in examination.stable:
        if right is None:
            break
        seen, _ = observe(probe, runner, caller, substitutes)
        if isinstance(seen, Problem):
            unstable.append((mistake, seen))
        elif not _survived(probe, seen, examination, right):
            unstable.append((mistake, seen.outputs))
    return Outcome(
        examination,
        right,
        tuple(observations),
        problem,
        tuple(unstable),
        tuple(sorted(changed)),
        first,
    )


def _with_update_rate(seen: Observation, probe: Probe, answer: Answer) -> Observation:
    """Keep the rate of an update that a backward pass has made on the weights it was given."""
    if "dw1" not in seen.outputs:
        return seen
    last = max(int(name[2:]) for name in seen.outputs if name[:2] == "dw")
    weight, gradient = probe.values[f"w{last}"], probe.values[f"dw{last}"]
    for after in _arrays(answer.arguments_after):
        for array in (after, after.T):
            if array.shape == weight.shape and not np.array_equal(array, weight):
                largest = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
                rate = float((weight - array)[largest] / gradient[largest])
                if same(array, weight - rate * gradient) and rate:
                    return Observation({**seen.values, "update_rates": (rate,)}, seen.outputs)
    return seen


def _arrays(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        return [array for part in value.values() for array in _arrays(part)]
    if isinstance(value, list | tuple):
        return [array for part in value for array in _arrays(part)]
    return []


def _right(examination: Examination, observations: Sequence[Observation]) -> Variant | None:
    """Return the accepted variant that all observations agree with."""
    if not observations:
        return None
    formula = examination.formula
    for variant in formula.right:
        if all(not differing(o.outputs, formula.outputs(o.values, variant.settings)) for o in observations):
            return variant
    return None


def _survived(probe: Probe, seen: Observation, examination: Examination, right: Variant | None) -> bool:
    """Whether extreme inputs gave finite numbers; wrong ones are another mistake's."""
    finite = all(np.isfinite(value).all() for value in seen.outputs.values())
    if not finite or right is None or probe.values.get("only finite"):
        return finite
    return not differing(seen.outputs, examination.formula.outputs(probe.values, right.settings))


def _changed(call: Call, answer: Answer) -> set[int]:
    """Return the positions of the arguments that are not as they were."""
    return {
        i
        for i, (before, after) in enumerate(zip(call.arguments, answer.arguments_after, strict=False))
        if not unchanged(before, after)
    }


def unchanged(before: Any, after: Any) -> bool:
    """Whether plain data is unchanged; what is no plain data counts as unchanged."""
    if isinstance(before, np.ndarray):
        return (
            isinstance(after, np.ndarray)
            and before.shape == after.shape
            and bool(np.array_equal(before, after))
        )
    if isinstance(before, dict):
        return (
            isinstance(after, dict)
            and before.keys() == after.keys()
            and all(unchanged(value, after[key]) for key, value in before.items())
        )
    if isinstance(before, list | tuple):
        return (
            isinstance(after, list | tuple)
            and len(before) == len(after)
            and all(unchanged(one, other) for one, other in zip(before, after, strict=True))
        )
    return True


def explained(outcome: Outcome, *, pairs: bool = True) -> Explanation:
    """Find the mistakes behind an outcome that is not right."""
    if outcome.right is not None:
        return Explanation(())
    return explain(outcome.examination.formula, outcome.observations, pairs=pairs)


def cost(outcome: Outcome, explanation: Explanation) -> float:
    """Return how much an explanation must assume; the smaller, the likelier."""
    if outcome.right is not None:
        return 0.0 if outcome.flawless else 0.5
    if not outcome.observations:
        return 1000.0
    vague = sum(atom.id == "unexplained" for atom in explanation.atoms)
    raised = 2.0 if outcome.problem is not None else 0.0
    return len(explanation.atoms) + 0.5 * vague + 10.0 * len(explanation.open) + raised


def agrees_for_some_activation(outcome: Outcome) -> str | None:
    """Return the hidden activation whose probes are right although those of another are wrong."""
    formula = outcome.examination.formula
    by_name: dict[str, list[bool]] = {}
    for seen in outcome.observations:
        expected = formula.outputs(seen.values, formula.right[0].settings)
        by_name.setdefault(str(seen.values.get("hidden")), []).append(not differing(seen.outputs, expected))
    right = [name for name, agreed in by_name.items() if all(agreed)]
    return right[0] if len(by_name) > 1 and len(right) == 1 else None


__all__ = ["Outcome", "Problem", "Substitutes", "cost", "evaluate", "explained", "observe", "same"]
