"""Training of a Program in NumPy: right and wrong programs, within limits of steps and of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.layer_functions import activate, through_activation
from clearprop.diagnosis.parameters_of_program import LayerArrays, initial_arrays, views
from clearprop.diagnosis.program import Layer, Program
from clearprop.diagnosis.target_losses import broadcasts_to_square, loss_and_gradient, targets_for
from clearprop.engines.kernels.optimizer_update import Updater
from clearprop.nn.optimizers import Optimizer, with_coefficients
from clearprop.nn.scaling import Scaling
from clearprop.utils.randomness import streams

Array = NDArray[np.floating[Any]]

#: Rows that go through the network at a time in prediction.
PREDICTION_ROWS = 4096
#: Steps between two looks at the clock.
CLOCK_STEPS = 8


@dataclass(slots=True)
class LayerPass:
    """One layer's arrays in a pass: inputs, pre-activations, outputs, and the factors of its dropout."""

    inputs: Array
    z: Array
    activated: Array
    output: Array
    kept: Array | None = None


class Probe(Protocol):
    """Looks at a training as it runs."""

    def wants(self, step: int) -> bool:
        """Tell whether this step, counted from 1, is to be looked at."""

    def look(self, step: int, passes: list[LayerPass], gradients: list[Array], updates: list[float]) -> None:
        """Receive a step: each layer's pass, gradient for its pre-activations, and update-to-weight ratio."""


@dataclass(slots=True)
class Trained:
    """A trained program.

    Attributes
    ----------
    program : Program
    losses : list of float
        The loss of every step.
    steps, planned : int
        Steps done, and those the program asks for.
    diverged : bool
        The loss became NaN or infinite.
    seconds : float
    """

    program: Program
    layers: list[LayerArrays]
    input_scaling: Scaling
    target_scaling: Scaling
    dtype: Any
    planned: int
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    diverged: bool = False
    seconds: float = 0.0

    def outputs(self, x: Array) -> Array:
        """Return the outputs ``(n, units)`` for rows ``(n, features)``, in the units of the targets given."""
        return self.in_target_units(self.scaled_outputs(x))

    def in_target_units(self, outputs: Array) -> Array:
        """Return outputs back from the scale that the program trains on."""
        restored: Array = outputs / self.target_scaling.factor + self.target_scaling.shift
        return restored

    def scaled_outputs(self, x: Array) -> Array:
        """Return the outputs ``(n, units)`` for rows ``(n, features)``, on the scale that is trained on."""
        starts = range(0, len(x), PREDICTION_ROWS)
        return np.concatenate([self._outputs(x[start : start + PREDICTION_ROWS]) for start in starts])

    def passes(self, x: Array) -> list[LayerPass]:
        """Return each layer's pass in prediction, for rows that fit memory at once."""
        values: Array = self.input_scaling.apply(x, self.dtype)
        done = []
        with np.errstate(all="ignore"):
            for layer, arrays in zip(self.program.layers, self.layers, strict=True):
                done.append(_forward(layer, arrays, values, None, training=False))
                values = done[-1].output
        return done

    def _outputs(self, x: Array) -> Array:
        return self.passes(x)[-1].output


