"""Explains the experiments of a study: what the instruments saw, and short trainings that try remedies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.data.dataset import Dataset, Splits
from clearprop.diagnosis.adapters.runs import program_of
from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.entry import FEWEST_SECONDS, diagnose_subject
from clearprop.diagnosis.finding import Diagnosis
from clearprop.diagnosis.verdicts import is_collapsed
from clearprop.nn.losses import double_softmax_floor
from clearprop.study.changes import ADAM, NO_DECAY, ONE_SOFTMAX, TANH, try_changes
from clearprop.study.definitions import Plan, Study, plan
from clearprop.study.explanations import (
    Change,
    Explanation,
    Look,
    NamedCause,
    read_explanations,
    write_explanations,
)
from clearprop.study.results import SeedResult, read_results
from clearprop.study.single_run import SEED_RESULT_FILE
from clearprop.training.history import History
from clearprop.training.instruments import RECORD
from clearprop.training.run_folder import HISTORY_FILE
from clearprop.training.symptoms import VANISHED_RATIO, plateau, symptoms
from clearprop.utils.errors import ClearpropError

#: Budget of the experiments on one run.
SECONDS = 30.0
#: Share of the budget that goes to trainings with one change; the diagnosis has the rest.
CHANGES_SHARE = 0.5


def explain_study(
    study: Study,
    dataset: Dataset,
    out: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    seconds: float = SECONDS,
    say: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Explanation]:
    """Explain the run of every experiment that the report shows in full, and write ``diagnosis.json``.

    An explanation of an unchanged run is not made again.

    Parameters
    ----------
    study : Study
    dataset : Dataset
    out : path-like
        The study's folder, which holds its results.
    epochs : int or None
        As for ``run_study``.
    seconds : float, default 30
        The budget of the experiments on each run where something is wrong; 0 makes none.
    say : callable
        Called with a sentence before the experiments on a run.

    Returns
    -------
    dict of str to Explanation
        By experiment; one whose runs have no instruments and show nothing is left out.

    Raises
    ------
    StudyError
        If the folder holds no results.
    OutputError
        If the file cannot be written.
    """
    folder = Path(out)
    known, explained = read_explanations(folder), {}
    for experiment in read_results(folder).experiments:
        result = (experiment.complete or experiment.seeds)[0]
        fingerprint = _fingerprint(folder / result.folder)
        kept = known.get(experiment.name)
        if kept is not None and kept.fingerprint == fingerprint and (kept.healthy or kept.seconds >= seconds):
            explained[experiment.name] = kept
            continue
        sizes = (dataset.n_features, dataset.n_classes)
        plans = plan(study, dataset.name, *sizes, epochs=epochs, seed=result.seed)
        each = next(each for each in plans if each.name == experiment.name)
        found = explain(each, dataset, folder, result, fingerprint, seconds, say)
        if found is not None:
            explained[experiment.name] = found
            # an interruption keeps the explanations before it
            write_explanations(folder, explained)
    if explained:
        write_explanations(folder, explained)
    return explained


def _fingerprint(folder: Path) -> str:
    try:
        return str(json.loads((folder / SEED_RESULT_FILE).read_bytes())["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def explain(
    each: Plan,
    dataset: Dataset,
    folder: Path,
    result: SeedResult,
    fingerprint: str,
    seconds: float,
    say: Callable[[str], None] = lambda sentence: None,
) -> Explanation | None:
    """Explain one run of a study; None if the run has nothing that could be explained.

    Parameters
    ----------
    each : Plan
    dataset : Dataset
    folder : pathlib.Path
        The study's.
    result : SeedResult
        Of the run.
    fingerprint : str
        Of the run's settings and data.
    seconds : float
        The budget of the experiments; they are made only where something is wrong.
    say : callable
        Called with a sentence before them.
    """
    history = _history(folder / result.folder)
    looks = [Look(epoch=record["epoch"], **record[RECORD]) for record in history.epochs if RECORD in record]
    wrong = _wrong(history, result)
    if not looks and not wrong:
        return None
    sentences = [_capital(clause) for clause in wrong]
    sentences += _measured(history, looks, bool(wrong))
    if each.recipe.loss == "double_softmax":
        floor = double_softmax_floor(each.network.layer_sizes[-1])
        sentences.append(f"The softmax is applied twice, so the loss cannot fall below {floor:.3f}.")
    causes: list[NamedCause] = []
    changes: list[Change] = []
    if wrong and seconds >= FEWEST_SECONDS:
        say(f"{each.name}: {wrong[0]}; trying what mends it, for {seconds:g} s at most.")
        subject = _subject(each, dataset)
        changes = try_changes(subject, each.recipe.seed, CHANGES_SHARE * seconds)
        sentences += [*_verdict(changes), *_because(changes, looks)]
        found = _diagnosed(subject, each.recipe.seed, (1 - CHANGES_SHARE) * seconds)
        causes = [] if found is None else _named(found)
    return Explanation(
        fingerprint=fingerprint,
        seconds=seconds if wrong else 0.0,
        healthy=not wrong,
        sentences=sentences,
        looks=looks,
        causes=causes,
        changes=changes,
    )


def _history(folder: Path) -> History:
    try:
        return History(**json.loads((folder / HISTORY_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return History()


def _wrong(history: History, result: SeedResult) -> list[str]:
    """Return what is wrong with a run, as clauses."""
    if result.status == "diverged":
        return ["the loss became NaN or infinite"]
    found = symptoms(history)
    late = plateau(history)
    found += [late] if late and not found else []
    one_class = any("one class" in clause for clause in found)
    if is_collapsed(result.evaluations["test"].confusion) and not one_class:
        found.insert(0, "all predictions on the test set are one class")
    return found


def _capital(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


# ---- The instruments in words ------------------------------------------------------------------------


def _measured(history: History, looks: list[Look], is_wrong: bool) -> list[str]:
    if not looks:
        return []
    first, last = looks[0], looks[-1]
    losses = history.batch_losses
    sentences = [
        f"The first loss is {losses[0]:.3f} and guessing costs {first.guess_loss:.3f}; the last epoch's mean "
        f"loss is {history.epochs[-1]['train_loss']:.3f}."
    ]
    ratio = first.gradient[0] / first.gradient[-1] if first.gradient[-1] else 1.0
    if len(first.gradient) > 1 and (is_wrong or ratio < 0.2):
        sizes = ", ".join(f"{size:.2g}" for size in first.gradient)
        sentences.append(
            f"After epoch {first.epoch} the gradient at layers 1 to {len(first.gradient)} has the sizes "
            f"{sizes}: layer 1 gets {ratio:.2g} of what the last layer gets."
        )
    if max(last.dead, default=0) >= 0.3:
        layer = int(np.argmax(last.dead))
        sentences.append(f"In layer {layer + 1} {last.dead[layer]:.0%} of the units are dead.")
    if not is_wrong:
        sentences.insert(
            0,
            f"The network learns: {sum(map(bool, last.predicted))} of {len(last.predicted)} classes are "
            f"predicted, and a step moves the weights by {min(last.update):.1g} to {max(last.update):.1g} of "
            "their size.",
        )
    return sentences


def _verdict(changes: list[Change]) -> list[str]:
    if not changes:
        return []
    mending = [change for change in changes if change.mends]
    steps = changes[0].steps
    told = "; ".join(f"{each.change}: {each.after:.3f}" for each in changes)
    start = f"In short trainings of {steps:,} steps the accuracy is {changes[0].before:.3f} as it is. "
    if not mending:
        return [f"{start}With one change each: {told}. None restores learning in that time."]
    alone = ", each alone" if len(mending) > 1 else ""
    named = " and ".join(f"“{each.change}”" for each in mending)
    return [f"{start}With one change each: {told}. Learning is restored by {named}{alone}."]


def _because(changes: list[Change], looks: list[Look]) -> list[str]:
    """Return the cause that the changes together with the gradients show, if they do."""
    mending = {change.change for change in changes if change.mends}
    if {NO_DECAY, ONE_SOFTMAX} <= mending:
        return [
            "So the cause is the two together: the gradients that a second softmax leaves are so small that "
            "the decay outweighs them. Take away either one, and the network learns."
        ]
    if NO_DECAY in mending:
        return ["So the cause is the weight decay, which outweighs the gradients."]
    first = looks[0].gradient if looks else []
    rescaled = ", and so does an optimizer that rescales every gradient" if ADAM in mending else ""
    if TANH in mending and len(first) > 1 and first[0] < VANISHED_RATIO * first[-1]:
        return [
            "So it learns slowly because the gradient shrinks through the layers: the slope of a sigmoid is "
            f"at most 1/4, and below {len(first) - 1} layers of them {first[0] / first[-1]:.2g} of the "
            "gradient is left. "
            f"An activation of larger slope mends it{rescaled}."
        ]
    return []


# ---- Experiments -------------------------------------------------------------------------------------


def _subject(each: Plan, dataset: Dataset) -> Subject:
    program, notes = program_of(each.network, each.recipe)
    parts: Splits = dataset.split(validation=each.validation, seed=each.recipe.seed)
    held = parts.validation
    pair = None if held is None or not len(held) else (_scaled(held), held.y)
    return Subject(program, _scaled(parts.train), parts.train.y, pair, notes)


def _scaled(part: Dataset) -> Any:
    return part.scaling.apply(part.x)


def _diagnosed(subject: Subject, seed: int, seconds: float) -> Diagnosis | None:
    if seconds < FEWEST_SECONDS:
        return None
    try:
        return diagnose_subject(subject, seed=seed, seconds=seconds)
    except ClearpropError:
        # the study's results do not depend on it
        return None


def _named(found: Diagnosis) -> list[NamedCause]:
    return [
        NamedCause(**{name: getattr(cause, name) for name in NamedCause.model_fields})
        for cause in found.causes
    ]
