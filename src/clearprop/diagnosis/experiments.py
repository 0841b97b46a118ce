"""Laboratory: short trainings of programs on the same rows, within a budget of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.causes import DataChange
from clearprop.diagnosis.instruments import Sampler
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.program_training import Trained, train_program
from clearprop.diagnosis.task import CLASSES, WORST, Score, Task, score
from clearprop.utils.errors import DataError
from clearprop.utils.randomness import streams

Array = NDArray[np.floating[Any]]

#: Fewer rows, or distinct rows, are not split: a program is then measured on the rows it is trained on.
FEWEST_SPLIT_ROWS, FEWEST_DISTINCT_ROWS = 40, 24
HELD_SHARE, MOST_HELD_ROWS = 0.25, 2000
#: Numbers of training rows that are kept; larger data are subsampled.
MOST_NUMBERS = 40_000_000
#: Times that a training is measured as it runs.
CHECKPOINTS = 8
#: Parameters, and outputs of all layers for a batch, beyond which nothing is tried.
MOST_PARAMETERS = 60_000_000
#: Share of the budget that a usual training may take.
TRIAL_SHARE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One training and how it ended.

    Attributes
    ----------
    program : Program
    held, fitted : Score
        On held-out rows and on training rows.
    curve : list of float
        The skill on held-out rows as the training ran.
    steps, planned : int
    diverged, complete : bool
        Complete: all steps were taken, or the training was stopped because it was good enough.
    trained : Trained or None
        None where the training could not begin.
    problem : str
        Why it could not.
    """

    program: Program
    held: Score
    fitted: Score
    curve: list[float]
    steps: int
    planned: int
    diverged: bool
    complete: bool
    trained: Trained | None
    problem: str = ""

    @property
    def skill(self) -> float:
        """The skill on held-out rows at the end."""
        return self.held.skill


@dataclass(slots=True, eq=False)
class Laboratory:
    """The rows of an investigation, its clock, and what has been tried.

    Attributes
    ----------
    x, y : ndarray
        Training rows ``(n, features)`` of float32 and their targets as given.
    held_x, held_y : ndarray
        Rows to measure on; the training rows themselves where there are too few to split.
    splits : bool
        Whether held-out rows are others than training rows.
    subsampled : bool
    """

    task: Task
    x: Array
    y: NDArray[Any]
    held_x: Array
    held_y: NDArray[Any]
    splits: bool
    subsampled: bool
    seconds: float
    started: float = field(default_factory=time.perf_counter)
    most_steps: int | None = None
    counter: list[int] = field(default_factory=lambda: [0])
    usual_seconds: float | None = None
    trainer: Callable[..., Any] = train_program
    _known: dict[Any, Trial] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.perf_counter() - self.started)

    @property
    def trial_seconds(self) -> float:
        """Seconds that a usual training may take."""
        usual = TRIAL_SHARE * self.seconds if self.usual_seconds is None else self.usual_seconds
        return max(0.05, min(usual, self.left * 0.5))

    @property
    def trainings(self) -> int:
        """How many trainings were begun."""
        return self.counter[0]

    def recoded(self) -> Laboratory:
        """Return the same rows and clock with classes as 0, 1, ..., whatever stands for them here."""
        own = replace(self, most_steps=None, trainer=train_program, _known={})
        if self.task.kind == CLASSES:
            own.task = Task(CLASSES, 1, np.arange(self.task.n_classes, dtype=np.float64), False)
            own.y, own.held_y = self.task.truth(self.y), self.task.truth(self.held_y)
        return own

    def run(
        self,
        program: Program,
        seed: int,
        *,
        data_change: DataChange | None = None,
        seconds: float | None = None,
        sampler: Sampler | None = None,
        enough: float | None = None,
        hopeless: float | None = None,
        steps: int | None = None,
    ) -> Trial:
        """Train a program, or return what an earlier training of it gave.

        Parameters
        ----------
        program : Program
        seed : int
        data_change : callable or None
            A remedy of the training rows.
        seconds : float or None
            At most so long; None is ``trial_seconds``.
        enough, hopeless : float or None
            Stop at a skill on held-out rows of at least ``enough``, or below ``hopeless`` when half is done.
        steps : int or None
            At most so many; None is ``most_steps``.
        """
        key = (program, seed, data_change, steps)
        if key in self._known and (self._known[key].complete or enough is not None):
            return self._known[key]
        trial = self._train(
            program, seed, data_change, seconds or self.trial_seconds, sampler, enough, hopeless, steps
        )
        self._known[key] = trial
        return trial

    def _train(
        self,
        program: Program,
        seed: int,
        data_change: DataChange | None,
        seconds: float,
        sampler: Sampler | None,
        enough: float | None,
        hopeless: float | None,
        steps: int | None,
    ) -> Trial:
        x, y = (self.x, self.y) if data_change is None else data_change(self.x, self.y)
        curve: list[float] = []
        stopped = False

        def at_checkpoint(trained: Trained) -> bool:
            nonlocal stopped
            curve.append(score(self.task, trained, self.held_x, self.held_y).skill)
            done = enough is not None and curve[-1] >= enough and len(curve) > 1 and min(curve[-2:]) >= enough
            lost = hopeless is not None and 2 * len(curve) >= CHECKPOINTS and curve[-1] < hopeless
            stopped = done or lost
            return stopped

        self.counter[0] += 1
        problem = too_large(program, x.shape[1])
        if not problem:
            try:
                trained = self.trainer(
                    program,
                    x,
                    y,
                    seed=seed,
                    max_steps=self.most_steps if steps is None else steps,
                    deadline=time.perf_counter() + min(seconds, max(self.left, 0.02)),
                    probe=sampler,
                    at_checkpoint=at_checkpoint,
                    checkpoints=CHECKPOINTS,
                )
            except DataError as error:
                problem = str(error)
            except MemoryError:
                problem = "The training needs more memory than there is; choose smaller layers or batches."
        if problem:
            return Trial(program, WORST, WORST, [], 0, 0, False, True, None, problem)
        rows = np.linspace(0, len(x) - 1, min(len(x), MOST_HELD_ROWS)).astype(int)
        held = score(self.task, trained, self.held_x, self.held_y)
        fitted = score(self.task, trained, x[rows], y[rows])
        if trained.diverged:
            held, fitted = (Score(min(each.skill, 0.0), each.figure, each.noise) for each in (held, fitted))
        most = self.most_steps if steps is None else steps
        planned = trained.planned if most is None else min(most, trained.planned)
        complete = stopped or trained.diverged or trained.steps >= planned
        return Trial(
            program, held, fitted, curve, trained.steps, trained.planned, trained.diverged, complete, trained
        )


