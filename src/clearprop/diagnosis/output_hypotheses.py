"""Hypotheses about the output layer and the loss, which program and targets decide without a training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.causes import Hypothesis
from clearprop.diagnosis.instruments import DataReading
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.target_losses import broadcasts_to_square
from clearprop.diagnosis.task import BINARY_LOSSES, LABELS, MULTICLASS_LOSSES, NUMBER_LOSSES, NUMBERS, Task

CERTAIN = 0.95
#: The range of an activation's outputs.
RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf)}


def output_hypotheses(program: Program, task: Task, data: DataReading, y: NDArray[Any]) -> list[Hypothesis]:
    """Return what contradicts itself in output, loss and targets, the certain ones first."""
    if task.kind == NUMBERS:
        found = _for_numbers(program, task, data, y)
    elif task.kind == LABELS:
        found = _for_labels(program, task)
    else:
        found = _for_classes(program, task, y)
    return found


def set_output(program: Program, units: int | None, activation: str | None, loss: str | None) -> Program:
    """Return the program with parts of its output and loss changed; None leaves a part as it is."""
    changes: dict[str, Any] = {}
    if units is not None:
        changes["units"] = units
    if activation is not None:
        changes["activation"] = activation
    changed = program.with_output(**changes) if changes else program
    return changed if loss is None else replace(changed, loss=loss)


def fitting_output(program: Program, task: Task) -> tuple[int, str, str]:
    """Return the units, activation and loss that fit the task, as near to the program's as can be."""
    logits = program.loss.endswith("_from_logits")
    if task.kind == NUMBERS:
        return task.columns, "linear", program.loss if program.loss == "absolute_error" else "squared_error"
    if task.kind == LABELS:
        return _of(task.columns, "sigmoid", "binary_cross_entropy", logits)
    several = program.loss in MULTICLASS_LOSSES and program.output.units > 1
    if task.is_binary and not several:
        return _of(1, "sigmoid", "binary_cross_entropy", logits)
    return _of(_class_units(task), "softmax", "cross_entropy", logits)


def _of(units: int, activation: str, loss: str, logits: bool) -> tuple[int, str, str]:
    return (units, "linear", f"{loss}_from_logits") if logits else (units, activation, loss)


def _class_units(task: Task) -> int:
    """Return the units that a softmax over the classes needs; labels 1..K need K + 1."""
    if task.one_hot:
        return task.columns
    top = float(task.values.max())
    return int(top) + 1 if np.all(task.values == np.round(task.values)) and 0 < top < 1000 else task.n_classes


def _hypothesis(
    name: str, sentence: str, remedy: str, program: Program, change: Any, **more: Any
) -> Hypothesis:
    more.setdefault("suspicion", CERTAIN)
    return Hypothesis(
        name=name,
        sentence=sentence,
        remedy=remedy,
        changes=(change,),
        certain=more["suspicion"] >= CERTAIN,
        layers=(len(program.layers),),
        **more,
    )


def _shown(units: int, activation: str, loss: str) -> str:
    return (
        f'Give the output {units} unit{"s" if units > 1 else ""} with "{activation}", and use loss="{loss}".'
    )


