"""Backward pass of a network with switches for each layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.check.formulas.base import Array, Outputs, Settings, Values
from clearprop.check.formulas.elementwise import ACTIVATIONS, WRONG_DERIVATIVES
from clearprop.check.formulas.network import layers


def _slope(values: Values, i: int, settings: Settings) -> Array | float:
    """Return g'(a_i), or what the setting ("slope", i) makes of it."""
    form = settings.get(("slope", i), settings.get("slope", "right"))
    output = i == layers(values)
    name = values["output"] if output else values["hidden"]
    _, of_input, of_output = ACTIVATIONS[name if name != "softmax" else "sigmoid"]
    a, h = values[f"a{i}"], values[f"h{i}"]
    if form == "right":
        return of_input(a)
    if form == "missing":
        return 1.0
    if form == "divides":
        return 1 / of_input(a)
    if form == "at the output":
        return of_input(h)
    if form == "output's form at the input":
        return of_output(a)
    if form in ACTIVATIONS:
        return ACTIVATIONS[form][1](a)
    if form.startswith("output of "):
        return ACTIVATIONS[form.removeprefix("output of ")][2](h)
    if form == "activation":
        return h
    if form == "pre-activation":
        return a
    if form in ("of layer above", "of layer below"):
        j = i + 1 if form == "of layer above" else i - 1
        if j == 0:
            return of_input(values["x"])
        return of_input(values[f"a{j}"])
    where, wrong = form.split(":", 1)
    return WRONG_DERIVATIVES[name][wrong](a if where == "a" else h)


def _output_delta(values: Values, settings: Settings) -> Array:
    """Return ∂L/∂a_k, not averaged, or a mistaken form of it."""
    k = layers(values)
    p, truth, form = values[f"h{k}"], values["truth"], settings.get("output", "right")
    error = p - truth
    if values["cost"] == "quadratic":
        if form == "cross-entropy":
            return error
        error = error * (2 if form == "doubled" else 1)
        return error * _slope(values, k, settings)
    if form == "times p (1 - p)":
        return error * p * (1 - p)
    if form == "times hidden derivative":
        return error * ACTIVATIONS[values["hidden"]][1](values[f"a{k}"])
    if form == "times hidden derivative of p":
        return error * ACTIVATIONS[values["hidden"]][2](p)
    if form == "times hidden derivative at p":
        return error * ACTIVATIONS[values["hidden"]][1](p)
    if form == "times sigmoid derivative":
        return error * ACTIVATIONS["sigmoid"][1](values[f"a{k}"])
    if form == "times jacobian":
        return p * (error - np.sum(error * p, axis=1, keepdims=True))
    if form == "jacobian missing":
        return -truth / p
    if form == "pre-activation":
        return values[f"a{k}"] - truth
    if form == "p alone":
        return p
    if form == "sum":
        return p + truth
    if form == "squared":
        return error**2
    if form == "doubled":
        return 2 * error
    return error


def _layer_input(values: Values, i: int, form: str) -> Array:
    """Return h_{i-1}, the input of layer i, or a mistaken one."""
    names = {"a": f"a{i - 1}", "own": f"h{i}", "own a": f"a{i}", "skip": f"h{i - 2}", "x": "x"}
    name = names.get(form, f"h{i - 1}")
    return values["x" if name == "h0" else name]


def _weights(values: Values, i: int, settings: Settings, gradient: Array) -> Array:
    """Return w_iᵀ, which carries δ_i back, or a mistaken matrix; a number is the rate of a hasty update."""
    form = settings.get(("w", i), settings.get("w", "right"))
    if isinstance(form, float):
        updated: Array = (values[f"w{i}"] - form * gradient).T
        return updated
    if form == "not transposed":
        weight: Array = values[f"w{i}"]
        return weight
    other = {"below": i - 1, "above": i + 1}.get(form, i)
    transposed: Array = values[f"w{other}"].T
    return transposed


def _bias_gradient(delta: Array, form: str) -> Array:
    """Return Σ_rows δ, or a mistaken form of it."""
    forms: dict[str, Callable[[Array], Array]] = {
        "everything": np.sum,
        "nothing": lambda d: d,
        "units": lambda d: np.sum(d, axis=1),
        "mean": lambda d: np.mean(d, axis=0),
        "mean of everything": np.mean,
        "first": lambda d: d[0],
        "last": lambda d: d[-1],
        "max": lambda d: np.max(d, axis=0),
    }
    return np.asarray(forms[form](delta) if form in forms else np.sum(delta, axis=0))


def backward_outputs(values: Values, settings: Settings) -> Outputs:
    """δ_k = p - t and δ_{i-1} = (δ_i w_iᵀ) ⊙ g'(a_{i-1}); ∂L/∂w_i = h_{i-1}ᵀ δ_i / n, ∂L/∂b_i = Σ δ_i / n.

    Settings: "output" and ("slope", i), ("w", i), ("in", i), ("bias", i) pick mistaken parts; "sign" and
    "delta sign" are factors; ("scale", name) multiplies one gradient; "average" is "sum" or "twice", for
    "weights" or "biases" alone ("average", "weights"); ("transposed", i).
    """
    k, n = layers(values), len(values["x"])
    mean = values.get("mean", True)
    delta = _output_delta(values, settings)
    found: dict[str, Any] = {}
    for i in range(k, 0, -1):
        signed = delta * settings.get("delta sign", 1)
        source = _layer_input(values, i, settings.get(("in", i), settings.get("in", "h")))
        weight = source.T @ signed
        if settings.get(("transposed", i), settings.get("transposed", False)):
            weight = weight.T
        found[f"dw{i}"] = weight
        found[f"db{i}"] = _bias_gradient(signed, settings.get(("bias", i), settings.get("bias", "right")))
        if i > 1:
            back = _weights(values, i, settings, weight / (n if mean else 1))
            carried = delta @ back
            delta = carried * _slope(values, i - 1, settings)
            if ("slope added", i - 1) in settings:
                delta = carried + _slope(values, i - 1, settings)
            delta = delta * settings.get(("delta scale", i - 1), 1)
    for name in found:
        kind = "weights" if name[1] == "w" else "biases"
        average = settings.get(("average", name), settings.get(("average", kind), settings.get("average")))
        divisor = {
            "sum": 1,
            "twice": n * (n if mean else 1),
            "multiplied": 1 / n,
            "half": 2 * n,
            "features": values["x"].shape[1],
            "classes": values["truth"].shape[1],
        }.get(str(average), n if mean else 1)
        factor = settings.get(("sign", name), settings.get(("sign", kind), settings.get("sign", 1)))
        found[name] = found[name] * factor / divisor
    return {name: found[name] for i in range(1, k + 1) for name in (f"dw{i}", f"db{i}")}
