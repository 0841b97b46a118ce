"""The arithmetic in NumPy, in place, batch by batch.

Activations are kept features-first, ``(units, batch)``: for small batches the matrix products run up to
twice as fast in that layout (on AVX2; alike on AVX-512), and no step allocates anything of a batch's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.activations import ACTIVATIONS
from clearprop.engines.base import FloatArray, Task, dropout_masks, take_rows
from clearprop.engines.blas import add_product
from clearprop.inference import logits
from clearprop.losses import LOSSES
from clearprop.optimizers import with_coefficients
from clearprop.parameters import Parameters, copy_parameters

# numbers an optimizer works on at a time: with its memory and workspace they fit a core's cache
BLOCK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class _Buffers:
    """Arrays a step of one batch size works in."""

    rows: NDArray[Any]  # (batch, features), as stored
    outputs: list[FloatArray]  # (units, batch) for every layer, the scaled input first, the logits last
    dropped: list[FloatArray]  # the hidden outputs after dropout; the outputs themselves without it
    gradients: list[FloatArray]  # (units, batch) for every hidden layer


class NumpyEngine:
    """Trains in NumPy; see ``Engine`` for what it does and ``Task`` for what it takes."""

    name = "numpy"
    device = "cpu"

    def __init__(self, task: Task) -> None:
        self._take(task)
        self._parameters = copy_parameters(task.parameters)
        self._activations = [ACTIVATIONS[name] for name in task.network.activations]
        self._loss = LOSSES[task.recipe.loss]
        self._optimizer = with_coefficients(task.recipe.optimizer, task.recipe.to_dict())
        arrays = [array for layer in self._parameters for array in layer]
        self._slots = [
            [np.zeros(array.size, dtype=task.dtype) for _ in range(self._optimizer.n_slots)]
            for array in arrays
        ]
        plain = task.recipe.optimizer == "sgd"
        self._add_product = add_product(task.dtype.name) if plain else None
        largest = max(array.size for array in arrays)
        self._gradient = np.empty(0 if self._add_product else largest, dtype=task.dtype)
        self._workspace = np.empty(BLOCK, dtype=task.dtype)
        self._step = 0
        self._buffers: dict[int, _Buffers] = {}
        self._shift, self._factor = (
            np.asarray(value, dtype=task.dtype).reshape(-1, 1)
            for value in (task.scaling.shift, task.scaling.factor)
        )
        self._shifted = bool(np.any(self._shift))
        self._scaled = self._shifted or bool(np.any(self._factor != 1))

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        task = self._task
        batch = len(rows)
        buffers = self._buffers_of(batch)
        masks = dropout_masks(task.dropout_rng, task.network, batch, task.dtype)
        penalty = self._penalty(rows)
        if penalty is None:
            return 0.0
        # a training that diverges overflows here; the loop sees it in the loss
        with np.errstate(over="ignore", invalid="ignore"):
            loss, gradient = self._loss_of(rows, buffers, masks, penalty)
            self._step += 1
            self._backward(buffers, masks, gradient, learning_rate, penalty)
        return loss

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        penalty = self._penalty(rows)
        if penalty is None:
            return 0.0, [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in self._parameters]
        buffers = self._buffers_of(len(rows))
        gradients: Parameters = []
        with np.errstate(over="ignore", invalid="ignore"):
            loss, of_outputs = self._loss_of(rows, buffers, [], penalty)
            for layer in range(len(self._parameters) - 1, -1, -1):
                weight, _ = self._parameters[layer]
                inputs = buffers.outputs[layer]
                of_weight = inputs @ of_outputs.T
                if penalty:
                    of_weight += penalty * weight
                gradients.append((of_weight, of_outputs.sum(axis=1)))
                if layer:
                    of_outputs = np.matmul(weight, of_outputs, out=buffers.gradients[layer - 1])
                    # last, since it overwrites the outputs
                    self._activations[layer - 1].times_derivative(of_outputs, inputs)
        return loss, gradients[::-1]

    def load_rows(self, x: Any, y: NDArray[Any], sample_weight: FloatArray | None = None) -> None:
        """Go on with other training rows; see ``Engine.load_rows``."""
        self._take(replace(self._task, x=x, y=y, sample_weight=sample_weight))
        # they hold rows of the earlier type
        self._buffers = {}

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations; see ``Engine.logits``."""
        return logits(self._parameters, self._task.network.activations, self._task.scaling, x)

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        return copy_parameters(self._parameters)

    def load_parameters(self, parameters: Parameters) -> None:
        """Go on from other parameters of the same shapes."""
        for own, other in zip(self._parameters, parameters, strict=True):
            np.copyto(own[0], other[0])
            np.copyto(own[1], other[1])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the optimizer remembers; see ``Engine.state``."""
        return {"step": np.array(self._step), **self._named_slots()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what ``state`` gave; see ``Engine.load_state``."""
        self._step = int(state["step"])
        for name, slot in self._named_slots().items():
            np.copyto(slot, state[name])

    def _named_slots(self) -> dict[str, FloatArray]:
        return {
            f"slots.{index}.{number}": slot
            for index, slots in enumerate(self._slots)
            for number, slot in enumerate(slots)
        }

    def _take(self, task: Task) -> None:
        """Keep the task, its targets and weights in the type to compute in."""
        self._task = task
        self._y = task.y if task.network.output == "softmax" else task.y.astype(task.dtype, copy=False)
        weight = task.sample_weight
        self._sample_weight = None if weight is None else weight.astype(task.dtype, copy=False)

    def _penalty(self, rows: NDArray[np.intp]) -> float | None:
        """Return what the L2 penalty of a batch multiplies the weights with; None if no row counts."""
        total = len(rows) if self._sample_weight is None else float(self._sample_weight[rows].sum())
        return self._task.recipe.l2_penalty / total if total else None

    def _loss_of(
        self, rows: NDArray[np.intp], buffers: _Buffers, masks: list[FloatArray], penalty: float
    ) -> tuple[float, FloatArray]:
        """Run a batch forward; return its loss, the penalty included, and the gradient for the logits."""
        self._gather(rows, buffers)
        self._forward(buffers, masks)
        weights = None if self._sample_weight is None else self._sample_weight[rows]
        # targets of several outputs are turned features-first, as the logits are; of labels .T is nothing
        targets = self._y[rows].T
        loss, gradient = self._loss(buffers.outputs[-1], targets, self._task.recipe.label_smoothing, weights)
        if penalty:
            loss += penalty / 2 * sum(float(np.vdot(weight, weight)) for weight, _ in self._parameters)
        return loss, gradient

    def _buffers_of(self, batch: int) -> _Buffers:
        buffers = self._buffers.get(batch)
        if buffers is None:
            # the ragged last batch has buffers of its own, so that no epoch allocates
            buffers = self._buffers[batch] = self._make_buffers(batch)
        return buffers

    def _make_buffers(self, batch: int) -> _Buffers:
        sizes = self._task.network.layer_sizes
        dtype = self._task.dtype
        rows = np.empty((batch, sizes[0]), dtype=self._task.x.dtype)
        # rows that need no scaling are the input as they lie; but the product that adds asks for C order
        as_stored = rows.dtype == dtype and not self._scaled and self._add_product is None
        inputs = rows.T if as_stored else np.empty((sizes[0], batch), dtype=dtype)
        outputs = [inputs, *(np.empty((units, batch), dtype=dtype) for units in sizes[1:])]
        hidden = outputs[1:-1]
        dropped = [np.empty_like(output) for output in hidden] if self._task.network.dropout else hidden
        return _Buffers(
            rows=rows,
            outputs=outputs,
            dropped=dropped,
            gradients=[np.empty_like(output) for output in hidden],
        )

    def _gather(self, rows: NDArray[np.intp], buffers: _Buffers) -> None:
        """Fetch the batch's rows and scale them into the input layer."""
        take_rows(self._task.x, rows, buffers.rows)
        inputs = buffers.outputs[0]
        if inputs.base is buffers.rows:
            return
        if self._shifted:
            np.subtract(buffers.rows.T, self._shift, out=inputs)
            inputs *= self._factor
        else:
            np.multiply(buffers.rows.T, self._factor, out=inputs)

    def _forward(self, buffers: _Buffers, masks: list[FloatArray]) -> None:
        """Fill every layer's outputs."""
        inputs = buffers.outputs[0]
        for layer, (weight, bias) in enumerate(self._parameters):
            outputs = buffers.outputs[layer + 1]
            np.matmul(weight.T, inputs, out=outputs)
            outputs += bias[:, np.newaxis]
            if layer < len(self._activations):
                self._activations[layer].value(outputs)
                inputs = outputs
                if masks:
                    inputs = np.multiply(outputs, masks[layer].T, out=buffers.dropped[layer])

    def _backward(
        self,
        buffers: _Buffers,
        masks: list[FloatArray],
        gradient: FloatArray,
        learning_rate: float,
        penalty: float,
    ) -> None:
        """Carry the gradient from the logits to the first layer, updating each layer once it has passed."""
        for layer in range(len(self._parameters) - 1, -1, -1):
            weight, bias = self._parameters[layer]
            inputs = buffers.dropped[layer - 1] if layer else buffers.outputs[0]
            of_outputs = gradient
            if layer:
                # before the update: it is the weight of the forward pass that carries the gradient back
                gradient = buffers.gradients[layer - 1]
                np.matmul(weight, of_outputs, out=gradient)
            self._update_weight(2 * layer, weight, inputs, of_outputs, learning_rate, penalty)
            self._update(2 * layer + 1, bias, of_outputs.sum(axis=1), learning_rate, 0.0)
            if layer:
                if masks:
                    gradient *= masks[layer - 1].T
                # last, since it overwrites the outputs
                self._activations[layer - 1].times_derivative(gradient, buffers.outputs[layer])

    def _update_weight(
        self,
        index: int,
        weight: FloatArray,
        inputs: FloatArray,
        gradient: FloatArray,
        learning_rate: float,
        penalty: float,
    ) -> None:
        if self._add_product is not None:
            # w ← (1 - η λ) w - η h dᵀ: the gradient itself is never written down
            keep = 1 - learning_rate * (self._task.recipe.weight_decay + penalty)
            self._add_product(weight, inputs, gradient, -learning_rate, keep)
            return
        weight_gradient = self._gradient[: weight.size].reshape(weight.shape)
        np.matmul(inputs, gradient.T, out=weight_gradient)
        self._update(index, weight, weight_gradient, learning_rate, penalty)

    def _update(
        self, index: int, array: FloatArray, gradient: FloatArray, learning_rate: float, penalty: float
    ) -> None:
        """Apply the update rule, a block at a time, so that its many passes stay in the cache."""
        flat, flat_gradient = array.reshape(-1), gradient.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            block = slice(start, start + BLOCK)
            slots = [slot[block] for slot in self._slots[index]]
            self._update_block(flat[block], flat_gradient[block], slots, learning_rate, penalty)

    def _update_block(
        self,
        array: FloatArray,
        gradient: FloatArray,
        slots: list[FloatArray],
        learning_rate: float,
        penalty: float,
    ) -> None:
        workspace = self._workspace[: array.size]
        decay = self._task.recipe.weight_decay
        # the penalty is part of the loss, so it joins the gradient whatever the decay does
        coupled = penalty if self._optimizer.decoupled else penalty + decay
        if coupled:
            np.multiply(array, coupled, out=workspace)
            gradient += workspace
        if decay and self._optimizer.decoupled:
            array *= 1 - learning_rate * decay
        self._optimizer.update(array, gradient, slots, learning_rate, self._step, workspace)
