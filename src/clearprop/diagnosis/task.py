"""Task: what the targets are (classes, labels or numbers), and how well a trained program predicts them.

The measure of a diagnosis is the *skill*: 0 for guessing, 1 for perfect. For classes it is the mean recall of
the classes, from that of guessing to 1; for numbers it is R², at least -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.program import Program
from clearprop.diagnosis.program_training import Trained

Array = NDArray[np.floating[Any]]

CLASSES, LABELS, NUMBERS = "classes", "labels", "numbers"
#: The losses of classes, by whether their outputs are logits.
BINARY_LOSSES = ("binary_cross_entropy", "binary_cross_entropy_from_logits")
MULTICLASS_LOSSES = ("cross_entropy", "cross_entropy_from_logits")
NUMBER_LOSSES = ("squared_error", "absolute_error", "poisson")
#: Columns of numbers that are judged each by itself.
MOST_SEPARATE_COLUMNS = 8
#: Most distinct values that are taken for classes where the program leaves it open.
MOST_OPEN_CLASSES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is to be predicted.

    Attributes
    ----------
    kind : str
        "classes" (one of several), "labels" (several of several) or "numbers".
    columns : int
        Columns of the targets.
    values : ndarray (classes,)
        The number that stands for each class; 0, 1, ... for one-hot columns; empty for the other kinds.
    one_hot : bool
        Each class has a column.
    """

    kind: str
    columns: int
    values: NDArray[np.float64]
    one_hot: bool

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for numbers and labels."""
        return len(self.values)

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes in one column."""
        return self.n_classes == 2 and not self.one_hot

    @property
    def is_damaged(self) -> bool:
        """Whether the numbers of the classes are not 0, 1, 2, ..., though they are as regular."""
        return self.kind == CLASSES and not np.array_equal(self.values, np.arange(self.n_classes))

    def truth(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return class indices ``(n,)``, -1 for an unknown class; or labels or numbers ``(n, columns)``."""
        columns = y.reshape(len(y), -1)
        if self.kind == CLASSES:
            if self.one_hot:
                return np.asarray(columns.argmax(axis=1))
            return _nearest(columns[:, 0], self.values, exact=True)
        if self.kind == LABELS:
            return np.asarray(columns > 0.5 * columns.max())
        return columns.astype(np.float64)

    def prediction(self, trained: Trained, x: Array) -> NDArray[Any]:
        """Return what a trained program predicts for rows, as ``truth`` gives targets."""
        program, outputs = trained.program, trained.scaled_outputs(x)
        if self.kind == NUMBERS:
            if program.loss == "poisson" and program.framework == "torch":
                # the outputs are logarithms of rates
                with np.errstate(over="ignore"):
                    outputs = np.exp(outputs)
            numbers = trained.in_target_units(outputs)
            if numbers.shape[1] not in (1, self.columns):
                # outputs that stand for nothing: the mean is the best that could be read from them
                numbers = numbers.mean(axis=1, keepdims=True)
            return np.broadcast_to(numbers, (len(x), self.columns))
        if self.kind == LABELS:
            return np.broadcast_to(outputs > _threshold(program), (len(x), self.columns))
        values = np.asarray(trained.target_scaling.apply(self.values[:, None], np.float64))[:, 0]
        if outputs.shape[1] > 1:
            chosen = outputs.argmax(axis=1)
            known = np.isfinite(outputs).all(axis=1)
            found = chosen if self.one_hot else _nearest(chosen, values, exact=True)
            return np.where(known, found, -1)
        single = outputs[:, 0]
        if self.n_classes == 2 and program.loss not in NUMBER_LOSSES:
            return np.where(np.isfinite(single), single > _threshold(program), -1).astype(int)
        return np.where(np.isfinite(single), _nearest(np.nan_to_num(single), values, exact=False), -1)


@dataclass(frozen=True, slots=True)
class Score:
    """How well a program predicts some rows.

    Attributes
    ----------
    skill : float
        0 is guessing, 1 perfect.
    figure : float
        The accuracy, for numbers R².
    noise : float
        The standard error of the skill, from the number of rows.
    recalls : tuple of float
        Of the classes that occur; empty for the other kinds.
    """

    skill: float
    figure: float
    noise: float
    recalls: tuple[float, ...] = ()


WORST = Score(-1.0, -1.0, 0.0)


def score(task: Task, trained: Trained, x: Array, y: NDArray[Any]) -> Score:
    """Return how well a trained program predicts rows."""
    truth, prediction = task.truth(y), task.prediction(trained, x)
    if task.kind == NUMBERS:
        return number_score(truth, prediction)
    if task.kind == LABELS:
        parts = [class_score(truth[:, k], prediction[:, k], 2) for k in range(task.columns)]
        skill, figure, noise = (
            float(np.mean([getattr(p, name) for p in parts])) for name in Score.__slots__[:3]
        )
        return Score(skill, figure, noise)
    return class_score(truth, prediction, task.n_classes)


def class_score(truth: NDArray[Any], prediction: NDArray[Any], n_classes: int) -> Score:
    """Return the score of predicted classes; the skill is the mean recall, from that of guessing to 1."""
    right = truth == prediction
    recalls, variance = [], 0.0
    for number in range(n_classes):
        of_class = truth == number
        if count := int(of_class.sum()):
            recall = float(right[of_class].mean())
            recalls.append(recall)
            # as if one more row had been right and one wrong, so that a perfect score has noise too
            smooth = (recall * count + 1) / (count + 2)
            variance += smooth * (1 - smooth) / count
    if len(recalls) < 2:
        return Score(float(right.mean()), float(right.mean()), 0.5, tuple(recalls))
    guess = 1 / len(recalls)
    noise = variance**0.5 / len(recalls) / (1 - guess)
    return Score((float(np.mean(recalls)) - guess) / (1 - guess), float(right.mean()), noise, tuple(recalls))


def number_score(truth: Array, prediction: Array) -> Score:
    """Return the score of predicted numbers: R², none below -1.

    A few columns count alike, each by its own R². Many columns are of one kind, such as pixels: they count by
    their variance.
    """
    if not np.isfinite(prediction).all():
        return Score(-1.0, -1.0, 0.05)
    squares = (truth - prediction) ** 2
    spread = truth.var(axis=0)
    if len(spread) > MOST_SEPARATE_COLUMNS:
        squares, spread = squares.sum(axis=1, keepdims=True), spread.sum(keepdims=True)
    shares = squares.mean(axis=0)[spread > 0] / spread[spread > 0]
    if not len(shares):
        return Score(0.0, 0.0, 0.5)
    r2 = float(np.mean(np.maximum(1 - shares, -1.0)))
    relative = squares[:, spread > 0] / spread[spread > 0]
    noise = float(np.minimum(relative, 4).std() / len(truth) ** 0.5)
    return Score(r2, r2, noise)


def read_task(program: Program, y: NDArray[Any]) -> Task:
    """Return what the targets are; where their numbers leave it open, the program decides.

    Parameters
    ----------
    program : Program
    y : ndarray (n,) or (n, columns) of numbers
    """
    columns = y.reshape(len(y), -1)
    if columns.shape[1] > 1:
        return _read_columns(program, columns)
    numbers = columns[:, 0].astype(np.float64)
    values = np.unique(numbers)
    if len(values) > 1 and _are_classes(program, values, y.dtype, len(y)):
        return Task(CLASSES, 1, values, False)
    return Task(NUMBERS, 1, np.empty(0), False)


def _read_columns(program: Program, columns: NDArray[Any]) -> Task:
    width = columns.shape[1]
    top = float(columns.max())
    if top > 0 and np.isin(columns, (0, top)).all():
        one_each = np.array_equal((columns > 0).sum(axis=1), np.ones(len(columns)))
        if one_each:
            return Task(CLASSES, width, np.arange(width, dtype=np.float64), True)
        if top == 1 or program.loss in BINARY_LOSSES:
            return Task(LABELS, width, np.empty(0), False)
    are_shares = columns.min() >= 0 and np.allclose(columns.sum(axis=1), 1, atol=1e-3)
    if are_shares and program.loss in MULTICLASS_LOSSES:
        return Task(CLASSES, width, np.arange(width, dtype=np.float64), True)
    return Task(NUMBERS, width, np.empty(0), False)


def _are_classes(program: Program, values: NDArray[np.float64], dtype: Any, n: int) -> bool:
    """Tell whether numbers in one column stand for classes."""
    whole = bool(np.all(values == np.round(values)))
    number = len(values)
    in_order = whole and np.array_equal(values, values[0] + np.arange(number)) and values[0] in (0, 1)
    of_numbers = program.loss in NUMBER_LOSSES
    if number == 2:
        return n >= 4 or not of_numbers or set(values) in ({0, 1}, {-1, 1})
    if program.loss in MULTICLASS_LOSSES and whole and values[0] >= 0 and values[-1] < program.output.units:
        # however few rows there are: each number has an output
        return program.output.units > 1
    if number > max(2, n // 3):
        return False
    if program.output.units > 1:
        # several outputs for one column mean classes, unless the numbers are many and irregular
        if of_numbers:
            return in_order
        return in_order or _evenly_spaced(values) or (whole and number <= program.output.units)
    if of_numbers:
        squashed = program.output.activation in ("sigmoid", "softmax")
        return in_order and squashed and np.issubdtype(dtype, np.integer) and number <= MOST_OPEN_CLASSES
    return number <= MOST_OPEN_CLASSES and (in_order or _evenly_spaced(values))


def _evenly_spaced(values: NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    return bool(values[0] == 0 and np.allclose(steps, steps[0], rtol=1e-4))


def _threshold(program: Program) -> float:
    """Return the output from which on a class or label counts as predicted."""
    squashed = program.output.activation in ("sigmoid", "softmax")
    return 0.0 if program.loss.endswith("_from_logits") and not squashed else 0.5


def _nearest(numbers: NDArray[Any], values: NDArray[np.float64], *, exact: bool) -> NDArray[np.int64]:
    """Return the index of the value nearest to each number; -1 where exact is asked for and none is equal."""
    middles = (values[1:] + values[:-1]) / 2
    places = np.searchsorted(middles, numbers)
    if exact:
        slack = 1e-3 * (np.diff(values).min() if len(values) > 1 else 1)
        places = np.where(np.abs(values[places] - numbers) <= slack, places, -1)
    return places
