"""The update by gradient descent, alone and for a mini-batch, and the gradients of one neuron."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from clearprop.check.formulas.backward import backward_outputs
from clearprop.check.formulas.backward_mistakes import BACKWARD
from clearprop.check.formulas.base import Array, Atom, Formula, Outputs, Settings, Values, Variant, single
from clearprop.check.formulas.elementwise import ACTIVATIONS, WRONG_DERIVATIVES
from clearprop.check.formulas.network import FORWARD, forward_outputs

_PARAMETER = re.compile(r"^[wb]\d*$")


def parameter_names(values: Values) -> list[str]:
    """Return the names of the weights and biases that have a gradient."""
    return [name for name in values if _PARAMETER.match(name) and f"d{name}" in values]


def step(parameter: Array, gradient: Array, rate: float, settings: Settings, kind: str) -> Array:
    """Return w - η dw, or a mistaken form of it."""
    form = settings.get(("form", kind), settings.get("form", "right"))
    rate = {
        "ignored": 1.0,
        "squared": rate**2,
        "root": rate**0.5,
        "halved": rate / 2,
        "doubled": 2 * rate,
    }.get(settings.get(("rate", kind), settings.get("rate", "")), rate)
    sign = settings.get(("sign", kind), settings.get("sign", -1))
    if form == "kept":
        return parameter
    if form == "step alone":
        return sign * rate * gradient
    if form == "reversed":
        return rate * gradient - parameter
    if form == "scaled parameter":
        return rate * parameter - gradient
    if form == "product":
        return parameter * rate * gradient
    if form == "divided":
        return parameter - gradient / rate
    if form == "by gradient":
        return parameter - rate / gradient
    if form == "rate alone":
        return parameter - rate
    if form == "rate added":
        return parameter - (rate + gradient)
    return parameter + sign * rate * gradient


def update(values: Values, settings: Settings) -> Outputs:
    """W <- w - η dw, b <- b - η db; divided by n where the update takes the average."""
    divisor = values["n"] if settings.get("average") else 1
    found = {}
    for name in parameter_names(values):
        kind = name[0]
        gradient = values[f"d{settings.get(('gradient', name), name)}"] / divisor
        merged = {
            **settings,
            **{k[0]: v for k, v in settings.items() if isinstance(k, tuple) and k[1] == name},
        }
        found[name] = step(values[name], gradient, values["eta"], merged, kind)
    return found


def update_atoms(values: Values) -> Sequence[Atom]:
    """List the mistakes of an update."""
    rate = "learning_rate_ignored_or_squared"
    names = parameter_names(values)
    atoms = [
        Atom("update_sign", {"sign": 1}),
        Atom(rate, {"rate": "ignored"}, "the step is the gradient itself"),
        Atom(rate, {"rate": "squared"}, "the step is η² times the gradient"),
        Atom(rate, {"rate": "root"}, "the step is √η times the gradient"),
        Atom(rate, {"rate": "halved"}, "the step is η / 2 times the gradient"),
        Atom(rate, {"rate": "doubled"}, "the step is 2 η times the gradient"),
        Atom(rate, {"form": "divided"}, "the gradient is divided by η"),
        Atom(rate, {"form": "rate added"}, "η is added to the gradient instead of multiplied"),
        Atom("unexplained", {"form": "kept"}, "the parameters stay as they are"),
        Atom("unexplained", {"form": "step alone"}, "the step alone is returned, without the parameters"),
        Atom("update_sign", {"form": "reversed"}, "it is η dw - w instead of w - η dw"),
        Atom(rate, {"form": "by gradient"}, "η is divided by the gradient instead of multiplied"),
        Atom(rate, {"form": "rate alone"}, "η alone is subtracted, without the gradient"),
        Atom("unexplained", {"form": "scaled parameter"}, "η multiplies the parameters, not the gradient"),
        Atom("unexplained", {"form": "product"}, "the step is multiplied instead of subtracted"),
    ]
    if any(name[0] == "b" for name in names):
        atoms += [
            Atom("update_forgets_biases", {("form", "b"): "kept"}),
            Atom("unexplained", {("form", "w"): "kept"}, "the weights stay as they are"),
            Atom("update_sign", {("sign", "b"): 1}, "of the biases"),
            Atom("update_sign", {("sign", "w"): 1}, "of the weights"),
            Atom(rate, {("rate", "b"): "ignored"}, "for the biases"),
            Atom(rate, {("rate", "w"): "ignored"}, "for the weights"),
            Atom(rate, {("rate", "b"): "squared"}, "for the biases"),
            Atom(rate, {("rate", "w"): "squared"}, "for the weights"),
        ]
    for name in names:
        forgets = "update_forgets_biases" if name[0] == "b" else "unexplained"
        atoms += [
            Atom(forgets, {("form", name): "kept"}, f"{name} stays as it is"),
            Atom("update_sign", {("sign", name): 1}, f"of {name}"),
            Atom(rate, {("rate", name): "ignored"}, f"for {name}"),
            Atom(rate, {("rate", name): "squared"}, f"for {name}"),
            Atom(rate, {("form", name): "by gradient"}, f"η is divided by the gradient of {name}"),
            Atom(rate, {("form", name): "rate added"}, f"η is added to the gradient of {name}"),
            Atom("update_sign", {("form", name): "reversed"}, f"it is η d{name} - {name}"),
            Atom(rate, {("form", name): "rate alone"}, f"η alone is subtracted from {name}"),
            Atom("unexplained", {("form", name): "step alone"}, f"{name} itself is missing"),
        ]
        atoms += [
            Atom("unexplained", {("gradient", name): other}, f"{name} takes the gradient of {other}")
            for other in names
            if other != name and other[0] == name[0]
        ]
    atoms.append(Atom("gradient_averaged_twice", {"average": True}, "the update divides by n as well"))
    return atoms


UPDATE = Formula(
    update, update_atoms, (Variant(), Variant("it takes the average over the batch", {"average": True}))
)


def forward_and_backward(values: Values, settings: Settings) -> Outputs:
    """Return the gradients after a forward pass of its own; "forward" has that one's settings."""
    trace = forward_outputs(values, settings.get("forward", {}))
    own = {key: value for key, value in settings.items() if key != "forward"}
    return backward_outputs({**values, **trace}, own)


