"""Causes: the names that a diagnosis gives, and hypotheses, which are causes with a remedy to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.program import Program

Array = NDArray[np.floating[Any]]
Change = Callable[[Program], Program]
DataChange = Callable[[Array, NDArray[Any]], tuple[Array, NDArray[Any]]]

#: Every cause with its title; ``docs/diagnosis.md`` has a paragraph for each. Where two causes explain a
#: failure equally well, the one that stands first here is named first.
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "labels_wrong": "The labels are wrong",
        "softmax_on_one_unit": "Softmax on a single output unit",
        "wrong_output_units": "The output does not have the targets' shape",
        "wrong_loss_for_task": "The loss does not fit the task",
        "output_activation_does_not_fit_loss": "The output's activation does not fit the loss",
        "output_activation_cannot_reach_targets": "The output's activation cannot reach the targets",
        "relu_on_output": "ReLU on the output layer",
        "initialization": "The initial weights",
        "missing_hidden_nonlinearity": "Hidden layers without a nonlinearity",
        "inputs_not_scaled": "Inputs that are not scaled",
        "targets_not_scaled": "Targets that are not scaled",
        "learning_rate_too_high": "The learning rate is too high",
        "learning_rate_too_low": "The learning rate is too low",
        "dropout_too_high": "Too much dropout",
        "weight_decay_too_high": "Too much weight decay",
        "saturating_hidden_activation": "Hidden activations that saturate",
        "dead_relu": "Dead ReLU units",
        "too_few_units": "Too few units",
        "batch_size_too_large": "The batch size is too large",
        "too_few_epochs": "Too few epochs",
        "class_imbalance": "Rare classes are never predicted",
        "noisy_labels": "Noisy labels",
        "overfitting": "Overfitting",
        "too_little_data": "Too little data",
        "duplicate_rows_across_splits": "Validation rows that are also training rows",
        "metric_misused": "A metric that does not fit the task",
    }
)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A cause worth trying.

    Attributes
    ----------
    name : str
        A key of ``TITLES``.
    suspicion : float
        From 0 to 1: how unusual program, data or measurements are in this respect.
    sentence : str
        The cause in this program, with numbers.
    remedy : str
        The remedy in words.
    changes : tuple of callable
        Remedies of the program, the most usual first; all but one may fail.
    data_change : callable or None
        A remedy of the training rows.
    certain : bool
        Program and data contradict each other, so that no training could succeed.
    evidence : tuple of str
        Measurements that speak for it.
    layers : tuple of int
        The layers concerned, from 1.
    """

    name: str
    suspicion: float
    sentence: str
    remedy: str
    changes: tuple[Change, ...] = ()
    data_change: DataChange | None = None
    certain: bool = False
    evidence: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()

    @property
    def rank(self) -> tuple[float, int]:
        """Sort key: certain ones first, then the most suspicious, then the order of ``TITLES``."""
        return (-(self.suspicion + self.certain), list(TITLES).index(self.name))


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause that a diagnosis names.

    Attributes
    ----------
    name, title, sentence, remedy : str
    evidence : tuple of str
        Measurements in words.
    layers : tuple of int
        The layers concerned, from 1; empty if it concerns none in particular.
    confirmed : bool
        The remedy was tried, and training needs it, with every seed tried.
    before, after : float or None
        The accuracy (for numbers R²) on held-out rows without this remedy and with it, all others applied;
        the median over seeds. None if it was not tried.
    """

    name: str
    title: str
    sentence: str
    evidence: tuple[str, ...]
    layers: tuple[int, ...]
    remedy: str
    confirmed: bool
    before: float | None
    after: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "sentence": self.sentence,
            "evidence": list(self.evidence),
            "layers": list(self.layers),
            "remedy": self.remedy,
            "confirmed": self.confirmed,
            "before": self.before,
            "after": self.after,
        }
