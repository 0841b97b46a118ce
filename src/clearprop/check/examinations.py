"""From a function's role to the calls that examine it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.check import probes
from clearprop.check.calling import Caller, Examination, Probe, Subject, simple
from clearprop.check.calls import Result
from clearprop.check.formulas import data, elementwise, layers, steps
from clearprop.check.formulas.softmax import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, SOFTMAX
from clearprop.check.passes import backward, batch_update, depth_of, forward, update

# ---- One role after another ----------------------------------------------------------------------------


def _elementwise(subject: Subject) -> list[Examination]:
    function = subject.function
    assert function.of is not None
    formula = (
        elementwise.activation(function.of)
        if function.role == "activation"
        else elementwise.derivative(function.of)
    )
    main = simple(subject, formula, {"x": probes.numbers(5, 7, 4)})
    stable: tuple[tuple[str, Probe], ...] = ()
    if function.role == "activation" and function.of == "sigmoid":
        extreme = {"x": np.array([[-1000.0, -60.0, 0.5], [60.0, 800.0, 1000.0]])}
        stable = (("sigmoid_unstable", simple(subject, formula, extreme)),)
    return [Examination(formula, (main,), stable=stable)]


def _softmax(subject: Subject) -> list[Examination]:
    shapes = ((7, 4), (3, 5))
    plain = [simple(subject, SOFTMAX, {"x": probes.numbers(6 + i, *s)}) for i, s in enumerate(shapes)]
    cube = simple(subject, SOFTMAX, {"x": probes.numbers(9, 5, 5)})
    extreme = {
        "x": np.array([[1000.0, 0.0, -1000.0, 998.0], [999.0, 1000.0, 5.0, 1.0], [7.0, 999.5, 0.0, 1000.0]])
    }
    return [
        Examination(
            SOFTMAX, (*plain, cube), stable=(("softmax_unstable", simple(subject, SOFTMAX, extreme)),)
        )
    ]


def _loss(subject: Subject) -> list[Examination]:
    binary = subject.function.role == "binary_loss"
    formula = BINARY_CROSS_ENTROPY if binary else CROSS_ENTROPY
    found = []
    for seed, n in ((3, 7), (4, 11)):
        classes = 1 if binary else 10
        p = np.random.default_rng(seed).uniform(0.15, 0.9, size=(n, classes))
        p = p if binary else p / p.sum(axis=1, keepdims=True)
        labels = probes.labels(n, 10, seed)
        truth = (labels[:, None] % 2).astype(float) if binary else probes.one_hot(labels, classes)
        values = {"p": p, "truth": truth, "labels": truth[:, 0].astype(int) if binary else labels, "n": n}
        found.append(simple(subject, formula, values))
    stable: list[tuple[str, Probe]] = []
    if not subject.function.zero_probability and not binary:
        p = np.zeros((3, 10))
        p[0, 2] = p[1, 0] = p[2, 9] = 1.0
        labels = np.array([2, 4, 9])
        zero = {"p": p, "truth": probes.one_hot(labels, 10), "labels": labels, "n": 3}
        probe = simple(subject, formula, zero)
        stable.append(("cross_entropy_log_of_zero", replace(probe, values={**zero, "only finite": True})))
    return [Examination(formula, tuple(found), stable=tuple(stable))]


def _layer(subject: Subject) -> list[Examination]:
    function = subject.function
    formula = {
        "affine_forward": layers.AFFINE_FORWARD,
        "affine_activation_forward": layers.AFFINE_ACTIVATION_FORWARD,
        "affine_backward": layers.AFFINE_BACKWARD,
        "affine_activation_backward": layers.AFFINE_BACKWARD,
        "activation_backward": layers.activation_backward_formula(function.of or "relu"),
    }[function.role]
    mean = subject.assignment.mean if function.mean is None else function.mean
    with_activation = "affine_activation" in function.role
    kinds: tuple[str | None, ...] = (function.of,)
    if with_activation and function.of is None:
        kinds = ("relu", "sigmoid")
    found = []
    for of in kinds:
        for shape, (n, fan_in, fan_out) in {
            "rectangular": (7, 6, 4),
            "second": (9, 5, 3),
            "cube": (5, 5, 5),
        }.items():
            rng = 20 + n
            x = probes.numbers(rng, n, fan_in)
            if subject.assignment.layout == "rows" and fan_in == 6 and function.role[:6] == "affine":
                x = x.reshape(n, 2, 3)
            w, b = probes.numbers(rng + 1, fan_in, fan_out), probes.numbers(rng + 2, fan_out)
            a = x.reshape(n, -1) @ w + b
            values: dict[str, Any] = {"x": x, "w": w, "b": b, "a": a, "mean": mean, "n": n, "hidden": "relu"}
            if function.role == "activation_backward":
                values["x"] = values["a"] = a = probes.numbers(rng + 4, n, fan_out)
            if of is not None:
                values["of"], values["kinds"] = of, kinds
                values["out"] = elementwise.ACTIVATIONS[of][0](a)
            values["dout"] = probes.numbers(rng + 3, n, fan_out)
            found.append(simple(subject, formula, values, decisive=shape != "cube"))
    return [Examination(formula, tuple(found))]


def with_own_caches(backward: Subject, forward: Subject, examination: Examination) -> Examination:
    """Return the examination of a backward function with the caches of the submission's own forward one."""
    caller = Caller(forward)
    found = []
    for probe in examination.probes:
        *_, call = probe.calls
        first = caller.call(probe.values)
        cache = next(
            i for i, part in enumerate(backward.function.arguments) if part not in ("dout", "activation_name")
        )
        arguments = list(call.arguments)
        arguments[cache] = Result(0, (1,))
        found.append(replace(probe, calls=(first, replace(call, arguments=tuple(arguments)))))
    return replace(examination, probes=tuple(found))


