"""The rows of the benchmark: MNIST if its files are present, else synthetic rows of the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.catalog import CATALOG
from clearprop.data.fetching import data_folder, look_up
from clearprop.data.loading import load_data

N_TRAIN, N_TEST = 60_000, 10_000
VALIDATION = 10_000
MNIST_SHAPE = (784, 10)
#: Fraction of wrong synthetic labels; without them losses would be so near 0 that 5% of them is noise.
WRONG_LABELS = 0.1


@dataclass(frozen=True, slots=True)
class Rows:
    """A folder of prepared rows.

    Attributes
    ----------
    description : str
        One sentence about the rows, for the results.
    folder : pathlib.Path
        Holds ``x.npy``, ``y.npy``, ``x_test.npy`` and ``y_test.npy``.
    files : dict of str to pathlib.Path
        MNIST's files by part (``x``, ``y``, ``x_test``, ``y_test``); empty if they are not present.
    """

    description: str
    folder: Path
    files: dict[str, Path]


def prepare_rows(folder: Path, layer_sizes: Sequence[int], data_dir: Path | None) -> Rows:
    """Write the rows into a folder, so that no process unpacks or generates them again.

    Parameters
    ----------
    folder : pathlib.Path
    layer_sizes : sequence of int
        Layer sizes of the network: first the number of features, last the number of classes.
    data_dir : pathlib.Path or None
        The first folder searched for MNIST's files. Nothing is downloaded.
    """
    shape = (layer_sizes[0], layer_sizes[-1])
    files = mnist_files(data_dir) if shape == MNIST_SHAPE else {}
    if files:
        dataset = load_data("mnist", data_dir, progress=False)
        train, rest, test = dataset.split(validation=VALIDATION, seed=0)
        assert rest is not None
        assert test is not None
        parts = {
            "x": np.concatenate([train.x, rest.x]),
            "y": np.concatenate([train.y, rest.y]),
            "x_test": test.x,
            "y_test": test.y,
        }
        description = "MNIST: the 50,000 training rows of the published split; above 60,000, its rows repeat."
    else:
        x, y = synthetic_rows(N_TRAIN + N_TEST, *shape)
        parts = {"x": x[:N_TRAIN], "y": y[:N_TRAIN], "x_test": x[N_TRAIN:], "y_test": y[N_TRAIN:]}
        description = "Synthetic rows of the shape of MNIST, since its files are not here"
        description += "; clearprop data get mnist brings them." if shape == MNIST_SHAPE else "."
    for name, array in parts.items():
        np.save(folder / f"{name}.npy", array)
    return Rows(description, folder, files)


def mnist_files(data_dir: Path | None) -> dict[str, Path]:
    """Return MNIST's verified files by part, or an empty dict if one is missing."""
    entry = CATALOG["mnist"]
    found = {part: look_up(entry, file, data_folder(data_dir)) for part, file in entry.files.items()}
    if any(local.state != "genuine" for local in found.values()):
        return {}
    return {part: local.path for part, local in found.items() if local.path is not None}


def synthetic_rows(n: int, features: int, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Generate rows like images: a fifth of the pixels set, some never set, one pattern for each class.

    Returns
    -------
    x : ndarray (n, features) of uint8
    y : ndarray (n,) of int64
        About a tenth are drawn at random, so that no network learns them all.
    """
    rng = np.random.default_rng(0)
    patterns = rng.random((classes, features)) < 0.3
    # like the border of MNIST's images
    patterns[:, : features // 12] = False
    y = rng.integers(0, classes, n)
    x = rng.integers(0, 256, (n, features), dtype=np.uint8)
    x[~patterns[y] | (x < 80)] = 0
    wrong = rng.random(n) < WRONG_LABELS
    return x, np.where(wrong, rng.integers(0, classes, n), y)


def read_rows(folder: Path, n: int, *, test: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the first n rows and labels of a prepared folder; beyond its size they repeat."""
    x, y = (_first(folder / f"{name}{'_test' if test else ''}.npy", n) for name in ("x", "y"))
    return x, y


def _first(path: Path, n: int) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r")
    return np.array(array[:n]) if n <= len(array) else np.resize(array, (n, *array.shape[1:]))
