"""The forward pass as one thread makes it, without the inputs that are zero.

An input that is zero adds nothing to the first layer, which as a rule has most of the weights. A row alone
fetches the weights of its other inputs, if they are few. Of many rows, images are zero around what they show:
sorted by where they begin, those of a chunk end together as well, and MNIST needs 560 of its 784 columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.activations import ACTIVATIONS
from clearprop.blas import add_product
from clearprop.parameters import Parameters
from clearprop.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]

# to multiply with weights after they were fetched takes two and a half times as long as without; and a
# first layer with so few of them is done before a zero is found
MOST_FETCHED, MIN_WEIGHTS = 0.4, 50_000
# outputs of a first layer that is worth sorting rows for, and the share of columns that must be left out
MIN_UNITS, WORTH_SORTING = 256, 0.05
# rows looked at in one go
LOOKED_AT = 1024


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
    """

    def __init__(
        self, parameters: Parameters, activations: Sequence[str], scaling: Scaling, chunk: int
    ) -> None:
        self._scaling, self._chunk = scaling, chunk
        self._activations = [ACTIVATIONS[name] for name in activations]
        self._dtype = parameters[0][0].dtype.newbyteorder("=")
        self._parameters = [
            (np.ascontiguousarray(weight, self._dtype), np.asarray(bias, self._dtype))
            for weight, bias in parameters
        ]
        self._add_product = add_product(self._dtype.name)
        self._factor = scaling.lone_factor()
        # used again for every chunk: fresh memory would cost more than the arithmetic on it
        sizes = [*(len(weight) for weight, _ in parameters), parameters[-1][1].size]
        self._layers = [np.empty((chunk, size), self._dtype) for size in sizes]
        self._bytes = np.empty((chunk, sizes[0]), np.uint8)

    def run(self, x: NDArray[Any], rows: slice | NDArray[np.intp], out: FloatArray) -> None:
        """Write the last layer's pre-activations of some rows of ``(n, features)`` to ``(n, n_outputs)``.

        Parameters
        ----------
        x : ndarray (n, features)
        rows : slice, or ndarray of int
            No more than a chunk. If they are named one by one, they are bytes, the scaling is a mere factor,
            and the columns before the first and after the last that is not zero are left out.
        out : ndarray (n, n_outputs)
        """
        if isinstance(rows, slice):
            out[rows] = self._run_chunk(x[rows], slice(None))
            return
        # "clip" skips the check of every index
        chunk = x.take(rows, axis=0, out=self._bytes[: len(rows)], mode="clip")
        used = np.flatnonzero(np.maximum.reduce(chunk, axis=0))
        # rows of nothing but zeros have one column all the same
        first, last = (used[0], used[-1]) if used.size else (0, 0)
        out[rows] = self._run_chunk(chunk, slice(first, last + 1))

    def _run_chunk(self, rows: NDArray[Any], columns: slice) -> FloatArray:
        """Return the logits of a chunk; columns that are left out are zero. They are valid until the next."""
        inputs, *layers = (layer[: len(rows)] for layer in self._layers)
        scale = 1.0
        if self._factor is None or self._add_product is None or rows.dtype != np.uint8:
            self._scaling.apply(rows, self._dtype, out=inputs)
        else:
            # it rides on the product: bytes are far from overflowing as they are
            inputs[:, columns] = rows[:, columns]
            scale = self._factor
        for number, ((weight, bias), outputs) in enumerate(zip(self._parameters, layers, strict=True)):
            if number:
                self._affine(inputs, weight, bias, 1.0, outputs)
            else:
                self._affine(inputs[:, columns], weight[columns], bias, scale, outputs)
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


def by_begin(x: NDArray[Any], scaling: Scaling, units: int) -> NDArray[np.intp] | None:
    """Return the rows in the order of their first column that is not zero; None if it would not pay.

    Parameters
    ----------
    x : ndarray (n, features)
    scaling : Scaling
    units : int
        What the first layer gives.
    """
    # rows of another layout would all be copied with every chunk
    is_in_order = x.dtype == np.uint8 and x.flags.c_contiguous
    if not is_in_order or scaling.lone_factor() is None or units < MIN_UNITS:
        return None
    # eight columns at a time where they can be: that close is close enough
    words = x if x.shape[1] % 8 else x.view(np.uint64)
    begins = np.empty(len(x), np.min_scalar_type(words.shape[1]))
    for start in range(0, len(x), LOOKED_AT):
        piece = slice(start, start + LOOKED_AT)
        begins[piece] = (words[piece] != 0).argmax(axis=1)
    # small numbers are sorted in steps of a byte, as long as the sort is stable
    return begins.argsort(kind="stable") if begins.mean() >= WORTH_SORTING * words.shape[1] else None


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
