"""Hypotheses about the training: learning rate, epochs, batches, weight decay and the scale of the data."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from clearprop.diagnosis.causes import Change, Hypothesis
from clearprop.diagnosis.instruments import Readings
from clearprop.diagnosis.program import DEFAULT_RATES, Program
from clearprop.diagnosis.task import NUMBERS, Task

ADAPTIVE = ("adam", "adamw", "rmsprop")
#: Steps after which a small network has usually learned.
ENOUGH_STEPS = 2500
USUAL_BATCH = 32


def training_hypotheses(program: Program, task: Task, readings: Readings) -> list[Hypothesis]:
    """Return hypotheses about how the program is trained."""
    found = [
        _inputs(program, readings),
        _targets(program, task, readings),
        _high_rate(program, readings),
        _low_rate(program, readings),
        _decay(program),
        _batch(program, readings),
        _epochs(program, readings),
    ]
    return [each for each in found if each is not None]


def set_fields(program: Program, **fields: object) -> Program:
    """Return the program with some of its fields changed."""
    return replace(program, **fields)  # type: ignore[arg-type]


def _inputs(program: Program, readings: Readings) -> Hypothesis | None:
    data = readings.data
    large, small = data.largest, data.smallest
    suspicion = 0.1
    for limit, level in ((2.5, 0.3), (8, 0.6), (30, 0.8), (300, 0.92)):
        if large >= limit:
            suspicion = level
    for limit, level in ((0.1, 0.3), (0.01, 0.6), (0.001, 0.85)):
        # a small column beside usual ones is seldom the cause
        if large <= limit:
            suspicion = max(suspicion, level)
    if program.layers[0].batch_norm == "before":
        suspicion -= 0.3
    if suspicion < 0.2:
        suspicion = 0.1
    factor = data.looks_like_pixels and program.scale_inputs is None
    how: object = 1 / 255 if factor else "standard"
    said = "Divide the pixels by 255." if factor else "Standardize every input column (scale_inputs)."
    return Hypothesis(
        "inputs_not_scaled",
        suspicion,
        f"The input columns have sizes from {small:.3g} to {large:.3g}, where about 1 is usual.",
        said,
        (partial(set_fields, scale_inputs=how),),
        layers=(1,),
    )


def _targets(program: Program, task: Task, readings: Readings) -> Hypothesis | None:
    if task.kind != NUMBERS or program.loss not in ("squared_error", "absolute_error"):
        return None
    data = readings.data
    suspicion = 0.1
    for limit, level in ((3, 0.3), (10, 0.55), (100, 0.75), (1000, 0.9)):
        if data.target_size >= limit:
            suspicion = level
    if data.target_deviation < 0.03:
        suspicion = max(suspicion, 0.5)
    return Hypothesis(
        "targets_not_scaled",
        suspicion,
        f"The targets run from {data.target_low:.4g} to {data.target_high:.4g} with a deviation of "
        f"{data.target_deviation:.3g}, where about 1 is usual.",
        "Standardize the targets (scale_targets), and scale predictions back.",
        (partial(set_fields, scale_targets="standard"),),
        layers=(len(program.layers),),
    )


def _high_rate(program: Program, readings: Readings) -> Hypothesis | None:
    ratio = program.rate / DEFAULT_RATES[program.optimizer]
    adaptive = program.optimizer in ADAPTIVE
    suspicion, evidence = 0.1, []
    limits = ((5, 0.35), (10, 0.55), (30, 0.8), (100, 0.92), (1000, 0.97))
    for limit, level in limits if adaptive else tuple((4 * at, level) for at, level in limits):
        if ratio >= limit:
            suspicion = level
    if program.optimizer in ("momentum", "nesterov") and ratio >= 30:
        suspicion = max(suspicion, 0.8)
    if readings.diverged:
        suspicion = max(suspicion + 0.2, 0.4)
        evidence.append(f"the loss became NaN or infinite in step {len(readings.losses) + 1}")
    first, last = readings.loss_means()
    if last > first:
        suspicion += 0.1
        evidence.append(f"the loss rose from {first:.3g} to {last:.3g}")
    updates = max(readings.update_ratios, default=0.0)
    if updates > 0.05:
        suspicion += 0.1
        evidence.append(f"a step changes the weights of a layer by {updates:.1%}, where about 0.1% is usual")
    if suspicion < 0.2:
        return None
    usual = DEFAULT_RATES[program.optimizer]
    rates = [rate for rate in (usual, usual / 10, usual / 100) if rate < program.rate * 0.7]
    if not rates:
        rates = [program.rate / 10, program.rate / 100]
    return Hypothesis(
        "learning_rate_too_high",
        min(suspicion, 0.97),
        _rate_sentence(program),
        f"Use a learning rate of {rates[0]:g} or less.",
        tuple(partial(set_fields, learning_rate=rate) for rate in rates),
        evidence=tuple(evidence),
    )


def _rate_sentence(program: Program) -> str:
    usual = DEFAULT_RATES[program.optimizer]
    return (
        f"The learning rate of {program.optimizer} is {program.rate:g}, {program.rate / usual:.3g} times the "
        f"usual {usual:g}."
    )


def _low_rate(program: Program, readings: Readings) -> Hypothesis | None:
    if readings.diverged:
        return None
    usual = DEFAULT_RATES[program.optimizer]
    ratio = program.rate / usual
    adaptive = program.optimizer in ADAPTIVE
    suspicion, evidence = (0.1 if adaptive else 0.3), []
    for limit, level in ((0.55, 0.35), (0.11, 0.6), (0.02, 0.85), (0.002, 0.95)):
        if ratio <= limit:
            suspicion = level
    updates = max(readings.update_ratios, default=1.0)
    if updates < 1e-4:
        suspicion += 0.15
        evidence.append(f"a step changes the weights of no layer by more than {updates:.2g} of their size")
    if ratio > 20:
        suspicion = 0.05
    if suspicion < 0.12:
        return None
    candidates = [usual] if adaptive else [0.1, 0.01, 0.5]
    if program.optimizer in ("momentum", "nesterov"):
        candidates = [0.01, 0.1]
    changes: list[Change] = [
        partial(set_fields, learning_rate=rate) for rate in candidates if rate > program.rate * 1.5
    ]
    if adaptive:
        changes.append(partial(set_fields, learning_rate=10 * usual))
    else:
        changes.append(partial(set_fields, optimizer="adam", learning_rate=0.001))
        changes.append(partial(set_fields, optimizer="adam", learning_rate=0.01))
    return Hypothesis(
        "learning_rate_too_low",
        min(suspicion, 0.97),
        _rate_sentence(program),
        "Use a larger learning rate, or an optimizer that adapts it (adam).",
        tuple(changes),
        evidence=tuple(evidence),
    )


def _decay(program: Program) -> Hypothesis | None:
    decay = program.weight_decay
    if not decay:
        return None
    # decoupled, each step takes the share rate times decay
    strength = 100 * decay * program.rate if program.optimizer == "adamw" else decay
    suspicion = 0.2
    for limit, level in ((0.003, 0.45), (0.01, 0.7), (0.09, 0.92)):
        if strength >= limit:
            suspicion = level
    return Hypothesis(
        "weight_decay_too_high",
        suspicion,
        f"Weight decay is {decay:g}, where 0.0001 is usual: it pulls all weights to 0.",
        "Train without weight decay.",
        (partial(set_fields, weight_decay=0.0),),
    )


def steps_of(program: Program, rows: int) -> int:
    """Return the steps of the whole training."""
    return program.epochs * -(-rows // min(program.batch_size, rows))


def _batch(program: Program, readings: Readings) -> Hypothesis | None:
    rows = readings.data.rows
    batch = min(program.batch_size, rows)
    per_epoch = -(-rows // batch)
    if batch <= USUAL_BATCH or per_epoch > 20:
        return None
    suspicion = 0.2
    if per_epoch <= 5:
        suspicion = 0.6 if per_epoch > 1 else 0.8
    # the more epochs, the less it matters how few steps each has
    if steps_of(program, rows) > 1000:
        suspicion -= 0.3
    return Hypothesis(
        "batch_size_too_large",
        max(suspicion, 0.15),
        f"A batch of {batch} of {rows} rows leaves {per_epoch} step{'s' if per_epoch > 1 else ''} an epoch.",
        f"Use a batch size of {USUAL_BATCH}.",
        (partial(set_fields, batch_size=USUAL_BATCH),),
    )


def _epochs(program: Program, readings: Readings) -> Hypothesis | None:
    if readings.diverged:
        return None
    steps = steps_of(program, readings.data.rows)
    suspicion = 0.15
    for limit, level in ((3000, 0.25), (1000, 0.4), (400, 0.5), (150, 0.6), (50, 0.8)):
        if steps <= limit:
            suspicion = level
    evidence = []
    if readings.still_falling:
        suspicion += 0.1
        evidence.append("the loss was still falling at the end")
    if program.epochs <= 3:
        suspicion += 0.1
    usual = program.epochs * -(-readings.data.rows // USUAL_BATCH)
    if program.batch_size > USUAL_BATCH and usual >= 400:
        # with usual batches there would be steps enough
        suspicion = min(suspicion, 0.45)
    factor = max(5, min(100, -(-ENOUGH_STEPS // steps)))
    return Hypothesis(
        "too_few_epochs",
        min(suspicion, 0.9),
        f"The training has {steps:,} steps ({program.epochs} epoch{'s' if program.epochs > 1 else ''}).",
        f"Train for {factor * program.epochs} epochs or more.",
        (
            partial(_longer, epochs=factor * program.epochs, steps=factor * steps, rows=readings.data.rows),
            partial(
                _longer, epochs=5 * factor * program.epochs, steps=5 * factor * steps, rows=readings.data.rows
            ),
        ),
        evidence=tuple(evidence),
    )


def _longer(program: Program, epochs: int, steps: int, rows: int) -> Program:
    """Return the program with more epochs, no more steps than are meant where its batches have changed."""
    per_epoch = -(-rows // min(program.batch_size, rows))
    return replace(program, epochs=max(min(epochs, -(-steps // per_epoch)), program.epochs))
