"""The update rules, as the papers give them, sorted in order of increasing complexity.

Each works in place on one array and its state. Coefficients and weight decay follow ``torch.optim``:
the decay is part of the gradient (coupled) for all but ``adamw``, and biases decay as weights do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# the defaults of torch.optim and the papers; a recipe may set others
MOMENTUM = 0.9
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

# faded numbers are looked for every so many steps; a number has faded where it is below so many times the
# smallest normal number. 0.9 ** 64 is 0.001, so that none becomes subnormal in between
FADING_STEPS = 64
FADED = 1e8


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An update rule: the factors of a step, and the update of each parameter with them.

    Parameters
    ----------
    n_slots : int
        How many arrays of the parameter's shape the rule remembers between steps, zero at first.
    factors : callable
        ``factors(learning_rate, step)`` returns the numbers of a step, which counts from 1.
    passes : callable
        ``passes(parameter, gradient, slots, workspace, *factors)`` changes ``parameter`` and ``slots`` in
        place; ``gradient`` and ``workspace``, of the same shape, are overwritten. Where a compiled function
        of the same name gives the same numbers, an engine may call it instead; a rule needs none.
    decoupled : bool
        Whether weight decay shrinks the parameter itself instead of joining the gradient.
    coefficients : tuple of str
        The keyword arguments of ``factors`` that a recipe decides; ``with_coefficients`` sets them.
    torch : str
        The class in ``torch.optim`` that takes the same steps.
    torch_options : callable
        ``torch_options(coefficients)`` returns the class's arguments for a recipe's coefficients by name.
    torch_step : callable or None
        ``torch_step(coefficients, step)`` returns the arguments that change with every step, where some do.
    """

    n_slots: int
    factors: Callable[..., tuple[float, ...]]
    passes: Callable[..., None]
    decoupled: bool = False
    coefficients: tuple[str, ...] = ()
    torch: str = "SGD"
    torch_options: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda coefficients: {}
    torch_step: Callable[[Mapping[str, Any], int], dict[str, Any]] | None = None

    def update(
        self,
        parameter: Array,
        gradient: Array,
        slots: list[Array],
        learning_rate: float,
        step: int,
        workspace: Array,
        decay: float = 0.0,
    ) -> None:
        """Take a step, weight decay included.

        Parameters
        ----------
        parameter, gradient, workspace : ndarray (n,)
            The first is changed in place, the others are overwritten.
        slots : list of ndarray (n,)
            Changed in place.
        learning_rate : float
        step : int
            Counts from 1.
        decay : float
            λ, as ``torch.optim`` takes it.
        """
        keep, coupled = self.decay_factors(learning_rate, decay)
        if keep != 1:
            parameter *= keep
        if coupled:
            np.multiply(parameter, coupled, out=workspace)
            gradient += workspace
        self.passes(parameter, gradient, slots, workspace, *self.factors(learning_rate, step))

    def decay_factors(self, learning_rate: float, decay: float) -> tuple[float, float]:
        """Return the factor of the parameter, and the share of it that is added to the gradient."""
        return (1 - learning_rate * decay, 0.0) if self.decoupled else (1.0, decay)


def _sgd_factors(learning_rate: float, step: int) -> tuple[float]:
    return (learning_rate,)


def _sgd(
    parameter: Array, gradient: Array, slots: list[Array], workspace: Array, learning_rate: float
) -> None:
    """W ← w - η g (Robbins and Monro 1951)."""
    gradient *= learning_rate
    parameter -= gradient


def _momentum_factors(learning_rate: float, step: int, *, momentum: float = MOMENTUM) -> tuple[float, float]:
    return momentum, learning_rate


def _momentum(
    parameter: Array,
    gradient: Array,
    slots: list[Array],
    workspace: Array,
    momentum: float,
    learning_rate: float,
) -> None:
    """V ← μ v + g;  w ← w - η v (Polyak 1964)."""
    (velocity,) = slots
    velocity *= momentum
    velocity += gradient
    np.multiply(velocity, learning_rate, out=workspace)
    parameter -= workspace


def _nesterov(
    parameter: Array,
    gradient: Array,
    slots: list[Array],
    workspace: Array,
    momentum: float,
    learning_rate: float,
) -> None:
    """V ← μ v + g;  w ← w - η (g + μ v) (Nesterov 1983, as Sutskever et al. 2013 write it)."""
    (velocity,) = slots
    velocity *= momentum
    velocity += gradient
    np.multiply(velocity, momentum, out=workspace)
    workspace += gradient
    workspace *= learning_rate
    parameter -= workspace


