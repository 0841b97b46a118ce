"""The table of activations: values, derivatives and limits; every test runs for every activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from clearprop.nn.activations import ACTIVATIONS

Array = NDArray[np.floating[Any]]
EVERY_ACTIVATION = pytest.mark.parametrize("name", ACTIVATIONS)
BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# how each one is written in a textbook, and what it tends to at -∞ and +∞
FORMULAS = {
    "identity": (lambda x: x, -np.inf, np.inf),
    "relu": (lambda x: np.where(x > 0, x, 0), 0, np.inf),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), -np.inf, np.inf),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 0, 1),
    "tanh": (lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), -1, 1),
}


def value(name: str, x: Array) -> Array:
    output = x.copy()
    ACTIVATIONS[name].value(output)
    return output


@EVERY_ACTIVATION
def test_the_value_is_that_of_the_formula(name: str) -> None:
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(value(name, x), FORMULAS[name][0](x), rtol=1e-13, atol=1e-15)


@EVERY_ACTIVATION
@given(x=hnp.arrays(np.float64, 20, elements=st.floats(-4, 4)))
def test_the_derivative_is_that_of_central_differences(name: str, x: Array) -> None:
    # away from the kink that some have at 0
    x = np.where(np.abs(x) < 0.01, 0.5, x)
    step = 1e-6
    expected = (value(name, x + step) - value(name, x - step)) / (2 * step)
    gradient = np.full(20, 3.0)
    ACTIVATIONS[name].times_derivative(gradient, value(name, x))
    np.testing.assert_allclose(gradient, 3 * expected, rtol=1e-6, atol=1e-8)


@EVERY_ACTIVATION
@BOTH_TYPES
def test_any_input_has_an_output_without_a_warning(name: str, dtype: type) -> None:
    x = np.array([-np.inf, np.inf, np.nan, np.finfo(dtype).min, np.finfo(dtype).max, -0.0], dtype)
    _, lowest, highest = FORMULAS[name]
    with np.errstate(all="raise", under="ignore"):
        output = value(name, x)
    assert output.dtype == dtype
    np.testing.assert_array_equal(output[:3], np.array([lowest, highest, np.nan], dtype))
    assert np.isfinite(output[3:]).all()


@EVERY_ACTIVATION
@BOTH_TYPES
def test_value_and_derivative_are_those_of_torch(name: str, dtype: type) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is an extra and is not installed here")
    x = np.array([-30, -2, -0.5, 0, 0.5, 2, 30], dtype)
    signal = torch.tensor(x, requires_grad=True)
    expected = getattr(torch.nn, ACTIVATIONS[name].torch)()(signal)
    expected.sum().backward()
    output, gradient = value(name, x), np.ones_like(x)
    np.testing.assert_allclose(output, expected.detach().numpy(), rtol=1e-6)
    ACTIVATIONS[name].times_derivative(gradient, output.copy())
    np.testing.assert_allclose(gradient, signal.grad.numpy(), rtol=1e-5, atol=1e-7)


@EVERY_ACTIVATION
def test_any_memory_layout_is_accepted(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(6, 8))
    strided = np.repeat(x, 2, axis=1)[:, ::2]
    for layout in (np.asfortranarray(x), strided):
        np.testing.assert_array_equal(value(name, x), value(name, layout))
