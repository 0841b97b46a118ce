"""Symptoms: from a training's history, the certain signs that it does not learn, in words with numbers.

Each symptom asks for two things: a measurement of the instruments that is far from usual, and a loss that is
hardly below that of guessing. A network that learns shows none, however many of its units are dead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.history import History
from clearprop.training.instruments import RECORD

#: A loss above this share of that of guessing has learned nothing; above the second share, little.
NOTHING_SHARE, LITTLE_SHARE = 0.98, 0.9
#: Shares of dead units and of saturated outputs from which a layer passes hardly anything on.
DEAD_SHARE, SATURATED_SHARE = 0.8, 0.9
#: The first layer's gradient over the last layer's, below which it has vanished on its way.
VANISHED_RATIO = 0.05
#: Steps before which nothing is certain, and the share of the planned epochs.
FEWEST_STEPS, FEWEST_SHARE = 100, 0.2
#: Fewer rows looked at may be of one class by chance.
FEWEST_ROWS = 32


def symptoms(history: History) -> list[str]:
    """Return what shows at the end of a history that its training does not learn; empty if it learns.

    Parameters
    ----------
    history : History
        Of a training with instruments; without their records nothing is found.

    Returns
    -------
    list of str
        Clauses such as "all predictions are one class since epoch 3", the most telling first.
    """
    looked = [record for record in history.epochs if RECORD in record]
    if len(looked) < 2:
        return []
    signs: tuple[Callable[[list[dict[str, Any]]], str], ...] = (_one_class, _dead, _saturated, _vanished)
    found = [sign(looked) for sign in signs]
    return [clause for clause in [*found, _loss_of_guessing(history.epochs, looked)] if clause]


def plateau(history: History) -> str:
    """Return how long a training that learned in the end stayed at the loss of guessing, or ""."""
    looked = [record for record in history.epochs if RECORD in record]
    if not looked:
        return ""
    guess = looked[-1][RECORD]["guess_loss"]
    stayed = 0
    while stayed < len(history.epochs) and history.epochs[stayed]["train_loss"] > NOTHING_SHARE * guess:
        stayed += 1
    if not 1 < stayed < len(history.epochs) or stayed < FEWEST_SHARE * len(history.epochs):
        return ""
    return f"the loss stayed at that of guessing for {stayed} of {len(history.epochs)} epochs"


class SymptomNotice(Callback):
    """Prints the first symptom of a training, once, when two looks of the instruments in a row show it."""

    def __init__(self) -> None:
        self._said = False

    def on_epoch_end(self, state: TrainingState) -> None:
        """Print the sentence, unless it is too early or one was printed."""
        early = len(state.history.batch_losses) < FEWEST_STEPS
        if self._said or early or state.epoch < FEWEST_SHARE * state.recipe.epochs:
            return
        found = symptoms(state.history)
        if found:
            self._said = True
            print(f"Epoch {state.epoch}: {found[0]}.", file=sys.stderr, flush=True)


def _is_stuck(record: dict[str, Any], share: float = LITTLE_SHARE) -> bool:
    stuck: bool = record["train_loss"] > share * record[RECORD]["guess_loss"]
    return stuck


def _since(looked: list[dict[str, Any]], shows: Callable[[dict[str, Any]], bool]) -> int | None:
    """Return the epoch since which every look shows a sign; None unless at least two do."""
    since, looks = None, 0
    for record in reversed(looked):
        if not shows(record):
            break
        since, looks = record["epoch"], looks + 1
    return since if looks > 1 else None


def _one_class(looked: list[dict[str, Any]]) -> str:
    def shows(record: dict[str, Any]) -> bool:
        predicted = record[RECORD]["predicted"]
        return sum(map(bool, predicted)) == 1 and sum(predicted) >= FEWEST_ROWS and _is_stuck(record)

    since = _since(looked, shows)
    return "" if since is None else f"all predictions are one class since epoch {since}"


def _dead(looked: list[dict[str, Any]]) -> str:
    return _layer_sign(looked, "dead", DEAD_SHARE, "{share:.0%} of layer {layer}'s units are dead")


def _saturated(looked: list[dict[str, Any]]) -> str:
    return _layer_sign(
        looked, "saturated", SATURATED_SHARE, "{share:.0%} of layer {layer}'s outputs are saturated"
    )


def _layer_sign(looked: list[dict[str, Any]], name: str, least: float, words: str) -> str:
    shares = looked[-1][RECORD][name]
    layer = max(range(len(shares)), key=shares.__getitem__, default=None)
    if layer is None:
        return ""
    since = _since(looked, lambda record: record[RECORD][name][layer] >= least and _is_stuck(record))
    return "" if since is None else words.format(share=shares[layer], layer=layer + 1)


def _vanished(looked: list[dict[str, Any]]) -> str:
    def shows(record: dict[str, Any]) -> bool:
        return _is_stuck(record) and _gradient_ratio(record) < VANISHED_RATIO

    if _since(looked, shows) is None:
        return ""
    return f"the gradient of layer 1 is {_gradient_ratio(looked[-1]):.2g} times that of the last layer"


def _gradient_ratio(record: dict[str, Any]) -> float:
    sizes = record[RECORD]["gradient"]
    return float(sizes[0] / sizes[-1]) if sizes[-1] else 1.0


def _loss_of_guessing(epochs: list[dict[str, Any]], looked: list[dict[str, Any]]) -> str:
    guess, loss = looked[-1][RECORD]["guess_loss"], epochs[-1]["train_loss"]
    if _since(looked, lambda record: _is_stuck(record, NOTHING_SHARE)) is None:
        return ""
    return f"the loss is that of guessing ({loss:.3f}; guessing gives {guess:.3f})"
