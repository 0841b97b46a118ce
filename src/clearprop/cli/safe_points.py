"""The safe points of a training, at which a signal that waits is raised."""

from __future__ import annotations

from clearprop.cli.interrupts import raise_waiting
from clearprop.training.callbacks import Callback, TrainingState


class BetweenBatches(Callback):
    """Lets a signal in between two batches, when no step and no file is half done."""

    def on_batch_end(self, state: TrainingState) -> None:
        """Raise it."""
        raise_waiting()
