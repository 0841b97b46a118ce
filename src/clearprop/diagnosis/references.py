"""Reference learners: well-configured networks on the same rows, which show how much can be learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from clearprop.diagnosis.experiments import Laboratory, Trial
from clearprop.diagnosis.instruments import DataReading
from clearprop.diagnosis.program import Layer, Program
from clearprop.diagnosis.task import CLASSES, LABELS, Task, class_score, number_score

REFERENCE_STEPS = 4000
NEIGHBOURS = 10
#: A program fails if its skill is below what can be learned by this, and below this share of it. Numbers take
#: more, since R² changes much where predictions change little.
DEFICIT, SHARE = 0.12, 0.83
NUMBER_DEFICIT, NUMBER_SHARE = 0.2, 0.75
#: The same where program and data contradict each other.
CERTAIN_DEFICIT, CERTAIN_SHARE = 0.05, 0.93
#: How far a linear model falls behind where a nonlinearity is needed.
LINEAR_DEFICIT = 0.15
#: From here on no other reference is needed.
ENOUGH_SKILL = 0.97
#: Chance that inputs without any relation to the targets are taken for related.
BY_CHANCE = 1e-4


def reference_programs(task: Task, data: DataReading, rows: int) -> list[Program]:
    """Return networks of good defaults: a linear one, two usual ones, and one that is regularized."""
    if task.kind == CLASSES:
        output, loss = Layer(task.n_classes, "softmax"), "cross_entropy"
    elif task.kind == LABELS:
        output, loss = Layer(task.columns, "sigmoid"), "binary_cross_entropy"
    else:
        output, loss = Layer(task.columns, "linear"), "squared_error"
    batch = 32 if rows >= 64 else max(4, rows // 2)
    epochs = max(20, round(REFERENCE_STEPS / max(1, -(-rows // batch))))
    hidden = (Layer(64, "relu", "he_uniform"), Layer(64, "relu", "he_uniform"))
    usual = Program(
        (*hidden, output),
        loss,
        "adam",
        0.002,
        batch_size=batch,
        epochs=epochs,
        scale_inputs=1 / 255 if data.looks_like_pixels else "standard",
        scale_targets=None if loss != "squared_error" else "standard",
    )
    regularized = replace(
        usual,
        layers=(*(replace(layer, dropout=0.3) for layer in hidden), output),
        optimizer="adamw",
        weight_decay=0.3,
        epochs=max(10, epochs // 4),
    )
    return [usual, replace(usual, layers=(output,), learning_rate=0.01), regularized]


@dataclass(frozen=True, slots=True)
class Achievable:
    """How much can be learned of the data.

    Attributes
    ----------
    skill, noise : float
        The best skill of the references on held-out rows, and its standard error.
    figure : float
        The accuracy or R² with it.
    name : str
        Which reference reached it.
    of_numbers : bool
        The skill is R².
    linear : float or None
        The skill of the linear model, where it was needed.
    """

    skill: float
    noise: float
    figure: float
    name: str
    of_numbers: bool = False
    linear: float | None = None

    @property
    def needs_nonlinearity(self) -> bool:
        """Whether a linear model clearly falls behind."""
        return self.linear is not None and self.skill - self.linear > LINEAR_DEFICIT

    def deficit(self, skill: float) -> float:
        """Return how much a skill is below it."""
        return self.skill - skill

    def fails(self, skill: float, noise: float, *, certain: bool = False) -> bool:
        """Tell whether a program of this skill has failed to learn what can be learned.

        Parameters
        ----------
        skill, noise : float
        certain : bool
            Program and data contradict each other: then less is needed.
        """
        deficit, share = (NUMBER_DEFICIT, NUMBER_SHARE) if self.of_numbers else (DEFICIT, SHARE)
        if certain:
            deficit, share = CERTAIN_DEFICIT, CERTAIN_SHARE
        margin = deficit + (0.5 if certain else 1.5) * min(noise, self.noise)
        return self.deficit(skill) > margin and skill < share * self.skill

    def restores(self, skill: float, before: float) -> bool:
        """Tell whether a remedied program has learned it, if it had ``before`` without the remedy."""
        # an R² below that of guessing is no smaller a deficit to make up
        before = max(before, 0.0)
        near = self.deficit(skill) <= max(0.08, 0.08 * self.skill) + min(self.noise, 0.1)
        gained = skill - before
        return gained >= 0.9 * self.deficit(before) or (near and gained >= 0.4 * self.deficit(before))


def achievable(lab: Laboratory, data: DataReading, program: Program, seed: int) -> Achievable:
    """Train the references, and return the best of what they reach."""
    own = lab.recoded()
    best = Achievable(0.0, 0.5, 0.0, "guessing")
    names = ("a usual network", "a linear model", "a regularized network")
    references = reference_programs(own.task, data, len(lab.x))
    if np.array_equal(lab.x, lab.y):
        # an autoencoder is judged by one of the same bottleneck
        hidden = tuple(replace(layer, activation="relu", dropout=0.0) for layer in program.hidden)
        references = [replace(references[0], layers=(*hidden, references[0].layers[-1]))]
    is_linear = all(layer.activation == "linear" for layer in program.hidden)
    linear = None
    for name, reference in zip(names, references, strict=False):
        if best.skill >= ENOUGH_SKILL and not (is_linear and linear is None):
            break
        trial = own.run(reference, seed)
        if name == names[1]:
            linear = trial.skill
        found = _best_of(trial, name)
        if found.skill > best.skill:
            best = found
    return replace(best, linear=linear)


def _best_of(trial: Trial, name: str) -> Achievable:
    """Return what a reference reached: the better of its end and its two best looks in a row."""
    curve = trial.curve
    steady = max((min(pair) for pair in pairwise(curve)), default=trial.skill)
    return Achievable(max(trial.skill, steady), trial.held.noise, trial.held.figure, name)


def neighbours_skill(lab: Laboratory) -> float:
    """Return the skill of the nearest neighbours, which needs no training; 0 where it cannot be measured."""
    if lab.task.kind == LABELS or not lab.splits:
        return 0.0
    x, held = _standardized(lab.x[:3000], lab.held_x[:500])
    nearest = _nearest_rows(held, x, NEIGHBOURS)
    truth, held_truth = lab.task.truth(lab.y[:3000]), lab.task.truth(lab.held_y[:500])
    if lab.task.kind == CLASSES:
        votes = np.stack([(truth[nearest] == k).sum(axis=1) for k in range(lab.task.n_classes)], axis=1)
        return class_score(held_truth, votes.argmax(axis=1), lab.task.n_classes).skill
    return number_score(held_truth, truth[nearest].mean(axis=1)).skill


def related(lab: Laboratory) -> bool:
    """Tell whether any input column, or its square, correlates with a target more than by chance."""
    y = lab.task.truth(lab.y)
    if lab.task.kind == CLASSES:
        y = (y[:, None] == np.arange(lab.task.n_classes)).astype(np.float64)
    x = _standardized(lab.x.astype(np.float64), lab.x[:1])[0]
    columns = _standardized(np.hstack([x, x * x]), lab.x[:1, :1])[0]
    targets = _standardized(y.astype(np.float64), lab.x[:1, :1])[0]
    correlations = np.abs(columns.T @ targets) / len(x)
    limit = -ndtri(BY_CHANCE / 2 / correlations.size)
    return bool(correlations.max() * len(x) ** 0.5 > limit)


def doubtful_labels(lab: Laboratory) -> NDArray[np.bool_]:
    """Return which training rows have another class than nearly all of their neighbours.

    At most 3,000 rows are looked at; the others are not doubted.
    """
    doubted = np.zeros(len(lab.x), bool)
    if lab.task.kind != CLASSES or len(lab.x) < 4 * NEIGHBOURS:
        return doubted
    x, _ = _standardized(lab.x[:3000], lab.x[:1])
    nearest = _nearest_rows(x, x, NEIGHBOURS + 1)[:, 1:]
    truth = lab.task.truth(lab.y[:3000])
    votes = np.stack([(truth[nearest] == k).sum(axis=1) for k in range(lab.task.n_classes)], axis=1)
    sure = votes.max(axis=1) >= 0.7 * NEIGHBOURS
    doubted[: len(x)] = sure & (votes.argmax(axis=1) != truth)
    return doubted


def _standardized(x: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    return (x - mean) / deviation, (other - mean) / deviation


def _nearest_rows(rows: NDArray[Any], among: NDArray[Any], count: int) -> NDArray[np.intp]:
    squares = (among**2).sum(axis=1) - 2 * rows @ among.T
    count = min(count, len(among) - 1)
    chosen = np.argpartition(squares, count, axis=1)[:, :count]
    order = np.take_along_axis(squares, chosen, axis=1).argsort(axis=1)
    return np.take_along_axis(chosen, order, axis=1)