def _for_numbers(program: Program, task: Task, data: DataReading, y: NDArray[Any]) -> list[Hypothesis]:
    output, loss = program.output, program.loss
    low, high = RANGES.get(output.activation, (-np.inf, np.inf))
    slack = 1e-6 * max(abs(data.target_low), abs(data.target_high))
    reaches = low - slack <= data.target_low and data.target_high <= high + slack
    spread = f"{data.target_low:.4g} to {data.target_high:.4g}"
    activation = None if reaches and output.activation != "softmax" else "linear"
    if output.units != task.columns:
        change = partial(set_output, units=task.columns, activation=activation, loss=None)
        if loss not in NUMBER_LOSSES:
            change = partial(set_output, units=task.columns, activation="linear", loss="squared_error")
        sentence = (
            f"The targets have {task.columns} column{'s' if task.columns > 1 else ''}, but the output has "
            f"{output.units} units, so that each output is compared with numbers it does not stand for."
        )
        remedy = f"Give the output layer {task.columns} unit{'s' if task.columns > 1 else ''}."
        return [_hypothesis("wrong_output_units", sentence, remedy, program, change)]
    if broadcasts_to_square(program, y):
        return [
            Hypothesis(
                "wrong_output_units",
                CERTAIN,
                "The targets have the shape (n,) and the outputs (n, 1): PyTorch broadcasts them to (n, n), "
                "and every output is pulled to the mean of all targets.",
                "Give the targets the shape (n, 1), for example with y.reshape(-1, 1).",
                (lambda given: given,),
                data_change=lambda x, targets: (x, targets.reshape(-1, 1)),
                certain=True,
                layers=(len(program.layers),),
            )
        ]
    within = data.target_low >= 0 and data.target_high <= 1
    if loss in MULTICLASS_LOSSES or (loss in BINARY_LOSSES and not within):
        sentence = f'The targets are numbers ({spread}), but loss="{loss}" compares probabilities of classes.'
        change = partial(set_output, units=None, activation=activation, loss="squared_error")
        remedy = 'Use loss="squared_error"' + (' and a "linear" output.' if activation else ".")
        return [_hypothesis("wrong_loss_for_task", sentence, remedy, program, change)]
    change = partial(set_output, units=None, activation="linear", loss=None)
    remedy = 'Give the output layer the activation "linear".'
    if output.activation == "softmax" and output.units == 1:
        sentence = "A softmax over a single unit is 1 for every row, so the output never changes."
        return [_hypothesis("softmax_on_one_unit", sentence, remedy, program, change)]
    if output.activation == "relu":
        sentence = f"The output passes through relu, which has no gradient below 0; the targets are {spread}."
        suspicion = CERTAIN if not reaches else 0.5
        return [_hypothesis("relu_on_output", sentence, remedy, program, change, suspicion=suspicion)]
    if not reaches or output.activation == "softmax":
        sentence = f"The targets are {spread}, but {output.activation} gives only {low:g} to {high:g}."
        name = "output_activation_cannot_reach_targets"
        return [_hypothesis(name, sentence, remedy, program, change)]
    if loss == "poisson" and (
        data.target_low < 0 or (output.activation != "relu" and program.framework == "keras")
    ):
        sentence = (
            f'loss="poisson" needs rates above 0, but the targets are {spread} and the output is unbounded.'
        )
        change = partial(set_output, units=None, activation=None, loss="squared_error")
        name = "wrong_loss_for_task" if data.target_low < 0 else "output_activation_does_not_fit_loss"
        return [_hypothesis(name, sentence, 'Use loss="squared_error".', program, change, suspicion=0.7)]
    return []


def _for_labels(program: Program, task: Task) -> list[Hypothesis]:
    units, activation, loss = fitting_output(program, task)
    change = partial(set_output, units=units, activation=activation, loss=loss)
    remedy = _shown(units, activation, loss)
    output = program.output
    if output.units != task.columns:
        sentence = f"Each row has {task.columns} labels, but the output has {output.units} units."
        return [_hypothesis("wrong_output_units", sentence, remedy, program, change)]
    if program.loss in MULTICLASS_LOSSES:
        sentence = (
            f'Rows have several labels at once, but loss="{program.loss}" expects exactly one class a row.'
        )
        return [_hypothesis("wrong_loss_for_task", sentence, remedy, program, change)]
    if program.loss in BINARY_LOSSES:
        return _unfit_activation(program, activation, remedy, change)
    sentence = f'loss="{program.loss}" on labels gives small gradients where the network is wrong and sure.'
    return [_hypothesis("wrong_loss_for_task", sentence, remedy, program, change, suspicion=0.4)]


def _for_classes(program: Program, task: Task, y: NDArray[Any]) -> list[Hypothesis]:
    units, activation, loss = fitting_output(program, task)
    whole = partial(set_output, units=units, activation=activation, loss=loss)
    remedy = _shown(units, activation, loss)
    output = program.output
    number = task.n_classes
    if output.activation == "softmax" and output.units == 1 and number == 2:
        sentence = "A softmax over a single unit is 1 for every row, so every row is predicted as class 1."
        keep = program.loss if program.loss in NUMBER_LOSSES else loss
        # logits of one unit need no activation at all
        change = partial(set_output, units=1, activation=activation, loss=keep)
        shown = _shown(1, activation, keep)
        return [_hypothesis("softmax_on_one_unit", sentence, shown, program, change)]
    if _has_wrong_units(program, task, units):
        sentence = (
            f"There are {number} classes in {task.columns} column{'s' if task.columns > 1 else ''} of "
            f"targets, but the output has {output.units} unit{'s' if output.units > 1 else ''}."
        )
        return [_hypothesis("wrong_output_units", sentence, remedy, program, whole)]
    multiclass = program.loss in MULTICLASS_LOSSES
    if multiclass and output.units == 1:
        sentence = f'loss="{program.loss}" with a single unit is 0 whatever the network does.'
        return [_hypothesis("wrong_loss_for_task", sentence, remedy, program, whole)]
    if program.loss in NUMBER_LOSSES:
        return _classes_as_numbers(program, task, whole, remedy)
    if not multiclass and not task.is_binary:
        sure = not task.one_hot
        sentence = f'loss="{program.loss}" treats the {number} classes as labels independent of each other.'
        weak = _hypothesis(
            "wrong_loss_for_task", sentence, remedy, program, whole, suspicion=CERTAIN if sure else 0.4
        )
        if sure or output.activation == "softmax":
            return [weak]
        return [*_unfit_activation(program, *_independent(program)), weak]
    return _unfit_activation(program, activation, remedy, whole)