def train_program(
    program: Program,
    x: Array,
    y: NDArray[Any],
    *,
    seed: int = 0,
    max_steps: int | None = None,
    deadline: float | None = None,
    probe: Probe | None = None,
    at_checkpoint: Callable[[Trained], bool] | None = None,
    checkpoints: int = 0,
    dtype: Any = np.float32,
) -> Trained:
    """Train a program.

    Parameters
    ----------
    program : Program
    x : ndarray (n, features)
    y : ndarray (n,) or (n, columns)
        As people give targets; ``targets_for`` says how they are compared with the outputs.
    seed : int, default 0
    max_steps : int or None
        Stop after so many steps.
    deadline : float or None
        Stop when ``time.perf_counter()`` passes it.
    probe : Probe or None
    at_checkpoint : callable or None
        Called evenly ``checkpoints`` times, last at the end; the training stops when it returns True.
    dtype : dtype, default float32

    Returns
    -------
    Trained
        Also where the loss became NaN, which is ``diverged``.

    Raises
    ------
    DataError
        If the targets do not fit the output.
    """
    randomness = streams(seed)
    input_scaling = scaling_of(program.scale_inputs, x)
    target_scaling = scaling_of(program.scale_targets, y.reshape(len(y), -1))
    inputs = np.ascontiguousarray(input_scaling.apply(x, dtype))
    scaled: NDArray[Any] = y
    if program.scale_targets is not None:
        scaled = target_scaling.apply(y.reshape(len(y), -1), np.float64).reshape(y.shape)
    targets = targets_for(program, scaled, dtype)
    square = broadcasts_to_square(program, y)
    arrays = initial_arrays(program, x.shape[1], randomness.initialization, dtype)
    rule = _rule(program)
    slots = [np.zeros_like(arrays.flat) for _ in range(rule.n_slots)]
    updater = Updater(rule, program.weight_decay, arrays.flat, slots)
    gradient_views = views(program, x.shape[1], updater.gradient)

    n = len(inputs)
    batch = min(program.batch_size, n)
    per_epoch = -(-n // batch)
    planned = per_epoch * program.epochs
    n_steps = planned if max_steps is None else min(planned, max_steps)
    marks = {round(n_steps * k / checkpoints) for k in range(1, checkpoints + 1)} if checkpoints else set()
    result = Trained(program, arrays.layers, input_scaling, target_scaling, dtype, planned)
    started = time.perf_counter()
    order = np.arange(n)
    # a product of wrong sizes may overflow in float32, which the loss then tells
    with np.errstate(all="ignore"):
        for step in range(1, n_steps + 1):
            place = (step - 1) % per_epoch
            if place == 0:
                order = randomness.shuffle.permutation(n)
            rows = order[place * batch : (place + 1) * batch]
            passes = _forward_all(program, arrays.layers, inputs[rows], randomness.dropout)
            loss, gradient = loss_and_gradient(program, passes[-1].output, targets[rows], square)
            if not np.isfinite(loss):
                result.diverged = True
                break
            result.losses.append(loss)
            looked = probe is not None and probe.wants(step)
            updater.begin()
            gradients = _backward_all(program, arrays.layers, gradient_views, passes, gradient, looked)
            before = [layer.weight.copy() for layer in arrays.layers] if looked else []
            updater.update(arrays.flat.size, program.rate, step)
            result.steps = step
            if looked:
                assert probe is not None
                probe.look(step, passes, gradients, _update_ratios(before, arrays.layers))
            result.seconds = time.perf_counter() - started
            if step in marks and at_checkpoint is not None and at_checkpoint(result):
                break
            if deadline is not None and step % CLOCK_STEPS == 0 and time.perf_counter() > deadline:
                break
    result.seconds = time.perf_counter() - started
    return result


def scaling_of(kind: str | float | None, values: Array) -> Scaling:
    """Return the scaling that a program asks for, from the training rows ``(n, columns)``."""
    if kind is None:
        return Scaling()
    if not isinstance(kind, str):
        return Scaling(0.0, float(kind))
    numbers = np.asarray(values, np.float64)
    if kind == "standard":
        shift, spread = numbers.mean(axis=0), numbers.std(axis=0)
    else:
        shift = numbers.min(axis=0)
        spread = numbers.max(axis=0) - shift
    # a constant column stays
    return Scaling(shift, 1 / np.where(spread > 1e-12 * (np.abs(shift) + 1e-30), spread, 1))


def _forward_all(
    program: Program, arrays: list[LayerArrays], inputs: Array, rng: np.random.Generator
) -> list[LayerPass]:
    passes = []
    for layer, own in zip(program.layers, arrays, strict=True):
        passes.append(_forward(layer, own, inputs, rng, training=True))
        inputs = passes[-1].output
    return passes


def _forward(
    layer: Layer, arrays: LayerArrays, inputs: Array, rng: np.random.Generator | None, *, training: bool
) -> LayerPass:
    z: Array = inputs @ arrays.weight
    z += arrays.bias
    if layer.batch_norm == "before":
        z = _normalized(arrays, z, training)
    activated = activate(layer.activation, z)
    out = _normalized(arrays, activated, training) if layer.batch_norm == "after" else activated
    if not training or not layer.dropout or rng is None:
        return LayerPass(inputs, z, activated, out)
    # inverted dropout: what is kept grows, so that prediction needs no change
    kept: Array = (rng.random(out.shape, np.float32) >= layer.dropout).astype(out.dtype)
    kept /= out.dtype.type(1 - layer.dropout)
    return LayerPass(inputs, z, activated, out * kept, kept)


def _normalized(arrays: LayerArrays, values: Array, training: bool) -> Array:
    assert arrays.norm is not None
    assert arrays.scale is not None
    assert arrays.shift is not None
    normalize = arrays.norm.train if training else arrays.norm.predict
    return normalize(values, arrays.scale, arrays.shift)


def _backward_all(
    program: Program,
    arrays: list[LayerArrays],
    gradients: list[LayerArrays],
    passes: list[LayerPass],
    gradient: Array,
    looked: bool,
) -> list[Array]:
    """Write the gradients of all parameters; return those of the pre-activations where a probe looks."""
    seen: list[Array] = []
    for number in range(len(passes) - 1, -1, -1):
        layer, own, its, done = program.layers[number], arrays[number], gradients[number], passes[number]
        if done.kept is not None:
            gradient = gradient * done.kept
        if layer.batch_norm == "after":
            gradient = _through_norm(own, its, gradient)
        gradient = through_activation(layer.activation, gradient, done.z, done.activated)
        if layer.batch_norm == "before":
            gradient = _through_norm(own, its, gradient)
        if looked:
            seen.insert(0, gradient)
        np.matmul(done.inputs.T, gradient, out=its.weight)
        np.add.reduce(gradient, axis=0, out=its.bias)
        if number:
            gradient = gradient @ own.weight.T
    return seen


def _through_norm(own: LayerArrays, its: LayerArrays, gradient: Array) -> Array:
    assert own.norm is not None
    assert own.scale is not None
    assert its.scale is not None
    assert its.shift is not None
    gradient, its.scale[:], its.shift[:] = own.norm.backward(gradient, own.scale)
    return gradient


def _update_ratios(before: list[Array], layers: list[LayerArrays]) -> list[float]:
    """Return each layer's size of update over size of weights, by their root mean squares."""
    return [
        float(np.linalg.norm(layer.weight - old) / (np.linalg.norm(old) + 1e-12))
        for old, layer in zip(before, layers, strict=True)
    ]


def _rule(program: Program) -> Optimizer:
    keras = program.framework == "keras"
    if program.optimizer == "rmsprop":
        decay, epsilon = (0.9, 1e-7) if keras else (0.99, 1e-8)
        return Optimizer(1, partial(_rmsprop_factors, decay=decay, epsilon=epsilon), _rmsprop)
    coefficients: Mapping[str, float] = {
        "momentum": program.momentum,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7 if keras else 1e-8,
    }
    return with_coefficients(program.optimizer, coefficients)


def _rmsprop_factors(learning_rate: float, step: int, *, decay: float, epsilon: float) -> tuple[float, ...]:
    return learning_rate, decay, epsilon


def _rmsprop(
    parameter: Array,
    gradient: Array,
    slots: list[Array],
    workspace: Array,
    learning_rate: float,
    decay: float,
    epsilon: float,
) -> None:
    """V ← α v + (1 - α) g²;  w ← w - η g / (√v + ε) (Tieleman and Hinton 2012)."""
    (square,) = slots
    np.multiply(gradient, gradient, out=workspace)
    workspace *= 1 - decay
    square *= decay
    square += workspace
    np.sqrt(square, out=workspace)
    workspace += epsilon
    gradient *= learning_rate
    gradient /= workspace
    parameter -= gradient
