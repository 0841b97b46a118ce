"""One change at a time: short trainings of a program as it is and with one setting changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.checked_data import check_data
from clearprop.diagnosis.experiments import make_laboratory
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.task import read_task
from clearprop.study.explanations import Change

#: A change mends what it brings back this share of the way to a perfect skill.
MENDED_SHARE = 0.5
#: Steps of two trainings that measure how long one takes.
PROBE_STEPS = (20, 60)
#: The changes by their words.
NO_DECAY, ONE_SOFTMAX = "without weight decay", "without the second softmax"
TANH, ADAM = "tanh in place of sigmoid", "Adam in place of SGD"


def single_changes(program: Program) -> dict[str, Callable[[Program], Program]]:
    """Return the changes worth trying alone, by their words; the order is that of the report."""
    found: dict[str, Callable[[Program], Program]] = {}
    if program.weight_decay:
        found[NO_DECAY] = lambda each: replace(each, weight_decay=0.0)
    if program.output.activation == "softmax" and program.loss == "cross_entropy_from_logits":
        found[ONE_SOFTMAX] = lambda each: replace(
            each, layers=(*each.layers[:-1], replace(each.output, activation="linear"))
        )
    if any(layer.activation == "sigmoid" for layer in program.hidden):
        found[TANH] = lambda each: _with_hidden(each, "tanh")
    if program.optimizer in ("sgd", "momentum", "nesterov"):
        found[ADAM] = lambda each: replace(each, optimizer="adam", learning_rate=0.001)
    return found


def _with_hidden(program: Program, activation: str) -> Program:
    hidden = tuple(replace(layer, activation=activation) for layer in program.hidden)
    return replace(program, layers=(*hidden, program.output))


def try_changes(subject: Subject, seed: int, seconds: float) -> list[Change]:
    """Train a program as it is and with one change at a time, from one seed and for equally many steps.

    Parameters
    ----------
    subject : Subject
    seed : int
    seconds : float
        The budget of all trainings together.
    """
    program = subject.program
    changes = single_changes(program)
    if not changes:
        return []
    x, y = check_data("", subject.x, subject.y)
    lab = make_laboratory(read_task(program, y), x, y, subject.validation, seed, seconds)
    probes = [lab.run(program, seed, steps=steps, seconds=seconds / 8) for steps in PROBE_STEPS]
    took = [probe.trained.seconds for probe in probes if probe.trained is not None and probe.complete]
    if len(took) < len(probes):
        return []
    # the difference leaves out the time of measuring, which does not grow with the steps
    step_seconds = max(took[1] - took[0], 1e-3) / (PROBE_STEPS[1] - PROBE_STEPS[0])
    # a changed training may take longer for a step
    each = lab.left / (1.3 * len(changes) + 1)
    steps = max(PROBE_STEPS[1], min(probes[0].planned, int(each / step_seconds)))
    base = lab.run(program, seed, steps=steps, seconds=lab.left / 2)
    done = []
    for words, change in changes.items():
        trial = lab.run(change(program), seed, steps=base.steps, seconds=lab.left)
        if not (base.complete and trial.complete):
            break
        gap = trial.skill - base.skill
        done.append(
            Change(
                change=words,
                before=base.held.figure,
                after=trial.held.figure,
                before_curve=base.curve,
                after_curve=trial.curve,
                steps=base.steps,
                mends=bool(gap > MENDED_SHARE * (1 - base.skill)),
            )
        )
    return done
