"""Safe points of training: a delayed interrupt is raised between two batches.

Apart from ``interrupts``, which must import nothing heavy.
"""

from __future__ import annotations

from clearprop.cli.interrupts import raise_delayed
from clearprop.training.callbacks import Callback, TrainingState


class BetweenBatches(Callback):
    """Raises a delayed interrupt after a batch, when no step and no file is half done."""

    def on_batch_end(self, state: TrainingState) -> None:
        """Raise it, if a signal was received."""
        raise_delayed()
