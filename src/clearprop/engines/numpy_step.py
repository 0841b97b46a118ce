"""A training step in NumPy: forward through the layers, the loss, backward, and the update, all in place.

The layers are those of ``numpy_layers``. Arrays of a batch are ``(batch, units)``. The inputs of the first
layer are stored row by row, as the data is; the outputs of hidden layers unit by unit as a rule, which makes
the matrix products of small batches up to two times as fast, depending on the processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, dropout_masks, drops
from clearprop.engines.kernels.blas import gemm_for
from clearprop.engines.kernels.layout import Batch, Order, layers_in, make_batch, shapes_of
from clearprop.engines.kernels.optimizer_update import Updater
from clearprop.engines.numpy_csr import CsrInputLayer, SparseLoader
from clearprop.engines.numpy_inputs import InputLoader
from clearprop.engines.numpy_layers import (
    DenseLayer,
    FusedDenseLayer,
    LayerArrays,
    Products,
    SparseInputLayer,
)
from clearprop.engines.sparse_rows import SparseRows
from clearprop.engines.training_rows import Rows
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.losses import LOSSES
from clearprop.nn.network import Network
from clearprop.nn.optimizers import with_coefficients
from clearprop.nn.recipe import Recipe

# for a layer with so many times fewer weights than the previous one, storing its inputs unit by unit gains
# less than writing them costs the previous layer
SMALL_LAYER_RATIO = 4
# rows of a batch for which the products are as fast in either order, and writing row by row is faster
MIN_ROW_BY_ROW_BATCH = 512

AnyLayer = TypeVar("AnyLayer", bound=DenseLayer)


@dataclass(frozen=True, slots=True, eq=False)
class _Workspace:
    """The layers of one batch size, and a buffer ``(batch, features)`` for the rows as they are stored."""

    layers: list[DenseLayer]
    stored: NDArray[Any]


class Stepper:
    """Takes training steps, on arrays that its owner keeps.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    flat : ndarray (n,)
        The parameters, see ``layers_in``; changed in place. Everything is computed in their dtype.
    slots : sequence of ndarray (n,)
        The optimizer's memory; likewise.
    rows : Rows
    dropout_rng : numpy.random.Generator
    shapes : sequence of (int, int) or None, default None
        The shapes of each layer's parameters, ``(1 + fan_in, fan_out)``; None takes those of the network.

    Attributes
    ----------
    rows : Rows
    steps : int
        How many steps have been taken.
    all_move : bool
        Whether the optimizer also updates weights whose inputs are zero in all rows.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        flat: FloatArray,
        slots: Sequence[FloatArray],
        rows: Rows,
        dropout_rng: np.random.Generator,
        shapes: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self._network, self._recipe, self.rows, self._dropout_rng = network, recipe, rows, dropout_rng
        self._shapes = shapes_of(network.layer_sizes) if shapes is None else shapes
        self._flat = flat
        self._parameters = layers_in(flat, self._shapes)
        self._has_dropout = drops(network)
        self._no_masks: Sequence[FloatArray | None] = [None] * len(self._parameters)
        self._activations = [ACTIVATIONS[name] for name in (*network.activations, "identity")]
        self._loss = LOSSES[recipe.loss]
        self._prepare_gemm = gemm_for(flat.dtype.name)
        # plain gradient descent is fused with the weight gradient's product; other rules need the gradient
        self._updater, self._targets = None, self._parameters
        if self._prepare_gemm is None or recipe.optimizer != "sgd":
            rule = with_coefficients(recipe.optimizer, asdict(recipe))
            self._updater = Updater(rule, recipe.weight_decay, flat, slots)
            self._targets = layers_in(self._updater.gradient, self._shapes)
        self._is_sparse = isinstance(rows.x, SparseRows)
        self._inputs: InputLoader | SparseLoader
        if self._is_sparse:
            self._inputs = SparseLoader(rows.x)
        else:
            self._inputs = InputLoader(
                rows,
                can_fold=self._prepare_gemm is not None,
                is_adversarial=bool(recipe.adversarial_epsilon),
                can_sort=not self._has_dropout,
            )
        self._workspaces: dict[int, _Workspace] = {}
        self.steps = 0
        self.all_move = True
        # the parameters before the weights of inputs that are zero in all rows
        self._n_used = flat.size
        if rows.widths is not None:
            self._n_used -= (network.layer_sizes[0] - int(rows.widths.max())) * self._shapes[0][1]

    def step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch.

        Parameters
        ----------
        rows : ndarray (batch,) of intp
        learning_rate : float

        Returns
        -------
        float
            The loss before the step. A batch whose weights sum to zero is a step without effect, of loss 0.
        """
        rows = self._inputs.sort(rows)
        penalty = self.penalty(rows)
        if penalty is None:
            return 0.0
        work = self._workspace_of(len(rows))
        masks = self._masks(len(rows)) if self._has_dropout else self._no_masks
        # a training that diverges overflows here; the loop sees it in the loss
        with np.errstate(over="ignore", invalid="ignore"):
            self._inputs.load(rows, work.stored, work.layers[0], masks[0])
            loss = self._loss_of(work, rows, masks, penalty)
            if self._recipe.adversarial_epsilon:
                self._move_uphill(work, masks)
                # the loss of the original rows is returned; this one is for its gradient, without the penalty
                self._loss_of(work, rows, masks, penalty=0.0)
            self.steps += 1
            if self._updater is None:
                # their target is the parameters
                fused = cast("list[FusedDenseLayer | CsrInputLayer]", work.layers)
                for layer in self._backward(fused, masks):
                    layer.descend(learning_rate, self._recipe.weight_decay, penalty)
                return loss
            self._updater.begin()
            self._add_gradients(work, masks, penalty)
            n_moving = self._flat.size if self.all_move else self._n_used
            self._updater.update(n_moving, learning_rate, self.steps)
        return loss

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, list[FloatArray]]:
        """Return the loss of a batch whose weights do not sum to zero, and its gradient for every layer."""
        penalty = self.penalty(rows) or 0.0
        rows, work = self._inputs.sort(rows), self._workspace_of(len(rows))
        gradient = [np.zeros_like(layer) for layer in self._parameters]
        layers = [layer.with_target(array) for layer, array in zip(work.layers, gradient, strict=True)]
        work = _Workspace(layers, work.stored)
        with np.errstate(over="ignore", invalid="ignore"):
            self._inputs.load(rows, work.stored, work.layers[0], None)
            loss = self._loss_of(work, rows, self._no_masks, penalty)
            self._add_gradients(work, self._no_masks, penalty)
        return loss, gradient

    def penalty(self, rows: NDArray[np.intp]) -> float | None:
        """Return the factor of ½ Σ w² in the loss of a batch; None if its weights sum to zero."""
        weight = self.rows.sample_weight
        if weight is None and not self._recipe.l2_penalty:
            return 0.0 if len(rows) else None
        total = len(rows) if weight is None else float(weight[rows].sum())
        return self._recipe.l2_penalty / total if total else None

    def _masks(self, batch: int) -> list[FloatArray | None]:
        """Draw dropout masks for the inputs of every layer."""
        return dropout_masks(self._dropout_rng, self._network, batch, self._flat.dtype)

    def _loss_of(
        self, work: _Workspace, rows: NDArray[np.intp], masks: Sequence[FloatArray | None], penalty: float
    ) -> float:
        """Run a batch forward; keep the gradient for the logits, return the loss with its penalty."""
        for layer, mask in zip(work.layers, masks, strict=True):
            layer.forward(mask)
        last = work.layers[-1]
        weights = None if self.rows.sample_weight is None else self.rows.sample_weight[rows]
        # labels have one dimension, which .T leaves as it is
        loss, gradient = self._loss(
            last.outputs.units.T, self.rows.y[rows].T, self._recipe.label_smoothing, weights
        )
        last.output_gradient.units[:] = gradient.T
        if penalty:
            loss += penalty / 2 * self._sum_of_squares()
        return loss

    def _sum_of_squares(self) -> float:
        """Return Σ w² over all weights."""
        return sum(float(np.vdot(layer[1:], layer[1:])) for layer in self._parameters)

    def _backward(self, layers: Sequence[AnyLayer], masks: Sequence[FloatArray | None]) -> Iterator[AnyLayer]:
        """Carry the gradient from the logits to the first layer.

        Yields
        ------
        DenseLayer
            From the last to the first, each when the gradient of its outputs, before its activation, is
            known. Its parameters may change then: everything that goes further back has been computed with
            those of the forward pass.
        """
        for number in range(len(layers) - 1, 0, -1):
            layer = layers[number]
            layer.input_gradient(masks[number])
            yield layer
            # after the weight gradient, since it overwrites the outputs
            layers[number - 1].activation_gradient()
        yield layers[0]

    def _add_gradients(self, work: _Workspace, masks: Sequence[FloatArray | None], penalty: float) -> None:
        """Add the gradient of a batch after its forward pass, and of its penalty, to targets of zeros."""
        for layer in self._backward(work.layers, masks):
            layer.add_weight_gradient()
            if penalty:
                layer.add_penalty_gradient(penalty)

    def _move_uphill(self, work: _Workspace, masks: Sequence[FloatArray | None]) -> None:
        """X ← x + ε g / |g|, row by row, where g is the gradient of the loss for the inputs x."""
        *_, first = self._backward(work.layers, masks)
        mask = masks[0]
        move = first.input_gradient(mask).units
        length = np.sqrt(np.einsum("ij,ij->i", move, move))
        # a row without a gradient has no direction
        length[length == 0] = np.inf
        move *= (self._recipe.adversarial_epsilon / length)[:, None]
        # the inputs were masked when they were loaded, and so is the move
        if mask is not None:
            move *= mask
        inputs = first.inputs.units
        inputs += move

    def _workspace_of(self, batch: int) -> _Workspace:
        work = self._workspaces.get(batch)
        if work is None:
            # the last, smaller batch has layers of its own, so that no epoch allocates
            work = self._workspaces[batch] = self._make_workspace(batch)
        return work

    def _make_workspace(self, batch: int) -> _Workspace:
        dtype, features = self._flat.dtype, self._network.layer_sizes[0]
        # of the inputs of each layer, and of the logits: unit by unit, as the losses take them
        orders: list[Order] = [*_orders(self._shapes, batch), "F"]
        n_units = [*(rows - 1 for rows, _ in self._shapes), self._network.layer_sizes[-1]]
        if self._is_sparse:
            # a sparse batch is no array
            n_units[0] = 0

        def batches(start: int, stop: int | None = None) -> list[Batch]:
            pairs = zip(n_units[start:stop], orders[start:stop], strict=True)
            return [make_batch(batch, n, order, dtype) for n, order in pairs]

        outputs, gradients = batches(1), batches(1)
        # with dropout the outputs are kept apart from the next inputs: their derivative needs all of them
        inputs = [*batches(0, 1), *(batches(1, -1) if self._network.dropout else outputs[:-1])]
        moves = make_batch(batch, features, "C", dtype) if self._recipe.adversarial_epsilon else None
        layers = []
        for number, parameters in enumerate(self._parameters):
            arrays = LayerArrays(
                parameters=parameters,
                target=self._targets[number],
                previous_outputs=outputs[number - 1] if number else None,
                inputs=inputs[number],
                outputs=outputs[number],
                output_gradient=gradients[number],
                input_gradient=gradients[number - 1] if number else moves,
            )
            layers.append(self._make_layer(number, arrays))
        return _Workspace(layers, self._inputs.buffer(batch))

    def _make_layer(self, number: int, arrays: LayerArrays) -> DenseLayer:
        activation, prepare_gemm = self._activations[number], self._prepare_gemm
        if self._is_sparse and not number:
            return CsrInputLayer(arrays, activation)
        bias_input, products = self._bias_input(number), self._products(number, arrays)
        if prepare_gemm is None:
            return DenseLayer(arrays, activation, bias_input, products)
        if number:
            return FusedDenseLayer(arrays, activation, bias_input, products, prepare_gemm)
        return SparseInputLayer(arrays, activation, self._inputs.folded_factor, products, prepare_gemm)

    def _bias_input(self, number: int) -> float:
        """Return the number that multiplies a layer's bias."""
        return 1.0

    def _products(self, number: int, arrays: LayerArrays) -> Products:
        """Return the products that compute a layer's outputs and its input gradient."""
        return Products()


def _orders(shapes: Sequence[tuple[int, int]], batch: int) -> list[Order]:
    """Return the order in which the inputs of each layer are stored."""
    sizes = [rows * columns for rows, columns in shapes]
    # row by row is faster to write from inputs stored row by row; unit by unit is faster to compute the input
    # gradient from, which matters little for a small layer or with many rows
    hidden: list[Order] = [
        "C" if batch >= MIN_ROW_BY_ROW_BATCH or next_size * SMALL_LAYER_RATIO < size else "F"
        for size, next_size in pairwise(sizes)
    ]
    return ["C", *hidden]
