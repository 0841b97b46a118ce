"""One layer at a time: affine maps, activations, and the softmax loss with its gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearprop.check.formulas.base import Array, Atom, Formula, Outputs, Settings, Values, single
from clearprop.check.formulas.elementwise import ACTIVATIONS, WRONG_ACTIVATIONS, WRONG_DERIVATIVES
from clearprop.check.formulas.softmax import SOFTMAX_ATOMS, cross_entropy, softmax, softmax_settings


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def _affine(values: Values, settings: Settings) -> Array:
    x, w, b = _flat(values["x"]), values["w"], values["b"]
    if settings.get("w") == "transposed":
        w = w.T
    if settings.get("bias") == "inside":
        b_rows: Array = (x + b) @ w
        return b_rows
    product: Array = x @ w
    if settings.get("bias") == "times":
        return product * b
    return product + settings.get("bias", 1) * b


def affine_forward(values: Values, settings: Settings) -> Outputs:
    """Out = x w + b."""
    return {"out": _affine(values, settings)}


AFFINE_FORWARD_ATOMS = (
    Atom("forward_missing_bias", {"bias": 0}, ""),
    Atom("forward_missing_bias", {"bias": -1}, "it is subtracted"),
    Atom("unexplained", {"bias": 2}, "the bias is added twice"),
    Atom("unexplained", {"bias": "times"}, "the product is multiplied by the bias"),
    Atom("unexplained", {"w": "transposed"}, "the weights are transposed"),
    Atom("unexplained", {"bias": "inside"}, "the bias is added before the weights"),
)
AFFINE_FORWARD = Formula(affine_forward, single(AFFINE_FORWARD_ATOMS))


def affine_activation_forward(values: Values, settings: Settings) -> Outputs:
    """Out = g(x w + b)."""
    a = _affine(values, settings)
    name = settings.get(("act", values["of"]), values["of"])
    if ":" in name:
        of, form = name.split(":", 1)
        return {"out": WRONG_ACTIVATIONS[of][form](a)}
    return {"out": ACTIVATIONS[name][0](a)}


def _affine_activation_atoms(values: Values) -> Sequence[Atom]:
    atoms = list(AFFINE_FORWARD_ATOMS)
    kinds = values.get("kinds", (values["of"],))
    skipped, wrong_output = "forward_activation_skipped_in_last_hidden", "forward_wrong_output_activation"
    if len(kinds) > 1:
        every = {("act", of): "identity" for of in kinds}
        atoms.append(Atom(skipped, every, "no activation is applied"))
    for of in kinds:
        atoms.append(Atom(skipped, {("act", of): "identity"}, f"{of} is not applied"))
        atoms += [
            Atom(wrong_output, {("act", of): name}, f"{name} instead of {of}")
            for name in ("sigmoid", "tanh", "relu")
            if name != of
        ]
        atoms += [
            Atom(f"{of}_wrong", {("act", of): f"{of}:{form}"}, f"it returns {form}")
            for form in WRONG_ACTIVATIONS[of]
        ]
    return atoms


AFFINE_ACTIVATION_FORWARD = Formula(affine_activation_forward, _affine_activation_atoms)


def _slope(values: Values, settings: Settings) -> Array | float:
    """Return g'(a), or a mistaken form of it."""
    of = values["of"]
    a = values["a"]
    h = ACTIVATIONS[of][0](a)
    form = settings.get(("slope", of), "right")
    if form == "right":
        return ACTIVATIONS[of][1](a)
    if form == "missing":
        return 1.0
    if form == "at the output":
        return ACTIVATIONS[of][1](h)
    if form == "output's form at the input":
        return ACTIVATIONS[of][2](a)
    if form == "at the gradient":
        return ACTIVATIONS[of][1](values["dout"])
    where, wrong = form.split(":", 1)
    return WRONG_DERIVATIVES[of][wrong](a if where == "a" else h)


def activation_backward(values: Values, settings: Settings) -> Outputs:
    """Dx = dout g'(a)."""
    slope = _slope(values, settings)
    if settings.get("dx") == "slope alone":
        return {"dx": slope * np.ones_like(values["dout"])}
    if settings.get("dx") == "sum":
        return {"dx": values["dout"] + slope}
    return {"dx": settings.get("sign", 1) * values["dout"] * slope}


