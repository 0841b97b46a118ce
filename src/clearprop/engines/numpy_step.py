"""A step of training in NumPy, in place; no step allocates a batch's inputs or outputs.

Arrays of a batch are ``(batch, units)``. The inputs of the first layer lie row after row, as they are stored;
what hidden units give lies unit after unit as a rule, which the matrix products like best: for small batches,
by up to two times, depending on the processor.

A layer's bias lies before its weight as one more row, and a column of ones before its inputs: so the products
carry the bias along, forward and back, and no pass over the outputs is spent on it.

What is computed may be one member's part of the network; see ``parts``. Then some products are those of a
part only, and the sum over all members is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, dropout_masks, drops, take_rows
from clearprop.engines.kernels.blas import AddProduct, PrepareProduct, add_product
from clearprop.engines.kernels.layout import Batch, Order, make_batch
from clearprop.engines.kernels.optimizer_update import Updater
from clearprop.engines.kernels.zero_columns import Band, bands_of, cuts_of
from clearprop.engines.tensor_parallel.all_reduce import Meeting, Place
from clearprop.engines.tensor_parallel.sharding import Part, layers_of
from clearprop.engines.training_rows import Rows
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.losses import LOSSES
from clearprop.nn.network import Network
from clearprop.nn.optimizers import with_coefficients
from clearprop.nn.recipe import Recipe

# a layer with so many times fewer weights than the one before it does not decide how its inputs lie
SMALL = 4
# of a batch, from which on it does not matter how what a layer is given lies, and writing it does
MANY_ROWS = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Buffers:
    """Arrays a step of one batch size works in."""

    rows: NDArray[Any]  # (batch, features), as stored
    inputs: list[Batch]  # what every layer is given, after a column of ones
    overwritten: list[FloatArray | None]  # those ones (batch,), where an activation overwrites them
    outputs: list[Batch]  # what every layer gives; without dropout the next one's inputs
    gradients: list[Batch]  # for what every layer gives, before its activation
    sums: list[AddProduct]  # adds each gradient to its layer, if the update rides, else to an array for it
    first: Callable[[Sequence[Band]], None] | None  # fills the first outputs, if there is that BLAS
    moves: Batch  # how an adversary moves the inputs; else empty
    forward: list[Place | None]  # for every layer where its outputs are summed up, if they are
    backward: list[Place | None]  # for every layer where the gradient of its inputs is


class Stepper:
    """Computes one member's part of every step, on arrays that its owner keeps.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    parts : sequence of Part
        Of each layer what is computed here.
    flat : ndarray (n,)
        The parameters, as ``layers_of`` finds them; changed in place. Its type is the one computed in.
    slots : sequence of ndarray (n,)
        The optimizer's memory, likewise.
    rows : Rows
    dropout_rng : numpy.random.Generator
    meeting : Meeting or None
        With the other members, where there are any; of layers each has its place, see ``places_of``.

    Attributes
    ----------
    rows : Rows
    steps : int
        How many steps there were.
    all_move : bool
        Whether weights may move whose inputs are zero in all rows.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        parts: Sequence[Part],
        flat: FloatArray,
        slots: Sequence[FloatArray],
        rows: Rows,
        dropout_rng: np.random.Generator,
        meeting: Meeting | None = None,
    ) -> None:
        self._network, self._recipe, self._parts, self.rows = network, recipe, parts, rows
        self._dropout_rng, self._meeting = dropout_rng, meeting
        self._drops = drops(network)
        self._activations = [ACTIVATIONS[name] for name in network.activations]
        self._loss = LOSSES[recipe.loss]
        self._add_product = add_product(flat.dtype.name)
        rides = self._add_product is not None and recipe.optimizer == "sgd"
        self._flat = flat
        self._layers = layers_of(flat, parts)
        # where plain steps ride on the products, no gradient is written down
        self._gradient, self._updater = [], None
        if not rides:
            rule = with_coefficients(recipe.optimizer, recipe.to_dict())
            self._updater = Updater(rule, recipe.weight_decay, flat, slots)
            self._gradient = layers_of(self._updater.gradient, parts)
        self._shifted = bool(rows.shift.any())
        scaled = bool((rows.factor != 1).any())
        # what the first layer's products are scaled with instead of the rows, else 1: the inputs are filled
        # in a third of the time. Bytes are far from overflowing as they are; what an adversary adds is scaled
        alike = scaled and not rows.factor.ndim and not self._shifted and bool(rows.factor)
        inside = alike and rows.x.dtype == np.uint8 and not recipe.adversarial_epsilon
        self._factor = float(rows.factor) if inside and self._add_product is not None else 1.0
        # whether the rows themselves are
        self._scaled = scaled and self._factor == 1
        self._buffers: dict[int, _Buffers] = {}
        # what a batch is sorted by; not where masks are drawn, each for a place in the batch as it comes
        self._sorted_by = rows.widths if self._add_product is not None and not self._drops else None
        # what a batch needs of the inputs of the first layer
        self._bands = [Band(0, 0, parts[0].shape[0])]
        self.steps = 0
        self.all_move = True
        # how many parameters come before the weights of inputs that are zero in all rows
        self._n_used = flat.size
        if rows.widths is not None:
            self._n_used -= (network.layer_sizes[0] - int(rows.widths.max())) * parts[0].shape[1]

    def step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch that counts, and return its loss before the step."""
        rows, buffers = self._in_order(rows), self._buffers_of(len(rows))
        masks = self._masks(len(rows)) if self._drops else []
        penalty = self.penalty(rows) or 0.0
        # a training that diverges overflows here; the loop sees it in the loss
        with np.errstate(over="ignore", invalid="ignore"):
            self._gather(rows, buffers, masks)
            loss = self._loss_of(rows, buffers, masks, penalty)
            if self._recipe.adversarial_epsilon:
                self._move_uphill(buffers, masks)
                # the loss that is returned is that of the rows as they are; the penalty adds to a loss alone
                self._loss_of(rows, buffers, masks, penalty=0.0)
            self.steps += 1
            if self._updater is None:
                for layer, inputs, _ in self._backward(buffers, masks):
                    self._step_down(layer, buffers.sums[layer], inputs, learning_rate, penalty)
                return loss
            self._updater.begin()
            self._add_gradients(self._gradient, buffers, masks, penalty)
            n_moving = self._flat.size if self.all_move else self._n_used
            self._updater.update(n_moving, learning_rate, self.steps)
        return loss

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, list[FloatArray]]:
        """Return the loss of a batch that counts, and its gradient for every layer, bias first."""
        penalty = self.penalty(rows) or 0.0
        rows, buffers = self._in_order(rows), self._buffers_of(len(rows))
        gradient = [np.zeros_like(layer) for layer in self._layers]
        with np.errstate(over="ignore", invalid="ignore"):
            self._gather(rows, buffers, [])
            loss = self._loss_of(rows, buffers, [], penalty)
            self._add_gradients(gradient, buffers, [], penalty)
        return loss, gradient

    def penalty(self, rows: NDArray[np.intp]) -> float | None:
        """Return what the L2 penalty of a batch multiplies the weights with; None if no row counts."""
        weight = self.rows.sample_weight
        if weight is None and not self._recipe.l2_penalty:
            return 0.0 if len(rows) else None
        total = len(rows) if weight is None else float(weight[rows].sum())
        return self._recipe.l2_penalty / total if total else None

    def _in_order(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of a batch so that it is cut into narrow bands; to a step all orders are alike."""
        widths = self._sorted_by
        return rows if widths is None else rows[widths[rows].argsort(kind="stable")]

    def _masks(self, batch: int) -> list[FloatArray | None]:
        """Draw dropout masks for the whole network, and return those of this part."""
        masks = dropout_masks(self._dropout_rng, self._network, batch, self._flat.dtype)
        return [
            None if mask is None else mask[:, part.inputs]
            for mask, part in zip(masks, self._parts, strict=False)
        ]

    def _buffers_of(self, batch: int) -> _Buffers:
        buffers = self._buffers.get(batch)
        if buffers is None:
            # the ragged last batch has buffers of its own, so that no epoch allocates
            buffers = self._buffers[batch] = self._make_buffers(batch)
        return buffers

    def _make_buffers(self, batch: int) -> _Buffers:
        dtype, features = self._flat.dtype, self._network.layer_sizes[0]
        # of what each layer is given, and the logits unit after unit, as the losses take them
        orders: list[Order] = [*_orders(self._parts, batch), "F"]
        # what the first layer is given, then what each gives
        units = [*(part.shape[0] - 1 for part in self._parts), self._network.layer_sizes[-1]]

        def batches_from(start: int, stop: int | None = None) -> list[Batch]:
            pairs = zip(units[start:stop], orders[start:stop], strict=True)
            return [make_batch(batch, n, order, dtype) for n, order in pairs]

        outputs, gradients = batches_from(1), batches_from(1)
        # what dropout leaves of the outputs is what the next layer is given; their derivative needs the whole
        given = batches_from(1, -1) if self._network.dropout else outputs[:-1]
        inputs = [*batches_from(0, 1), *given]
        for part, of_inputs in zip(self._parts, inputs, strict=True):
            # whoever holds no bias never moves it either
            of_inputs.array[:, 0] = part.holds_bias
        inputs[0].array[:, 0] /= self._factor
        sums, first = [], None
        if self._add_product is not None:
            factors = zip(self._gradient or self._layers, inputs, gradients, strict=True)
            sums = [
                self._add_product(layer, of_inputs.array.T, gradient.units)
                for layer, of_inputs, gradient in factors
            ]
            product = outputs[0].units, inputs[0].array, self._layers[0]
            first = _first_product(self._add_product, *product, orders[1], self._factor)

        return _Buffers(
            rows=np.empty((batch, features), self.rows.x.dtype),
            inputs=inputs,
            overwritten=[of_inputs.room() for of_inputs in inputs],
            outputs=outputs,
            gradients=gradients,
            sums=sums,
            first=first,
            moves=make_batch(batch, features if self._recipe.adversarial_epsilon else 0, "C", dtype),
            forward=[self._place(f"forward.{layer}", batch, order) for layer, order in enumerate(orders[1:])],
            backward=[
                self._place(f"backward.{layer}", batch, order) for layer, order in enumerate(orders[:-1])
            ],
        )

    def _place(self, name: str, batch: int, order: Order) -> Place | None:
        if self._meeting is None or name not in self._meeting.places:
            return None
        return self._meeting.place(name, batch, order)

    def _gather(self, rows: NDArray[np.intp], buffers: _Buffers, masks: list[FloatArray | None]) -> None:
        """Fetch the batch's rows and scale them; note their bands."""
        kept, inputs = self.rows, buffers.inputs[0].array
        mask = masks[0] if masks else None
        take_rows(kept.x, rows, buffers.rows)
        if kept.order is not None and kept.widths is not None:
            cuts = (len(rows),) if self._sorted_by is None else cuts_of(len(rows))
            self._bands = bands_of(kept.widths[rows], cuts, buffers.rows.shape[1])
            inputs = self._inputs_of(0, buffers)
            width = inputs.shape[1] - 1
            if self._scaled:
                factor = kept.factor[:width] if kept.factor.ndim else kept.factor
                np.multiply(buffers.rows[:, :width], factor, out=inputs[:, 1:])
            else:
                inputs[:, 1:] = buffers.rows[:, :width]
            # drawn for the columns as they are stored
            mask = None if mask is None else mask[:, kept.order[:width]]
        elif self._shifted:
            np.subtract(buffers.rows, kept.shift, out=inputs[:, 1:])
            inputs[:, 1:] *= kept.factor
        elif self._scaled:
            np.multiply(buffers.rows, kept.factor, out=inputs[:, 1:])
        else:
            inputs[:, 1:] = buffers.rows
        if mask is not None:
            inputs[:, 1:] *= mask

    def _loss_of(
        self, rows: NDArray[np.intp], buffers: _Buffers, masks: list[FloatArray | None], penalty: float
    ) -> float:
        """Run a batch forward; keep the gradient for the logits, return the loss with its penalty."""
        squares = self._sum_of_squares() if penalty else 0.0
        turn = self._meeting.tell(squares) if penalty and self._meeting is not None else 0
        self._forward(buffers, masks)
        weights = None if self.rows.sample_weight is None else self.rows.sample_weight[rows]
        # of labels .T is nothing
        loss, gradient = self._loss(
            buffers.outputs[-1].units.T, self.rows.y[rows].T, self._recipe.label_smoothing, weights
        )
        if penalty:
            loss += penalty / 2 * (squares if self._meeting is None else self._meeting.told(turn))
        buffers.gradients[-1].units[:] = gradient.T
        return loss

    def _sum_of_squares(self) -> float:
        """Return Σ w² of this part; what everyone has the whole of counts for the first member only."""
        counts = self._meeting is None or not self._meeting.member
        return sum(
            float(np.vdot(layer[1:], layer[1:]))
            for layer, part in zip(self._layers, self._parts, strict=True)
            if counts or part.kind != "whole"
        )

    def _forward(self, buffers: _Buffers, masks: list[FloatArray | None]) -> None:
        """Fill every layer's outputs, and with them the next one's inputs."""
        for number, layer in enumerate(self._layers):
            outputs = buffers.outputs[number]
            if number or buffers.first is None:
                inputs = self._inputs_of(number, buffers)
                _multiply(inputs, layer[: inputs.shape[1]], outputs, buffers.forward[number])
            else:
                buffers.first(self._bands)
            if number < len(self._activations):
                self._activations[number].value(outputs.whole)
                mask = masks[number + 1] if masks else None
                if mask is not None:
                    np.multiply(outputs.units, mask, out=buffers.inputs[number + 1].units)
                elif self._network.dropout:
                    buffers.inputs[number + 1].whole[:] = outputs.whole
                if (ones := buffers.overwritten[number + 1]) is not None:
                    ones.fill(self._parts[number + 1].holds_bias)

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
            of_outputs, gradient = buffers.gradients[layer].units, buffers.gradients[layer - 1]
            _multiply(of_outputs, self._layers[layer][1:].T, gradient, buffers.backward[layer])
            yield layer, self._inputs_of(layer, buffers), of_outputs
            mask = masks[layer] if masks else None
            if mask is not None:
                np.multiply(gradient.units, mask, out=gradient.units)
            # last, since it overwrites the outputs
            self._activations[layer - 1].times_derivative(gradient.whole, buffers.outputs[layer - 1].whole)
        yield 0, self._inputs_of(0, buffers), buffers.gradients[0].units

    def _inputs_of(self, layer: int, buffers: _Buffers) -> FloatArray:
        """Return what a layer is given, but for the columns that a batch does not need."""
        inputs = buffers.inputs[layer].array
        return inputs if layer else inputs[:, : self._bands[-1].stop]

    def _move_uphill(self, buffers: _Buffers, masks: list[FloatArray | None]) -> None:
        """X ← x + ε g / |g|, row by row, where g is the gradient of the loss for the inputs x."""
        *_, (_, _, of_outputs) = self._backward(buffers, masks)
        _multiply(of_outputs, self._layers[0][1:].T, buffers.moves, buffers.backward[0])
        move = buffers.moves.units
        mask = masks[0] if masks else None
        if mask is not None:
            move *= mask
        length = np.sqrt(np.einsum("ij,ij->i", move, move))
        # what has no gradient has no direction
        length[length == 0] = np.inf
        move *= (self._recipe.adversarial_epsilon / length)[:, None]
        # the inputs lie there masked: what moves is what was there before, and the mask is upon it again
        if mask is not None:
            move *= mask
        inputs = buffers.inputs[0].units
        inputs += move

    def _step_down(
        self, layer: int, add: AddProduct, inputs: FloatArray, learning_rate: float, penalty: float
    ) -> None:
        """W ← (1 - η λ) w - η hᵀ d; the gradient itself is never written down."""
        own = self._layers[layer]
        width = inputs.shape[1]
        keep = 1 - learning_rate * (self._recipe.weight_decay + penalty)
        # the penalty is on weights only
        of_bias = learning_rate * penalty * own[0] if penalty else 0.0
        self._add_gradient(layer, add, inputs, -learning_rate, keep)
        if keep != 1:
            own[width:] *= keep
            own[0] += of_bias

    def _add_gradient(
        self, layer: int, add: AddProduct, inputs: FloatArray, scale: float, keep: float
    ) -> None:
        """Do g ← keep · g + scale · hᵀ d, where g is what ``add`` adds to, as far as inputs are not zero.

        Of the first layer, h are the inputs as they are scaled, whether that has been done or rides along.
        """
        batch, width = inputs.shape
        if layer:
            add(width, batch, scale, keep)
            return
        for row, start, stop in self._bands:
            add(stop - start, batch - row, scale * self._factor, keep, (start, row, 0))

    def _add_gradients(
        self, gradient: list[FloatArray], buffers: _Buffers, masks: list[FloatArray | None], penalty: float
    ) -> None:
        """Add to zeros the gradient of a batch that has been run forward, that of its penalty included."""
        for layer, inputs, of_outputs in self._backward(buffers, masks):
            width = inputs.shape[1]
            if self._add_product is None:
                # what is beyond is zero already
                np.matmul(inputs.T, of_outputs, out=gradient[layer][:width])
            else:
                own = gradient is self._gradient
                add = buffers.sums[layer] if own else self._add_product(gradient[layer], inputs.T, of_outputs)
                self._add_gradient(layer, add, inputs, 1.0, 1.0)
            if penalty:
                gradient[layer][1:] += penalty * self._layers[layer][1:]


