"""Hypotheses about the hidden layers and their initial weights, from program and measurements."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from clearprop.diagnosis.causes import Hypothesis
from clearprop.diagnosis.instruments import Readings
from clearprop.diagnosis.program import PLAIN_INITIALIZATIONS, Layer, Program

#: Units that a hidden layer gets where it has too few.
ENOUGH_UNITS = 64
SQUASHING = ("sigmoid", "tanh", "softmax")


def network_hypotheses(program: Program, readings: Readings, n_outputs: int) -> list[Hypothesis]:
    """Return hypotheses about activations, sizes, dropout and initial weights of the layers."""
    found = [
        _nonlinearity(program),
        _saturation(program, readings),
        _dead(program, readings),
        _units(program, readings, n_outputs),
        _dropout(program),
        _initialization(program, readings),
    ]
    return [each for each in found if each is not None]


def _numbers(program: Program, wanted: list[bool]) -> tuple[int, ...]:
    return tuple(number for number, take in enumerate(wanted, start=1) if take)


def _each_hidden(program: Program, old: tuple[str, ...], **changes: object) -> Program:
    """Return the program with fields changed of its hidden layers of these activations."""
    hidden = []
    for each in program.hidden:
        if each.activation in old:
            each = replace(each, **changes)  # type: ignore[arg-type]
            # weights that start unusually are another cause
            if isinstance(each.initialization, str) and each.initialization not in PLAIN_INITIALIZATIONS:
                each = replace(each, initialization="he_uniform")
        hidden.append(each)
    return replace(program, layers=(*hidden, program.output))


def _nonlinearity(program: Program) -> Hypothesis | None:
    linear = [layer.activation == "linear" for layer in program.hidden]
    if not any(linear):
        return None
    where = _numbers(program, linear)
    whole = all(linear)
    sentence = (
        "No hidden layer has a nonlinearity, so all layers together are a single linear map."
        if whole
        else f"Hidden layer{'s' if len(where) > 1 else ''} {_listed(where)} of {len(linear)} "
        f"{'have' if len(where) > 1 else 'has'} no nonlinearity."
    )
    return Hypothesis(
        "missing_hidden_nonlinearity",
        0.9 if whole else 0.55,
        sentence,
        'Give the hidden layers the activation "relu".',
        (partial(_each_hidden, old=("linear",), activation="relu"),),
        layers=where,
    )


def _saturation(program: Program, readings: Readings) -> Hypothesis | None:
    squashing = [layer.activation in SQUASHING for layer in program.hidden]
    if not any(squashing):
        return None
    names = {layer.activation for layer in program.hidden if layer.activation in SQUASHING}
    depth = sum(squashing)
    suspicion = 0.3 + 0.15 * min(depth - 1, 3)
    if names == {"tanh"}:
        suspicion -= 0.1
    if "softmax" in names:
        suspicion = 0.85
    evidence = []
    if readings.largest_saturated > 0.3:
        suspicion += 0.2
        evidence.append(f"{readings.largest_saturated:.0%} of the outputs of a hidden layer are saturated")
    if readings.gradient_ratio < 0.05:
        suspicion += 0.2
        evidence.append(
            f"the gradient of the first layer is {readings.gradient_ratio:.2g} times that of the last"
        )
    return Hypothesis(
        "saturating_hidden_activation",
        min(suspicion, 0.9),
        f"{depth} hidden layer{'s' if depth > 1 else ''} with {' and '.join(sorted(names))}: "
        "their slope is small, and the gradient shrinks with every one of them.",
        'Give the hidden layers the activation "relu".',
        (partial(_each_hidden, old=SQUASHING, activation="relu"),),
        evidence=tuple(evidence),
        layers=_numbers(program, squashing),
    )


def _dead(program: Program, readings: Readings) -> Hypothesis | None:
    relu = [layer.activation == "relu" for layer in program.hidden]
    if not any(relu):
        return None
    dead = readings.largest_dead
    shares = [layer.dead for layer in readings.layers[: len(relu)]] or [0.0] * len(relu)
    suspicion = 0.15 if dead < 0.3 else 0.5 if dead < 0.9 else 0.7
    where = tuple(number for number, share in enumerate(shares, start=1) if share >= 0.3)
    return Hypothesis(
        "dead_relu",
        suspicion,
        f"Up to {dead:.0%} of the units of a relu layer are 0 for every row and get no gradient.",
        'Give the hidden layers the activation "leaky_relu".',
        (partial(_each_hidden, old=("relu",), activation="leaky_relu"),),
        evidence=tuple(f"layer {number}: {shares[number - 1]:.0%} dead" for number in where),
        layers=where,
    )


def _units(program: Program, readings: Readings, n_outputs: int) -> Hypothesis | None:
    if not program.hidden:
        return Hypothesis(
            "too_few_units",
            0.4,
            "There is no hidden layer, so the network can learn only a linear map of its inputs.",
            f"Add a hidden layer of {ENOUGH_UNITS} units with relu.",
            (_with_hidden_layer,),
            layers=(1,),
        )
    smallest = min(layer.units for layer in program.hidden)
    if smallest >= ENOUGH_UNITS:
        return None
    suspicion = 0.75 if smallest == 1 else 0.65 if smallest == 2 else 0.5 if smallest <= 4 else 0.3
    if smallest >= 16:
        suspicion = 0.15
    elif smallest < n_outputs:
        suspicion += 0.2
    return Hypothesis(
        "too_few_units",
        suspicion,
        f"The smallest hidden layer has {smallest} unit{'s' if smallest > 1 else ''} for "
        f"{readings.data.features} features and {n_outputs} output{'s' if n_outputs > 1 else ''}.",
        f"Give every hidden layer at least {ENOUGH_UNITS} units.",
        (_with_enough_units,),
        layers=tuple(
            number for number, layer in enumerate(program.hidden, start=1) if layer.units < ENOUGH_UNITS
        ),
    )


def _with_enough_units(program: Program) -> Program:
    hidden = [replace(each, units=max(each.units, ENOUGH_UNITS)) for each in program.hidden]
    return replace(program, layers=(*hidden, program.output))


def _with_hidden_layer(program: Program) -> Program:
    hidden = Layer(ENOUGH_UNITS, "relu", "he_uniform")
    return replace(program, layers=(hidden, *program.layers))


def _dropout(program: Program) -> Hypothesis | None:
    most = max(layer.dropout for layer in program.layers)
    if most < 0.25 and not program.output.dropout:
        return None
    suspicion = 0.95 if most >= 0.8 else 0.8 if most >= 0.65 else 0.4 if most >= 0.45 else 0.2
    narrow = any(layer.dropout >= 0.4 and layer.units <= 16 for layer in program.layers)
    if narrow:
        suspicion = min(suspicion + 0.2, 0.95)
    # dropout of the outputs falsifies predictions whatever its share
    if program.output.dropout:
        suspicion = 0.85
    return Hypothesis(
        "dropout_too_high",
        suspicion,
        f"Dropout removes up to {most:.0%} of the outputs of a layer in every step"
        + (", those of the output layer included." if program.output.dropout else "."),
        "Use a dropout of at most 0.1, and none on the output.",
        (_with_little_dropout, _without_dropout),
        layers=_numbers(program, [layer.dropout >= 0.25 for layer in program.layers]),
    )


def _with_little_dropout(program: Program) -> Program:
    hidden = [replace(each, dropout=min(each.dropout, 0.1)) for each in program.hidden]
    return replace(program, layers=(*hidden, replace(program.output, dropout=0.0)))


def _without_dropout(program: Program) -> Program:
    return replace(program, layers=tuple(replace(each, dropout=0.0) for each in program.layers))


def _usual_initialization(program: Program) -> Program:
    rules = {"relu": "he_uniform", "leaky_relu": "he_uniform", "elu": "he_uniform", "gelu": "he_uniform"}
    layers = [
        replace(each, initialization=rules.get(each.activation, "glorot_uniform")) for each in program.layers
    ]
    return replace(program, layers=tuple(layers))


def _initialization(program: Program, readings: Readings) -> Hypothesis | None:
    fan_in, worst, told, where = readings.data.features, 0.1, "", []
    for number, layer in enumerate(program.layers, start=1):
        suspicion, sentence = _start_of(layer, fan_in)
        if suspicion > 0.3:
            where.append(number)
        if suspicion > worst:
            worst, told = suspicion, f"Layer {number}: {sentence}"
        fan_in = layer.units
    if not told:
        return None
    usual = "he_uniform for relu, glorot_uniform for all others"
    return Hypothesis(
        "initialization",
        worst,
        told,
        f"Use the usual initialization: {usual}.",
        (_usual_initialization,),
        layers=tuple(where),
    )


def _start_of(layer: Layer, fan_in: int) -> tuple[float, str]:
    """Return how suspicious the initial weights of a layer are, and why."""
    start = layer.initialization
    if isinstance(start, str) and start not in PLAIN_INITIALIZATIONS:
        return 0.1, ""
    kind, size = PLAIN_INITIALIZATIONS[start] if isinstance(start, str) else start
    if kind == "constant" or size == 0:
        alone = layer.units == 1 or fan_in == 1
        return (0.3 if alone else 0.97), (
            f"all weights start as {size:g}, so that its units all learn the same."
        )
    usual = (2.0 / (fan_in + layer.units)) ** 0.5
    deviation = size / 3**0.5 if kind == "uniform" else size
    ratio = deviation / usual
    sentence = f"the initial weights deviate by {deviation:.3g}, {ratio:.3g} times the usual {usual:.3g}."
    if ratio >= 1:
        suspicion = 0.95 if ratio > 20 else 0.85 if ratio > 6 else 0.5 if ratio > 3 else 0.15
    else:
        suspicion = 0.9 if ratio < 0.01 else 0.7 if ratio < 0.1 else 0.4 if ratio < 0.3 else 0.1
    return suspicion, sentence


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
