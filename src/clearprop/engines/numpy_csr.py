"""The first layer of a training step on rows that stay sparse (CSR), and the loader of its batches.

``sparse_rows`` decides which rows stay sparse, and has their products.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray
from clearprop.engines.numpy_layers import DenseLayer, LayerArrays, Products
from clearprop.engines.sparse_rows import SparseRows
from clearprop.nn.activations import Activation


class CsrInputLayer(DenseLayer):
    """A first layer whose inputs are CSR rows; its products visit the stored numbers only.

    Parameters
    ----------
    arrays, activation
        As ``DenseLayer`` takes them; the inputs have no units, since rows come by ``use_rows``.
    """

    def __init__(self, arrays: LayerArrays, activation: Activation) -> None:
        super().__init__(arrays, activation, 1.0, Products())

    def use_rows(self, rows: SparseRows) -> None:
        """Take a batch of inputs."""
        self._rows = rows

    def forward(self, mask: FloatArray | None = None) -> None:
        """Compute outputs = f(inputs @ weight + bias)."""
        np.add(self._rows.times(self._parameters[1:]), self._parameters[0], out=self.outputs.units)
        self._value(self.outputs.whole)

    def add_weight_gradient(self, alpha: float = 1.0) -> None:
        """Add alpha · [1, inputs]ᵀ @ output gradient to the target."""
        gradient = self.output_gradient.units
        features, product = self._rows.transposed_times(gradient)
        bias = gradient.sum(axis=0)
        if alpha != 1:
            product *= alpha
            bias *= alpha
        self._target[1 + features] += product
        self._target[0] += bias

    def descend(self, learning_rate: float, weight_decay: float, penalty: float) -> None:
        """Do W ← (1 - η λ) W - η hᵀ d, where the target W is the parameters."""
        parameters = self._target
        beta = 1 - learning_rate * (weight_decay + penalty)
        if beta != 1:
            # biases have no penalty
            of_bias = learning_rate * penalty * parameters[0]
            parameters *= beta
            parameters[0] += of_bias
        self.add_weight_gradient(-learning_rate)


class SparseLoader:
    """Gives the first layer batches of rows that stay sparse; see ``InputLoader``.

    Parameters
    ----------
    rows : SparseRows
    """

    folded_factor = 1.0

    def __init__(self, rows: SparseRows) -> None:
        self._rows = rows

    def sort(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return row numbers as they are: their order gains nothing."""
        return numbers

    def buffer(self, batch: int) -> NDArray[Any]:
        """Return an empty buffer."""
        return np.empty((batch, 0))

    def load(
        self, numbers: NDArray[np.intp], stored: NDArray[Any], layer: DenseLayer, mask: FloatArray | None
    ) -> None:
        """Give a ``CsrInputLayer`` a batch."""
        cast(CsrInputLayer, layer).use_rows(self._rows.take(numbers))
