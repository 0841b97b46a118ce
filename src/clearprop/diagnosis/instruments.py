"""Instruments: measurements of a training as it runs, and of its data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.program import Program
from clearprop.diagnosis.program_training import LayerPass, Trained, scaling_of
from clearprop.diagnosis.task import CLASSES, NUMBERS, Task
from clearprop.training.instruments import dead_share, root_mean_square, saturated_share

Array = NDArray[np.floating[Any]]

#: Rows that the layers of a trained program are looked at with.
LOOKED_ROWS = 512


@dataclass(slots=True)
class Sampler:
    """A probe that looks at steps 1, 2, 4, 8, ... of a training, which costs less the longer it lasts.

    Attributes
    ----------
    steps : list of int
    gradient_sizes : list of list of float
        At each of the steps, each layer's root mean square gradient for its pre-activations, times the rows.
    update_ratios : list of list of float
        Likewise: size of the update over size of the weights.
    """

    steps: list[int] = field(default_factory=list)
    gradient_sizes: list[list[float]] = field(default_factory=list)
    update_ratios: list[list[float]] = field(default_factory=list)

    def wants(self, step: int) -> bool:
        """Tell whether the step is a power of two."""
        return step & (step - 1) == 0

    def look(self, step: int, passes: list[LayerPass], gradients: list[Array], updates: list[float]) -> None:
        """Keep the sizes of a step."""
        self.steps.append(step)
        self.gradient_sizes.append([len(each) * float(np.sqrt(np.mean(each * each))) for each in gradients])
        self.update_ratios.append(updates)


@dataclass(frozen=True, slots=True)
class LayerReading:
    """One layer of a trained program, on training rows.

    Attributes
    ----------
    dead : float
        Share of units whose output is 0 for every row (relu); 0 for other activations.
    saturated : float
        Share of outputs where the slope is nearly 0 (sigmoid, tanh); 0 for other activations.
    size : float
        Root mean square of the outputs.
    """

    dead: float
    saturated: float
    size: float


@dataclass(frozen=True, slots=True, eq=False)
class DataReading:
    """The inputs as the first layer sees them, and the targets.

    Attributes
    ----------
    rows, features : int
    largest, smallest : float
        The largest and the smallest size of a column that is not constant: its |mean| or deviation,
        whichever is larger.
    constant_columns : int
    looks_like_pixels : bool
        Whole numbers from 0 to at most 255, more than 100 among them, in many columns.
    target_size, target_deviation, target_low, target_high : float
        Of targets as they are trained on: the larger of |mean| and deviation, the deviation and the range.
    class_shares : ndarray (classes,)
        Empty for numbers.
    """

    rows: int
    features: int
    largest: float
    smallest: float
    constant_columns: int
    looks_like_pixels: bool
    target_size: float
    target_deviation: float
    target_low: float
    target_high: float
    class_shares: NDArray[np.float64]


def read_data(program: Program, task: Task, x: Array, y: NDArray[Any]) -> DataReading:
    """Measure the data as a program trains on it."""
    scaled = scaling_of(program.scale_inputs, x).apply(x, np.float64)
    deviation = scaled.std(axis=0)
    sizes = np.maximum(np.abs(scaled.mean(axis=0)), deviation)
    varying = deviation > 1e-12 * np.maximum(sizes, 1e-30)
    sizes = sizes[varying] if varying.any() else np.zeros(1)
    columns = y.reshape(len(y), -1)
    targets = scaling_of(program.scale_targets, columns).apply(columns, np.float64)
    high = float(x.max())
    shares = np.empty(0)
    if task.kind == CLASSES:
        shares = np.bincount(np.maximum(task.truth(y), 0), minlength=task.n_classes) / len(y)
    return DataReading(
        rows=len(x),
        features=x.shape[1],
        largest=float(sizes.max()),
        smallest=float(sizes.min()),
        constant_columns=int((~varying).sum()),
        looks_like_pixels=bool(
            x.shape[1] >= 16 and 100 < high <= 255 and x.min() >= 0 and np.all(x[:50] == np.round(x[:50]))
        ),
        target_size=float(np.maximum(np.abs(targets.mean(axis=0)), targets.std(axis=0)).max()),
        target_deviation=float(targets.std(axis=0).max()),
        target_low=float(targets.min()),
        target_high=float(targets.max()),
        class_shares=shares,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """A training as the instruments saw it.

    Attributes
    ----------
    data : DataReading
    losses : list of float
    guess_loss : float or None
        The loss of the best constant prediction, where it is known.
    diverged : bool
    layers : list of LayerReading
        Empty if the training could not begin.
    gradient_sizes, update_ratios : list of float
        Each layer's, the median over the steps sampled.
    output_low, output_high : float
        The range of the outputs on training rows, on the scale that is trained on.
    predicted_shares : ndarray (classes,)
        How often each class is predicted; empty for numbers.
    constant_output : bool
        All rows get the same output.
    """

    data: DataReading
    losses: list[float]
    guess_loss: float | None
    diverged: bool
    layers: list[LayerReading]
    gradient_sizes: list[float]
    update_ratios: list[float]
    output_low: float
    output_high: float
    predicted_shares: NDArray[np.float64]
    constant_output: bool

    @property
    def largest_dead(self) -> float:
        """The largest share of dead units in a layer."""
        return max((layer.dead for layer in self.layers), default=0.0)

    @property
    def largest_saturated(self) -> float:
        """The largest share of saturated outputs in a layer before the last."""
        return max((layer.saturated for layer in self.layers[:-1]), default=0.0)

    @property
    def gradient_ratio(self) -> float:
        """The first layer's gradient size over the last layer's; 1 if it is not known."""
        sizes = self.gradient_sizes
        return sizes[0] / sizes[-1] if len(sizes) > 1 and sizes[-1] > 0 else 1.0

    def loss_means(self) -> tuple[float, float]:
        """Return the mean losses of the first and the last tenth of the steps."""
        tenth = max(1, len(self.losses) // 10)
        if not self.losses:
            return float("nan"), float("nan")
        return float(np.mean(self.losses[:tenth])), float(np.mean(self.losses[-tenth:]))

    @property
    def still_falling(self) -> bool:
        """Whether the loss of the last fifth of the steps is clearly below that of the fifth before."""
        fifth = len(self.losses) // 5
        if fifth < 2:
            return bool(self.losses) and not self.diverged
        before, last = np.asarray(self.losses[-2 * fifth : -fifth]), np.asarray(self.losses[-fifth:])
        noise = (before.var() / fifth + last.var() / fifth) ** 0.5
        return bool(before.mean() - last.mean() > max(2 * noise, 0.01 * abs(before.mean())))


def read_training(
    program: Program, task: Task, x: Array, y: NDArray[Any], trained: Trained | None, sampler: Sampler
) -> Readings:
    """Measure a training that has ended; ``trained`` is None where it could not begin."""
    data = read_data(program, task, x, y)
    if trained is None:
        return Readings(data, [], None, False, [], [], [], 0.0, 0.0, np.empty(0), True)
    rows = np.linspace(0, len(x) - 1, min(LOOKED_ROWS, len(x))).astype(int)
    passes = trained.passes(x[rows])
    outputs = passes[-1].output
    finite = bool(np.isfinite(outputs).all())
    shares = np.empty(0)
    if task.kind == CLASSES:
        predicted = task.prediction(trained, x[rows])
        shares = np.bincount(predicted[predicted >= 0], minlength=task.n_classes) / len(rows)
    return Readings(
        data=data,
        losses=trained.losses,
        guess_loss=_guess_loss(program, task, data),
        diverged=trained.diverged,
        layers=[
            _read_layer(layer.activation, done) for layer, done in zip(program.layers, passes, strict=True)
        ],
        gradient_sizes=_medians(sampler.gradient_sizes),
        update_ratios=_medians(sampler.update_ratios),
        output_low=float(outputs.min()) if finite else float("nan"),
        output_high=float(outputs.max()) if finite else float("nan"),
        predicted_shares=shares,
        constant_output=bool(
            finite and np.all(np.ptp(outputs, axis=0) <= 1e-6 * (np.abs(outputs).max() + 1e-9))
        ),
    )


def _read_layer(activation: str, done: LayerPass) -> LayerReading:
    out = done.activated
    return LayerReading(dead_share(activation, out), saturated_share(activation, out), root_mean_square(out))


def _medians(rows: list[list[float]]) -> list[float]:
    return [float(value) for value in np.median(np.asarray(rows), axis=0)] if rows else []


def _guess_loss(program: Program, task: Task, data: DataReading) -> float | None:
    shares = data.class_shares[data.class_shares > 0]
    if task.kind == CLASSES and program.loss.startswith("cross_entropy"):
        return float(-(shares * np.log(shares)).sum())
    if task.is_binary and program.loss.startswith("binary_cross_entropy"):
        return float(-(shares * np.log(shares)).sum())
    if task.kind == NUMBERS and program.loss == "squared_error" and task.columns == 1:
        return data.target_deviation**2
    return None