def _softmax_loss(subject: Subject) -> list[Examination]:
    found = []
    for seed, n in ((3, 7), (4, 11), (5, 10)):
        labels = probes.labels(n, 10, seed)
        values = {
            "x": probes.numbers(seed, n, 10),
            "labels": labels,
            "truth": probes.one_hot(labels, 10),
            "n": n,
        }
        found.append(simple(subject, layers.SOFTMAX_LOSS, values))
    x = np.zeros((3, 10))
    x[:, 0], x[:, 1], x[:, 2] = 1000.0, 999.0, -1000.0
    labels = np.array([0, 1, 0])
    extreme: dict[str, Any] = {"x": x, "labels": labels, "truth": probes.one_hot(labels, 10), "n": 3}
    extreme["only finite"] = True
    return [
        Examination(
            layers.SOFTMAX_LOSS,
            tuple(found),
            stable=(("softmax_unstable", simple(subject, layers.SOFTMAX_LOSS, extreme)),),
        )
    ]


def _one_hot(subject: Subject) -> list[Examination]:
    found = [
        simple(subject, data.ONE_HOT, {"labels": probes.labels(n, 10, seed), "n": n})
        for seed, n in ((3, 13), (5, 27))
    ]
    return [Examination(data.ONE_HOT, tuple(found))]


def _average_groups(subject: Subject) -> list[Examination]:
    group = subject.function.group or 7
    found = [
        simple(subject, data.AVERAGE_GROUPS, {"data": probes.numbers(seed, n), "group": group, "n": n})
        for seed, n in ((3, 2 * group + 3), (4, 3 * group))
    ]
    return [Examination(data.AVERAGE_GROUPS, tuple(found))]


def _neuron(subject: Subject) -> list[Examination]:
    weights = subject.function.role == "weight_gradient_of_neuron"
    formula = steps.WEIGHT_GRADIENT if weights else steps.BIAS_GRADIENT
    subject = replace(
        subject, function=subject.function.model_copy(update={"returns": "dw" if weights else "db"})
    )
    found = []
    for seed, n in ((3, 7), (4, 4)):
        y = np.random.default_rng(seed).uniform(0.1, 0.9, n)
        values = {
            "x": probes.numbers(seed, n, 3),
            "w": probes.numbers(seed + 1, 3),
            "b": 0.37,
            "y": y,
            "n": n,
        }
        found.append(simple(subject, formula, values))
    return [Examination(formula, tuple(found))]


def _cost_derivative(subject: Subject) -> list[Examination]:
    values = depth_of(subject.assignment, "rectangular")
    return [Examination(data.COST_DERIVATIVE, (simple(subject, data.COST_DERIVATIVE, values),))]


def _predictions(subject: Subject) -> list[Examination]:
    if subject.function.role == "accuracy":
        labels = probes.labels(20, 10, 3)
        predicted = np.where(np.arange(20) % 3 == 0, labels, (labels + 1) % 10)
        values: dict[str, Any] = {"labels": labels, "predicted": predicted, "n": 20}
        return [Examination(data.ACCURACY, (simple(subject, data.ACCURACY, values),))]
    values = {"p": np.random.default_rng(3).uniform(size=(13, 10)), "n": 13}
    return [Examination(data.PREDICTIONS, (simple(subject, data.PREDICTIONS, values),))]


EXAMINATIONS: Mapping[str, Callable[[Subject], list[Examination]]] = {
    "activation": _elementwise,
    "activation_derivative": _elementwise,
    "softmax": _softmax,
    "loss": _loss,
    "binary_loss": _loss,
    "softmax_loss": _softmax_loss,
    "cost_derivative": _cost_derivative,
    "forward": forward,
    "predict": forward,
    "backward": backward,
    "update": update,
    "batch_update": batch_update,
    "affine_forward": _layer,
    "affine_backward": _layer,
    "activation_backward": _layer,
    "affine_activation_forward": _layer,
    "affine_activation_backward": _layer,
    "weight_gradient_of_neuron": _neuron,
    "bias_gradient_of_neuron": _neuron,
    "one_hot": _one_hot,
    "average_groups": _average_groups,
    "predictions": _predictions,
    "accuracy": _predictions,
}
