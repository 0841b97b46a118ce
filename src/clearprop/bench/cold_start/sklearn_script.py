"""scikit-learn from a cold start to 98% on MNIST: files, a few learning rates, test accuracy.

Usage: python sklearn_script.py IMAGES LABELS TEST_IMAGES TEST_LABELS HIDDEN SEED
with the files of MNIST, gzipped or not, and the sizes of the hidden layers, such as 500,250,100.
"""

from __future__ import annotations

import gzip
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

#: Adam has no schedule in scikit-learn, so `warm_start` goes on with a lower rate: one epoch each.
#: Three of them reach 98% with some seeds only.
RATES = (0.004, 0.003, 0.001, 0.0002)
BATCH_SIZE = 160


def read(path: str, header: int) -> NDArray[Any]:
    """Return the bytes of an IDX file after its header."""
    data = Path(path).read_bytes()
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    return np.frombuffer(data, np.uint8, offset=header)


def main() -> None:
    """Train and print the test accuracy."""
    *paths, hidden, seed = sys.argv[1:]
    x, x_test = (read(path, 16).reshape(-1, 784) / np.float32(255) for path in paths[::2])
    y, y_test = (read(path, 8) for path in paths[1::2])
    # one source of randomness for all epochs: a number would shuffle each of them alike
    rng = np.random.RandomState(int(seed))
    sizes = tuple(map(int, hidden.split(",")))
    classifier = MLPClassifier(
        sizes, alpha=0.0, batch_size=BATCH_SIZE, max_iter=1, warm_start=True, random_state=rng
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for rate in RATES:
            classifier.set_params(learning_rate_init=rate).fit(x, y)
    print(f"accuracy: {classifier.score(x_test, y_test):.4f}")


if __name__ == "__main__":
    main()
