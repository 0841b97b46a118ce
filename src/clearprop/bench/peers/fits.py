"""Fits of Clearprop's and scikit-learn's MLPClassifier with the same arguments."""

from __future__ import annotations

import importlib
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clearprop.bench.jobs import Answer, Job
from clearprop.bench.peers import BY_NAME
from clearprop.bench.rows import read_rows
from clearprop.bench.workloads import Workload
from clearprop.nn.scaling import PIXELS

MODULES = {"clearprop": "clearprop", "sklearn": "sklearn.neural_network"}
#: Fraction of stored numbers in sparse rows.
SPARSE_DENSITY = 0.001
#: Number of timed fits for data with fewer than ``SMALL`` rows; larger data is fitted once.
FITS, SMALL = 5, 10_000


def time_fits(job: Job) -> Answer:
    """Fit an estimator in this process; the first fit, of a single epoch, is not timed.

    Parameters
    ----------
    job : Job
        The contestant's variant selects the estimator; the seed is its ``random_state``.
    """
    workload = job.workload
    x, y = read_data(workload, Path(job.folder))
    estimator_class = importlib.import_module(MODULES[BY_NAME[job.contestant].variant]).MLPClassifier
    seconds: list[float] = []
    with warnings.catch_warnings():
        # a fixed number of epochs is not meant to converge
        warnings.simplefilter("ignore")
        for epochs in (1, *(workload.epochs,) * (FITS if len(y) < SMALL else 1)):
            estimator = estimator_class(
                hidden_layer_sizes=workload.layer_sizes[1:-1],
                solver=workload.optimizer,
                batch_size=workload.batch_size,
                learning_rate_init=workload.learning_rate,
                max_iter=epochs,
                n_iter_no_change=np.inf,
                random_state=job.seed,
            )
            started = time.perf_counter()
            estimator.fit(x, y)
            seconds.append(time.perf_counter() - started)
    losses = tuple(float(loss) for loss in estimator.loss_curve_)
    return Answer(seconds=statistics.median(seconds[1:]), losses=losses)


def read_data(workload: Workload, folder: Path) -> tuple[Any, NDArray[np.int64]]:
    """Return the scaled rows ``(n, features)``, dense or CSR, and their classes ``(n,)``."""
    if workload.data == "mnist":
        pixels, labels = read_rows(folder, workload.rows, test=False)
        return PIXELS.apply(pixels, np.dtype(workload.dtype)), labels
    from sklearn import datasets

    if workload.data == "digits":
        x, y = datasets.load_digits(return_X_y=True)
        return (x / 16).astype(workload.dtype), y
    features, classes = workload.layer_sizes[0], workload.layer_sizes[-1]
    if workload.data == "sparse":
        return sparse_table(workload.rows, features, classes, np.dtype(workload.dtype))
    x, y = datasets.make_classification(
        workload.rows, features, n_informative=20, n_classes=classes, random_state=0
    )
    return x.astype(workload.dtype), y


def sparse_table(
    n: int, features: int, classes: int, dtype: np.dtype[Any]
) -> tuple[csr_array, NDArray[np.int64]]:
    """Generate rows like counts of words: each class uses half of its words more often than others do."""
    rng = np.random.default_rng(0)
    per_row = max(2, int(SPARSE_DENSITY * features))
    y = rng.integers(0, classes, n)
    columns = rng.integers(0, features, (n, per_row))
    own = features // classes
    columns[:, : per_row // 2] = rng.integers(0, own, (n, per_row // 2)) + own * y[:, None]
    ends = np.arange(0, columns.size + 1, per_row)
    x = csr_array((rng.random(columns.size).astype(dtype), columns.ravel(), ends), shape=(n, features))
    x.sum_duplicates()
    return x, y
