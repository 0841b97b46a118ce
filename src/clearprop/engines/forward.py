"""The forward pass of a prediction in one thread, without the inputs that are zero.

A zero input adds nothing to the first layer, which has most of the weights as a rule. A single row is
multiplied with the weights of its other inputs only, if they are few. Many rows are sorted so that a chunk of
them needs few columns; see ``row_order``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.kernels.blas import gemm_for
from clearprop.engines.kernels.row_order import RowOrder, row_order
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]

# a single row: gathering the weights of its inputs and multiplying takes two and a half times as long for
# each as multiplying alone, so at most this fraction of inputs; for fewer weights than the second number,
# multiplying with all of them is done before zeros are found
MAX_USED_FRACTION, MIN_GATHER_WEIGHTS = 0.4, 50_000
# many rows: the least units of a first layer that is worth sorting for, and the most weights that are copied
MIN_SORT_UNITS, MAX_SORT_WEIGHTS = 256, 2**22


class Forward:
    """A network's forward pass, a chunk of rows at a time.

    Parameters
    ----------
    parameters : Parameters
        Everything is computed in their dtype.
    activations : sequence of str
        One for each hidden layer.
    scaling : Scaling
    chunk : int
        The largest number of rows in a chunk.
    order : RowOrder or None, default None
        The order of the rows, if they are sorted; then the first weight is sorted in the same way.
    """

    def __init__(
        self,
        parameters: Parameters,
        activations: Sequence[str],
        scaling: Scaling,
        chunk: int,
        order: RowOrder | None = None,
    ) -> None:
        self._scaling, self._order = scaling, order
        self._activations = [ACTIVATIONS[name] for name in activations]
        self._dtype = parameters[0][0].dtype.newbyteorder("=")
        self._parameters = [
            (np.ascontiguousarray(weight, self._dtype), np.asarray(bias, self._dtype))
            for weight, bias in parameters
        ]
        self._prepare_gemm = gemm_for(self._dtype.name)
        self._factor = scaling.lone_factor()
        # reused for every chunk: new memory would cost more than the arithmetic on it. It is one allocation,
        # since of several the C library returns some to the system after every prediction
        sizes = [len(parameters[0][0]), *(bias.size for _, bias in parameters)]
        memory = np.empty(chunk * sum(sizes), self._dtype)
        self._inputs, *layers = np.split(memory, chunk * np.cumsum(sizes[:-1]))
        self._layers = [layer.reshape(chunk, -1) for layer in layers]

    def run(self, x: NDArray[Any], start: int, stop: int, out: FloatArray) -> None:
        """Write the logits of a chunk of rows ``(n, features)`` to ``out``, which is ``(n, n_outputs)``."""
        if self._order is None:
            out[start:stop] = self._run_chunk(x[start:stop])
        else:
            out[self._order.rows[start:stop]] = self._run_chunk(self._order.fetch(x, start, stop))

    def _run_chunk(self, rows: NDArray[Any]) -> FloatArray:
        """Return the logits of a chunk, valid until the next one; zero columns at the end may be missing."""
        n, width = rows.shape
        inputs, layers = self._inputs[: n * width].reshape(n, width), [layer[:n] for layer in self._layers]
        scale = 1.0
        if self._factor is None or self._prepare_gemm is None or rows.dtype != np.uint8:
            self._scaling.apply(rows, self._dtype, out=inputs)
        else:
            # folded into the product; unscaled bytes are far from overflowing
            inputs[:] = rows
            scale = self._factor
        for number, ((weight, bias), outputs) in enumerate(zip(self._parameters, layers, strict=True)):
            self._affine(inputs, weight[: inputs.shape[1]], bias, 1.0 if number else scale, outputs)
            if number < len(self._activations):
                self._activations[number].value(outputs)
            inputs = outputs
        return inputs

    def _affine(
        self, inputs: FloatArray, weight: FloatArray, bias: FloatArray, scale: float, outputs: FloatArray
    ) -> None:
        """Write scale · inputs @ weight + bias."""
        if self._prepare_gemm is None:
            np.matmul(inputs, weight, out=outputs)
            outputs += bias
        else:
            # beta = 1 adds the product to the bias, which saves a pass
            outputs[:] = bias
            self._prepare_gemm(outputs, inputs, weight)(len(inputs), len(weight), scale, 1.0)


def even_chunks(n: int, max_rows: int, threads: int = 1) -> list[tuple[int, int]]:
    """Return the starts and stops of chunks of 0..n, nearly equal and the same number for every thread."""
    n_chunks = -(-n // (max_rows * threads)) * threads
    return [(n * number // n_chunks, n * (number + 1) // n_chunks) for number in range(n_chunks)]


def order_for(x: NDArray[Any], scaling: Scaling, weight: FloatArray) -> RowOrder | None:
    """Return an order of rows ``(n, features)`` for a first layer; None where sorting does not pay off."""
    # shifted zeros are not zero
    is_worth_it = weight.shape[1] >= MIN_SORT_UNITS and weight.size <= MAX_SORT_WEIGHTS
    return row_order(x) if is_worth_it and scaling.lone_factor() is not None else None


def few_rows(
    parameters: Parameters,
    activations: Sequence[str],
    scaling: Scaling,
    rows: NDArray[Any],
    dtype: np.dtype[Any],
) -> FloatArray:
    """Return the logits ``(n, n_outputs)`` of rows ``(n, features)``, all at once, computed in a dtype."""
    weight, bias = parameters[0]
    factor = scaling.lone_factor()
    if len(rows) == 1 and factor is not None and weight.size >= MIN_GATHER_WEIGHTS:
        used = rows[0].nonzero()[0]
        if used.size <= MAX_USED_FRACTION * len(weight):
            rows, weight = rows[:, used], weight.take(used, axis=0)
    outputs = scaling.apply(rows, dtype)
    layers = [(weight, bias), *parameters[1:]]
    for (weight, bias), activation in zip(layers, (*activations, "identity"), strict=True):
        # ndarray.dot gives the same numbers as @, and half a microsecond sooner
        outputs = outputs.dot(weight.astype(dtype, copy=False))
        outputs += bias
        ACTIVATIONS[activation].value(outputs)
    return outputs
