"""Predictions on real images: genuine digits of MNIST in other files are known as well as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rerendered

import clearprop as cp
from clearprop.data import Dataset
from clearprop.data.images.mnist_preparation import prepare_image

# tests/soak/predictions.py takes all 10,000
N_REQUIRED, N_HARDER = 400, 100


@pytest.fixture(scope="module")
def some_digits(mnist: Dataset) -> tuple[np.ndarray, np.ndarray]:
    assert mnist.test is not None
    return mnist.test.x, mnist.test.y


def test_the_model_is_one_of_98_percent(mnist_model: cp.Model, mnist: Dataset) -> None:
    assert mnist.test is not None
    assert cp.evaluate(mnist_model, mnist.test).accuracy > 0.98


@pytest.mark.parametrize("variant", rerendered.REQUIRED)
def test_a_digit_in_another_file_is_known_as_well(
    variant: str, mnist_model: cp.Model, some_digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    x, y = (part[:N_REQUIRED] for part in some_digits)
    assert rerendered.accuracy(mnist_model, variant, x, y, tmp_path) > 0.95


@pytest.mark.parametrize("variant", rerendered.HARDER)
def test_a_digit_made_harder_to_see_is_mostly_known(
    variant: str, mnist_model: cp.Model, some_digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    x, y = (part[:N_HARDER] for part in some_digits)
    assert rerendered.accuracy(mnist_model, variant, x, y, tmp_path) > 0.92


def test_preparation_changes_an_mnist_image_little(some_digits: tuple[np.ndarray, np.ndarray]) -> None:
    x = some_digits[0][:300]
    prepared = np.array([prepare_image(row.reshape(28, 28)) for row in x])
    # of 255 grey levels, over all pixels; a shift by one pixel would be about 12
    assert np.abs(prepared.astype(int) - x).mean() < 0.5
    again = np.array([prepare_image(row.reshape(28, 28)) for row in prepared])
    assert np.abs(again.astype(int) - prepared).mean() < 0.2
