"""Rows of scikit-learn's embedded data sets, split into rows to train on and rows held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets


class Rows(NamedTuple):
    """Rows ``x`` with targets ``y`` to train on, and a pair of the same held out."""

    x: NDArray
    y: NDArray
    test: tuple[NDArray, NDArray]


def split(x: NDArray, y: NDArray, share: float = 0.7, seed: int = 0) -> Rows:
    """Shuffle the rows and hold out all but a share of them."""
    order = np.random.default_rng(seed).permutation(len(x))
    n = round(share * len(x))
    train, test = order[:n], order[n:]
    return Rows(x[train], y[train], (x[test], y[test]))


def one_hot(numbers: NDArray, n_classes: int | None = None) -> NDArray:
    """Return class numbers as rows of 0 and 1."""
    return np.eye(n_classes or int(numbers.max()) + 1, dtype=np.float32)[np.asarray(numbers, int)]


def digits(share: float = 0.7, seed: int = 0) -> Rows:
    """1,797 images of 8 x 8 pixels from 0 to 16, ten classes."""
    return split(*datasets.load_digits(return_X_y=True), share, seed)


def iris(share: float = 0.7, seed: int = 0) -> Rows:
    """150 flowers, 4 lengths in centimetres, three classes."""
    return split(*datasets.load_iris(return_X_y=True), share, seed)


def wine(share: float = 0.7, seed: int = 0) -> Rows:
    """178 wines, 13 measurements from 0.1 to 1,680, three classes."""
    return split(*datasets.load_wine(return_X_y=True), share, seed)


def breast_cancer(share: float = 0.7, seed: int = 0) -> Rows:
    """569 tumours, 30 measurements from 0.001 to 4,254, two classes."""
    return split(*datasets.load_breast_cancer(return_X_y=True), share, seed)


def diabetes(share: float = 0.7, seed: int = 0) -> Rows:
    """442 patients, 10 columns of size 0.05, a number from 25 to 346."""
    return split(*datasets.load_diabetes(return_X_y=True), share, seed)


def diabetes_as_measured(share: float = 0.7, seed: int = 0) -> Rows:
    """442 patients, 10 columns in years, kg/m² and mg/dl, a number from 25 to 346."""
    return split(*datasets.load_diabetes(return_X_y=True, scaled=False), share, seed)
