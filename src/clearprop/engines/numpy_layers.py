"""The layers of a training step in NumPy: dense, dense with fused products, and fused for sparse inputs.

A layer computes ``outputs = f([1, inputs] @ [bias; weight])``. Its bias is stored as one more row before its
weight, and a column of ones before its inputs: so the matrix products include the bias, forward and backward,
without a pass over the outputs.

A layer is made for one batch size and owns its views of that batch's arrays, so that a step allocates nothing
of the size of a batch. ``numpy_step`` calls its ``forward``, ``input_gradient``, ``activation_gradient`` and
``add_weight_gradient`` in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.blas import Gemm, PrepareGemm
from clearprop.engines.kernels.layout import Batch
from clearprop.engines.kernels.optimizer_update import BLOCK_NUMBERS
from clearprop.engines.kernels.zero_columns import Block
from clearprop.nn.activations import Activation

#: ``matmul(left, right, out)`` writes left @ right to the units of ``out``.
Matmul = Callable[[FloatArray, FloatArray, Batch], None]


def numpy_matmul(left: FloatArray, right: FloatArray, out: Batch) -> None:
    """Write left @ right to the units of ``out``."""
    np.matmul(left, right, out=out.units)


@dataclass(frozen=True, slots=True)
class Products:
    """The products that compute a layer's outputs and its input gradient."""

    forward: Matmul = numpy_matmul
    backward: Matmul = numpy_matmul


