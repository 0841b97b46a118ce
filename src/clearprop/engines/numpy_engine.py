"""Training in NumPy in one process: parameters, the optimizer's memory, and the steps that change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task, copy_engine
from clearprop.engines.kernels.layout import layers_in, shapes_of
from clearprop.engines.numpy_step import Stepper
from clearprop.engines.prediction import logits
from clearprop.engines.training_rows import rows_for
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters


class LayerStore(Protocol):
    """An array for every layer: parameters, or one slot of the optimizer's memory."""

    def read(self) -> Parameters:
        """Return new arrays, with the first weight's rows in the order of the data's columns."""
        ...

    def write(self, layers: Parameters) -> None:
        """Overwrite all layers with arrays in that order."""
        ...


class WholeLayers:
    """An array for every layer, in this process's memory; see ``LayerStore``.

    Parameters
    ----------
    layers : sequence of ndarray (1 + fan_in, fan_out)
        For each layer the bias, then the weight.
    order : ndarray (features,) of intp or None
        Of the first weight's rows; see ``Rows``.
    """

    def __init__(self, layers: Sequence[FloatArray], order: NDArray[np.intp] | None) -> None:
        self._layers, self._order = layers, order

    def read(self) -> Parameters:
        """Return new arrays."""
        parameters = [(layer[1:].copy(), layer[0].copy()) for layer in self._layers]
        if self._order is not None:
            parameters[0][0][self._order] = self._layers[0][1:]
        return parameters

    def write(self, layers: Parameters) -> None:
        """Overwrite all layers."""
        for number, (layer, (weight, bias)) in enumerate(zip(self._layers, layers, strict=True)):
            layer[0] = bias
            layer[1:] = weight if number or self._order is None else weight[self._order]


class NumpyEngine:
    """Trains in NumPy; see ``Engine`` and ``Task``.

    Parameters
    ----------
    task : Task
    """

    name = "numpy"
    device = "cpu"
    _parameters: LayerStore
    _slots: Sequence[LayerStore]
    # of a prediction: after a step the threads of the BLAS are still awake, and quicker than new ones
    _prediction_threads: int | None = 1

    def __init__(self, task: Task) -> None:
        self._start(task)

    def _start(self, task: Task) -> None:
        """Start a task with its own parameters and an empty memory of the optimizer."""
        self._task = task
        self._set_up(task)
        recipe = task.recipe
        # weights whose inputs are always zero have no gradient, and need no update unless they decay
        self._stepper.all_move = bool(recipe.weight_decay or recipe.l2_penalty)
        self.load_parameters(task.parameters)

    def _set_up(self, task: Task) -> None:
        """Allocate the arrays for a task, and make the stepper that works on them."""
        shapes = shapes_of(task.network.layer_sizes)
        size = sum(rows * columns for rows, columns in shapes)
        flat = np.empty(size, task.dtype)
        slots = [np.zeros(size, task.dtype) for _ in range(OPTIMIZERS[task.recipe.optimizer].n_slots)]
        rows = rows_for(task)
        self._stepper = Stepper(task.network, task.recipe, flat, slots, rows, task.dropout_rng)
        self._parameters = WholeLayers(layers_in(flat, shapes), rows.order)
        self._slots = [WholeLayers(layers_in(slot, shapes), rows.order) for slot in slots]

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        return self._stepper.step(rows, learning_rate)

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        if self._stepper.penalty(rows) is None:
            return 0.0, [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in self.parameters()]
        loss, gradient = self._stepper.loss_and_gradient(rows)
        return loss, WholeLayers(gradient, self._stepper.rows.order).read()

    def load_rows(self, x: Any, y: NDArray[Any], sample_weight: FloatArray | None = None) -> None:
        """Continue with other training rows; see ``Engine.load_rows``."""
        state, parameters = self.state(), self.parameters()
        self._start(replace(self._task, x=x, y=y, sample_weight=sample_weight, parameters=parameters))
        self.load_state(state)

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations; see ``Engine.logits``."""
        task = self._task
        return logits(self.parameters(), task.network.activations, task.scaling, x, self._prediction_threads)

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        return self._parameters.read()

    def load_parameters(self, parameters: Parameters) -> None:
        """Continue with other parameters of the same shapes."""
        self._parameters.write(parameters)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's memory; see ``Engine.state``."""
        state: dict[str, NDArray[Any]] = {"step": np.array(self._stepper.steps)}
        for number, slot in enumerate(self._slots):
            # by layer and in the order of the data's columns: it does not depend on how it is stored here
            for layer, (weight, bias) in enumerate(slot.read()):
                state |= {f"slots.{number}.{layer}.weight": weight, f"slots.{number}.{layer}.bias": bias}
        return state

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load the optimizer's memory; see ``Engine.load_state``."""
        self._stepper.steps = int(state["step"])
        for number, slot in enumerate(self._slots):
            names = [f"slots.{number}.{layer}" for layer in range(len(self._task.network.layer_sizes) - 1)]
            layers = [(state[f"{name}.weight"], state[f"{name}.bias"]) for name in names]
            slot.write(layers)
            # weights whose inputs are zero in these rows may have had a gradient in other rows
            self._stepper.all_move |= bool(self._stepper.rows.unused(layers[0][0]).any())

    def __deepcopy__(self, memo: dict[int, Any]) -> NumpyEngine:
        return copy_engine(self, NumpyEngine, self._task, memo)

    def close(self) -> None:
        """Do nothing: this engine has nothing that only steps need."""