def _independent(program: Program) -> tuple[str, str, Any]:
    """Return activation, remedy and change that fit a binary loss on several units."""
    activation = "linear" if program.loss.endswith("_from_logits") else "sigmoid"
    change = partial(set_output, units=None, activation=activation, loss=None)
    return activation, f'Give the output layer the activation "{activation}".', change


def _has_wrong_units(program: Program, task: Task, units: int) -> bool:
    """Tell whether the number of outputs fits neither the classes nor the columns of the targets."""
    own = program.output.units
    if task.one_hot:
        return own != task.columns
    if task.is_binary:
        return own > 1 and program.loss not in MULTICLASS_LOSSES
    # more units than classes do no harm
    if program.loss in NUMBER_LOSSES and own == 1 and program.output.activation not in ("sigmoid", "softmax"):
        return False
    return own < units


def _classes_as_numbers(program: Program, task: Task, whole: Any, remedy: str) -> list[Hypothesis]:
    activation = program.output.activation
    found = []
    low, high = RANGES.get(activation, (-np.inf, np.inf))
    mapped = np.array([0.0, 1.0]) if task.one_hot or program.scale_targets else task.values
    fitting = "softmax" if task.n_classes > 2 or task.one_hot else "sigmoid"
    if not task.one_hot and mapped.min() < 0:
        fitting = "tanh"
    shown = f'Give the output layer the activation "{fitting}".'
    change = partial(set_output, units=None, activation=fitting, loss=None)
    if activation == "relu":
        sentence = "The output passes through relu: a row whose output is below 0 gives no gradient."
        found.append(_hypothesis("relu_on_output", sentence, shown, program, change, suspicion=0.8))
    elif mapped.min() < low or mapped.max() > high:
        sentence = (
            f"The targets are {mapped.min():g} to {mapped.max():g}, but {activation} gives only "
            f"{low:g} to {high:g}."
        )
        name = "output_activation_cannot_reach_targets"
        found.append(_hypothesis(name, sentence, shown, program, change))
    broadcast = not task.one_hot and program.output.units > 1
    sentence = (
        f'loss="{program.loss}" compares the number of the class with all {program.output.units} outputs.'
        if broadcast
        else f'loss="{program.loss}" on classes gives small gradients where the network is wrong and sure.'
    )
    weak = _hypothesis(
        "wrong_loss_for_task", sentence, remedy, program, whole, suspicion=CERTAIN if broadcast else 0.45
    )
    return [*found, weak]


def _unfit_activation(program: Program, activation: str, remedy: str, change: Any) -> list[Hypothesis]:
    """Return the contradiction between the output's activation and its loss, if there is one."""
    own, loss = program.output.activation, program.loss
    if own == activation:
        return []
    if own == "relu":
        sentence = f'The output passes through relu, but loss="{loss}" expects {_expected(loss)}.'
        return [_hypothesis("relu_on_output", sentence, remedy, program, change)]
    name = "output_activation_does_not_fit_loss"
    if loss.endswith("_from_logits"):
        sentence = f'loss="{loss}" applies {_own_function(loss)} itself, after the {own} of the output layer.'
        if own in ("leaky_relu", "elu", "gelu", "tanh"):
            sentence = f'loss="{loss}" expects {_expected(loss)}, but the output passes through {own}.'
        # applied twice it may learn all the same, only slowly
        return [_hypothesis(name, sentence, remedy, program, change, suspicion=0.9)]
    sentence = f'loss="{loss}" expects {_expected(loss)}, but the output is {own}.'
    learns = own in ("sigmoid", "softmax")
    return [_hypothesis(name, sentence, remedy, program, change, suspicion=0.6 if learns else CERTAIN)]


def _expected(loss: str) -> str:
    return "logits of any size" if loss.endswith("_from_logits") else "probabilities"


def _own_function(loss: str) -> str:
    return "a softmax" if loss.startswith("cross_entropy") else "a sigmoid"