def places_of(network: Network, recipe: Recipe, parts: Sequence[Part]) -> dict[str, int]:
    """Return where the members of a team sum up products: for each place, the units of the sum."""
    places = {}
    for number, part in enumerate(parts):
        if part.kind == "rows":
            places[f"forward.{number}"] = network.layer_sizes[number + 1]
        if part.kind == "columns" and (number or recipe.adversarial_epsilon):
            places[f"backward.{number}"] = network.layer_sizes[number]
    return places


def _orders(parts: Sequence[Part], batch: int) -> list[Order]:
    """Return how what each layer is given lies: "C" row after row, or "F" unit after unit."""
    sizes = [part.shape[0] * part.shape[1] for part in parts]
    # the inputs lie as they are stored; from there row after row is quicker to write to, and unit after unit
    # to carry the gradient back to, which counts for little before a small layer or with many rows
    hidden: list[Order] = [
        "C" if batch >= MANY_ROWS or next_size * SMALL < size else "F" for size, next_size in pairwise(sizes)
    ]
    return ["C", *hidden]


def _first_product(
    prepare: PrepareProduct,
    outputs: FloatArray,
    inputs: FloatArray,
    layer: FloatArray,
    order: Order,
    factor: float,
) -> Callable[[Sequence[Band]], None]:
    """Return what fills the first layer's outputs with factor · inputs @ layer, band by band."""
    batch, units = outputs.shape
    # what it fills lies row after row
    add = prepare(outputs.T, layer.T, inputs.T) if order == "F" else prepare(outputs, inputs, layer)

    def first(bands: Sequence[Band]) -> None:
        keep = 0.0
        for row, start, stop in bands:
            if order == "F":
                add(units, stop - start, factor, keep, (0, start, row))
            else:
                add(batch - row, stop - start, factor, keep, (row, start, 0))
            keep = 1.0

    return first


def _multiply(left: FloatArray, right: FloatArray, out: Batch, place: Place | None) -> None:
    """Write a product into ``out``, summed up over all members where it has a place for that."""
    if place is None:
        np.matmul(left, right, out=out.units)
    else:
        place.sum_of_products(left, right, out)
