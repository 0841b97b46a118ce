"""How the layers of a network are sharded over ranks, so that a step needs few all-reduces.

Two consecutive layers are sharded as a pair (Megatron-LM, Shoeybi et al. 2019). Of the first, each rank keeps
some columns, that is, some of the hidden units between the two; of the second, the rows that take those units
as inputs. Between the two nothing is communicated, since the activation is elementwise. The outputs of the
second are all-reduced in the forward pass, and the input gradient of the first in the backward pass, unless
it is the first layer of the network, whose input gradient is not needed. The remaining layers are small and
replicated: every rank computes all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.kernels.layout import layers_in

# weights a pair must have, as a fraction of those of the largest pair, to be worth an all-reduce
MIN_PAIR_FRACTION = 0.03

Kind = Literal["replicated", "column", "row"]


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of one layer that one rank keeps.

    Parameters
    ----------
    kind : {"replicated", "column", "row"}
    inputs, outputs : slice
        Of the layer's ``fan_in`` and ``fan_out``.
    adds_bias : bool
        Only rank 0 adds the bias of a row-sharded layer, whose outputs are summed over all ranks.
    """

    kind: Kind
    inputs: slice
    outputs: slice
    adds_bias: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the stored shard, ``(1 + rows, columns)``: bias (0 if not added), then weight."""
        return 1 + self.inputs.stop - self.inputs.start, self.outputs.stop - self.outputs.start

    def copy_from(self, weight: NDArray[Any], bias: NDArray[Any], stored: NDArray[Any]) -> None:
        """Fill the stored shard from a whole layer."""
        stored[0] = bias[self.outputs] if self.adds_bias else 0
        stored[1:] = weight[self.inputs, self.outputs]

    def copy_to(self, weight: NDArray[Any], bias: NDArray[Any], stored: NDArray[Any]) -> None:
        """Copy the stored shard into a whole layer."""
        weight[self.inputs, self.outputs] = stored[1:]
        if self.adds_bias:
            bias[self.outputs] = stored[0]


def can_shard(layer_sizes: Sequence[int], world_size: int) -> bool:
    """Tell whether any layer is sharded; if not, the ranks would never communicate."""
    return "row" in _kinds(layer_sizes, world_size)


def shards_of(layer_sizes: Sequence[int], world_size: int) -> list[list[Shard]]:
    """Shard a network.

    Parameters
    ----------
    layer_sizes : sequence of int
    world_size : int
        How many ranks there are.

    Returns
    -------
    list of list of Shard
        For each rank its shard of each layer.
    """
    kinds = _kinds(layer_sizes, world_size)
    return [
        [
            _shard(kind, fan_in, fan_out, rank, world_size)
            for kind, (fan_in, fan_out) in zip(kinds, pairwise(layer_sizes), strict=True)
        ]
        for rank in range(world_size)
    ]


def stored_shards(flat: NDArray[Any], shards: Sequence[Shard]) -> list[NDArray[Any]]:
    """Return views ``(1 + rows, columns)`` of one rank's shards in a flat array; see ``layers_in``."""
    return layers_in(flat, [shard.shape for shard in shards])


def size_of(shards: Sequence[Shard]) -> int:
    """Return how many numbers one rank's shards have."""
    return sum(int(np.prod(shard.shape)) for shard in shards)


def _kinds(layer_sizes: Sequence[int], world_size: int) -> list[Kind]:
    n_weights = [fan_in * fan_out for fan_in, fan_out in pairwise(layer_sizes)]
    kinds: list[Kind] = ["replicated"] * len(n_weights)
    # by the first layer of each; every rank needs at least one of the hidden units between the two
    pairs = {
        first: n_weights[first] + n_weights[first + 1]
        for first in range(0, len(n_weights) - 1, 2)
        if layer_sizes[first + 1] >= world_size > 1
    }
    for first, size in pairs.items():
        if size >= MIN_PAIR_FRACTION * max(pairs.values()):
            kinds[first : first + 2] = ["column", "row"]
    return kinds


def _shard(kind: Kind, fan_in: int, fan_out: int, rank: int, world_size: int) -> Shard:
    all_inputs, all_outputs = slice(0, fan_in), slice(0, fan_out)
    if kind == "column":
        return Shard(kind, all_inputs, _slice_of(fan_out, rank, world_size))
    if kind == "row":
        return Shard(kind, _slice_of(fan_in, rank, world_size), all_outputs, adds_bias=rank == 0)
    return Shard(kind, all_inputs, all_outputs)


def _slice_of(n: int, rank: int, world_size: int) -> slice:
    """Return a rank's share of 0..n, nearly the same for all."""
    return slice(*(round(n * end / world_size) for end in (rank, rank + 1)))
