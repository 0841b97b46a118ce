"""The arithmetic in NumPy, in place, batch by batch; no step allocates anything of a batch's size.

Arrays of a batch are ``(batch, units)``. The inputs of the first layer lie row after row, as they are stored;
all that hidden units give lies unit after unit, which the matrix products like best: for small batches, by up
to two times, depending on the processor.

A layer's bias lies before its weight as one more row, and a column of ones before its inputs: so the products
carry the bias along, forward and back, and no pass over the outputs is spent on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.activations import ACTIVATIONS
from clearprop.engines.base import FloatArray, Task, dropout_masks, take_rows
from clearprop.engines.blas import AddProduct, add_product
from clearprop.engines.zero_columns import ColumnOrder, column_order
from clearprop.inference import logits
from clearprop.losses import LOSSES
from clearprop.optimizers import with_coefficients
from clearprop.parameters import Parameters

# numbers an optimizer works on at a time: with its memory and workspace they fit a core's cache
BLOCK = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class _Buffers:
    """Arrays a step of one batch size works in."""

    rows: NDArray[Any]  # (batch, features), as stored
    inputs: list[FloatArray]  # (batch, 1 + fan_in) for every layer: a column of ones, then what it is given
    outputs: list[FloatArray]  # (batch, units) for every layer; without dropout they lie in the inputs
    gradients: list[FloatArray]  # (batch, units) for what every layer gives, before its activation
    steps: list[AddProduct]  # takes a layer down its gradient, where the update rides on the product
    moves: FloatArray  # (batch, features), how an adversary moves the inputs; else empty


class NumpyEngine:
    """Trains in NumPy; see ``Engine`` for what it does and ``Task`` for what it takes."""

    name = "numpy"
    device = "cpu"

    def __init__(self, task: Task) -> None:
        self._sizes = task.network.layer_sizes
        self._activations = [ACTIVATIONS[name] for name in task.network.activations]
        self._loss = LOSSES[task.recipe.loss]
        self._optimizer = with_coefficients(task.recipe.optimizer, task.recipe.to_dict())
        self._add_product = add_product(task.dtype.name) if task.recipe.optimizer == "sgd" else None
        size = task.network.n_parameters
        self._flat = np.empty(size, task.dtype)
        self._flat_gradient = np.empty(0 if self._add_product else size, task.dtype)
        self._slots = [np.zeros(size, task.dtype) for _ in range(self._optimizer.n_slots)]
        self._layers = _layers(self._flat, self._sizes)
        self._gradient = [] if self._add_product else _layers(self._flat_gradient, self._sizes)
        self._workspace = np.empty(min(BLOCK, size), task.dtype)
        self._step = 0
        self._n_moving = size
        self._columns: ColumnOrder | None = None
        self.load_parameters(task.parameters)
        self._take(task)

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        task = self._task
        buffers = self._buffers_of(len(rows))
        masks = dropout_masks(task.dropout_rng, task.network, len(rows), task.dtype)
        penalty = self._penalty(rows)
        if penalty is None:
            return 0.0
        # a training that diverges overflows here; the loop sees it in the loss
        with np.errstate(over="ignore", invalid="ignore"):
            self._gather(rows, buffers, masks[0] if masks else None)
            loss = self._loss_of(rows, buffers, masks, penalty)
            if task.recipe.adversarial_epsilon:
                self._move_uphill(buffers, masks)
                # the loss that is returned is that of the rows as they are
                self._loss_of(rows, buffers, masks, penalty)
            self._step += 1
            if self._add_product is not None:
                for layer, inputs, _ in self._backward(buffers, masks):
                    self._step_down(layer, buffers.steps[layer], inputs.shape[1], learning_rate, penalty)
                return loss
            self._write_gradient(self._gradient, buffers, masks, penalty)
            self._update(learning_rate)
        return loss

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        penalty = self._penalty(rows)
        if penalty is None:
            return 0.0, [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in self.parameters()]
        buffers = self._buffers_of(len(rows))
        gradient = [np.empty_like(layer) for layer in self._layers]
        with np.errstate(over="ignore", invalid="ignore"):
            self._gather(rows, buffers, None)
            loss = self._loss_of(rows, buffers, [], penalty)
            self._write_gradient(gradient, buffers, [], penalty)
        return loss, self._as_parameters(gradient)

    def load_rows(self, x: Any, y: NDArray[Any], sample_weight: FloatArray | None = None) -> None:
        """Go on with other training rows; see ``Engine.load_rows``."""
        self._take(replace(self._task, x=x, y=y, sample_weight=sample_weight))

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations; see ``Engine.logits``."""
        return logits(self.parameters(), self._task.network.activations, self._task.scaling, x)

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        return self._as_parameters(self._layers)

    def load_parameters(self, parameters: Parameters) -> None:
        """Go on from other parameters of the same shapes."""
        for own, (weight, bias) in zip(self._layers, parameters, strict=True):
            own[0], own[1:] = bias, weight
        if self._columns is not None:
            self._columns.sort(self._layers[0][1:])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the optimizer remembers; see ``Engine.state``."""
        state: dict[str, NDArray[Any]] = {"step": np.array(self._step)}
        for number, slot in enumerate(self._slots):
            # by layer and as the columns are stored, so that no way of keeping it here is in it
            for layer, (weight, bias) in enumerate(self._as_parameters(_layers(slot, self._sizes))):
                state |= {f"slots.{number}.{layer}.weight": weight, f"slots.{number}.{layer}.bias": bias}
        return state

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what ``state`` gave; see ``Engine.load_state``."""
        self._step = int(state["step"])
        for number, slot in enumerate(self._slots):
            for layer, own in enumerate(_layers(slot, self._sizes)):
                own[0], own[1:] = (state[f"slots.{number}.{layer}.{kind}"] for kind in ("bias", "weight"))
                if not layer and self._columns is not None:
                    self._columns.sort(own[1:])
        # it may remember gradients where these rows have none
        if any(slot[self._n_moving :].any() for slot in self._slots):
            self._n_moving = self._flat.size

    def _as_parameters(self, layers: list[FloatArray]) -> Parameters:
        """Return copies, the first weight's rows in the order of the stored columns."""
        parameters = [(layer[1:].copy(), layer[0].copy()) for layer in layers]
        if self._columns is not None:
            self._columns.restore(parameters[0][0])
        return parameters

    def _take(self, task: Task) -> None:
        """Keep the task: its targets and weights in the type to compute in, its columns in order."""
        self._task = task
        self._y = task.y if task.network.output == "softmax" else task.y.astype(task.dtype, copy=False)
        weight = task.sample_weight
        self._sample_weight = None if weight is None else weight.astype(task.dtype, copy=False)
        by_column = [_layers(flat, self._sizes)[0][1:] for flat in (self._flat, *self._slots)]
        if self._columns is not None:
            for array in by_column:
                self._columns.restore(array)
        self._shift, self._factor = (
            np.asarray(value, task.dtype) for value in (task.scaling.shift, task.scaling.factor)
        )
        self._shifted = bool(self._shift.any())
        self._scaled = bool((self._factor != 1).any())
        # a zero that is shifted is none, and an adversary moves every one
        dense = self._shifted or task.recipe.adversarial_epsilon
        self._columns = None if dense else column_order(task.x)
        self._x = task.x
        # what has never had a gradient stands still, unless it decays; after earlier rows it may have had one
        self._n_moving = self._flat.size
        if self._columns is not None:
            self._x = self._columns.rows
            for array in by_column:
                self._columns.sort(array)
            if self._factor.ndim:
                self._factor = self._factor[self._columns.order]
            if not (self._step or task.recipe.weight_decay or task.recipe.l2_penalty):
                self._n_moving -= (self._sizes[0] - self._columns.used) * self._sizes[1]
        # they hold rows of the earlier type
        self._buffers: dict[int, _Buffers] = {}
        # of the inputs of the first layer, how many columns a batch needs
        self._width = 1 + self._sizes[0]

    def _penalty(self, rows: NDArray[np.intp]) -> float | None:
        """Return what the L2 penalty of a batch multiplies the weights with; None if no row counts."""
        total = len(rows) if self._sample_weight is None else float(self._sample_weight[rows].sum())
        return self._task.recipe.l2_penalty / total if total else None

    def _buffers_of(self, batch: int) -> _Buffers:
        buffers = self._buffers.get(batch)
        if buffers is None:
            # the ragged last batch has buffers of its own, so that no epoch allocates
            buffers = self._buffers[batch] = self._make_buffers(batch)
        return buffers

    def _make_buffers(self, batch: int) -> _Buffers:
        *before, n_outputs = self._sizes
        dtype = self._task.dtype
        inputs = [
            np.ones((batch, 1 + units), dtype, "F" if layer else "C") for layer, units in enumerate(before)
        ]
        hidden = [array[:, 1:] for array in inputs[1:]]
        # what dropout leaves of the outputs is what the next layer is given; their derivative needs the whole
        outputs = [array.copy("F") for array in hidden] if self._task.network.dropout else hidden
        # unit after unit, as the losses take them
        logits = np.empty((batch, n_outputs), dtype, "F")
        gradients = [*(array.copy("F") for array in hidden), logits.copy("F")]
        steps = []
        if self._add_product is not None:
            factors = zip(self._layers, inputs, gradients, strict=True)
            steps = [self._add_product(layer, array.T, gradient) for layer, array, gradient in factors]
        return _Buffers(
            rows=np.empty((batch, before[0]), self._x.dtype),
            inputs=inputs,
            outputs=[*outputs, logits],
            gradients=gradients,
            steps=steps,
            moves=np.empty((batch, before[0] if self._task.recipe.adversarial_epsilon else 0), dtype),
        )

    def _gather(self, rows: NDArray[np.intp], buffers: _Buffers, mask: FloatArray | None) -> None:
        """Fetch the batch's rows and scale them; note how far any of them is not zero."""
        take_rows(self._x, rows, buffers.rows)
        inputs = buffers.inputs[0]
        if self._columns is not None:
            # together with the ones a whole number of the widest vectors
            width = min(-(-(1 + self._columns.widths[rows].max()) // 16) * 16 - 1, self._sizes[0])
            factor = self._factor[:width] if self._factor.ndim else self._factor
            np.multiply(buffers.rows[:, :width], factor, out=inputs[:, 1 : 1 + width])
            self._width = 1 + int(width)
            inputs = inputs[:, : self._width]
            # drawn for the columns as they are stored
            mask = None if mask is None else mask[:, self._columns.order[:width]]
        elif self._shifted:
            np.subtract(buffers.rows, self._shift, out=inputs[:, 1:])
            inputs[:, 1:] *= self._factor
        elif self._scaled:
            np.multiply(buffers.rows, self._factor, out=inputs[:, 1:])
        else:
            inputs[:, 1:] = buffers.rows
        if mask is not None:
            inputs[:, 1:] *= mask

    def _loss_of(
        self, rows: NDArray[np.intp], buffers: _Buffers, masks: list[FloatArray | None], penalty: float
    ) -> float:
        """Run a batch forward; keep the gradient for the logits, return the loss with its penalty."""
        self._forward(buffers, masks)
        weights = None if self._sample_weight is None else self._sample_weight[rows]
        # of labels .T is nothing
        loss, gradient = self._loss(
            buffers.outputs[-1].T, self._y[rows].T, self._task.recipe.label_smoothing, weights
        )
        if penalty:
            loss += penalty / 2 * sum(float(np.vdot(layer[1:], layer[1:])) for layer in self._layers)
        buffers.gradients[-1][:] = gradient.T
        return loss

    def _forward(self, buffers: _Buffers, masks: list[FloatArray | None]) -> None:
        """Fill every layer's outputs, and with them the next one's inputs."""
        for number, layer in enumerate(self._layers):
            inputs = buffers.inputs[number] if number else buffers.inputs[0][:, : self._width]
            outputs = buffers.outputs[number]
            np.matmul(inputs, layer[: inputs.shape[1]], out=outputs)
            if number < len(self._activations):
                self._activations[number].value(outputs)
                mask = masks[number + 1] if masks else None
                if mask is not None:
                    np.multiply(outputs, mask, out=buffers.inputs[number + 1][:, 1:])
                elif self._task.network.dropout:
                    buffers.inputs[number + 1][:, 1:] = outputs

    def _backward(
        self, buffers: _Buffers, masks: list[FloatArray | None]
    ) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """Carry the gradient from the logits to the first layer.

        Yields
        ------
        layer : int
            From the last to the first. Once it is given it may change: all that goes further back has been
            computed with the weight of the forward pass.
        inputs : ndarray (batch, 1 + fan_in)
            What the layer was given, the column of ones first.
        of_outputs : ndarray (batch, fan_out)
            The gradient for what the layer gives, before its activation.
        """
        for layer in range(len(self._layers) - 1, 0, -1):
            of_outputs, gradient = buffers.gradients[layer], buffers.gradients[layer - 1]
            np.matmul(of_outputs, self._layers[layer][1:].T, out=gradient)
            yield layer, buffers.inputs[layer], of_outputs
            mask = masks[layer] if masks else None
            if mask is not None:
                gradient *= mask
            # last, since it overwrites the outputs
            self._activations[layer - 1].times_derivative(gradient, buffers.outputs[layer - 1])
        yield 0, buffers.inputs[0][:, : self._width], buffers.gradients[0]

    def _move_uphill(self, buffers: _Buffers, masks: list[FloatArray | None]) -> None:
        """X ← x + ε g / |g|, row by row, where g is the gradient of the loss for the inputs x."""
        *_, (_, _, of_outputs) = self._backward(buffers, masks)
        move = np.matmul(of_outputs, self._layers[0][1:].T, out=buffers.moves)
        mask = masks[0] if masks else None
        if mask is not None:
            move *= mask
        length = np.sqrt(np.einsum("ij,ij->i", move, move))
        # what has no gradient has no direction
        length[length == 0] = np.inf
        move *= (self._task.recipe.adversarial_epsilon / length)[:, None]
        # the inputs lie there masked: what moves is what was there before, and the mask is upon it again
        if mask is not None:
            move *= mask
        buffers.inputs[0][:, 1:] += move

    def _step_down(
        self, layer: int, step: AddProduct, width: int, learning_rate: float, penalty: float
    ) -> None:
        """W ← (1 - η λ) w - η hᵀ d in one product: the gradient itself is never written down."""
        own = self._layers[layer]
        keep = 1 - learning_rate * (self._task.recipe.weight_decay + penalty)
        # the penalty is on weights only
        of_bias = learning_rate * penalty * own[0] if penalty else 0.0
        step(width, -learning_rate, keep)
        if keep != 1:
            own[width:] *= keep
            own[0] += of_bias

    def _write_gradient(
        self, gradient: list[FloatArray], buffers: _Buffers, masks: list[FloatArray | None], penalty: float
    ) -> None:
        """Write down the gradient of a batch that has been run forward, that of its penalty included."""
        for layer, inputs, of_outputs in self._backward(buffers, masks):
            width = inputs.shape[1]
            np.matmul(inputs.T, of_outputs, out=gradient[layer][:width])
            gradient[layer][width:] = 0
            if penalty:
                gradient[layer][1:] += penalty * self._layers[layer][1:]

    def _update(self, learning_rate: float) -> None:
        """Apply the update rule."""
        decay = self._task.recipe.weight_decay
        # a block at a time, so that the many passes stay in the cache
        for start in range(0, self._n_moving, BLOCK):
            block = slice(start, min(start + BLOCK, self._n_moving))
            array, gradient = self._flat[block], self._flat_gradient[block]
            workspace = self._workspace[: array.size]
            if decay and self._optimizer.decoupled:
                array *= 1 - learning_rate * decay
            elif decay:
                np.multiply(array, decay, out=workspace)
                gradient += workspace
            slots = [slot[block] for slot in self._slots]
            self._optimizer.update(array, gradient, slots, learning_rate, self._step, workspace)


def _layers(flat: NDArray[Any], layer_sizes: tuple[int, ...]) -> list[NDArray[Any]]:
    """Return the layers ``(1 + fan_in, fan_out)`` that lie in a flat array, the first layer at its end.

    The bias is a layer's first row; the rows of the first weight that an optimizer may leave out are last.
    """
    layers, start = [], 0
    for fan_in, fan_out in reversed(list(pairwise(layer_sizes))):
        layers.append(flat[start : start + (1 + fan_in) * fan_out].reshape(1 + fan_in, fan_out))
        start += layers[-1].size
    return layers[::-1]
