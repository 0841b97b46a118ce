"""What is known about each function while a submission is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from clearprop.check.assignment import Assignment, Function
from clearprop.check.calls import Runner
from clearprop.check.definitions import Definition, Module
from clearprop.check.dialects import Dialect
from clearprop.check.evaluation import Outcome, cost
from clearprop.check.matching import Explanation
from clearprop.check.verdicts import FunctionVerdict, Status


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
class Judgement:
    """One submission while it is judged."""

    assignment: Assignment
    module: Module
    runner: Runner
    dialect: Dialect
    judged: dict[str, Judged] = field(default_factory=dict)
    # which form of derivative the backward pass was found to use: "input", "output" or ""
    consumed: str = ""


def find(module: Module, function: Function) -> Definition | None:
    """Return the submission's definition of an assignment's function."""
    return module.find(function.name, *function.aliases)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reading of a function with its explanation."""

    outcome: Outcome
    explanation: Explanation
    globals: tuple[str, ...] = ()
    derivative_form: str = ""
    blamed: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """How much this reading must assume."""
        return cost(self.outcome, self.explanation) + len(self.globals)
