"""A training as somebody wrote it, its cause and its remedy, and how well a trained program does its task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis import Program

#: A program fails below FAILS of the gap between guessing and the reference; it has learned from LEARNED on.
FAILS = 0.75
LEARNED = 0.85
#: A score on validation rows that is so much better than on new rows is wrong; nearer is right.
WRONG_LEAD, RIGHT_LEAD = 0.10, 0.06
#: A watched accuracy below this says that a program fails.
POOR_ACCURACY = 0.3


# compared by identity, so that what is computed from a case can be kept
@dataclass(frozen=True, eq=False)
class Written:
    """A program with its rows.

    Attributes
    ----------
    task : str
        "classes" (y_test holds class numbers; balanced accuracy), "labels" (several yes-or-no labels; mean
        balanced accuracy) or "numbers" (R²).
    test : (x, y)
        Rows that neither the program nor a diagnosis sees.
    remedied : Program or None
        The smallest change of the program that mends it; None where the rows are at fault.
    remedied_rows : (x, y) or None
        The rows to train on after the remedy, where it changes them.
    validation, remedied_validation : (x, y) or None
    within_reach : float or None
        The score of the reference; None is the best of some models of scikit-learn.
    """

    program: Program
    x: NDArray[Any]
    y: NDArray[Any]
    test: tuple[NDArray[Any], NDArray[Any]]
    task: str = "classes"
    remedied: Program | None = None
    remedied_rows: tuple[NDArray[Any], NDArray[Any]] | None = None
    validation: tuple[NDArray[Any], NDArray[Any]] | None = None
    remedied_validation: tuple[NDArray[Any], NDArray[Any]] | None = None
    within_reach: float | None = None

    def after_remedy(self) -> tuple[Program, NDArray[Any], NDArray[Any]]:
        """Return program and rows with the remedy."""
        x, y = self.remedied_rows or (self.x, self.y)
        return self.remedied or self.program, x, y


@dataclass(frozen=True)
class Case:
    """An entry of the table: ``cause`` is None for a healthy program."""

    name: str
    make: Callable[[], Written]
    cause: str | None
    equivalents: frozenset[str]
    half: str

    @property
    def written(self) -> Written:
        """The program with its rows, made once."""
        return _made(self.make)


@cache
def _made(make: Callable[[], Written]) -> Written:
    return make()


CASES: list[Case] = []


def failing(cause: str, *equivalents: str) -> Callable[[Callable[[], Written]], Callable[[], Written]]:
    """Register a function that writes a failing program; equivalents are causes that are as true."""

    def register(make: Callable[[], Written]) -> Callable[[], Written]:
        CASES.append(Case(make.__name__, make, cause, frozenset(equivalents), _half(make)))
        return make

    return register


def healthy(make: Callable[[], Written]) -> Callable[[], Written]:
    """Register a function that writes a program that learns."""
    CASES.append(Case(make.__name__, make, None, frozenset(), _half(make)))
    return make


def _half(make: Callable[[], Written]) -> str:
    return "development" if ".development." in make.__module__ else "held_out"


def score(program: Program, outputs: NDArray[Any], y: NDArray[Any], task: str) -> float:
    """Return how well outputs ``(n, units)`` fit the true targets; 1 is perfect."""
    outputs = np.nan_to_num(np.asarray(outputs, np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    from_logits = program.loss == "binary_cross_entropy_from_logits"
    if task == "numbers":
        if program.loss == "poisson" and program.framework == "torch":
            # torch.nn.PoissonNLLLoss takes the logarithm of the rate
            outputs = np.exp(outputs.clip(-50, 50))
        return _r2(outputs.clip(-1e12, 1e12), y.reshape(len(y), -1))
    if task == "labels":
        yes = outputs > (0 if from_logits else 0.5)
        return float(np.mean([_balanced(t, p) for t, p in zip((y > 0.5).T, yes.T, strict=True)]))
    if outputs.shape[1] > 1:
        return _balanced(y, outputs.argmax(axis=1))
    column = (outputs > 0).astype(float) if from_logits else outputs
    values = np.unique(y)
    return _balanced(y, values[np.abs(column - values).argmin(axis=1)])


def guessing(written: Written) -> float:
    """Return the score of guessing."""
    if written.task == "classes":
        return 1 / len(np.unique(written.test[1]))
    return 0.5 if written.task == "labels" else 0.0


def _balanced(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    return float(np.mean([np.mean(predicted[y == value] == value) for value in np.unique(y)]))


def _r2(outputs: NDArray[Any], y: NDArray[Any]) -> float:
    # all columns together: one that is constant, such as a border pixel, has no R² of its own
    residual = ((outputs - y) ** 2).mean()
    return float((1 - residual / y.var(axis=0).mean()).clip(-1))


def watched_accuracy(outputs: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the accuracy that Keras prints for one unit: targets equal to 'output above 0.5'."""
    return float(np.mean((outputs > 0.5) == y.reshape(len(y), -1)))
