"""What the tests share: where real data lies, and seeds that never move."""

from __future__ import annotations

import os

# the tests run in several processes at once: if each of them started a thread for every core, they would
# wait for one another most of the time. The libraries read this once, when they are first imported.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from clearprop import Model, load, train
from clearprop.data import Dataset, load_data
from clearprop.training.recipe_files import load_recipe
from clearprop.training.settings import decide

# two cores shared with other workers: a slow example is no defect, a random one would be
settings.register_profile("clearprop", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("clearprop")

MNIST_FILE = "train-images-idx3-ubyte.gz"


def _find_mnist() -> Path | None:
    named = os.environ.get("CLEARPROP_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    for folder in ([Path(named)] if named else []) + [beside]:
        for candidate in (folder / "mnist", folder):
            if (candidate / MNIST_FILE).is_file():
                return candidate
    return None


# each begins with a process of many seconds that its other tests wait for: run first, and so by one worker
# of pytest-xdist, it delays nobody at the end
LONG_FILES = ("test_wheel.py", "test_notebook.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that take longest first."""
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """Return the folder with the genuine MNIST files, or skip."""
    folder = _find_mnist()
    if folder is None:
        pytest.skip("the genuine MNIST files are not here; set CLEARPROP_DATA to a folder that holds mnist/")
    return folder


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """Return the embedded digits: 1,437 rows and a test set of 360."""
    return load_data("digits")


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> Dataset:
    """Return the genuine MNIST: 60,000 rows and a test set of 10,000."""
    return load_data("mnist", data_dir=mnist_folder)


@pytest.fixture(scope="session")
def mnist_model(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return what the recipe fast makes of MNIST, trained once for all the processes of a test session."""
    shared = tmp_path_factory.getbasetemp().parent / "mnist-fast.safetensors"
    if shared.exists():
        return load(shared)
    decided = decide(load_recipe("fast").given(), mnist.n_features, mnist.n_classes, seed=0)
    rows, _, _ = mnist.split(validation=0, seed=0)
    model = train(decided.network, decided.recipe, rows, dtype=decided.dtype, progress=False).model
    # written under another name first, so that no process reads half of it
    model.save(shared)
    return model


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that gives every test the same numbers."""
    return np.random.default_rng(20240229)
