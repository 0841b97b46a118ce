"""Symptoms: the measurements of a training, as sentences with numbers."""

from __future__ import annotations

import math

import numpy as np

from clearprop.diagnosis.experiments import Trial
from clearprop.diagnosis.instruments import Readings
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.references import Achievable
from clearprop.diagnosis.task import NUMBERS, Task

#: From here on a share of dead or saturated units, or a ratio of gradients, is told.
TOLD_SHARE, TOLD_RATIO = 0.3, 0.05
USUAL_UPDATES = (1e-5, 0.05)


def symptoms(
    program: Program, task: Task, readings: Readings, base: Trial, best: Achievable, splits: bool
) -> list[str]:
    """Return what was measured, in words: the result first, then outputs, layers and data."""
    if base.problem:
        return [f"The training cannot begin: {base.problem}"]
    return [
        _result(task, base, best, splits),
        *_losses(readings),
        *_outputs(program, task, readings),
        *_layers(program, readings),
        *_data(readings),
    ]


def figure_name(task: Task) -> str:
    """Return the name of the figure that a score gives."""
    return "R²" if task.kind == NUMBERS else "accuracy"


def _result(task: Task, base: Trial, best: Achievable, splits: bool) -> str:
    rows = "held-out rows" if splits else "the training rows"
    name = figure_name(task)
    return (
        f"The {name} on {rows} is {base.held.figure:.3f} (on training rows {base.fitted.figure:.3f}); "
        f"{best.name} reaches {best.figure:.3f} on the same rows."
    )


def _losses(readings: Readings) -> list[str]:
    if readings.diverged:
        return [f"The loss became NaN or infinite in step {len(readings.losses) + 1}."]
    if not readings.losses:
        return []
    first, last = readings.loss_means()
    told = [f"The loss went from {first:.4g} to {last:.4g} in {len(readings.losses):,} steps"]
    if readings.guess_loss is not None:
        told.append(f"; guessing costs {readings.guess_loss:.4g}")
    if readings.still_falling:
        told.append("; it was still falling at the end")
    return ["".join(told) + "."]


def _outputs(program: Program, task: Task, readings: Readings) -> list[str]:
    found = []
    if readings.constant_output:
        found.append(f"The output is the same for every row ({readings.output_low:.4g}).")
    elif math.isnan(readings.output_low):
        found.append("Outputs are NaN or infinite.")
    if task.kind == NUMBERS:
        data = readings.data
        if not readings.constant_output and not math.isnan(readings.output_low):
            found.append(
                f"Outputs run from {readings.output_low:.4g} to {readings.output_high:.4g}, targets from "
                f"{data.target_low:.4g} to {data.target_high:.4g}."
            )
        return found
    shares, truth = readings.predicted_shares, readings.data.class_shares
    if len(shares):
        missing = np.flatnonzero((shares == 0) & (truth > 0))
        if len(missing) == (truth > 0).sum() - 1:
            found.append(f"Every row is predicted as class {int(shares.argmax())}.")
        elif len(missing):
            found.append(f"{len(missing)} of {int((truth > 0).sum())} classes are never predicted.")
    return found


def _layers(program: Program, readings: Readings) -> list[str]:
    found = []
    for number, layer in enumerate(readings.layers, start=1):
        if layer.dead >= TOLD_SHARE:
            found.append(f"Layer {number}: {layer.dead:.0%} of the relu units are 0 for every row.")
        if layer.saturated >= TOLD_SHARE and number < len(readings.layers):
            name = program.layers[number - 1].activation
            found.append(f"Layer {number}: {layer.saturated:.0%} of the {name} outputs are saturated.")
    sizes = readings.gradient_sizes
    if sizes and max(sizes) == 0:
        found.append("No layer gets any gradient.")
    elif readings.gradient_ratio < TOLD_RATIO:
        found.append(
            f"The gradient of the first layer is {readings.gradient_ratio:.2g} times that of the last."
        )
    low, high = USUAL_UPDATES
    updates = readings.update_ratios
    if updates and max(updates) < low:
        found.append(f"A step changes no layer's weights by more than {max(updates):.1e} of their size.")
    elif updates and max(updates) > high:
        found.append(f"A step changes the weights of a layer by {max(updates):.1%}; about 0.1% is usual.")
    return found


def _data(readings: Readings) -> list[str]:
    data = readings.data
    found = []
    if data.largest > 8 or data.largest < 0.1:
        found.append(f"Input columns as the network sees them have sizes up to {data.largest:.3g}.")
    if data.constant_columns == data.features:
        found.append("All input columns are constant.")
    return found