def too_large(program: Program, n_features: int) -> str:
    """Return why a program is too large to be tried, or an empty string."""
    fan_in, parameters, widest = n_features, 0, 0
    for layer in program.layers:
        parameters += (fan_in + 1) * layer.units
        widest = max(widest, layer.units)
        fan_in = layer.units
    if parameters <= MOST_PARAMETERS:
        return ""
    return (
        f"The network has {parameters:,} parameters and cannot be tried here; choose layers that have "
        f"{MOST_PARAMETERS:,} at most."
    )


def make_laboratory(
    task: Task,
    x: Array,
    y: NDArray[Any],
    validation: tuple[Array, NDArray[Any]] | None,
    seed: int,
    seconds: float,
) -> Laboratory:
    """Set rows aside to measure on, and subsample what is too large.

    Parameters
    ----------
    task : Task
    x : ndarray (n, features) of float32
    y : ndarray (n,) or (n, columns)
    validation : (x, y) or None
    seed : int
    seconds : float
        The budget of the whole investigation.
    """
    rng = streams(seed).split
    most_rows = max(1000, MOST_NUMBERS // x.shape[1])
    subsampled = len(x) > most_rows
    if validation is not None:
        held = rng.permutation(len(validation[0]))[:MOST_HELD_ROWS]
        rows = rng.permutation(len(x))[:most_rows] if subsampled else np.arange(len(x))
        held_x, held_y = validation[0][held], validation[1][held]
        return Laboratory(task, x[rows], y[rows], held_x, held_y, True, subsampled, seconds)
    distinct = len(np.unique(x[:2000], axis=0))
    if len(x) < FEWEST_SPLIT_ROWS or distinct < FEWEST_DISTINCT_ROWS:
        rows = rng.permutation(len(x))[:MOST_HELD_ROWS]
        return Laboratory(task, x, y, x[rows], y[rows], False, subsampled, seconds)
    order = rng.permutation(len(x))
    n_held = min(MOST_HELD_ROWS, max(15, int(HELD_SHARE * len(x))))
    held, rows = order[:n_held], order[n_held : n_held + most_rows]
    return Laboratory(task, x[rows], y[rows], x[held], y[held], True, subsampled, seconds)
