"""Update rules of Programs: those of ``clearprop.nn.optimizers`` with a framework's epsilon, or rmsprop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.program import Program
from clearprop.nn.optimizers import Optimizer, with_coefficients

Array = NDArray[np.floating[Any]]


def rule_of(program: Program) -> Optimizer:
    """Return the rule that a program is trained with."""
    keras = program.framework == "keras"
    if program.optimizer == "rmsprop":
        decay, epsilon = (0.9, 1e-7) if keras else (0.99, 1e-8)
        return Optimizer(1, partial(_rmsprop_factors, decay=decay, epsilon=epsilon), _rmsprop)
    coefficients: Mapping[str, float] = {
        "momentum": program.momentum,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7 if keras else 1e-8,
    }
    return with_coefficients(program.optimizer, coefficients)


def _rmsprop_factors(learning_rate: float, step: int, *, decay: float, epsilon: float) -> tuple[float, ...]:
    return learning_rate, decay, epsilon


def _rmsprop(
    parameter: Array,
    gradient: Array,
    slots: list[Array],
    workspace: Array,
    learning_rate: float,
    decay: float,
    epsilon: float,
) -> None:
    """V ← α v + (1 - α) g²;  w ← w - η g / (√v + ε) (Tieleman and Hinton 2012)."""
    (square,) = slots
    np.multiply(gradient, gradient, out=workspace)
    workspace *= 1 - decay
    square *= decay
    square += workspace
    np.sqrt(square, out=workspace)
    workspace += epsilon
    gradient *= learning_rate
    gradient /= workspace
    parameter -= gradient
