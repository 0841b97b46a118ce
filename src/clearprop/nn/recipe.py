"""Recipe: how a network is trained."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

from clearprop.nn.losses import LABEL_LOSSES, LOSSES, LOSSES_OF_OUTPUT
from clearprop.nn.optimizers import BETA_1, BETA_2, EPSILON, MOMENTUM, OPTIMIZERS
from clearprop.nn.schedules import SCHEDULES
from clearprop.utils.arguments import check_choice, check_number, check_whole, listed
from clearprop.utils.errors import InvalidArgument
from clearprop.utils.randomness import check_seed


class DoubleSoftmaxWarning(UserWarning):
    """The recipe applies the softmax twice."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    optimizer : str, default "sgd"
        ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"adam"`` or ``"adamw"``; or ``"adam_hat"``, which adds
        ε before the bias correction, as scikit-learn does.
    learning_rate : float, default 0.01
        Greater than zero; the highest the schedule reaches.
    schedule : str, default "constant"
        ``"constant"``, ``"cosine"``, ``"one_cycle"`` or ``"step"``; changes the rate every step.
    weight_decay : float, default 0.0
        λ, as ``torch.optim`` takes it: λ w joins the gradient, for ``"adamw"`` it shrinks w itself.
    epochs : int, default 10
        Passes over the training rows.
    batch_size : int, default 64
        Rows a step; more than there are means one batch an epoch.
    loss : str, default "cross_entropy"
        ``"cross_entropy"``, or ``"double_softmax"``: the cross-entropy of probabilities that went
        through a second softmax, which the published PyTorch model trained with. It is a mistake
        kept for study, and choosing it warns. These two are for a softmax output;
        ``"binary_cross_entropy"`` is for sigmoid, ``"squared_error"`` for identity and ``"poisson"``
        for exponential.
    label_smoothing : float, default 0.0
        The share of every target spread evenly over the classes, from 0 up to but not including 1.
    early_stopping : int or None, default None
        Stop after this many epochs in a row without a lower validation loss, and go back to the best.
    seed : int, default 0
        Decides the initial parameters, the order of the batches and dropout.
    l2_penalty : float, default 0.0
        α: the loss gains α / 2 Σ w² / n over the weights, biases left out, where n is the batch's rows
        (or the sum of their weights); scikit-learn's ``alpha``.
    momentum : float, default 0.9
        μ of ``"momentum"`` and ``"nesterov"``, from 0 to 1.
    beta_1, beta_2 : float, default 0.9 and 0.999
        How slowly the kinds of ``"adam"`` forget gradients and their squares, from 0 up to but not
        including 1.
    epsilon : float, default 1e-8
        ε of the kinds of ``"adam"``, added to the root of the mean square; greater than zero.
    adversarial_epsilon : float, default 0.0
        ε of adversarial training (Goodfellow et al. 2015; with the L2 norm, Miyato et al. 2017): each row x
        of a batch, scaled, is trained on as x + ε g / |g|, where g is the gradient of its loss for x. There
        the loss is highest within the distance ε, to first order. A step costs two passes forward and back.
        0 means none.

    Raises
    ------
    InvalidArgument
        Naming the field, its value and what is allowed.

    Warns
    -----
    DoubleSoftmaxWarning
        If the loss is ``"double_softmax"``.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.01
    schedule: str = "constant"
    weight_decay: float = 0.0
    epochs: int = 10
    batch_size: int = 64
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    early_stopping: int | None = None
    seed: int = 0
    l2_penalty: float = 0.0
    momentum: float = MOMENTUM
    beta_1: float = BETA_1
    beta_2: float = BETA_2
    epsilon: float = EPSILON
    adversarial_epsilon: float = 0.0

    def __post_init__(self) -> None:
        checked = {
            "optimizer": check_choice("optimizer", self.optimizer, OPTIMIZERS),
            "learning_rate": check_number("learning_rate", self.learning_rate, above=0.0),
            "schedule": check_choice("schedule", self.schedule, SCHEDULES),
            "weight_decay": check_number("weight_decay", self.weight_decay, minimum=0.0),
            "epochs": check_whole("epochs", self.epochs, minimum=1),
            "batch_size": check_whole("batch_size", self.batch_size, minimum=1),
            "loss": check_choice("loss", self.loss, LOSSES),
            "label_smoothing": check_number("label_smoothing", self.label_smoothing, minimum=0.0, below=1.0),
            "early_stopping": self.early_stopping
            if self.early_stopping is None
            else check_whole("early_stopping", self.early_stopping, minimum=1),
            "seed": check_seed(self.seed),
            "l2_penalty": check_number("l2_penalty", self.l2_penalty, minimum=0.0),
            "momentum": check_number("momentum", self.momentum, minimum=0.0, maximum=1.0),
            "beta_1": check_number("beta_1", self.beta_1, minimum=0.0, below=1.0),
            "beta_2": check_number("beta_2", self.beta_2, minimum=0.0, below=1.0),
            "epsilon": check_number("epsilon", self.epsilon, above=0.0),
            "adversarial_epsilon": check_number("adversarial_epsilon", self.adversarial_epsilon, minimum=0.0),
        }
        # NumPy numbers become Python's, so that the fields are plain JSON values
        for field, value in checked.items():
            object.__setattr__(self, field, value)
        if self.label_smoothing and self.loss not in LABEL_LOSSES:
            raise InvalidArgument(
                f'label_smoothing is {self.label_smoothing:g}, but loss="{self.loss}" has no labels to '
                "smooth; leave label_smoothing out."
            )
        if self.loss == "double_softmax":
            warnings.warn(
                'loss="double_softmax" applies the softmax twice: the loss cannot come near zero and '
                'training slows. It is there to reproduce the published study; train with "cross_entropy".',
                DoubleSoftmaxWarning,
                stacklevel=3,
            )

    def check_output(self, output: str) -> None:
        """Raise InvalidArgument unless the loss fits a network's output."""
        fitting = LOSSES_OF_OUTPUT[output]
        if self.loss not in fitting:
            raise InvalidArgument(
                f'loss is "{self.loss}", but a network with output="{output}" learns by {listed(fitting)}; '
                f'choose loss="{fitting[0]}".'
            )

    def learning_rate_at(self, step: int, n_steps: int) -> float:
        """Return the learning rate of one step.

        Parameters
        ----------
        step : int
            Steps done before this one, from 0.
        n_steps : int
            Steps of the whole training.
        """
        return self.learning_rate * SCHEDULES[self.schedule](step / n_steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; ``Recipe(**d)`` makes the recipe again."""
        return asdict(self)
