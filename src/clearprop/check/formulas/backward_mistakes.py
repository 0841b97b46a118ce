"""The mistakes of a backward pass, as settings of its formula."""

from __future__ import annotations

from collections.abc import Sequence

from clearprop.check.formulas.backward import backward_outputs
from clearprop.check.formulas.base import Atom, Formula, Values
from clearprop.check.formulas.elementwise import WRONG_DERIVATIVES
from clearprop.check.formulas.network import layers


def _scope(i: int, k: int) -> str:
    return f"in layer {i}" if i < k else f"in layer {i}, the output layer"


def backward_atoms(values: Values) -> Sequence[Atom]:
    """List the mistakes of a backward pass through as many layers as there are weights."""
    k = layers(values)
    hidden = values["hidden"]
    atoms: list[Atom] = []
    add = atoms.append
    if values.get("mean", True):
        add(Atom("gradient_not_averaged", {"average": "sum"}))
        add(Atom("gradient_not_averaged", {("average", "weights"): "sum"}))
        add(Atom("gradient_not_averaged", {("average", "biases"): "sum"}))
        for scope in ("average", ("average", "weights"), ("average", "biases")):
            add(
                Atom(
                    "gradient_not_averaged",
                    {scope: "multiplied"},
                    "they are multiplied by n instead of divided",
                )
            )
            add(
                Atom("gradient_not_averaged", {scope: "features"}, "they are divided by the number of inputs")
            )
            add(
                Atom("gradient_not_averaged", {scope: "classes"}, "they are divided by the number of classes")
            )
    add(Atom("gradient_averaged_twice", {"average": "twice"}))
    add(Atom("gradient_averaged_twice", {("average", "weights"): "twice"}))
    add(Atom("gradient_averaged_twice", {("average", "biases"): "twice"}))
    if not values.get("mean", True):
        add(Atom("gradient_averaged_twice", {"average": "half"}, "it is divided by 2 n"))
    add(Atom("gradient_sign_flipped", {"sign": -1}, "all gradients are the right ones times -1"))
    add(Atom("gradient_transposed", {"transposed": True}))
    missing = "activation_derivative_missing"
    add(Atom(missing, {("slope", i): "missing" for i in range(1, k)}))
    add(Atom(missing, {("slope", i): "divides" for i in range(1, k)}, "δ is divided by it"))
    add(Atom(missing, {("slope added", i): True for i in range(1, k)}, "it is added to δ, not multiplied"))
    wrong_argument = "activation_derivative_wrong_argument"
    add(Atom(wrong_argument, {("slope", i): "at the output" for i in range(1, k)}, _AT_OUTPUT))
    add(Atom(wrong_argument, {("slope", i): "output's form at the input" for i in range(1, k)}, _AT_INPUT))
    if values.get("activation given", False):
        for name in ("sigmoid", "tanh", "relu"):
            text = f"the derivative that it is given is ignored, and that of {name} is taken"
            for form in (name, f"output of {name}"):
                every = {("slope", i): form for i in range(1, k)}
                add(Atom("uses_globals_instead_of_arguments", every, text))
    wrong_layer = "activation_derivative_of_wrong_layer"
    add(Atom(wrong_layer, {("slope", i): "of layer above" for i in range(1, k)}, "of the layer above"))
    add(Atom(wrong_layer, {("slope", i): "of layer below" for i in range(1, k)}, "of the layer below"))
    add(Atom("bias_gradient_summed_over_everything", {"bias": "everything"}))
    add(Atom("bias_gradient_summed_over_everything", {"bias": "mean of everything"}, "and averaged"))
    add(Atom("bias_gradient_not_summed", {"bias": "nothing"}))
    add(Atom("bias_gradient_not_summed", {"bias": "units"}, "it is summed over the units instead"))
    add(Atom("bias_gradient_not_summed", {"bias": "first"}, "only the first row is taken"))
    add(Atom("delta_uses_wrong_weights", {"w": "not transposed"}, "they are not transposed"))
    add(Atom("delta_uses_wrong_weights", {("w", i): "below" for i in range(2, k + 1)}, _BELOW))
    add(Atom("delta_uses_wrong_weights", {("w", i): "above" for i in range(2, k)}, _ABOVE))
    add(Atom("wrong_layer_input", {"in": "own"}, "h of the layer itself is taken, not of the one before"))
    add(Atom("wrong_layer_input", {("in", i): "a" for i in range(2, k + 1)}, "a is taken instead of h"))
    add(Atom("wrong_layer_input", {"in": "x"}, "x is taken in every layer"))
    hasty = "weights_updated_before_backprop_uses_them"
    for rate in values.get("update_rates", _USUAL_RATES):
        add(Atom(hasty, {("w", i): float(rate) for i in range(2, k + 1)}, f"with a step of {rate:g}"))
    atoms += _output_atoms(values)
    for i in range(k - 1, 0, -1):
        scope = _scope(i, k)
        add(Atom("activation_derivative_missing", {("slope", i): "missing"}, scope))
        add(Atom(wrong_argument, {("slope", i): "at the output"}, f"{scope}, {_AT_OUTPUT}"))
        add(Atom(wrong_argument, {("slope", i): "output's form at the input"}, f"{scope}, {_AT_INPUT}"))
        add(Atom(wrong_layer, {("slope", i): "of layer above"}, f"of the layer above, {scope}"))
        add(Atom(wrong_layer, {("slope", i): "of layer below"}, f"of the layer below, {scope}"))
    for form in WRONG_DERIVATIVES.get(hidden, ()):
        for where in ("a", "h"):
            every = {("slope", i): f"{where}:{form}" for i in range(1, k)}
            text = form.replace("x", where)
            add(Atom(f"{hidden}_derivative_wrong", every, f"it takes {text}"))
    for form in ("activation", "pre-activation"):
        every = {("slope", i): form for i in range(1, k)}
        add(Atom(f"{hidden}_derivative_wrong", every, f"the {form} itself is taken"))
    for i in range(k, 0, -1):
        atoms += _layer_atoms(i, k)
    return atoms


