"""History: the losses and metrics of a training, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class History:
    """The measurements of one training.

    Attributes
    ----------
    epochs : list of dict
        One record an epoch: ``epoch`` (from 1), ``train_loss`` (mean over the epoch's rows, as they were
        trained on), ``validation_loss`` and ``validation_accuracy`` (None without a validation set),
        ``learning_rate`` (of the epoch's last step) and ``seconds`` (spent training, validation left out).
        Epochs that the instruments looked at also have ``instruments``, the fields of
        ``clearprop.training.instruments.Sample``.
    batch_losses : list of float
        The loss of every step, in order.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    batch_losses: list[float] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """Return one value of every epoch record, such as ``column("train_loss")``."""
        return [record[name] for record in self.epochs]

    def metrics(self, best: bool = False) -> dict[str, Any]:
        """Return the losses and accuracy of the last epoch, or of the one with the lowest validation loss."""
        if not self.epochs:
            return {}
        record = min(self.epochs, key=lambda each: each["validation_loss"]) if best else self.epochs[-1]
        names = ("epoch", "train_loss", "validation_loss", "validation_accuracy")
        return {name: record.get(name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Return the records as plain JSON values; ``History(**d)`` makes the history again."""
        return {"epochs": list(self.epochs), "batch_losses": list(self.batch_losses)}