def slope_atoms(of: str, *, several: bool = False) -> list[Atom]:
    """List the mistakes in the derivative of an activation where it multiplies a gradient."""
    wrong_argument = "activation_derivative_wrong_argument"
    key = ("slope", of)
    where = f"of {of}" if several else ""
    atoms = [
        Atom("activation_derivative_missing", {key: "missing"}, where),
        Atom(wrong_argument, {key: "at the output"}, f"it is taken at the output {where}".strip()),
        Atom(wrong_argument, {key: "output's form at the input"}, "the output's formula is given the input"),
        Atom(wrong_argument, {key: "at the gradient"}, "it is taken at the gradient instead of the input"),
    ]
    return atoms + [
        Atom(f"{of}_derivative_wrong", {key: f"{at}:{form}"}, f"it takes {form.replace('x', at)}")
        for form in WRONG_DERIVATIVES[of]
        for at in ("a", "h")
    ]


def _activation_backward_atoms(values: Values) -> Sequence[Atom]:
    wrong = f"{values['of']}_derivative_wrong"
    return [
        *slope_atoms(values["of"]),
        Atom("gradient_sign_flipped", {"sign": -1}, ""),
        Atom(wrong, {"dx": "slope alone"}, "the gradient dout from above is not multiplied by it"),
        Atom(wrong, {"dx": "sum"}, "it is added to dout instead of multiplied"),
    ]


def activation_backward_formula(of: str) -> Formula:
    """Return the formula of an activation's backward function; an unforeseen mistake is in its derivative."""
    return Formula(activation_backward, _activation_backward_atoms, otherwise=f"{of}_derivative_wrong")


def affine_backward(values: Values, settings: Settings) -> Outputs:
    """Dx = dout wᵀ, dw = xᵀ dout, db = Σ dout, the last two divided by n where ``mean``."""
    dout, x, w = values["dout"], values["x"], values["w"]
    if values.get("of"):
        dout = dout * _slope(values, settings)
    n = len(x)
    rows = _flat(x)
    source = {"x": rows, "h": values.get("out", rows)}[settings.get("in", "x")]
    dx = dout @ (w if settings.get("w") == "not transposed" else w.T)
    dw = source.T @ dout
    if settings.get("transposed"):
        dw = dw.T
    db = {
        "right": lambda: dout.sum(axis=0),
        "everything": dout.sum,
        "nothing": lambda: dout,
        "units": lambda: dout.sum(axis=1),
        "mean": lambda: dout.mean(axis=0),
        "mean of everything": dout.mean,
    }[settings.get("bias", "right")]()
    found = {"dx": dx, "dw": dw, "db": np.asarray(db)}
    for name in found:
        mean = values["mean"] and name != "dx"
        average = settings.get(("average", name), settings.get("average"))
        power = {"sum": 0, "once": 1, "twice": 2}.get(str(average), 1 if mean else 0)
        if name == "dx" and ("average", "dx") not in settings:
            power = 0
        found[name] = found[name] * settings.get(("sign", name), settings.get("sign", 1)) / n**power
    if x.ndim > 2 and found["dx"].shape == rows.shape and settings.get("dx") != "flat":
        found["dx"] = found["dx"].reshape(x.shape)
    return found


