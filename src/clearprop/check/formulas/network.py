"""Forward pass of a network with switches for each layer, and the mistakes that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.check.formulas.base import Array, Atom, Formula, Outputs, Settings, Values, Variant
from clearprop.check.formulas.elementwise import ACTIVATIONS, WRONG_ACTIVATIONS
from clearprop.check.formulas.softmax import SOFTMAX_ATOMS, softmax, softmax_settings


def activate(name: str, a: Array, settings: Settings | None = None) -> Array:
    """Apply an activation by name; "softmax" is the one that looks at a whole row."""
    if name == "softmax":
        return softmax(a, **softmax_settings(settings or {}))
    if name == "softmax twice":
        return softmax(softmax(a))
    if ":" in name:
        of, wrong = name.split(":", 1)
        return WRONG_ACTIVATIONS[of][wrong](a)
    return ACTIVATIONS[name][0](a)


def layers(values: Values) -> int:
    """Return k, the number of layers with weights."""
    return sum(1 for name in values if name[0] == "w" and name[1:].isdigit())


def forward_outputs(values: Values, settings: Settings) -> Outputs:
    """a_i = h_{i-1} w_i + b_i and h_i = g_i(a_i), each with its switches.

    Settings: ("bias", i) is the factor of the bias; ("act", i) names another activation; ("in", i) names
    another input: "x", "a", "skip"; ("w", i) is "transposed"; "axis", "form" and "shift" belong to the
    softmax.
    """
    k = layers(values)
    found: dict[str, Any] = {"h0": values["x"]}
    with np.errstate(all="ignore"):
        for i in range(1, k + 1):
            names = {"x": "h0", "a": f"a{i - 1}", "skip": f"h{i - 2}", "h": f"h{i - 1}"}
            source = found[names[settings.get(("in", i), "h")]]
            weight = values[f"w{i}"]
            if settings.get(("w", i)) == "transposed":
                weight = weight.T
            elif ("w", i) in settings:
                weight = values[settings["w", i]]
            bias = values[settings.get(("b", i), f"b{i}")]
            factor = settings.get(("bias", i), settings.get("bias", 1))
            if factor == "inside":
                a = (source + bias) @ weight
            else:
                a = source @ weight + (0 if factor == "after" else factor) * bias
            default = values["output"] if i == k else values["hidden"]
            name = settings.get(("act", i), default)
            name = values["hidden"] if name == "hidden" else name
            h = activate(name, a, settings)
            if settings.get(("bias", i)) == "after":
                h = activate(name, source @ weight) + bias
            found[f"a{i}"], found[f"h{i}"] = a, h
    if settings.get("returns") == "swapped":
        return {name: found[("h" if name[0] == "a" else "a") + name[1:]] for name in found if name != "h0"}
    return {name: value for name, value in found.items() if name != "h0"}


def forward_atoms(values: Values) -> Sequence[Atom]:
    """List the mistakes of a forward pass through as many layers as there are weights."""
    k, hidden, output = layers(values), values["hidden"], values["output"]
    atoms = [
        Atom("forward_missing_bias", {"bias": 0}, "in every layer"),
        Atom("forward_missing_bias", {("bias", k): 0}, "in the output layer"),
    ]
    if k > 2:
        atoms.append(
            Atom("forward_missing_bias", {("bias", i): 0 for i in range(1, k)}, "in the hidden layers")
        )
    atoms += [Atom("forward_missing_bias", {("bias", i): 0}, f"in layer {i}") for i in range(1, k)]
    skipped = "forward_activation_skipped_in_last_hidden"
    if hidden != "identity":
        atoms.append(Atom(skipped, {("act", k - 1): "identity"}, f"in layer {k - 1}, the last hidden one"))
        everywhere = {("act", i): "identity" for i in range(1, k + 1)}
        atoms.append(Atom(skipped, everywhere, "in every layer, the output included"))
        if k > 2:
            every = {("act", i): "identity" for i in range(1, k)}
            atoms.append(Atom(skipped, every, "in every hidden layer"))
            atoms += [Atom(skipped, {("act", i): "identity"}, f"in layer {i}") for i in range(1, k - 1)]
    wrong_output = "forward_wrong_output_activation"
    for name in ("identity", "hidden", "sigmoid", "softmax", "tanh", "relu", "softmax twice"):
        if name != output:
            text = {"identity": "no activation", "hidden": "that of the hidden layers"}.get(name, name)
            atoms.append(Atom(wrong_output, {("act", k): name}, f"{text} instead of {output}"))
    atoms += [
        Atom(
            wrong_output,
            {("act", k): "hidden", ("act", k - 1): output},
            f"{output} is taken in layer {k - 1} and {hidden} in the last",
        ),
        Atom(wrong_output, {("act", i): output for i in range(1, k)}, f"{output} also in the hidden layers"),
        Atom(wrong_output, {("act", k - 1): output}, f"{output} also in layer {k - 1}"),
    ]
    given = values.get("activation given", False)
    for name in ("sigmoid", "tanh", "relu"):
        if name != hidden or given:
            every = {("act", i): name for i in range(1, k)}
            if given:
                text = f"the activation that it is given is ignored, and {name} is taken"
                atoms.append(Atom("uses_globals_instead_of_arguments", every, text))
            else:
                text = f"the hidden layers take {name} instead of {hidden}"
                atoms.append(Atom("unexplained", every, text))
    atoms += [
        Atom(f"{hidden}_wrong", {("act", i): f"{hidden}:{form}" for i in range(1, k)}, f"it returns {form}")
        for form in WRONG_ACTIVATIONS.get(hidden, ())
        if form != "x itself"
    ]
    for i in range(2, k + 1):
        atoms += [
            Atom("wrong_layer_input", {("in", i): "x"}, f"layer {i} takes x instead of h{i - 1}"),
            Atom("wrong_layer_input", {("in", i): "a"}, f"layer {i} takes a{i - 1} instead of h{i - 1}"),
            Atom("wrong_layer_input", {("in", i): "skip"}, f"layer {i} takes h{i - 2} instead of h{i - 1}"),
        ]
    every_layer = {("in", i): "a" for i in range(2, k + 1)}
    atoms.append(Atom("wrong_layer_input", every_layer, "every layer takes a instead of h of the one before"))
    atoms.append(
        Atom(
            "wrong_layer_input", {("in", i): "x" for i in range(2, k + 1)}, "every layer takes x as its input"
        )
    )
    if output == "softmax":
        atoms += [atom for atom in SOFTMAX_ATOMS if atom.settings.get("form") != "twice"]
    atoms.append(Atom("forward_missing_bias", {"bias": -1}, "it is subtracted"))
    for i in range(1, k + 1):
        atoms += [
            Atom("unexplained", {("w", i): "transposed"}, f"the weights of layer {i} are transposed"),
            Atom("forward_missing_bias", {("bias", i): -1}, f"it is subtracted in layer {i}"),
            Atom(
                "unexplained", {("bias", i): "after"}, f"the bias of layer {i} is added after the activation"
            ),
            Atom(
                "unexplained", {("bias", i): "inside"}, f"the bias of layer {i} is added before the weights"
            ),
        ]
        for j in range(1, k + 1):
            if j != i:
                atoms += [
                    Atom("unexplained", {("w", i): f"w{j}"}, f"layer {i} takes the weights of layer {j}"),
                    Atom("unexplained", {("b", i): f"b{j}"}, f"layer {i} takes the bias of layer {j}"),
                ]
    atoms.append(Atom("unexplained", {"returns": "swapped"}, "a and h are swapped in what it returns"))
    return atoms


FORWARD = Formula(forward_outputs, forward_atoms, (Variant(),))
