"""Activations and their derivatives, right and mistaken, as functions of one array."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from clearprop.check.formulas.base import Array, Atom, Formula, Variant, single, table

Function = Callable[[Array], Array]


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0, -x))


def relu(x: Array) -> Array:
    """max(0, x)."""
    return np.maximum(x, 0)


def step(x: Array) -> Array:
    """1 where x > 0, else 0."""
    return np.where(x > 0, 1.0, 0.0)


def identity(x: Array) -> Array:
    """Return x."""
    return x


# name: (g(a), g'(a), g' from the output h)
ACTIVATIONS: Mapping[str, tuple[Function, Function, Function]] = {
    "sigmoid": (sigmoid, lambda a: sigmoid(a) * (1 - sigmoid(a)), lambda h: h * (1 - h)),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2, lambda h: 1 - h**2),
    "relu": (relu, step, step),
    "identity": (identity, np.ones_like, np.ones_like),
}

# mistaken forms of each activation; the key completes "it returns ..."
WRONG_ACTIVATIONS: Mapping[str, Mapping[str, Function]] = {
    "sigmoid": {
        "1 / (1 + exp(x)), the sign of x is missing": lambda x: sigmoid(-x),
        "1 / (1 - exp(-x))": lambda x: 1 / (1 - np.exp(-x)),
        "exp(-x)": lambda x: np.exp(-x),
        "1 + exp(-x)": lambda x: 1 + np.exp(-x),
        "exp(x)": np.exp,
        "tanh(x)": np.tanh,
        "its derivative": lambda x: sigmoid(x) * (1 - sigmoid(x)),
        "x itself": identity,
    },
    "tanh": {
        "the sigmoid": sigmoid,
        "-tanh(x)": lambda x: -np.tanh(x),
        "tanh(x / 2)": lambda x: np.tanh(x / 2),
        "tanh(2 x)": lambda x: np.tanh(2 * x),
        "1 / tanh(x)": lambda x: 1 / np.tanh(x),
        "sinh(x)": np.sinh,
        "cosh(x)": np.cosh,
        "its derivative": lambda x: 1 - np.tanh(x) ** 2,
        "x itself": identity,
    },
    "relu": {
        "min(0, x)": lambda x: np.minimum(x, 0),
        "|x|": np.abs,
        "x itself": identity,
        "its derivative, 1 where x > 0": step,
        "max(0.01 x, x), the leaky variant": lambda x: np.where(x > 0, x, 0.01 * x),
        "max(1, x)": lambda x: np.maximum(x, 1),
        "x only where x > 1": lambda x: np.where(x > 1, x, 0),
        "max(0, -x)": lambda x: np.maximum(0, -x),
        "max(-1, x)": lambda x: np.maximum(x, -1),
        "-max(0, x)": lambda x: -relu(x),
        "x clipped to [0, 1]": lambda x: np.clip(x, 0, 1),
    },
}

WRONG_DERIVATIVES: Mapping[str, Mapping[str, Function]] = {
    "sigmoid": {
        "σ(x) (1 - x)": lambda x: sigmoid(x) * (1 - x),
        "x (1 - σ(x))": lambda x: x * (1 - sigmoid(x)),
        "σ(x) (1 + σ(x))": lambda x: sigmoid(x) * (1 + sigmoid(x)),
        "σ(x) itself": sigmoid,
        "1 - σ(x)": lambda x: 1 - sigmoid(x),
        "σ(x) (σ(x) - 1), the sign is wrong": lambda x: sigmoid(x) * (sigmoid(x) - 1),
        "1 - σ(x)²": lambda x: 1 - sigmoid(x) ** 2,
        "σ(x) + 1 - σ(x)": np.ones_like,
        "σ²(x)": lambda x: sigmoid(x) ** 2,
        "σ(x) - σ(x) σ(σ(x))": lambda x: sigmoid(x) * (1 - sigmoid(sigmoid(x))),
        "the derivative at σ(x), the sigmoid is taken twice": lambda x: (
            sigmoid(sigmoid(x)) * (1 - sigmoid(sigmoid(x)))
        ),
        "the derivative of tanh": lambda x: 1 - np.tanh(x) ** 2,
        "x (1 + x)": lambda x: x * (1 + x),
        "1 - x": lambda x: 1 - x,
        "x (x - 1), the sign is wrong": lambda x: x * (x - 1),
        "exp(-x) / (1 + exp(-x))": lambda x: sigmoid(-x),
        "x σ(x)": lambda x: x * sigmoid(x),
    },
    "tanh": {
        "1 - tanh(x), without the square": lambda x: 1 - np.tanh(x),
        "1 + tanh(x)²": lambda x: 1 + np.tanh(x) ** 2,
        "tanh(x)² - 1, the sign is wrong": lambda x: np.tanh(x) ** 2 - 1,
        "tanh(x)²": lambda x: np.tanh(x) ** 2,
        "tanh(x)": np.tanh,
        "1 - 2 tanh(x)": lambda x: 1 - 2 * np.tanh(x),
        "(1 - tanh(x))²": lambda x: (1 - np.tanh(x)) ** 2,
        "tanh(x) (1 - tanh(x)), the sigmoid's formula": lambda x: np.tanh(x) * (1 - np.tanh(x)),
        "1 - tanh(x²)": lambda x: 1 - np.tanh(x**2),
        "the derivative at tanh(x), tanh is taken twice": lambda x: 1 - np.tanh(np.tanh(x)) ** 2,
        "1 - x, without the square": lambda x: 1 - x,
        "1 + x²": lambda x: 1 + x**2,
        "x² - 1, the sign is wrong": lambda x: x**2 - 1,
        "1 - tanh(x)³": lambda x: 1 - np.tanh(x) ** 3,
        "the sigmoid's derivative": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    },
    "relu": {
        "relu itself": relu,
        "1 where x < 0": lambda x: np.where(x < 0, 1.0, 0.0),
        "1 everywhere": np.ones_like,
        "0 everywhere": np.zeros_like,
        "x itself": identity,
        "the sign of x": np.sign,
        "0.01 where x < 0, the leaky variant": lambda x: np.where(x > 0, 1.0, 0.01),
        "1 where x > 1": lambda x: np.where(x > 1, 1.0, 0.0),
        "-1 where x > 0": lambda x: np.where(x > 0, -1.0, 0.0),
        "1 where 0 < x < 1": lambda x: np.where((x > 0) & (x < 1), 1.0, 0.0),
    },
}


def activation(name: str) -> Formula:
    """Return the formula of an activation: values ``x``, output ``out``."""
    wrong = WRONG_ACTIVATIONS[name]
    atoms = [Atom(f"{name}_wrong", {"form": form}, f"it returns {form}") for form in wrong]
    return Formula(table("x", ACTIVATIONS[name][0], wrong), single(atoms), otherwise=f"{name}_wrong")


def derivative(name: str) -> Formula:
    """Return the formula of a derivative: values ``x``, output ``out``.

    The setting "argument" says whether the function takes the pre-activation a or the output h; where both
    give the same, as for relu, the first is reported.
    """
    _, of_input, of_output = ACTIVATIONS[name]
    wrong = dict(WRONG_DERIVATIVES[name])
    atoms = [Atom(f"{name}_derivative_wrong", {"form": form}, f"it returns {form}") for form in wrong]
    wrong["output"] = of_output
    notes = {
        "sigmoid": ("given the pre-activation", "given the output, h (1 - h)"),
        "tanh": ("given the pre-activation", "given the output, 1 - h²"),
        "relu": ("", ""),
    }
    right = (Variant(notes[name][0]), Variant(notes[name][1], {"form": "output"}))
    return Formula(table("x", of_input, wrong), single(atoms), right, f"{name}_derivative_wrong")
