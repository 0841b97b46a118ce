"""The layers of a training step in NumPy: dense, dense with fused products, and fused for sparse inputs.

A layer computes ``outputs = f([1, inputs] @ [bias; weight])``. Its bias is kept before its weight as one
more row, and a column of ones before its inputs: so the matrix products carry the bias along, forward and
back, and no pass over the outputs is spent on it.

Each layer is made for one batch size and owns its views of that batch, so that a step allocates nothing the
size of a batch. It offers ``forward``, ``input_gradient``, ``activation_gradient`` and
``add_weight_gradient``; ``numpy_step`` calls them in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.blas import AddProduct, PrepareProduct
from clearprop.engines.kernels.layout import Batch
from clearprop.engines.kernels.zero_columns import Band
from clearprop.nn.activations import Activation

#: ``product(left, right, out)`` writes left @ right to the units of ``out``.
Product = Callable[[FloatArray, FloatArray, Batch], None]


def matrix_product(left: FloatArray, right: FloatArray, out: Batch) -> None:
    """Write left @ right to the units of ``out``."""
    np.matmul(left, right, out=out.units)


@dataclass(frozen=True, slots=True)
class Products:
    """How a layer computes its outputs and its input gradient; the default is NumPy's own product."""

    forward: Product = matrix_product
    backward: Product = matrix_product


@dataclass(frozen=True, slots=True, eq=False)
class LayerArrays:
    """The arrays a layer works on, for batches of one size.

    Parameters
    ----------
    parameters : ndarray (1 + fan_in, fan_out)
        The bias, then the weight.
    target : ndarray (1 + fan_in, fan_out)
        To which the weight gradient is added: an array of zeros, or the parameters themselves where the
        update is fused.
    previous_outputs : Batch (batch, fan_in) or None
        What the layer before gives; None for the first layer.
    inputs : Batch (batch, fan_in)
        The same arrays, unless dropout leaves out some of them.
    outputs : Batch (batch, fan_out)
    output_gradient : Batch (batch, fan_out)
        The gradient of the loss for the outputs, before or after the activation.
    input_gradient : Batch (batch, fan_in) or None
        The output gradient of the layer before; None where nobody needs it.
    """

    parameters: FloatArray
    target: FloatArray
    previous_outputs: Batch | None
    inputs: Batch
    outputs: Batch
    output_gradient: Batch
    input_gradient: Batch | None


class DenseLayer:
    """A layer that computes with NumPy's matrix product.

    Parameters
    ----------
    arrays : LayerArrays
    activation : Activation
    bias_input : float
        What the column before the inputs holds: 1, or another number where inputs are scaled.
    products : Products
    """

    def __init__(
        self,
        arrays: LayerArrays,
        activation: Activation,
        bias_input: float,
        products: Products,
    ) -> None:
        inputs, parameters = arrays.inputs, arrays.parameters
        self.parameters, self.target = parameters, arrays.target
        self.inputs, self.outputs, self.output_gradient = inputs, arrays.outputs, arrays.output_gradient
        self._value, self._times_derivative = activation.value, activation.times_derivative
        self._forward_product, self._backward_product = products.forward, products.backward
        self._previous = arrays.previous_outputs
        self._has_dropout = self._previous is not None and self._previous is not inputs
        self._input_gradient = arrays.input_gradient
        self._weight_transposed = parameters[1:].T
        self._bias_input = bias_input
        inputs.array[:, 0] = bias_input
        # the activation of the layer before overwrites that column where it is one piece with the outputs
        self._overwritten = None if self._previous is None else inputs.room()
        self._used_inputs, self._used_parameters = inputs.array, parameters

    def use_columns(self, blocks: Sequence[Band]) -> None:
        """Leave out the inputs behind the last block, which are zero in the whole batch."""
        width = blocks[-1].stop
        self._used_inputs, self._used_parameters = self.inputs.array[:, :width], self.parameters[:width]

    def forward(self, mask: FloatArray | None = None) -> None:
        """Compute outputs = f([1, inputs] @ [bias; weight]).

        Parameters
        ----------
        mask : ndarray (batch, fan_in) or None
            What dropout multiplies the outputs of the layer before with; None where it leaves out nothing.
        """
        if self._has_dropout:
            self._take_outputs(mask)
        if self._overwritten is not None:
            self._overwritten.fill(self._bias_input)
        self._forward_product(self._used_inputs, self._used_parameters, self.outputs)
        self._value(self.outputs.whole)

    def _take_outputs(self, mask: FloatArray | None) -> None:
        """Fill the inputs with those outputs of the layer before that are not left out."""
        outputs = self._previous
        assert outputs is not None
        if mask is None:
            self.inputs.whole[:] = outputs.whole
        else:
            np.multiply(outputs.units, mask, out=self.inputs.units)

    def activation_gradient(self) -> None:
        """Multiply the output gradient by the activation's derivative, which overwrites the outputs."""
        self._times_derivative(self.output_gradient.whole, self.outputs.whole)

    def input_gradient(self, mask: FloatArray | None = None) -> Batch:
        """Compute input gradient = output gradient @ weightᵀ, times the mask if there is one."""
        gradient = self._input_gradient
        assert gradient is not None
        self._backward_product(self.output_gradient.units, self._weight_transposed, gradient)
        if mask is not None:
            np.multiply(gradient.units, mask, out=gradient.units)
        return gradient

    def add_weight_gradient(self) -> None:
        """Add [1, inputs]ᵀ @ output gradient to the target, which holds zeros."""
        # the rows of inputs left out are zero already
        out = self.target[: self._used_inputs.shape[1]]
        np.matmul(self._used_inputs.T, self.output_gradient.units, out=out)

    def add_penalty(self, penalty: float) -> None:
        """Add the gradient of penalty / 2 · Σ w² to the target; biases have none."""
        self.target[1:] += penalty * self.parameters[1:]

    def with_target(self, target: FloatArray) -> Self:
        """Return the same layer, on the same arrays, but for the target."""
        other = copy(self)
        other.target = target
        return other


