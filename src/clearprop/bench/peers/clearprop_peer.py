"""Clearprop through its public interface: `train`, with its loop and history, and `Model.predict`."""

from __future__ import annotations

import time
from itertools import pairwise

from clearprop.bench.peers.base import Predictor, Task, Training
from clearprop.data.dataset import Dataset
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import PIXELS
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.training.trainer import train as train_network


class _Clock(Callback):
    """Records when each epoch ended, so that work between two epochs is timed too."""

    def __init__(self) -> None:
        self.stamps: list[float] = []

    def on_train_begin(self, state: TrainingState) -> None:
        self.stamps.append(time.perf_counter())

    def on_epoch_end(self, state: TrainingState) -> None:
        self.stamps.append(time.perf_counter())


def train(task: Task) -> Training:
    """Train from the stored uint8 rows; the seed draws the same parameters as ``task.parameters``.

    The variant ``"bare"`` trains without the instruments.
    """
    recipe = Recipe(
        optimizer=task.optimizer,
        learning_rate=task.learning_rate,
        epochs=task.epochs,
        batch_size=task.batch_size,
        seed=task.seed,
    )
    classes = tuple(str(number) for number in range(task.layer_sizes[-1]))
    dataset = Dataset("bench", task.x, task.y, classes, None, PIXELS)
    clock = _Clock()
    run = train_network(
        Network(task.layer_sizes),
        recipe,
        dataset,
        engine=task.engine,
        callbacks=[clock],
        progress=False,
        instruments=task.variant != "bare",
    )
    seconds = [end - start for start, end in pairwise(clock.stamps)]
    return Training(seconds, run.history.column("train_loss"))


def predictor(task: Task) -> Predictor:
    """Predict from the stored uint8 rows."""
    model = Model(Network(task.layer_sizes), task.parameters, PIXELS)
    return Predictor(model.predict, task.x)