# learning rates that people write into a function
_USUAL_RATES = (1.0, 0.5, 0.3, 0.1, 0.05, 0.01, 0.001)


_AT_OUTPUT = "it is taken at the output h instead of the pre-activation a"


_AT_INPUT = "the formula for the output h is given the pre-activation a"


_BELOW = "those of the layer below are taken"


_ABOVE = "those of the layer above are taken"


def _output_atoms(values: Values) -> list[Atom]:
    k = layers(values)
    if values["cost"] == "quadratic":
        missing = "the output layer's δ lacks σ'(z), as if the cost were the cross-entropy"
        return [
            Atom("activation_derivative_missing", {"output": "cross-entropy"}, missing),
            Atom(
                "activation_derivative_missing",
                {("slope", i): "missing" for i in range(1, k + 1)},
                "in every layer",
            ),
            Atom(
                "activation_derivative_wrong_argument",
                {"slope": "at the output"},
                f"{_AT_OUTPUT}, everywhere",
            ),
            Atom(
                "activation_derivative_wrong_argument",
                {"slope": "output's form at the input"},
                f"{_AT_INPUT}, everywhere",
            ),
            Atom("activation_derivative_wrong_argument", {("slope", k): "at the output"}, _scope(k, k)),
            Atom(
                "activation_derivative_wrong_argument",
                {("slope", k): "output's form at the input"},
                _scope(k, k),
            ),
            Atom("activation_derivative_of_wrong_layer", {("slope", k): "of layer below"}, _scope(k, k)),
            Atom("unexplained", {"output": "doubled"}, "δ of the output layer is 2 times the right one"),
            *(
                Atom(
                    "sigmoid_derivative_wrong", {"slope": f"{at}:{form}"}, f"it takes {form.replace('x', at)}"
                )
                for form in WRONG_DERIVATIVES[values["output"]]
                for at in ("a", "h")
            ),
        ]
    applied = "output_derivative_applied_to_cross_entropy"
    texts = {
        "times p (1 - p)": "p - t is multiplied by p (1 - p)",
        "times hidden derivative": f"p - t is multiplied by the derivative of {values['hidden']}",
        "times hidden derivative of p": f"p - t is multiplied by the derivative of {values['hidden']} at p",
        "times hidden derivative at p": f"p - t is multiplied by the derivative of {values['hidden']} at p",
        "times sigmoid derivative": "p - t is multiplied by σ'(a)",
        "times jacobian": "p - t is multiplied by softmax's derivative once more",
    }
    atoms = [Atom(applied, {"output": form}, text) for form, text in texts.items()]
    others = {
        "jacobian missing": "δ of the output layer is -t / p: the derivative of softmax is missing",
        "pre-activation": "δ of the output layer takes a instead of the probabilities",
        "p alone": "δ of the output layer lacks the truth",
        "sum": "δ of the output layer is p + t instead of p - t",
        "squared": "δ of the output layer is (p - t)²",
        "doubled": "δ of the output layer is 2 times the right one",
    }
    ids = {
        "sum": "gradient_sign_flipped",
        "jacobian missing": "activation_derivative_missing",
        "pre-activation": "wrong_layer_input",
    }
    return atoms + [
        Atom(ids.get(form, "unexplained"), {"output": form}, text) for form, text in others.items()
    ]


def _layer_atoms(i: int, k: int) -> list[Atom]:
    """Return the mistakes in one layer's lines."""
    scope = _scope(i, k)
    atoms = [
        Atom("bias_gradient_summed_over_everything", {("bias", i): "everything"}, scope),
        Atom("bias_gradient_not_summed", {("bias", i): "nothing"}, scope),
        Atom(
            "bias_gradient_not_summed",
            {("bias", i): "units"},
            f"{scope}: it is summed over the units instead",
        ),
        Atom("gradient_transposed", {("transposed", i): True}, scope),
        Atom("wrong_layer_input", {("in", i): "own"}, f"{scope}: h{i} is taken instead of h{i - 1}"),
    ]
    if i > 1:
        weights = "delta_uses_wrong_weights"
        atoms += [
            Atom("wrong_layer_input", {("in", i): "a"}, f"{scope}: a{i - 1} is taken instead of h{i - 1}"),
            Atom("wrong_layer_input", {("in", i): "skip"}, f"{scope}: h{i - 2} is taken instead of h{i - 1}"),
            Atom("wrong_layer_input", {("in", i): "x"}, f"{scope}: x is taken instead of h{i - 1}"),
            Atom(weights, {("w", i): "not transposed"}, f"for δ{i - 1}: w{i} is not transposed"),
            Atom(weights, {("w", i): "below"}, f"for δ{i - 1}: w{i - 1} is taken instead of w{i}"),
            Atom(weights, {("w", i): "above"}, f"for δ{i - 1}: w{i + 1} is taken instead of w{i}"),
            Atom("gradient_sign_flipped", {("delta scale", i - 1): -1}, f"δ{i - 1} has the wrong sign"),
        ]
    for name in (f"dw{i}", f"db{i}"):
        atoms += [
            Atom(
                "gradient_not_averaged",
                {("average", name): "multiplied"},
                "it is multiplied by n instead of divided",
            ),
            Atom("gradient_not_averaged", {("average", name): "sum"}),
            Atom("gradient_averaged_twice", {("average", name): "twice"}),
            Atom("gradient_sign_flipped", {("sign", name): -1}),
        ]
    return atoms


BACKWARD = Formula(backward_outputs, backward_atoms)
