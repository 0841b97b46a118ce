"""Which part of a network each member of a team keeps, so that a step asks for few exchanges.

Two layers after each other are shared as a pair (Shoeybi et al. 2019): of the first everyone keeps some
columns, that is, some of the units between the two; of the second the rows that these units meet. Between the
two nothing is exchanged, for the activation is elementwise; what the members found is summed up after the
second, and backward before the first, unless that takes the inputs, whose gradient nobody needs. What is left
of the layers is small, and everyone computes the whole of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.kernels.layout import layers_in

# of the weights of the largest pair, what another must hold at least to be worth an exchange
WORTH_AN_EXCHANGE = 0.03

Kind = Literal["whole", "columns", "rows"]


@dataclass(frozen=True, slots=True)
class Part:
    """What one member keeps of one layer.

    Parameters
    ----------
    kind : {"whole", "columns", "rows"}
    inputs, outputs : slice
        Of the layer's ``fan_in`` and ``fan_out``.
    holds_bias : bool
        Of a layer that is shared by rows only the first member adds the bias.
    """

    kind: Kind
    inputs: slice
    outputs: slice
    holds_bias: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """The part as it is kept, ``(1 + rows, columns)``: a bias, 0 where none is held, then the weight."""
        return 1 + self.inputs.stop - self.inputs.start, self.outputs.stop - self.outputs.start

    def take(self, kept: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]) -> None:
        """Fill what is kept from a whole layer."""
        kept[0] = bias[self.outputs] if self.holds_bias else 0
        kept[1:] = weight[self.inputs, self.outputs]

    def give(self, kept: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]) -> None:
        """Put what is kept where it belongs in a whole layer."""
        weight[self.inputs, self.outputs] = kept[1:]
        if self.holds_bias:
            bias[self.outputs] = kept[0]


def can_be_shared(layer_sizes: Sequence[int], members: int) -> bool:
    """Tell whether there is a part for each; if not, they would never meet."""
    return "rows" in _kinds(layer_sizes, members)


def share(layer_sizes: Sequence[int], members: int) -> list[list[Part]]:
    """Share a network out.

    Parameters
    ----------
    layer_sizes : sequence of int
    members : int
        With one, it keeps everything.

    Returns
    -------
    list of list of Part
        For every member its part of each layer.
    """
    kinds = _kinds(layer_sizes, members)
    return [
        [
            _part(kind, fan_in, fan_out, member, members)
            for kind, (fan_in, fan_out) in zip(kinds, pairwise(layer_sizes), strict=True)
        ]
        for member in range(members)
    ]


def layers_of(flat: NDArray[Any], parts: Sequence[Part]) -> list[NDArray[Any]]:
    """Return the parts ``(1 + rows, columns)`` in a flat array, that of the first layer at its end."""
    return layers_in(flat, [part.shape for part in parts])


def size_of(parts: Sequence[Part]) -> int:
    """Return how many numbers the parts hold."""
    return sum(int(np.prod(part.shape)) for part in parts)


def _kinds(layer_sizes: Sequence[int], members: int) -> list[Kind]:
    weights = [fan_in * fan_out for fan_in, fan_out in pairwise(layer_sizes)]
    kinds: list[Kind] = ["whole"] * len(weights)
    # by the first layer of each: whoever gets no unit of those between the two has nothing to do
    pairs = {
        first: weights[first] + weights[first + 1]
        for first in range(0, len(weights) - 1, 2)
        if layer_sizes[first + 1] >= members > 1
    }
    for first, size in pairs.items():
        if size >= WORTH_AN_EXCHANGE * max(pairs.values()):
            kinds[first : first + 2] = ["columns", "rows"]
    return kinds


def _part(kind: Kind, fan_in: int, fan_out: int, member: int, members: int) -> Part:
    everything = slice(0, fan_in), slice(0, fan_out)
    if kind == "columns":
        return Part(kind, everything[0], _piece(fan_out, member, members))
    if kind == "rows":
        return Part(kind, _piece(fan_in, member, members), everything[1], holds_bias=not member)
    return Part(kind, *everything)


def _piece(n: int, member: int, members: int) -> slice:
    """Return one of nearly equal parts of 0..n."""
    ends = [round(n * end / members) for end in (member, member + 1)]
    return slice(*ends)
