"""Judging a training function: its batches read off the losses it reports, its steps off the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from clearprop.check.calling import Examination, Subject
from clearprop.check.calls import Answer, Runner
from clearprop.check.evaluation import Outcome, Substitutes, problem_of, unchanged
from clearprop.check.formulas.base import Array, Outputs
from clearprop.check.matching import Explanation, Observation, explain, same
from clearprop.check.structures import Unreadable
from clearprop.check.training_runs import EXAMPLES, NO_STEP, STEP, STEP_SIZE, Trained, Training, loss_table
from clearprop.check.verdicts import Evidence, FoundMistake
from clearprop.check.wording import found_mistakes, number, of_problem, simple_mistake


def examine_training(
    subject: Subject,
    runner: Runner,
    substitutes: Substitutes,
    *,
    derivative_of_output: bool = False,
    pairs: bool = True,
) -> list[FoundMistake]:
    """Return the mistakes of a training function; none if it is right.

    Parameters
    ----------
    subject : Subject
    runner : Runner
    substitutes : Substitutes
        Right helpers in place of wrong ones.
    derivative_of_output : bool
        Whether the submission's backward pass gives derivatives the output of the activation.
    pairs : bool
        Whether to look for pairs of mistakes, which takes time.
    """
    training = Training(subject, runner, substitutes, derivative_of_output)
    line = training.line
    mistakes: list[FoundMistake] = []
    answers = training.run(eta=NO_STEP, batch_size=1, epochs=3, twice=True)
    for answer in answers:
        if (problem := problem_of(answer)) is not None:
            return [of_problem(problem, line)]
    try:
        first, again = training.trained(answers[0]), answers[1]
    except Unreadable as problem:
        return [simple_mistake("wrong_shape", str(problem), line)]
    if not unchanged(answers[0].value, again.revisited[0]):
        detail = "a second call changes the result of the first"
        mistakes.append(simple_mistake("parameters_shared_between_calls", detail, line))
    elif (second := _read_or_none(training, again)) is not None and _lengths(second) != _lengths(first):
        detail = "a second call goes on with the lists of the first"
        mistakes.append(simple_mistake("parameters_shared_between_calls", detail, line))
    if mistakes:
        return mistakes
    mistakes += _single_rows(training, first)
    if any(mistake.id == "x_and_y_shuffled_apart" for mistake in mistakes):
        return mistakes
    mistakes += _batches(training)
    mistakes += _steps(training, pairs)
    unique: dict[str, FoundMistake] = {}
    for mistake in mistakes:
        unique.setdefault(mistake.id, mistake)
    return list(unique.values())


def _read_or_none(training: Training, answer: Answer) -> Trained | None:
    try:
        return training.trained(answer)
    except Unreadable:
        return None


def _lengths(trained: Trained) -> tuple[int, ...]:
    return tuple(len(x) for x in (trained.epoch_losses, trained.batch_losses) if x is not None)


def _single_rows(training: Training, trained: Trained) -> list[FoundMistake]:
    """Batches of one example: each loss tells which input met which target."""
    losses, line = trained.batch_losses, training.line
    if losses is None:
        return []
    epochs, n = 3, EXAMPLES
    if len(losses) != epochs * n:
        table = [Evidence("batch losses, 3 epochs of 10 batches", str(len(losses)), str(epochs * n))]
        identity = "loss_not_recorded_per_batch"
        detail = "one an epoch" if len(losses) == epochs else ""
        if len(losses) == epochs * (n - 1):
            identity, detail = "last_batch_dropped", ""
        return [simple_mistake(identity, detail, line, table)]
    pairs = loss_table(training.values)
    order, apart = [], False
    for loss in losses:
        distance = np.abs(pairs - loss)
        i, j = (int(index) for index in np.unravel_index(np.argmin(distance), pairs.shape))
        if distance[i, j] > 1e-4 * abs(loss):
            table = [Evidence("a batch's loss", number(loss), "the loss of one example")]
            detail = "the losses of batches of one example are no example's loss"
            return [simple_mistake("unexplained", detail, line, table)]
        apart |= i != j
        order.append((i, j))
    if apart:
        i, j = next(pair for pair in order if pair[0] != pair[1])
        table = [Evidence("a batch's input and target", f"rows {i} and {j}", "the same row")]
        return [simple_mistake("x_and_y_shuffled_apart", "", line, table)]
    rows = [i for i, _ in order]
    runs = [rows[start : start + n] for start in range(0, len(rows), n)]
    if any(sorted(run) != list(range(n)) for run in runs):
        table = [Evidence("rows of the first epoch", str(runs[0]), "each row once")]
        return [simple_mistake("unexplained", "an epoch does not go through every example once", line, table)]
    if runs[0] == runs[1] == runs[2]:
        detail = "" if runs[0] == list(range(n)) else "the same order is used in every epoch"
        table = [Evidence("order of the rows in each epoch", str(runs[0]), "a new one each epoch")]
        return [simple_mistake("no_shuffle", detail, line, table)]
    return []


def _batches(training: Training) -> list[FoundMistake]:
    """Batches of 4 from 10 examples: the last one has 2."""
    answer = training.run(eta=NO_STEP, batch_size=4, epochs=2)[0]
    line = training.line
    if (problem := problem_of(answer)) is not None:
        return [of_problem(problem, line)]
    trained = _read_or_none(training, answer)
    if trained is None:
        return []
    own = np.diag(loss_table(training.values))
    mistakes: list[FoundMistake] = []
    losses = trained.batch_losses
    if losses is not None:
        sizes = (4, 4, 2)
        if len(losses) == 4:
            table = [Evidence("batches an epoch of 10 examples, 4 a batch", "2", "3")]
            return [simple_mistake("last_batch_dropped", "", line, table)]
        if len(losses) != 6:
            table = [Evidence("batch losses, 2 epochs of 3 batches", str(len(losses)), "6")]
            return [simple_mistake("loss_not_recorded_per_batch", "", line, table)]
        for epoch in (losses[:3], losses[3:]):
            left = set(range(EXAMPLES))
            for loss, size in zip(epoch, sizes, strict=True):
                rows = _rows_of(own, sorted(left), size, float(loss))
                if rows is None:
                    detail = "a batch's loss is not the mean of its examples' losses"
                    table = [Evidence("a batch's loss", number(loss), f"a mean of {size} examples' losses")]
                    identity = (
                        "cross_entropy_not_averaged" if _sum_of(own, size, float(loss)) else "unexplained"
                    )
                    return [simple_mistake(identity, detail, line, table)]
                left -= set(rows)
    if trained.epoch_losses is not None:
        mistakes += _epoch_losses(trained, own, line)
    return mistakes


def _rows_of(own: Array, left: Sequence[int], size: int, loss: float) -> tuple[int, ...] | None:
    best = min(combinations(left, min(size, len(left))), key=lambda rows: abs(own[list(rows)].mean() - loss))
    return best if abs(own[list(best)].mean() - loss) <= 1e-4 * abs(loss) else None


def _sum_of(own: Array, size: int, loss: float) -> bool:
    return any(
        abs(own[list(rows)].sum() - loss) <= 1e-5 * abs(loss) for rows in combinations(range(len(own)), size)
    )


def _epoch_losses(trained: Trained, own: Array, line: int | None) -> list[FoundMistake]:
    """Compare each epoch's loss with the mean of the examples', or of the batches'."""
    losses = trained.epoch_losses
    assert losses is not None
    if len(losses) != 2:
        table = [Evidence("epoch losses of 2 epochs", str(len(losses)), "2")]
        return [
            simple_mistake(
                "loss_not_recorded_per_batch", "epoch losses: one an epoch is asked for", line, table
            )
        ]
    batches = trained.batch_losses
    for epoch in range(2):
        accepted = [float(own.mean())]
        if batches is not None and len(batches) == 6:
            of_epoch = batches[3 * epoch : 3 * epoch + 3]
            accepted += [float(of_epoch.mean()), float(of_epoch[-1])]
        if not any(abs(losses[epoch] - value) <= 1e-4 * abs(value) for value in accepted):
            table = [Evidence(f"loss of epoch {epoch + 1}", number(losses[epoch]), number(own.mean()))]
            return [
                simple_mistake(
                    "unexplained", "the loss of an epoch is not the mean of its examples'", line, table
                )
            ]
    return []


