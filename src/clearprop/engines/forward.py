"""The forward pass as one thread makes it, without the inputs that are zero.

An input that is zero adds nothing to the first layer, which as a rule has most of the weights. A row alone
fetches the weights of its other inputs, if they are few. Many rows are put in such an order that a chunk of
them needs few columns; see ``row_order``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.kernels.blas import add_product
from clearprop.engines.kernels.row_order import RowOrder, row_order
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]

# to multiply with weights after they were fetched takes two and a half times as long as without; and a
# first layer with so few of them is done before a zero is found
MOST_FETCHED, MIN_WEIGHTS = 0.4, 50_000
# outputs of a first layer that is worth sorting rows for, and weights of one that may be copied for it
MIN_UNITS, MOST_WEIGHTS = 256, 2**22


class Forward:
    """A network's forward pass, a chunk of rows at a time.

    Parameters
    ----------
    parameters : Parameters
        Their dtype is the one computed in.
    activations : sequence of str
        One a hidden layer.
    scaling : Scaling
    chunk : int
        The most rows of a chunk.
    order : RowOrder or None, default None
        Of the rows, in which they are run, if they are sorted; then the parameters' first weight is, too.
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
        self._add_product = add_product(self._dtype.name)
        self._factor = scaling.lone_factor()
        # used again for every chunk: fresh memory for these would cost more than the arithmetic on it. In one
        # piece, since of several the C library gives some back to the system after every prediction
        sizes = [len(parameters[0][0]), *(bias.size for _, bias in parameters)]
        memory = np.empty(chunk * sum(sizes), self._dtype)
        self._inputs, *layers = np.split(memory, chunk * np.cumsum(sizes[:-1]))
        self._layers = [layer.reshape(chunk, -1) for layer in layers]

    def run(self, x: NDArray[Any], start: int, stop: int, out: FloatArray) -> None:
        """Write the last layer's pre-activations of a chunk of ``(n, features)`` to ``(n, n_outputs)``."""
        if self._order is None:
            out[start:stop] = self._run_chunk(x[start:stop])
        else:
            out[self._order.rows[start:stop]] = self._run_chunk(self._order.fetch(x, start, stop))

    def _run_chunk(self, rows: NDArray[Any]) -> FloatArray:
        """Return the logits of a chunk, whose last columns may lack if zero; valid until the next one."""
        n, width = rows.shape
        inputs, layers = self._inputs[: n * width].reshape(n, width), [layer[:n] for layer in self._layers]
        scale = 1.0
        if self._factor is None or self._add_product is None or rows.dtype != np.uint8:
            self._scaling.apply(rows, self._dtype, out=inputs)
        else:
            # it rides on the product: bytes are far from overflowing as they are
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
        if self._add_product is None:
            np.matmul(inputs, weight, out=outputs)
            outputs += bias
        else:
            # the product adds to what is there, which saves a pass
            outputs[:] = bias
            self._add_product(outputs, inputs, weight)(len(inputs), len(weight), scale, 1.0)


def even_pieces(n: int, most: int, threads: int = 1) -> list[tuple[int, int]]:
    """Return where pieces of 0..n start and stop, nearly equal and as many for every thread."""
    n_pieces = -(-n // (most * threads)) * threads
    return [(n * number // n_pieces, n * (number + 1) // n_pieces) for number in range(n_pieces)]


def order_for(x: NDArray[Any], scaling: Scaling, weight: FloatArray) -> RowOrder | None:
    """Return the order in which to give rows ``(n, features)`` to a first layer; None if in none."""
    # of a scaling that shifts, zeros are none
    is_worth_it = weight.shape[1] >= MIN_UNITS and weight.size <= MOST_WEIGHTS
    return row_order(x) if is_worth_it and scaling.lone_factor() is not None else None


def few_rows(
    parameters: Parameters, activations: Sequence[str], scaling: Scaling, rows: NDArray[Any]
) -> FloatArray:
    """Return the last layer's pre-activations ``(n, n_outputs)`` of rows ``(n, features)``, all at once."""
    weight, bias = parameters[0]
    factor = scaling.lone_factor()
    if len(rows) == 1 and factor is not None and weight.size >= MIN_WEIGHTS:
        used = rows[0].nonzero()[0]
        if used.size <= MOST_FETCHED * len(weight):
            rows, weight = rows[:, used], weight.take(used, axis=0)
    outputs = scaling.apply(rows, weight.dtype.newbyteorder("="))
    layers = [(weight, bias), *parameters[1:]]
    for (weight, bias), activation in zip(layers, (*activations, "identity"), strict=True):
        outputs = outputs @ weight
        outputs += bias
        ACTIVATIONS[activation].value(outputs)
    return outputs