def _forward_and_backward_atoms(values: Values) -> Sequence[Atom]:
    forward = [replace(atom, settings={"forward": dict(atom.settings)}) for atom in FORWARD.atoms(values)]
    return [*BACKWARD.atoms(values), *forward]


FORWARD_AND_BACKWARD = Formula(forward_and_backward, _forward_and_backward_atoms)


def batch_update(values: Values, settings: Settings) -> Outputs:
    """W <- w - η times the mean gradient of a mini-batch."""
    gradients = backward_outputs({**values, "mean": True}, settings)
    return update({**values, **gradients}, settings)


def update_from_own(values: Values, settings: Settings) -> Outputs:
    """Return the batch update that the submission's own gradients, sums over the batch, lead to."""
    average = str(settings.get("average", ""))
    divisor = {"sum": 1, "twice": values["n"] ** 2}.get(average, values["n"])
    gradients = {name: values[f"own {name}"] / divisor for name in values if f"own {name}" in values}
    return update({**values, **gradients}, {k: v for k, v in settings.items() if k != "average"})


def _batch_update_atoms(values: Values) -> Sequence[Atom]:
    names = ("gradient_not_averaged", "gradient_averaged_twice")
    return [
        *(atom for atom in BACKWARD.atoms({**values, "mean": True}) if atom.id in names),
        *(atom for atom in update_atoms(values) if atom.id not in names),
    ]


BATCH_UPDATE = Formula(batch_update, _batch_update_atoms)


def neuron(values: Values, settings: Settings) -> Outputs:
    """∂L/∂w and ∂L/∂b of a sigmoid neuron with L = ½ (ŷ - y)², the means over the batch."""
    x, w, b, y = values["x"], values["w"], values["b"], values["y"]
    a = x @ w + settings.get("bias", 1) * b
    value, of_input, of_output = ACTIVATIONS["sigmoid"]
    form = settings.get("slope", "right")
    slopes: dict[str, Callable[[Array], Array]] = {
        "right": of_input,
        "missing": np.ones_like,
        "at the output": lambda a: of_input(value(a)),
        "output's form at the input": of_output,
        **WRONG_DERIVATIVES["sigmoid"],
    }
    prediction = a if settings.get("prediction") == "a" else value(a)
    error = {"right": prediction - y, "sum": prediction + y, "alone": prediction}[
        settings.get("error", "right")
    ]
    delta = settings.get("sign", 1) * settings.get("factor", 1) * error * slopes[form](a)
    n = {"sum": 1, "twice": len(x) ** 2}.get(settings.get("average", ""), len(x))
    if settings.get("input") == "missing":
        gradient_w = np.full(len(w), np.sum(delta))
    elif settings.get("input") == "w":
        gradient_w = np.sum(delta) * w
    else:
        gradient_w = delta @ x
    gradient_b = delta @ x.sum(axis=1) if settings.get("bias input") == "x" else np.sum(delta)
    return {"dw": gradient_w / n, "db": np.asarray(gradient_b / n)}


NEURON_ATOMS = (
    Atom("gradient_not_averaged", {"average": "sum"}),
    Atom("gradient_averaged_twice", {"average": "twice"}),
    Atom("gradient_sign_flipped", {"sign": -1}),
    Atom("activation_derivative_missing", {"slope": "missing"}, "the factor ŷ (1 - ŷ) is missing"),
    Atom("activation_derivative_wrong_argument", {"slope": "at the output"}, "σ' is taken at ŷ instead of a"),
    Atom("activation_derivative_wrong_argument", {"slope": "output's form at the input"}, "it is a (1 - a)"),
    Atom("forward_missing_bias", {"bias": 0}, "in the neuron's pre-activation"),
    Atom("wrong_layer_input", {"input": "missing"}, "the factor x is missing"),
    Atom("wrong_layer_input", {"input": "w"}, "w is taken instead of x"),
    Atom("wrong_layer_input", {"bias input": "x"}, "the gradient for b has the factor x"),
    Atom("forward_wrong_output_activation", {"prediction": "a"}, "the prediction lacks the sigmoid"),
    Atom("unexplained", {"factor": 2}, "it is 2 times the right one, as if L had no factor ½"),
    Atom("unexplained", {"error": "sum"}, "ŷ + y instead of ŷ - y"),
    Atom("unexplained", {"error": "alone"}, "the target y is not subtracted"),
    *(
        Atom("sigmoid_derivative_wrong", {"slope": form}, f"it takes {form}")
        for form in WRONG_DERIVATIVES["sigmoid"]
    ),
)
WEIGHT_GRADIENT = Formula(lambda v, s: {"dw": neuron(v, s)["dw"]}, single(NEURON_ATOMS))
BIAS_GRADIENT = Formula(lambda v, s: {"db": neuron(v, s)["db"]}, single(NEURON_ATOMS))
