"""Stochastic solvers: an estimator's data and convergence rules in Clearprop's training loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from clearprop.engines import create_engine
from clearprop.engines.base import Task
from clearprop.estimator.convergence import Convergence
from clearprop.estimator.plan import network_of, recipe_of
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling
from clearprop.training.callbacks import TrainingState
from clearprop.training.loop import TrainingDiverged, run_epochs
from clearprop.utils.errors import InvalidArgument

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """The rows, targets and weights of a fit.

    Parameters
    ----------
    x : ndarray or CSR matrix (n, features)
    targets : ndarray
        As ``Task`` takes them.
    training_weight : ndarray (n,) or None
        How much each row counts in the loss, the weight of its class included.
    sample_weight : ndarray (n,) or None
        How much each row counts in a score: as it was given.
    """

    x: Any
    targets: NDArray[Any]
    training_weight: NDArray[np.floating[Any]] | None
    sample_weight: NDArray[np.floating[Any]] | None

    def take(self, rows: Rows) -> TrainingData:
        """Return some of the rows."""
        training_weight, sample_weight = (
            None if weight is None else weight[rows] for weight in (self.training_weight, self.sample_weight)
        )
        return TrainingData(self.x[rows], self.targets[rows], training_weight, sample_weight)


def fit_stochastic(
    estimator: Any,
    data: TrainingData,
    validation: TrainingData | None,
    parameters: Parameters,
    random: np.random.RandomState,
    *,
    incremental: bool,
) -> Parameters:
    """Train an estimator's network, set its fitted attributes, and return its parameters.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Initialized: its fitted attributes exist, and are updated after every epoch.
    data : TrainingData
    validation : TrainingData or None
        Rows to score after every epoch; if None, ``early_stopping`` holds out some rows of the data.
    parameters : Parameters
        Where training starts.
    random : numpy.random.RandomState
        Draws the held-out rows, the order of the rows, and dropout.
    incremental : bool
        Whether to run a single epoch, with the optimizer's state of the epoch before.

    Raises
    ------
    InvalidArgument
        With scikit-learn's message, if there are too few rows, or the loss stopped being finite.
    """
    rows = np.arange(data.x.shape[0])
    if estimator.early_stopping and validation is None:
        rows, held_out = _split(estimator, data, random)
        validation = data.take(held_out)
    if estimator.batch_size != "auto" and estimator.batch_size > len(rows):
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=2,
        )
    network = network_of(estimator)
    recipe = recipe_of(estimator, len(rows), 1 if incremental else estimator.max_iter)
    task = Task(
        network=network,
        recipe=recipe,
        parameters=parameters,
        x=data.x,
        y=data.targets,
        scaling=Scaling(),
        # drawn only where it is used, so that without dropout the numbers are scikit-learn's
        dropout_rng=np.random.default_rng(random.randint(2**31) if network.dropout else 0),
        sample_weight=data.training_weight,
    )
    # a single epoch is over before another process could start
    engine = create_engine(estimator.engine, task, estimator.device, processes=1 if incremental else None)
    # an optimizer's state fits only its own update rule and engine
    kind = (recipe.optimizer, engine.name)
    if incremental and estimator._optimizer_memory[0] == kind:
        engine.load_state(estimator._optimizer_memory[1])
    else:
        estimator._learning_rate_scale = 1.0
    restore_best = estimator.early_stopping if estimator.restore_best is None else estimator.restore_best
    convergence = Convergence(estimator, incremental=incremental, restore_best=restore_best, start=parameters)
    state = TrainingState.at_start(task, engine, n_rows=len(rows), has_validation=validation is not None)
    estimator.n_iter_ = 0
    if validation is not None and estimator.validation_scores_ is None:
        estimator.validation_scores_, estimator.best_validation_score_ = [], -np.inf
    try:
        run_epochs(
            state,
            order=_order(rows, random, shuffle=estimator.shuffle),
            measure=None if validation is None else _measure(estimator, validation),
            callbacks=[convergence, *(estimator.callbacks or ())],
        )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
        estimator.history_ = state.history
        if state.history.epochs:
            # the engine may be in the middle of a step; only parameters are kept after every epoch
            estimator._optimizer_memory = (None, None)
        return convergence.best if restore_best else convergence.latest
    except TrainingDiverged as error:
        if not restore_best:
            raise not_finite() from error
        convergence.diverged()
    estimator.history_ = state.history
    # valid as long as the engine takes no step, and this was its last
    estimator._optimizer_memory = (kind, engine.state())
    return convergence.best if restore_best else engine.parameters()


def not_finite() -> InvalidArgument:
    """Return the error for parameters that are no longer finite."""
    return InvalidArgument(
        "Solver produced non-finite parameter weights. The input data may contain large values and need to "
        "be preprocessed."
    )


def _split(estimator: Any, data: TrainingData, random: np.random.RandomState) -> tuple[Rows, Rows]:
    """Return the rows to train on and the held-out rows, the same as in scikit-learn."""
    rows: Rows
    held_out: Rows
    rows, held_out = train_test_split(
        np.arange(data.x.shape[0]),
        random_state=random,
        test_size=estimator.validation_fraction,
        stratify=data.targets if estimator._stratifies() else None,
    )
    if len(held_out) < 2:
        raise InvalidArgument(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return rows, held_out


def _order(rows: Rows, random: np.random.RandomState, *, shuffle: bool) -> Callable[[], Rows]:
    """Return a function that gives each epoch's order: as in scikit-learn, the last order shuffled again."""
    order = rows

    def next_order() -> Rows:
        nonlocal order
        if shuffle:
            places = np.arange(len(rows))
            random.shuffle(places)
            order = order[places]
        return order

    return next_order


def _measure(estimator: Any, validation: TrainingData) -> Callable[[TrainingState], Mapping[str, float]]:
    def measure(state: TrainingState) -> Mapping[str, float]:
        outputs = estimator._outputs(state.engine.logits, validation.x)
        return {"validation_score": estimator._score(outputs, validation.targets, validation.sample_weight)}

    return measure
