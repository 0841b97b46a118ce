"""Optimizer memory that decays is set to zero before it is subnormal, which slows processors down."""

from __future__ import annotations

import numpy as np
import pytest

from clearprop.nn.optimizers import FADING_STEPS, OPTIMIZERS, forget_faded, with_coefficients
from clearprop.nn.recipe import Recipe

REMEMBER = sorted(name for name, rule in OPTIMIZERS.items() if rule.n_slots)


def run(name: str, dtype: str, *, forgetting: bool, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return parameters and memory after one gradient, and then none, but for one in the middle."""
    rule = with_coefficients(name, Recipe(optimizer=name).to_dict())
    parameter = np.linspace(-1, 1, 8).astype(dtype)
    slots = [np.zeros(8, dtype) for _ in range(rule.n_slots)]
    for step in range(1, steps + 1):
        gradient = np.zeros(8, dtype)
        if step in (1, steps // 2):
            gradient[:] = np.linspace(1e-3, 1, 8)
        rule.update(parameter, gradient, slots, 0.01, step, np.empty(8, dtype))
        if forgetting and step % FADING_STEPS == 0:
            forget_faded(slots)
    return parameter, slots


@pytest.mark.parametrize("name", REMEMBER)
@pytest.mark.parametrize(("dtype", "steps"), [("float32", 3_000), ("float64", 20_000)])
def test_dropping_faded_moments_changes_no_parameter(name: str, dtype: str, steps: int) -> None:
    plain, remembered = run(name, dtype, forgetting=False, steps=steps)
    forgetful, left = run(name, dtype, forgetting=True, steps=steps)
    assert (plain == forgetful).all()
    # without it there would be something to forget
    tiny = np.finfo(dtype).tiny
    assert (np.abs(remembered[0]) > 0).all()
    assert (np.abs(remembered[0]) < tiny).all()
    assert not left[0].any()


@pytest.mark.parametrize("name", REMEMBER)
def test_nothing_that_fades_is_ever_subnormal(name: str) -> None:
    tiny = np.finfo("float32").tiny
    for steps in range(500, 1_500, 50):
        _, slots = run(name, "float32", forgetting=True, steps=steps)
        for slot in slots:
            assert ((slot == 0) | (np.abs(slot) >= tiny)).all()


def test_second_moment_is_kept_as_long_as_the_first() -> None:
    mean, square = np.array([1e-20, 1e-31, 0.0, -1e-31], "float32"), np.full(4, 1e-40, "float32")
    before = square.copy()
    forget_faded([mean, square])
    assert mean.tolist() == [np.float32(1e-20), 0, 0, 0]
    assert square.tolist() == [before[0], 0, 0, 0]
    square = np.full(4, 1e-20, "float32")
    forget_faded([mean, square])
    assert (square == np.float32(1e-20)).all()


def test_a_rule_that_remembers_nothing_has_nothing_to_forget() -> None:
    forget_faded([])
