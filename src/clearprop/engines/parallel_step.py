"""One rank's part of every training step: the layers are its shards, and sums over all ranks are reduced.

See ``parts`` for which shard of each layer a rank keeps. The output of a row-sharded layer and the input
gradient of a column-sharded one are partial sums on each rank; an all-reduce adds them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.layout import Order
from clearprop.engines.numpy_layers import Product, Products, matrix_product
from clearprop.engines.numpy_step import Stepper
from clearprop.engines.tensor_parallel.all_reduce import Meeting
from clearprop.engines.tensor_parallel.sharding import Part
from clearprop.engines.training_rows import Rows
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe


class ParallelStepper(Stepper):
    """Takes one rank's part of every step.

    Parameters
    ----------
    network, recipe, flat, slots, rows, dropout_rng
        As ``Stepper`` takes them, the arrays those of this rank.
    shards : sequence of Part
        Of each layer what this rank keeps.
    meeting : Meeting
        With the other ranks; it has the places that ``places_of`` names.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        flat: FloatArray,
        slots: Sequence[FloatArray],
        rows: Rows,
        dropout_rng: np.random.Generator,
        shards: Sequence[Part],
        meeting: Meeting,
    ) -> None:
        shapes = [shard.shape for shard in shards]
        super().__init__(network, recipe, flat, slots, rows, dropout_rng, shapes)
        self._shards, self._meeting = shards, meeting

    def _masks(self, batch: int) -> list[FloatArray | None]:
        """Draw dropout masks for the whole network, and return those of this rank's inputs."""
        masks = super()._masks(batch)
        return [
            None if mask is None else mask[:, shard.inputs]
            for mask, shard in zip(masks, self._shards, strict=True)
        ]

    def _loss_of(
        self, work: Any, rows: NDArray[np.intp], masks: Sequence[FloatArray | None], penalty: float
    ) -> float:
        """Run a batch forward; keep the gradient for the logits, return the loss with its penalty."""
        turn = self._meeting.tell(self._sum_of_squares()) if penalty else 0
        loss = super()._loss_of(work, rows, masks, penalty=0.0)
        if penalty:
            loss += penalty / 2 * self._meeting.told(turn)
        return loss

    def _sum_of_squares(self) -> float:
        """Return Σ w² of this rank's shards; a replicated layer counts for the first rank only."""
        return sum(
            float(np.vdot(layer[1:], layer[1:]))
            for layer, shard in zip(self._parameters, self._shards, strict=True)
            if not self._meeting.member or shard.kind != "whole"
        )

    def _bias_input(self, number: int) -> float:
        # a row-sharded layer's bias is added on one rank; on the others it is 0 and gets no gradient
        return float(self._shards[number].holds_bias)

    def _products(self, number: int, batch: int, orders: Sequence[Order]) -> Products:
        of_inputs, of_outputs = orders
        return Products(
            self._product(f"forward.{number}", batch, of_outputs),
            self._product(f"backward.{number}", batch, of_inputs),
        )

    def _product(self, name: str, batch: int, order: Order) -> Product:
        if name not in self._meeting.places:
            return matrix_product
        return self._meeting.place(name, batch, order).sum_of_products


def places_of(network: Network, recipe: Recipe, shards: Sequence[Part]) -> Mapping[str, int]:
    """Return where the ranks sum up products: for each place, the units of the sum."""
    places = {}
    for number, shard in enumerate(shards):
        if shard.kind == "rows":
            places[f"forward.{number}"] = network.layer_sizes[number + 1]
        if shard.kind == "columns" and (number or recipe.adversarial_epsilon):
            places[f"backward.{number}"] = network.layer_sizes[number]
    return places
