"""Convergence of a stochastic fit: scikit-learn's rules for stopping and the learning rate, as a callback."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from clearprop.estimator.parameters import SGD_SOLVERS
from clearprop.nn.parameters import Parameters
from clearprop.nn.schedules import ENDLESS
from clearprop.training.callbacks import Callback, TrainingState

#: An adaptive learning rate is divided by ADAPTIVE_STEP; at ADAPTIVE_END or below, training stops instead.
ADAPTIVE_STEP, ADAPTIVE_END = 5.0, 1e-6


class Convergence(Callback):
    """Updates the estimator's fitted attributes after every epoch, and stops the training by its rules.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its ``loss_curve_``, ``best_loss_``, ``validation_scores_`` and so on grow as training goes.
    incremental : bool
        Whether this is a ``partial_fit``: a single epoch, which need not converge.
    restore_best : bool
        Whether to keep the parameters of the best epoch.
    start : Parameters
        The parameters before training: the best ones until an epoch is better.

    Attributes
    ----------
    best, latest : Parameters
        Those of the best epoch, if ``restore_best``, and those of the latest complete epoch: an interrupted
        engine may be in the middle of a step.
    """

    def __init__(self, estimator: Any, *, incremental: bool, restore_best: bool, start: Parameters) -> None:
        self._estimator = estimator
        self._incremental = incremental
        self._restore_best = restore_best
        self.best = self.latest = start
        self._rule = estimator.learning_rate if estimator.solver in SGD_SOLVERS else "constant"

    def on_train_begin(self, state: TrainingState) -> None:
        """Continue with the learning rate of an earlier ``partial_fit``."""
        state.learning_rate_scale = self._estimator._learning_rate_scale

    def on_epoch_end(self, state: TrainingState) -> None:
        """Update the fitted attributes, check for an improvement, and set the next learning rate."""
        estimator, record = self._estimator, state.history.epochs[-1]
        self.latest = state.engine.parameters()
        estimator.n_iter_ += 1
        estimator.t_ += state.n_rows
        estimator.loss_ = estimator._reported_loss(record["train_loss"], state)
        estimator.loss_curve_.append(estimator.loss_)
        self._tell(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        self._count(state, record.get("validation_score"))
        if self._rule == "invscaling":
            self._scale(state, 1 / (estimator.t_ + 1) ** estimator.power_t)
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._no_better(state)
        # a schedule is complete after max_iter epochs, so reaching them needs no warning
        endless = state.recipe.schedule in ENDLESS
        if endless and not (state.stop or self._incremental) and estimator.n_iter_ == estimator.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) "
                "reached and the optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def diverged(self) -> None:
        """Note an epoch in which the loss stopped being finite; the best parameters stay."""
        estimator = self._estimator
        estimator.n_iter_ += 1
        estimator.loss_ = math.nan
        estimator.loss_curve_.append(math.nan)
        if estimator.validation_scores_ is not None:
            estimator.validation_scores_.append(math.nan)
        warnings.warn(
            f"Stochastic Optimizer: the loss became NaN or infinite in iteration {estimator.n_iter_}, so "
            "training stopped with the best weights before that; choose a smaller learning_rate_init, or "
            "scale the data.",
            ConvergenceWarning,
            stacklevel=2,
        )

    def _count(self, state: TrainingState, score: float | None) -> None:
        """Count the epochs in a row without progress, by the score when stopping early, else by the loss."""
        estimator = self._estimator
        better = False
        if score is not None:
            estimator.validation_scores_.append(score)
            self._tell(f"Validation score: {score:.6f}")
            stuck = score < estimator.best_validation_score_ + estimator.tol
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
                better = True
        if not estimator.early_stopping:
            stuck = estimator.loss_ > estimator.best_loss_ - estimator.tol
            better_loss = estimator.loss_ < estimator.best_loss_
            if better_loss:
                estimator.best_loss_ = estimator.loss_
            better = better if score is not None else better_loss
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if stuck else 0
        if better and self._restore_best:
            self.best = self.latest

    def _no_better(self, state: TrainingState) -> None:
        """Stop, or take a smaller learning rate where it is adaptive."""
        estimator = self._estimator
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        rate = estimator.learning_rate_init * state.learning_rate_scale
        if self._rule != "adaptive" or rate <= ADAPTIVE_END:
            self._tell(
                f"{message}{' Learning rate too small.' if self._rule == 'adaptive' else ''} Stopping."
            )
            state.stop = True
            return
        self._scale(state, state.learning_rate_scale / ADAPTIVE_STEP)
        self._tell(f"{message} Setting learning rate to {rate / ADAPTIVE_STEP:f}")
        estimator._no_improvement_count = 0

    def _scale(self, state: TrainingState, scale: float) -> None:
        """Take another learning rate from here on.

        scikit-learn's velocity is a sum of past steps, learning rate included; the engine's is a sum of
        gradients. Scaling it by old rate / new rate leaves the past steps unchanged.
        """
        ratio = state.learning_rate_scale / scale
        state.learning_rate_scale = self._estimator._learning_rate_scale = scale
        state.engine.load_state(
            {
                name: array if name == "step" else np.asarray(array * ratio, array.dtype)
                for name, array in state.engine.state().items()
            }
        )

    def _tell(self, line: str) -> None:
        if self._estimator.verbose:
            print(line)
