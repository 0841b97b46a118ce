"""scikit-learn as its experts use it: one `fit` on float32 rows, without early stopping or regularisation."""

from __future__ import annotations

import time
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from clearprop.bench.peers.base import Predictor, Task, Training


class _Shuffling(np.random.RandomState):
    """A random state that records when each epoch begins, and shuffles into the task's order.

    scikit-learn shuffles the result of its last shuffle: the row at position k becomes ``before[x[k]]``.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task.seed)
        self._orders = task.orders()
        self._position_before = np.arange(len(task.x))
        self.stamps: list[float] = []

    def shuffle(self, x: Any) -> None:
        self.stamps.append(time.perf_counter())
        if len(x) != len(self._position_before):
            # the first fit, to one row of each class
            super().shuffle(x)
            return
        order = next(self._orders)
        x[:] = self._position_before[order]
        self._position_before[order] = np.arange(len(order))


def train(task: Task) -> Training:
    """Train in one ``fit``; its checks before the first epoch are not timed."""
    shuffling = _Shuffling(task)
    classifier = _classifier(task, shuffling)
    x = task.scaled()
    shuffling.stamps.clear()
    with warnings.catch_warnings():
        # it warns that it has not converged after the requested epochs
        warnings.simplefilter("ignore")
        classifier.fit(x, task.y)
    stamps = [*shuffling.stamps, time.perf_counter()]
    seconds = [end - start for start, end in pairwise(stamps)]
    return Training(seconds, [float(loss) for loss in classifier.loss_curve_[-task.epochs :]])


def predictor(task: Task) -> Predictor:
    """Predict from float32 rows."""
    return Predictor(_classifier(task, _Shuffling(task)).predict, task.scaled())


def _classifier(task: Task, shuffling: _Shuffling) -> MLPClassifier:
    """Return a classifier that continues from the task's parameters.

    It has no argument for them, so it is first fitted to one row of each class. Then its public ``coefs_``
    and ``intercepts_`` are replaced, and ``warm_start`` continues from them with a new optimizer.
    """
    classifier = MLPClassifier(
        hidden_layer_sizes=task.layer_sizes[1:-1],
        activation="relu",
        solver=task.optimizer,
        alpha=0.0,
        batch_size=task.batch_size,
        learning_rate_init=task.learning_rate,
        momentum=0.0,
        nesterovs_momentum=False,
        max_iter=1,
        # disables early stopping: no training has that many epochs without progress
        tol=0.0,
        n_iter_no_change=task.epochs,
        random_state=shuffling,
        warm_start=True,
    )
    _, first_rows = np.unique(task.y, return_index=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier.fit(task.scaled()[first_rows], task.y[first_rows])
    classifier.coefs_ = [weight.copy() for weight, _ in task.parameters]
    classifier.intercepts_ = [bias.copy() for _, bias in task.parameters]
    return classifier.set_params(max_iter=task.epochs)
