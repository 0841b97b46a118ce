"""Trainings of a submission with small data whose losses tell which rows a batch held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearprop.check import probes
from clearprop.check.calling import Caller, Subject
from clearprop.check.calls import Answer, Generator, Runner
from clearprop.check.evaluation import Problem, Substitutes
from clearprop.check.formulas.backward import backward_outputs
from clearprop.check.formulas.backward_mistakes import BACKWARD
from clearprop.check.formulas.base import Array, Formula, Outputs, Settings, Values
from clearprop.check.formulas.network import FORWARD, forward_outputs
from clearprop.check.formulas.steps import UPDATE, update
from clearprop.check.structures import Unreadable

# so small that no step changes a loss, but the path of the code is the same
NO_STEP = 1e-12


STEP_SIZE = 0.3


EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training returned.

    Parameters
    ----------
    parameters : mapping of str to ndarray
    epoch_losses, batch_losses : ndarray
        As returned; None where the assignment asks for none.
    """

    parameters: Outputs
    epoch_losses: Array | None
    batch_losses: Array | None


def _step_formula(values: Values, settings: Settings) -> Outputs:
    own = {
        key: value for key, value in settings.items() if not (isinstance(key, tuple) and key[0] == "update")
    }
    ahead = {
        key[1]: value for key, value in settings.items() if isinstance(key, tuple) and key[0] == "update"
    }
    trace = forward_outputs(values, own.get("forward", {}))
    gradients = backward_outputs({**values, **trace}, own)
    return update({**values, **gradients}, ahead)


def _prefixed(settings: Settings) -> dict[Any, Any]:
    return {("update", key): value for key, value in settings.items()}


def _step_atoms(values: Values) -> Sequence[Any]:
    atoms = list(BACKWARD.atoms(values))
    atoms += [
        replace(atom, settings=_prefixed(atom.settings))
        for atom in UPDATE.atoms(values)
        if atom.id != "gradient_averaged_twice"
    ]
    atoms += [replace(atom, settings={"forward": dict(atom.settings)}) for atom in FORWARD.atoms(values)]
    # a step uphill is the update's mistake where both are in one function
    return sorted(atoms, key=lambda atom: atom.id == "gradient_sign_flipped")


STEP = Formula(_step_formula, _step_atoms)


class Training:
    """The trainings of one submission and what they showed."""

    def __init__(
        self, subject: Subject, runner: Runner, substitutes: Substitutes, derivative_of_output: bool
    ) -> None:
        self.subject, self.runner, self.substitutes = subject, runner, substitutes
        self.caller = Caller(subject)
        self.line = subject.definition.line
        network = dict(
            probes.network(
                subject.assignment.hidden,
                subject.assignment.output,
                subject.assignment.cost,
                True,
                subject.assignment.layers,
                subject.assignment.classes,
                "rectangular",
                EXAMPLES,
                8,
            )
        )
        # one example of each class, so that a loss tells which input met which target
        self.values: dict[str, Any] = {**network, "derivative_of_output": derivative_of_output}
        self.problem: Problem | None = None

    def run(self, *, eta: float, batch_size: int, epochs: int, twice: bool = False) -> list[Answer]:
        """Train once, or twice with the first result looked at again."""
        values = {**self.values, "eta": eta, "batch_size": batch_size, "epochs": epochs, "n": batch_size}
        call = replace(self.caller.call(values), seed=11, module=dict(self.substitutes.module), seconds=None)
        if "rng" in call.keywords:
            call = replace(call, keywords={**call.keywords, "rng": Generator(5)})
        calls = [call, replace(call, revisit=(0,))] if twice else [call]
        return self.runner.run(calls)

    def trained(self, answer: Answer) -> Trained:
        """Read what a training returned.

        Raises
        ------
        Unreadable
            If the parameters or losses cannot be found.
        """
        returns = self.subject.function.returns
        value = answer.value
        parts = list(value) if isinstance(value, list | tuple) and isinstance(returns, list) else [value]
        specifications = returns if isinstance(returns, list) else [returns]
        if isinstance(returns, list) and len(parts) != len(returns):
            raise Unreadable(f"it returns {len(parts)} values instead of {len(returns)}")
        found: dict[str, Any] = {}
        for specification, part in zip(specifications, parts, strict=True):
            if specification == "@parameters":
                found["parameters"] = self._parameters(part)
            else:
                found[specification] = _losses(part, specification)
        return Trained(found.get("parameters", {}), found.get("train_losses"), found.get("batch_losses"))

    def _parameters(self, value: Any) -> Outputs:
        names = [n for n in self.values if n[0] in "wb" and n[1:].isdigit()]
        caller = self.caller
        function = self.subject.function.model_copy(update={"returns": "@parameters"})
        reader = object.__new__(Caller)
        reader.subject = replace(self.subject, function=function)
        reader.binding = caller.binding
        return reader.outputs(value, self.values, names, {name: self.values[name] for name in names})


def _losses(value: Any, name: str) -> Array:
    try:
        losses = np.asarray(value, dtype=float).ravel()
    except (ValueError, TypeError):
        raise Unreadable(f"{name} is not a list of numbers") from None
    return losses


def loss_table(values: Values) -> Array:
    """Return the loss of every input with every target, (n inputs, n targets)."""
    p = forward_outputs(values, {})[f"h{max(int(n[1:]) for n in values if n[0] == 'w' and n[1:].isdigit())}"]
    return -np.log(p[:, values["truth"].argmax(axis=1)])