@dataclass(frozen=True, slots=True, eq=False)
class LayerArrays:
    """The arrays of a layer for batches of one size.

    Parameters
    ----------
    parameters : ndarray (1 + fan_in, fan_out)
        The bias, then the weight.
    target : ndarray (1 + fan_in, fan_out)
        The weight gradient is added to it: an array of zeros, or the parameters themselves where the update
        is fused with the product.
    previous_outputs : Batch (batch, fan_in) or None
        The outputs of the previous layer; None for the first layer.
    inputs : Batch (batch, fan_in)
        The same arrays, unless there is dropout between the two layers.
    outputs : Batch (batch, fan_out)
    output_gradient : Batch (batch, fan_out)
        The gradient of the loss with respect to the outputs, before or after the activation.
    input_gradient : Batch (batch, fan_in) or None
        The output gradient of the previous layer; None where it is not needed.
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
        The number in the column before the inputs, which multiplies the bias: 1 as a rule.
    products : Products
    """

    def __init__(
        self, arrays: LayerArrays, activation: Activation, bias_input: float, products: Products
    ) -> None:
        inputs, parameters = arrays.inputs, arrays.parameters
        self.inputs, self.outputs, self.output_gradient = inputs, arrays.outputs, arrays.output_gradient
        self._parameters, self._target = parameters, arrays.target
        self._weight_transposed = parameters[1:].T
        self._used_inputs, self._used_parameters = inputs.array, parameters
        self._input_gradient = arrays.input_gradient
        self._value, self._times_derivative = activation.value, activation.times_derivative
        self._forward_product, self._backward_product = products.forward, products.backward
        self._previous_outputs = arrays.previous_outputs
        self._has_dropout = arrays.previous_outputs is not None and arrays.previous_outputs is not inputs
        self._bias_input = bias_input
        inputs.array[:, 0] = bias_input
        # the previous layer's activation is applied to this column, too, where it is not apart in memory
        self._overwritten = None if arrays.previous_outputs is None else inputs.overwritten_column()

    def use_blocks(self, blocks: Sequence[Block]) -> None:
        """Leave out the inputs after the last block, which are zero in the whole batch."""
        width = blocks[-1].stop
        self._used_inputs, self._used_parameters = self.inputs.array[:, :width], self._parameters[:width]

    def forward(self, mask: FloatArray | None = None) -> None:
        """Compute outputs = f([1, inputs] @ [bias; weight]).

        Parameters
        ----------
        mask : ndarray (batch, fan_in) or None
            The dropout mask that the outputs of the previous layer are multiplied by. The first layer ignores
            it: its inputs are masked when they are loaded.
        """
        if self._has_dropout:
            self._drop(mask)
        if self._overwritten is not None:
            self._overwritten.fill(self._bias_input)
        self._forward_product(self._used_inputs, self._used_parameters, self.outputs)
        self._value(self.outputs.whole)

    def _drop(self, mask: FloatArray | None) -> None:
        """Fill the inputs with the outputs of the previous layer, times the mask."""
        outputs = self._previous_outputs
        assert outputs is not None
        if mask is None:
            self.inputs.whole[:] = outputs.whole
        else:
            np.multiply(outputs.units, mask, out=self.inputs.units)

    def activation_gradient(self) -> None:
        """Multiply the output gradient by the activation's derivative, which overwrites the outputs."""
        self._times_derivative(self.output_gradient.whole, self.outputs.whole)

    def input_gradient(self, mask: FloatArray | None = None) -> Batch:
        """Compute and return input gradient = output gradient @ weightᵀ, times the mask if there is one."""
        gradient = self._input_gradient
        assert gradient is not None
        self._backward_product(self.output_gradient.units, self._weight_transposed, gradient)
        if mask is not None:
            np.multiply(gradient.units, mask, out=gradient.units)
        return gradient

    def add_weight_gradient(self) -> None:
        """Add [1, inputs]ᵀ @ output gradient to the target, which holds zeros."""
        # the rows of inputs that are left out stay zero
        used_target = self._target[: self._used_inputs.shape[1]]
        np.matmul(self._used_inputs.T, self.output_gradient.units, out=used_target)

    def add_penalty_gradient(self, penalty: float) -> None:
        """Add the gradient of penalty / 2 · Σ w² to the target; biases have no penalty."""
        # by blocks of rows, so that the product stays in the cache and takes no memory of the weight's size
        block = max(1, BLOCK_NUMBERS // self._parameters.shape[1])
        for start in range(1, len(self._parameters), block):
            rows = slice(start, start + block)
            self._target[rows] += penalty * self._parameters[rows]

    def with_target(self, target: FloatArray) -> Self:
        """Return a layer with another target and otherwise the same arrays."""
        layer = copy(self)
        layer._target = target
        return layer


class FusedDenseLayer(DenseLayer):
    """A layer whose weight gradient is one GEMM, C ← beta C + alpha A B.

    With plain gradient descent the GEMM adds it to the weight itself, so that it needs no array of its own.

    Parameters
    ----------
    arrays, activation, bias_input, products
        As ``DenseLayer`` takes them.
    prepare_gemm : PrepareGemm
    """

    def __init__(
        self,
        arrays: LayerArrays,
        activation: Activation,
        bias_input: float,
        products: Products,
        prepare_gemm: PrepareGemm,
    ) -> None:
        super().__init__(arrays, activation, bias_input, products)
        self._prepare_gemm = prepare_gemm
        self._batch, self._width = arrays.inputs.array.shape
        self._weight_gemm = self._weight_gemm_into(arrays.target)

    def _weight_gemm_into(self, target: FloatArray) -> Gemm:
        return self._prepare_gemm(target, self.inputs.array.T, self.output_gradient.units)

    def with_target(self, target: FloatArray) -> Self:
        """Return a layer with another target and otherwise the same arrays."""
        layer = super().with_target(target)
        layer._weight_gemm = self._weight_gemm_into(target)
        return layer

    def add_weight_gradient(self, alpha: float = 1.0, beta: float = 1.0) -> None:
        """Do target ← beta · target + alpha · [1, inputs]ᵀ @ output gradient."""
        self._weight_gemm(self._width, self._batch, alpha, beta)

    def descend(self, learning_rate: float, weight_decay: float, penalty: float) -> None:
        """Do W ← (1 - η λ) W - η hᵀ d, where the target W is the parameters."""
        parameters = self._target
        beta = 1 - learning_rate * (weight_decay + penalty)
        # biases have no penalty
        of_bias = learning_rate * penalty * parameters[0] if penalty else 0.0
        self.add_weight_gradient(-learning_rate, beta)
        if beta != 1:
            parameters[self._width :] *= beta
            parameters[0] += of_bias


class SparseInputLayer(FusedDenseLayer):
    """A first layer whose products leave out blocks of inputs that are zero; see ``zero_columns``.

    Parameters
    ----------
    arrays, activation, products, prepare_gemm
        As ``FusedDenseLayer`` takes them; the forward product is a GEMM.
    factor : float
        Its products multiply the inputs by it.
    """

    def __init__(
        self,
        arrays: LayerArrays,
        activation: Activation,
        factor: float,
        products: Products,
        prepare_gemm: PrepareGemm,
    ) -> None:
        number = arrays.parameters.dtype.type
        # rounded as the inputs are
        bias_input = float(number(1) / number(factor))
        super().__init__(arrays, activation, bias_input, products, prepare_gemm)
        self._factor = factor
        self._blocks: Sequence[Block] = [Block(0, 0, self._width)]
        inputs, outputs, parameters = arrays.inputs.array, arrays.outputs.units, arrays.parameters
        self._fan_out = outputs.shape[1]
        # the output of a GEMM is stored row by row; if the outputs are stored unit by unit, that is outputsᵀ
        self._is_transposed = arrays.outputs.order == "F"
        if self._is_transposed:
            self._forward_gemm = prepare_gemm(outputs.T, parameters.T, inputs.T)
        else:
            self._forward_gemm = prepare_gemm(outputs, inputs, parameters)

    def use_blocks(self, blocks: Sequence[Block]) -> None:
        """Leave out all inputs outside the blocks, which are zero."""
        self._blocks, self._width = blocks, blocks[-1].stop

    def forward(self, mask: FloatArray | None = None) -> None:
        """Compute the outputs, block by block; see ``DenseLayer.forward``."""
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
            self._weight_gemm(stop - start, self._batch - row, alpha * self._factor, beta, (start, row, 0))
