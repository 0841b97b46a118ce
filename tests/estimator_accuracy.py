"""How well Clearprop's estimators do beside scikit-learn's, on four small data sets, split by a seed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sklearn.neural_network
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import clearprop

DATA = {
    "wine": (datasets.load_wine, "MLPClassifier"),
    "breast cancer": (datasets.load_breast_cancer, "MLPClassifier"),
    "digits": (datasets.load_digits, "MLPClassifier"),
    "diabetes": (datasets.load_diabetes, "MLPRegressor"),
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Accuracy, or R² for a regression, on the quarter held out, one for each seed."""

    ours: list[float]
    theirs: list[float]

    @property
    def difference(self) -> float:
        """How far apart the means are."""
        return abs(float(np.mean(self.ours) - np.mean(self.theirs)))

    @property
    def spread(self) -> float:
        """The standard deviation of scikit-learn's scores over the seeds."""
        return float(np.std(self.theirs, ddof=1))


def compare(name: str, seeds: Sequence[int], max_iter: int, shift: int = 0) -> Scores:
    """Fit both libraries' estimators at their defaults.

    Parameters
    ----------
    name : str
        A key of ``DATA``.
    seeds : sequence of int
        Each splits the data, and is scikit-learn's ``random_state``.
    max_iter : int
    shift : int, default 0
        What Clearprop's ``random_state`` is more than scikit-learn's. With 0 both draw the same numbers, and
        train the same network; with another they train networks of their own.
    """
    load, estimator = DATA[name]
    x, y = load(return_X_y=True)
    scores: tuple[list[float], list[float]] = ([], [])
    for seed in seeds:
        x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=seed)
        for library, more, told in ((clearprop, shift, scores[0]), (sklearn.neural_network, 0, scores[1])):
            model = getattr(library, estimator)(max_iter=max_iter, random_state=seed + more)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
                fitted = make_pipeline(StandardScaler(), model).fit(x_train, y_train)
            told.append(float(fitted.score(x_test, y_test)))
    return Scores(*scores)