def _affine_backward_atoms(values: Values) -> Sequence[Atom]:
    mean = values["mean"]
    atoms = []
    if mean:
        atoms += [
            Atom("gradient_not_averaged", {"average": "sum"}),
            Atom("gradient_not_averaged", {("average", "dw"): "sum"}),
            Atom("gradient_not_averaged", {("average", "db"): "sum"}),
        ]
    over = "twice" if mean else "once"
    atoms += [
        Atom("gradient_averaged_twice", {"average": over}),
        Atom("gradient_averaged_twice", {("average", "dw"): over}),
        Atom("gradient_averaged_twice", {("average", "db"): over}),
        Atom("gradient_averaged_twice", {("average", "dx"): "once"}),
        Atom("gradient_sign_flipped", {"sign": -1}),
        *(Atom("gradient_sign_flipped", {("sign", name): -1}) for name in ("dx", "dw", "db")),
        Atom("gradient_transposed", {"transposed": True}),
        Atom("bias_gradient_summed_over_everything", {"bias": "everything"}),
        Atom("bias_gradient_summed_over_everything", {"bias": "mean of everything"}, "and averaged"),
        Atom("bias_gradient_not_summed", {"bias": "nothing"}),
        Atom("bias_gradient_not_summed", {"bias": "units"}, "it is summed over the units instead"),
        Atom("delta_uses_wrong_weights", {"w": "not transposed"}, "w is not transposed"),
        Atom("wrong_layer_input", {"in": "h"}, "the layer's output is taken instead of its input"),
    ]
    if not mean:
        atoms.append(Atom("gradient_averaged_twice", {"bias": "mean"}, "db is a mean"))
    if values["x"].ndim > 2:
        atoms.append(Atom("wrong_shape", {"dx": "flat"}, "dx has the rows flat; give it the shape of x"))
    if values.get("of"):
        kinds = values.get("kinds", (values["of"],))
        for of in kinds:
            atoms += slope_atoms(of, several=len(kinds) > 1)
        if len(kinds) > 1:
            every = {("slope", of): "missing" for of in kinds}
            atoms.append(Atom("activation_derivative_missing", every, "of every activation"))
    return atoms


AFFINE_BACKWARD = Formula(affine_backward, _affine_backward_atoms)


def softmax_loss(values: Values, settings: Settings) -> Outputs:
    """Loss = mean of -ln p_y and dx = (p - t) / n."""
    p = softmax(values["x"], **softmax_settings(settings))
    n, truth = len(p), values["truth"]
    with np.errstate(all="ignore"):
        loss = cross_entropy(p, truth, settings)
    error = {
        "right": p - truth,
        "p alone": p,
        "p + t": p + truth,
        "times p (1 - p)": (p - truth) * p * (1 - p),
        "all": p - 1,
    }[settings.get("error", "right")]
    power = {"sum": 0, "twice": 2}.get(str(settings.get("gradient")), 1)
    return {"loss": loss, "dx": settings.get("gradient sign", 1) * error / n**power}


def _softmax_loss_atoms(values: Values) -> Sequence[Atom]:
    return (
        Atom("cross_entropy_not_averaged", {"average": "sum"}, "it is the sum over the batch"),
        Atom("cross_entropy_averaged_over_classes", {"average": "entries"}, "it is divided by n · classes"),
        Atom("cross_entropy_averaged_over_classes", {"average": "classes"}, "it is divided by the classes"),
        Atom("cross_entropy_not_averaged", {"average": "twice"}, "it is divided by n twice"),
        Atom("cross_entropy_not_averaged", {"average": "multiplied"}, "it is multiplied by n"),
        Atom("cross_entropy_sign", {"sign": 1}, "the minus sign is missing"),
        Atom("cross_entropy_wrong_log", {"log": "2"}, "it takes log2"),
        Atom("cross_entropy_wrong_log", {"log": "10"}, "it takes log10"),
        Atom("cross_entropy_wrong_log", {"log": "1p"}, "it takes log(1 + p)"),
        Atom("cross_entropy_wrong_log", {"log": "none"}, "the logarithm is missing"),
        Atom("gradient_not_averaged", {"gradient": "sum"}),
        Atom("gradient_averaged_twice", {"gradient": "twice"}),
        Atom("gradient_sign_flipped", {"gradient sign": -1}),
        Atom("output_derivative_applied_to_cross_entropy", {"error": "times p (1 - p)"}, "(p - t) p (1 - p)"),
        Atom("unexplained", {"error": "p alone"}, "1 is not subtracted at the true class"),
        Atom("unexplained", {"error": "p + t"}, "1 is added at the true class instead of subtracted"),
        Atom("unexplained", {"error": "all"}, "1 is subtracted from every class"),
        *SOFTMAX_ATOMS,
    )


SOFTMAX_LOSS = Formula(softmax_loss, _softmax_loss_atoms)
