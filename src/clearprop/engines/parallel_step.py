"""One rank's part of a training step: its layers are shards, and sums over all ranks are all-reduced.

See ``sharding`` for the shard of each layer that a rank keeps. On each rank the outputs of a row-sharded
layer and the input gradient of a column-sharded one are partial sums; an all-reduce adds them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.layout import Batch
from clearprop.engines.numpy_layers import LayerArrays, Matmul, Products, numpy_matmul
from clearprop.engines.numpy_step import Stepper
from clearprop.engines.tensor_parallel.all_reduce import Communicator
from clearprop.engines.tensor_parallel.sharding import Shard
from clearprop.engines.training_rows import Rows
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe


class ParallelStepper(Stepper):
    """Computes one rank's part of training steps.

    Parameters
    ----------
    network, recipe, flat, slots, rows, dropout_rng
        As ``Stepper`` takes them, with the arrays of this rank's shards.
    shards : sequence of Shard
        This rank's shard of each layer.
    communicator : Communicator
        With the buffers of ``all_reduce_units``.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        flat: FloatArray,
        slots: Sequence[FloatArray],
        rows: Rows,
        dropout_rng: np.random.Generator,
        shards: Sequence[Shard],
        communicator: Communicator,
    ) -> None:
        shapes = [shard.shape for shard in shards]
        super().__init__(network, recipe, flat, slots, rows, dropout_rng, shapes)
        self._shards, self._communicator = shards, communicator

    def _masks(self, batch: int) -> list[FloatArray | None]:
        """Draw dropout masks for the whole network, and return those of this rank's inputs."""
        return [
            None if mask is None else mask[:, shard.inputs]
            for mask, shard in zip(super()._masks(batch), self._shards, strict=True)
        ]

    def _loss_of(
        self, work: Any, rows: NDArray[np.intp], masks: Sequence[FloatArray | None], penalty: float
    ) -> float:
        """Run a batch forward; keep the gradient for the logits, return the loss with its penalty."""
        phase = self._communicator.start_sum(self._sum_of_squares()) if penalty else 0
        # the forward pass has at least one barrier
        loss = super()._loss_of(work, rows, masks, penalty=0.0)
        if penalty:
            loss += penalty / 2 * self._communicator.finish_sum(phase)
        return loss

    def _sum_of_squares(self) -> float:
        """Return Σ w² of this rank's shards; replicated layers count on rank 0 only."""
        return sum(
            float(np.vdot(layer[1:], layer[1:]))
            for layer, shard in zip(self._parameters, self._shards, strict=True)
            if self._communicator.rank == 0 or shard.kind != "replicated"
        )

    def _bias_input(self, number: int) -> float:
        # only rank 0 adds a row-sharded layer's bias; on the others the column of ones is 0, so that this
        # row gets no gradient
        return float(self._shards[number].adds_bias)

    def _products(self, number: int, arrays: LayerArrays) -> Products:
        return Products(
            self._matmul(f"forward.{number}", arrays.outputs),
            self._matmul(f"backward.{number}", arrays.inputs),
        )

    def _matmul(self, buffer: str, like: Batch) -> Matmul:
        if buffer not in self._communicator.buffers:
            return numpy_matmul
        return self._communicator.all_reduce(buffer, len(like.array), like.order).matmul


def all_reduce_units(network: Network, recipe: Recipe, shards: Sequence[Shard]) -> dict[str, int]:
    """Return the names of a step's all-reduce buffers, and the numbers of each row reduced there."""
    units = {}
    for number, shard in enumerate(shards):
        if shard.kind == "row":
            units[f"forward.{number}"] = network.layer_sizes[number + 1]
        if shard.kind == "column" and (number or recipe.adversarial_epsilon):
            units[f"backward.{number}"] = network.layer_sizes[number]
    return units