def _steps(training: Training, pairs: bool) -> list[FoundMistake]:
    """Compare the parameters after a step with the whole set as one batch."""
    line = training.line
    answer = training.run(eta=STEP_SIZE, batch_size=EXAMPLES, epochs=1)[0]
    if (problem := problem_of(answer)) is not None:
        return [of_problem(problem, line)]
    trained = _read_or_none(training, answer)
    if trained is None:
        return []
    mistakes: list[FoundMistake] = []
    values = {**training.values, "eta": STEP_SIZE, "n": EXAMPLES}
    values["update_rates"] = (STEP_SIZE,)
    expected = STEP.outputs(values, {})
    if trained.batch_losses is not None and len(trained.batch_losses) == 1:
        before = float(np.diag(loss_table(values)).mean())
        after = float(np.diag(loss_table({**values, **expected})).mean())
        if abs(trained.batch_losses[0] - after) <= 1e-4 * after:
            table = [Evidence("loss of the first batch", number(after), number(before))]
            detail = "the loss is that after the update"
            mistakes.append(simple_mistake("loss_not_recorded_per_batch", detail, line, table))
    if any(not same(trained.parameters[name], expected[name]) for name in trained.parameters):
        mistakes += _explained(Observation(values, trained.parameters), line, pairs)
    else:
        mistakes += _later_steps(training, expected)
    if not mistakes and not training.subject.function.in_place and _argument_changed(training, answer):
        detail = "the parameters given to it are changed"
        mistakes.append(simple_mistake("update_in_place", detail, line))
    return mistakes