class FusedDenseLayer(DenseLayer):
    """A layer whose weight gradient is scaled and added by one GEMM, C ← beta C + alpha A B.

    Plain gradient descent needs no array for the gradient: the GEMM adds it to the weight itself.
    """

    def __init__(
        self,
        arrays: LayerArrays,
        activation: Activation,
        bias_input: float,
        products: Products,
        prepare: PrepareProduct,
    ) -> None:
        super().__init__(arrays, activation, bias_input, products)
        self._batch, self._width = arrays.inputs.array.shape
        self._prepare = prepare
        self._gemm = self._gemm_into(self.target)

    def _gemm_into(self, target: FloatArray) -> AddProduct:
        return self._prepare(target, self.inputs.array.T, self.output_gradient.units)

    def with_target(self, target: FloatArray) -> Self:
        """Return the same layer, on the same arrays, but for the target."""
        other = super().with_target(target)
        other._gemm = self._gemm_into(target)
        return other

    def add_weight_gradient(self, alpha: float = 1.0, beta: float = 1.0) -> None:
        """Do target ← beta · target + alpha · [1, inputs]ᵀ @ output gradient."""
        self._gemm(self._width, self._batch, alpha, beta)

    def descend(self, learning_rate: float, weight_decay: float, penalty: float) -> None:
        """Do W ← (1 - η λ) W - η hᵀ d for the target W; the gradient itself is never written down."""
        target = self.target
        keep = 1 - learning_rate * (weight_decay + penalty)
        # the penalty is on weights only
        of_bias = learning_rate * penalty * target[0] if penalty else 0.0
        self.add_weight_gradient(-learning_rate, keep)
        if keep != 1:
            target[self._width :] *= keep
            target[0] += of_bias


class SparseInputLayer(FusedDenseLayer):
    """The first layer, whose products leave out blocks of inputs that are zero; see ``zero_columns``.

    Parameters
    ----------
    factor : float
        What the inputs are still to be multiplied with; the products do it.
    """

    def __init__(
        self,
        arrays: LayerArrays,
        activation: Activation,
        factor: float,
        products: Products,
        prepare: PrepareProduct,
    ) -> None:
        number = arrays.parameters.dtype.type
        # divided in the type computed in
        super().__init__(arrays, activation, float(number(1) / number(factor)), products, prepare)
        self._factor = factor
        self._blocks: Sequence[Band] = [Band(0, 0, self._width)]
        inputs, outputs, parameters = arrays.inputs.array, arrays.outputs.units, arrays.parameters
        self._fan_out = outputs.shape[1]
        # a GEMM fills its output row after row; where units are stored one after another, that is outputsᵀ
        self._is_transposed = outputs.strides[0] < outputs.strides[1]
        if self._is_transposed:
            self._forward_gemm = prepare(outputs.T, parameters.T, inputs.T)
        else:
            self._forward_gemm = prepare(outputs, inputs, parameters)

    def use_columns(self, blocks: Sequence[Band]) -> None:
        """Leave out all inputs that are in no block; those are zero."""
        self._blocks, self._width = blocks, blocks[-1].stop

    def forward(self, mask: FloatArray | None = None) -> None:
        """Compute the outputs, block by block; a mask of inputs has been applied where they were filled."""
        beta = 0.0
        for row, start, stop in self._blocks:
            if self._is_transposed:
                self._forward_gemm(self._fan_out, stop - start, self._factor, beta, (0, start, row))
            else:
                self._forward_gemm(self._batch - row, stop - start, self._factor, beta, (row, start, 0))
            beta = 1.0
        self._value(self.outputs.whole)

    def add_weight_gradient(self, alpha: float = 1.0, beta: float = 1.0) -> None:
        """Do target ← beta · target + alpha · [1, inputs]ᵀ @ output gradient, block by block."""
        for row, start, stop in self._blocks:
            self._gemm(stop - start, self._batch - row, alpha * self._factor, beta, (start, row, 0))
