"""Recipe: how a network is trained."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from clearprop.nn.losses import LOSSES, LOSSES_OF_OUTPUT
from clearprop.nn.optimizers import BETA_1, BETA_2, EPSILON, MOMENTUM, OPTIMIZERS
from clearprop.nn.schedules import SCHEDULES
from clearprop.nn.setting import documented, fields_for_files, setting, settings_of
from clearprop.utils.arguments import listed
from clearprop.utils.errors import InvalidArgument

#: More would take years, and a mistyped number is told at once.
MAX_EPOCHS = 1_000_000


class DoubleSoftmaxWarning(UserWarning):
    """The recipe applies the softmax twice."""


def _loss_choices() -> str:
    """Return the losses that fit each output, in words."""
    fitting = [
        f"{listed(losses)} for output={output!r}".replace("'", '"')
        for output, losses in LOSSES_OF_OUTPUT.items()
    ]
    return f"{', '.join(fitting[:-1])}, or {fitting[-1]}"


@documented
@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained: each field states its meaning and its range.

    Raises
    ------
    InvalidArgument
        Naming the field, its value and the values allowed.

    Warns
    -----
    DoubleSoftmaxWarning
        If the loss is ``"double_softmax"``.
    """

    optimizer: str = setting(
        "sgd",
        '{choices}; "adam_hat" adds ε before the bias correction, as scikit-learn does.',
        choices=OPTIMIZERS,
        help="Of {names}; {default} if not given.",
        always_shown=True,
    )
    learning_rate: float = setting(
        0.01,
        "The highest the schedule reaches.",
        above=0.0,
        help="The highest the schedule reaches; {default}.",
        always_shown=True,
    )
    schedule: str = setting(
        "constant", "{choices}; changes the rate every step.", choices=SCHEDULES, help="{choices}."
    )
    weight_decay: float = setting(
        0.0,
        'λ, as torch.optim takes it: λ w joins the gradient, for "adamw" it shrinks w itself.',
        minimum=0.0,
        help="As torch.optim takes it; {default}.",
    )
    epochs: int = setting(
        10,
        "Passes over the training rows.",
        minimum=1,
        maximum=MAX_EPOCHS,
        help="Passes over the training rows; {default}.",
        change_label="number of epochs",
        always_shown=True,
    )
    batch_size: int = setting(
        64,
        "Rows a step; more than there are means one batch an epoch.",
        minimum=1,
        help="Rows a step; {default}.",
        always_shown=True,
    )
    loss: str = setting(
        "cross_entropy",
        f'{_loss_choices()}. "double_softmax" is the cross-entropy of probabilities that went through a '
        "second softmax, which the published PyTorch model trained with; it is a mistake kept for study, and "
        "choosing it warns.",
        choices=LOSSES,
        before="epochs",
        always_shown=True,
    )
    label_smoothing: float = setting(
        0.0,
        "The share of every target spread evenly over the classes.",
        minimum=0.0,
        below=1.0,
        help="Share of targets spread over all classes; {default}.",
        before="epochs",
    )
    early_stopping: int | None = setting(
        None,
        "Stop after this many epochs in a row without a lower validation loss, and go back to the best.",
        minimum=1,
        help="Stop after this many epochs without a lower validation loss.",
        before="epochs",
    )
    seed: int = setting(0, "Decides the initial parameters, the order of the batches and dropout.", minimum=0)
    l2_penalty: float = setting(
        0.0,
        "α: the loss gains α / 2 Σ w² / n over the weights, biases left out, where n is the batch's rows (or "
        "the sum of their weights); scikit-learn's alpha.",
        minimum=0.0,
        before="loss",
        label="L2 penalty",
    )
    momentum: float = setting(MOMENTUM, 'μ of "momentum" and "nesterov".', minimum=0.0, maximum=1.0)
    beta_1: float = setting(
        BETA_1,
        'How slowly the kinds of "adam" forget gradients.',
        minimum=0.0,
        below=1.0,
        label="Adam's β₁",
    )
    beta_2: float = setting(
        BETA_2,
        'How slowly the kinds of "adam" forget the squares of gradients.',
        minimum=0.0,
        below=1.0,
        label="Adam's β₂",
    )
    epsilon: float = setting(
        EPSILON,
        'ε of the kinds of "adam", added to the root of the mean square.',
        above=0.0,
        label="Adam's ε",
    )
    adversarial_epsilon: float = setting(
        0.0,
        "ε of adversarial training (Goodfellow et al. 2015; with the L2 norm, Miyato et al. 2017): each row "
        "x of a batch, scaled, is trained on as x + ε g / |g|, where g is the gradient of its loss for x. "
        "There the loss is highest within the distance ε, to first order. A step costs two passes forward "
        "and back. 0 means none.",
        minimum=0.0,
        help="Train on each row moved so far to where its loss is higher, twice the work a step; {default}.",
        before="early_stopping",
        label="adversarial ε",
    )

    def __post_init__(self) -> None:
        # NumPy numbers become Python's, so that the fields are plain JSON values
        for name, row in RECIPE_SETTINGS.items():
            object.__setattr__(self, name, row.check(getattr(self, name)))
        if self.label_smoothing and not LOSSES[self.loss].smooths_labels:
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
        return fields_for_files(self, RECIPE_SETTINGS)


#: The settings of a recipe by name, in the order of its fields.
RECIPE_SETTINGS = settings_of(Recipe)