def _explained(seen: Observation, line: int | None, pairs: bool) -> list[FoundMistake]:
    explanation: Explanation = explain(STEP, [seen], pairs=pairs)
    outcome = Outcome(Examination(STEP, ()), None, (seen,))
    return list(found_mistakes(outcome, explanation, line, {}))


def _later_steps(training: Training, once: Outputs) -> list[FoundMistake]:
    """Two epochs: the second step starts from the parameters that the first one made."""
    answer = training.run(eta=STEP_SIZE, batch_size=EXAMPLES, epochs=2)[0]
    trained = None if answer.failed else _read_or_none(training, answer)
    if trained is None:
        return []
    values = {**training.values, **once, "eta": STEP_SIZE, "n": EXAMPLES}
    expected = STEP.outputs(values, {})
    wrong = [name for name in trained.parameters if not same(trained.parameters[name], expected[name])]
    if not wrong:
        return []
    detail = "the second step does not start where the first one ended"
    table = [
        Evidence(
            f"{wrong[0]}[0]",
            number(np.ravel(trained.parameters[wrong[0]])[0]),
            number(np.ravel(expected[wrong[0]])[0]),
        )
    ]
    return [simple_mistake("unexplained", detail, training.line, table)]


def _argument_changed(training: Training, answer: Answer) -> bool:
    specification = training.caller.binding.positional
    for i, part in enumerate(specification):
        if part == "@parameters" and i < len(answer.arguments_after):
            values = {**training.values, "eta": STEP_SIZE, "batch_size": EXAMPLES, "epochs": 1}
            return not unchanged(training.caller.call(values).arguments[i], answer.arguments_after[i])
    return False
