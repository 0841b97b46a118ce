"""Hypotheses about the data: labels that are wrong, leaks, duplicates, rare classes and noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.causes import Hypothesis
from clearprop.diagnosis.experiments import Laboratory, Trial
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.references import doubtful_labels
from clearprop.diagnosis.task import CLASSES, NUMBER_LOSSES, NUMBERS, Task
from clearprop.diagnosis.training_hypotheses import set_fields

Array = NDArray[np.floating[Any]]

#: Rows from which on a column that equals the targets is a leak, not a small example.
FEWEST_LEAK_ROWS = 50
#: Share of validation rows that are training rows from which on they measure nothing.
MOST_DUPLICATES = 0.3
RARE_CLASS = 0.2
#: Share of labels that contradict their neighbours from which on labels count as noisy.
NOISY_SHARE = 0.06


def constant_targets(y: NDArray[Any]) -> Hypothesis | None:
    """Return the hypothesis that all targets are equal, which leaves nothing to learn."""
    columns = y.reshape(len(y), -1)
    if len(y) < 2 or np.ptp(columns, axis=0).any():
        return None
    value = ", ".join(f"{number:g}" for number in columns[0][:4])
    return Hypothesis(
        "labels_wrong",
        1.0,
        f"All {len(y):,} targets are the same ({value}), so there is nothing to learn.",
        "Find where the targets were lost: a wrong column, a conversion to whole numbers, or a filter.",
        certain=True,
    )


def label_hypotheses(program: Program, task: Task, y: NDArray[Any]) -> list[Hypothesis]:
    """Return hypotheses about numbers of classes that a transformation has damaged."""
    columns = y.reshape(len(y), -1)
    if task.kind == NUMBERS:
        return []
    if program.scale_targets is not None and task.kind == CLASSES and not task.is_damaged:
        return [
            Hypothesis(
                "labels_wrong",
                0.9,
                f"The targets are classes, but are scaled ({program.scale_targets}) as numbers would be.",
                "Leave the targets as they are.",
                (partial(set_fields, scale_targets=None),),
                certain=program.loss not in NUMBER_LOSSES,
            )
        ]
    top = float(columns.max())
    if task.one_hot and top != 1 and not np.allclose(columns.sum(axis=1), 1, atol=1e-3):
        return [_damaged(f"The one-hot targets hold 0 and {top:.4g}, not 0 and 1.", 1 / top)]
    if not task.is_damaged or program.scale_targets is not None:
        return []
    values = task.values
    shown = ", ".join(f"{value:.4g}" for value in values[:4])
    probabilities = program.loss not in NUMBER_LOSSES
    if task.n_classes == 2:
        if probabilities and program.output.units == 1:
            return [_damaged(f"The two classes are given as {shown}, not as 0 and 1.", "minmax")]
        return []
    if probabilities and not np.all(values == np.round(values)):
        return [_damaged(f"The classes are given as {shown} ..., not as whole numbers.", 1 / values[1])]
    return []


def _damaged(sentence: str, scaling: str | float) -> Hypothesis:
    return Hypothesis(
        "labels_wrong",
        0.95,
        sentence,
        "Give the classes as 0, 1, 2, ... or one-hot; the scaling of targets tried here restores them.",
        (partial(set_fields, scale_targets=scaling),),
        certain=True,
    )


def leaked_column(task: Task, x: Array, y: NDArray[Any]) -> Hypothesis | None:
    """Return the hypothesis that an input column is the target itself."""
    if len(x) < FEWEST_LEAK_ROWS or x.shape[1] < 2 or task.columns > 50:
        return None
    columns = y.reshape(len(y), -1).astype(np.float32)
    truth = columns
    if task.kind == CLASSES and task.one_hot:
        truth = np.column_stack([columns, task.truth(y).astype(np.float32)])
    for target in truth.T:
        if not np.ptp(target):
            continue
        equal = np.isclose(x, target[:, None], rtol=1e-6, atol=0).all(axis=0)
        if equal.any():
            number = int(equal.argmax())
            return Hypothesis(
                "labels_wrong",
                1.0,
                f"Input column {number} is the target itself, so the network only learns to copy it.",
                f"Remove column {number} from the inputs.",
                data_change=partial(_without_column, number=number),
                certain=True,
            )
    return None


def _without_column(x: Array, y: NDArray[Any], number: int) -> tuple[Array, NDArray[Any]]:
    return np.delete(x, number, axis=1), y


def duplicate_rows(x: Array, validation: tuple[Array, NDArray[Any]] | None) -> Hypothesis | None:
    """Return the hypothesis that validation rows are training rows."""
    if validation is None or len(validation[0]) < 10:
        return None
    known = {row.tobytes() for row in np.ascontiguousarray(x)}
    # small sets of possible rows repeat by nature
    if len(known) < 0.5 * len(x):
        return None
    held = np.ascontiguousarray(validation[0].astype(x.dtype))
    share = float(np.mean([row.tobytes() in known for row in held]))
    if share < MOST_DUPLICATES:
        return None
    return Hypothesis(
        "duplicate_rows_across_splits",
        1.0,
        f"{share:.0%} of the validation rows are also training rows, so validation measures memory.",
        "Split before rows are repeated, and remove the common rows from the validation set.",
        certain=True,
    )


def rare_classes(lab: Laboratory, base: Trial) -> Hypothesis | None:
    """Return the hypothesis that rare classes are not predicted because they are rare."""
    task = lab.task
    if task.kind != CLASSES:
        return None
    truth = task.truth(lab.y)
    shares = np.bincount(np.maximum(truth, 0), minlength=task.n_classes) / len(truth)
    present = shares[shares > 0]
    rare = float(present.min())
    missed = min(base.held.recalls, default=1.0)
    if rare > RARE_CLASS or rare > 0.4 / len(present) or missed > 0.15:
        return None
    return Hypothesis(
        "class_imbalance",
        0.35 if rare > 0.1 else 0.5,
        f"The rarest class has {rare:.1%} of the training rows; {missed:.0%} of its held-out rows are found.",
        "Weight the classes by how rare they are, or repeat the rows of rare classes.",
        (_unchanged,),
        data_change=Balanced(task),
        evidence=(f"accuracy {base.held.figure:.1%}, recall of the worst class {missed:.0%}",),
    )


def _unchanged(program: Program) -> Program:
    return program


@dataclass(frozen=True, slots=True, eq=False)
class Balanced:
    """Repeats rows of rare classes until all classes have as many; the order is drawn with a fixed seed."""

    task: Task

    def __call__(self, x: Array, y: NDArray[Any]) -> tuple[Array, NDArray[Any]]:
        """Return the repeated rows and targets."""
        truth = self.task.truth(y)
        counts = np.bincount(np.maximum(truth, 0), minlength=self.task.n_classes)
        # rarer classes are repeated at most 50 times
        most = int(min(counts.max(), 50 * max(counts[counts > 0].min(), 1)))
        rng = np.random.default_rng(0)
        repeated = [
            rng.choice(np.flatnonzero(truth == number), most - counts[number])
            for number in np.flatnonzero((counts > 0) & (counts < most))
        ]
        together = np.concatenate([np.arange(len(x)), *repeated])
        return x[together], y[together]


@dataclass(frozen=True, slots=True, eq=False)
class WithoutRows:
    """Leaves training rows out."""

    left_out: NDArray[np.bool_]

    def __call__(self, x: Array, y: NDArray[Any]) -> tuple[Array, NDArray[Any]]:
        """Return the rows that stay."""
        return x[~self.left_out], y[~self.left_out]


def noisy_labels(lab: Laboratory) -> Hypothesis | None:
    """Return the hypothesis that some labels contradict what similar rows have."""
    doubted = doubtful_labels(lab)
    looked = min(len(lab.x), 3000)
    share = float(doubted.sum()) / looked
    if share < NOISY_SHARE:
        return None
    return Hypothesis(
        "noisy_labels",
        0.8,
        f"{share:.0%} of the training labels contradict nearly all of their nearest neighbours.",
        "Check those labels; until then leave the rows out, or regularize and stop early.",
        (_unchanged,),
        data_change=WithoutRows(doubted),
        evidence=(f"{int(doubted.sum()):,} of {looked:,} rows",),
    )


def overfitting(program: Program, base: Trial, rows: int) -> Hypothesis | None:
    """Return the hypothesis that the network learns the training rows by heart."""
    gap = base.fitted.skill - base.held.skill
    if gap < 0.15 or base.fitted.skill < 0.7:
        return None
    best = int(np.argmax(base.curve)) + 1 if base.curve else 1
    epochs = max(1, round(program.epochs * best / max(len(base.curve), 1)))
    changes = [partial(_regularized, decay=0.3), partial(_regularized, decay=3.0)]
    if epochs < program.epochs:
        changes.insert(0, partial(set_fields, epochs=epochs))
    changes.append(partial(_small, units=8))
    return Hypothesis(
        "overfitting",
        min(0.4 + gap, 0.85),
        f"The network fits its training rows ({base.fitted.figure:.3f}) far better than held-out rows "
        f"({base.held.figure:.3f}).",
        "Stop earlier, or regularize (dropout, weight decay, fewer units).",
        tuple(changes),
        evidence=(f"{rows:,} training rows",),
    )


def _regularized(program: Program, decay: float) -> Program:
    hidden = [replace(each, dropout=max(each.dropout, 0.3)) for each in program.hidden]
    return replace(
        program,
        layers=(*hidden, program.output),
        optimizer="adamw" if program.optimizer in ("adam", "adamw") else program.optimizer,
        weight_decay=decay if program.optimizer in ("adam", "adamw") else 0.01,
    )


def _small(program: Program, units: int) -> Program:
    hidden = [replace(each, units=min(each.units, units)) for each in program.hidden]
    return replace(program, layers=(*hidden, program.output))


def misused_metric(program: Program, task: Task) -> Hypothesis | None:
    """Return the hypothesis that accuracy is watched where the targets are numbers."""
    if program.metric != "accuracy" or task.kind != NUMBERS:
        return None
    return Hypothesis(
        "metric_misused",
        1.0,
        "The targets are numbers, and accuracy counts only outputs that equal them exactly.",
        "Watch the mean absolute error or R² instead.",
        (partial(set_fields, metric=None),),
        certain=True,
    )