def _adam_factors(
    learning_rate: float,
    step: int,
    *,
    beta_1: float = BETA_1,
    beta_2: float = BETA_2,
    epsilon: float = EPSILON,
) -> tuple[float, float, float, float]:
    """ε / r and η (1 - β₁) / (1 - β₁ᵗ) / r, with r = √((1 - β₂) / (1 - β₂ᵗ)); see ``_adam``."""
    root = math.sqrt((1 - beta_2) / (1 - beta_2**step))
    return beta_1, beta_2, epsilon / root, learning_rate * (1 - beta_1) / (1 - beta_1**step) / root


def _adam_hat_factors(
    learning_rate: float,
    step: int,
    *,
    beta_1: float = BETA_1,
    beta_2: float = BETA_2,
    epsilon: float = EPSILON,
) -> tuple[float, float, float, float]:
    """Adam with ε̂: added to √v as it is, before the bias correction (end of Kingma and Ba's section 2)."""
    corrected = epsilon / math.sqrt(1 - beta_2**step)
    return _adam_factors(learning_rate, step, beta_1=beta_1, beta_2=beta_2, epsilon=corrected)


def _adam(
    parameter: Array,
    gradient: Array,
    slots: list[Array],
    workspace: Array,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    scale: float,
) -> None:
    """Kingma and Ba 2015.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    w ← w - η / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε).

    The slots hold m / (1 - β₁) and v / (1 - β₂), which grow by g and g² as they are: with the factors
    drawn together into two numbers a step, three of thirteen passes over the arrays are saved.
    """
    mean, square = slots
    mean *= beta_1
    mean += gradient
    np.square(gradient, out=gradient)
    square *= beta_2
    square += gradient
    np.sqrt(square, out=workspace)
    workspace += epsilon
    np.divide(mean, workspace, out=workspace)
    workspace *= scale
    parameter -= workspace


def forget_faded(slots: Sequence[Array]) -> None:
    """Set to zero, in place, the memory of gradients that were zero for hundreds of steps.

    A mean that only shrinks ends among the subnormal numbers, which many processors compute with a hundred
    times as slowly, and stays there: rounded, 0.9 times the smallest of them is itself again. A mean as small
    moves no parameter.

    Parameters
    ----------
    slots : sequence of ndarray
        The first is the mean or the velocity; where it has faded, small numbers of the others fade with it.
    """
    if not slots:
        return
    mean, *others = slots
    tiny = np.finfo(mean.dtype).tiny
    faded = np.abs(mean) < tiny * FADED
    mean[faded] = 0
    for other in others:
        # the mean is zero there, so the step is zero for any divisor
        other[faded & (other < tiny * FADED)] = 0


def _torch_momentum(coefficients: Mapping[str, Any]) -> dict[str, Any]:
    return {"momentum": coefficients["momentum"]}


def _torch_nesterov(coefficients: Mapping[str, Any]) -> dict[str, Any]:
    # PyTorch refuses Nesterov's rule without momentum, where it is plain SGD
    return {"momentum": coefficients["momentum"], "nesterov": coefficients["momentum"] > 0}


def _torch_adam(coefficients: Mapping[str, Any]) -> dict[str, Any]:
    return {"betas": (coefficients["beta_1"], coefficients["beta_2"]), "eps": coefficients["epsilon"]}


def _torch_adam_hat(coefficients: Mapping[str, Any], step: int) -> dict[str, Any]:
    return {"eps": coefficients["epsilon"] / math.sqrt(1 - coefficients["beta_2"] ** step)}


_MOMENTUM = ("momentum",)
_ADAM = Optimizer(
    2,
    _adam_factors,
    _adam,
    coefficients=("beta_1", "beta_2", "epsilon"),
    torch="Adam",
    torch_options=_torch_adam,
)

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType(
    {
        "sgd": Optimizer(0, _sgd_factors, _sgd),
        "momentum": Optimizer(
            1, _momentum_factors, _momentum, coefficients=_MOMENTUM, torch_options=_torch_momentum
        ),
        "nesterov": Optimizer(
            1, _momentum_factors, _nesterov, coefficients=_MOMENTUM, torch_options=_torch_nesterov
        ),
        "adam": _ADAM,
        # as scikit-learn and TensorFlow compute it
        "adam_hat": replace(_ADAM, factors=_adam_hat_factors, torch_step=_torch_adam_hat),
        # Loshchilov and Hutter 2019: adam, with w ← (1 - η λ) w apart from it
        "adamw": replace(_ADAM, decoupled=True, torch="AdamW"),
    }
)


def with_coefficients(name: str, coefficients: Mapping[str, float]) -> Optimizer:
    """Return the rule of that name with its coefficients set.

    Parameters
    ----------
    name : str
        A key of ``OPTIMIZERS``.
    coefficients : mapping of str to float
        ``momentum``, ``beta_1``, ``beta_2`` and ``epsilon``; a rule takes those it has.
    """
    rule = OPTIMIZERS[name]
    own = {coefficient: coefficients[coefficient] for coefficient in rule.coefficients}
    return replace(rule, factors=partial(rule.factors, **own))
