"""Training in NumPy: what is computed with, where it is kept, and whether one process or a team computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.base import FloatArray, Task
from clearprop.engines.kernels.blas import THREADS
from clearprop.engines.kernels.zero_columns import column_order
from clearprop.engines.numpy_step import Stepper, places_of
from clearprop.engines.prediction import logits
from clearprop.engines.tensor_parallel.messages import Message
from clearprop.engines.tensor_parallel.sharding import layers_of, share, size_of
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory
from clearprop.engines.tensor_parallel.worker_pool import Team, members_for
from clearprop.engines.training_rows import Rows
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters
from clearprop.utils.errors import EngineUnavailable


class NumpyEngine:
    """Trains in NumPy; see ``Engine`` for what it does and ``Task`` for what it takes.

    Parameters
    ----------
    task : Task
    processes : int or None, default None
        How many compute each step together; None lets the work decide, see ``team.members_for``.
    """

    name = "numpy"
    device = "cpu"

    def __init__(self, task: Task, processes: int | None = None) -> None:
        self._processes = processes
        self._set_up(task, self._members_for(task))
        self.load_parameters(task.parameters)

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        if self._stepper.penalty(rows) is None:
            return 0.0
        if self._team is None:
            return self._stepper.step(rows, learning_rate)
        return self._step_together(self._team, rows, learning_rate)

    def _step_together(self, team: Team, rows: NDArray[np.intp], learning_rate: float) -> float:
        if not team.close.alive:
            self._start_again(self._task, len(self._parts))
            return self.train_step(rows, learning_rate)
        # others that could not start, or have no room for so many rows, leave it to this process
        if not team.is_ready() or len(rows) > team.batch:
            team.settle()
            team.close()
            self._start_again(self._task, 1)
            return self.train_step(rows, learning_rate)
        try:
            team.send(Message(rows, learning_rate, self._stepper.steps, self._stepper.all_move))
            THREADS.hold(team.close)
            return self._stepper.step(rows, learning_rate)
        except BaseException:
            # the others are in the middle of a step that nobody will finish
            team.close()
            raise
        finally:
            THREADS.release(team.close)

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        if self._team is not None:
            # seldom asked for in a training, so not worth another kind of message
            alone = NumpyEngine(replace(self._task, parameters=self.parameters()), processes=1)
            return alone.loss_and_gradient(rows)
        if self._stepper.penalty(rows) is None:
            return 0.0, [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in self.parameters()]
        loss, gradient = self._stepper.loss_and_gradient(rows)
        return loss, self._whole([gradient])

    def load_rows(self, x: Any, y: NDArray[Any], sample_weight: FloatArray | None = None) -> None:
        """Go on with other training rows; see ``Engine.load_rows``."""
        task = replace(self._task, x=x, y=y, sample_weight=sample_weight)
        self._start_again(task, self._members_for(task))

    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations; see ``Engine.logits``."""
        network, scaling = self._task.network, self._task.scaling
        # without a team the BLAS has just had work for all its threads, and has some for them now
        threads = 1 if self._team is None else None
        return logits(self.parameters(), network.activations, scaling, x, threads)

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        self._settle()
        return self._whole(self._layers_of(self._flats))

    def load_parameters(self, parameters: Parameters) -> None:
        """Go on from other parameters of the same shapes."""
        self._settle()
        self._take(self._layers_of(self._flats), parameters)

    def close(self) -> None:
        """End the other members; see ``Engine.close``."""
        if self._team is not None:
            # one that is gone, or was cut off, has nothing left to do
            with suppress(EngineUnavailable):
                self._team.settle()
            self._team.close()
            # should a signal have cut off that of a step
            THREADS.release(self._team.close)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the optimizer remembers; see ``Engine.state``."""
        self._settle()
        state: dict[str, NDArray[Any]] = {"step": np.array(self._stepper.steps)}
        for number, flats in enumerate(self._slots):
            # by layer and as the columns are stored, so that no way of keeping it here is in it
            for layer, (weight, bias) in enumerate(self._whole(self._layers_of(flats))):
                state |= {f"slots.{number}.{layer}.weight": weight, f"slots.{number}.{layer}.bias": bias}
        return state

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what ``state`` gave; see ``Engine.load_state``."""
        self._settle()
        self._stepper.steps = int(state["step"])
        for number, flats in enumerate(self._slots):
            names = [f"slots.{number}.{layer}" for layer in range(len(self._task.network.layer_sizes) - 1)]
            memory = [(state[f"{name}.weight"], state[f"{name}.bias"]) for name in names]
            self._take(self._layers_of(flats), memory)
            # it may remember gradients where these rows have none
            self._stepper.all_move |= bool(self._stepper.rows.unused(memory[0][0]).any())

    def _set_up(self, task: Task, members: int) -> None:
        """Make room for a task and begin with it, the parameters still to be loaded."""
        self._task = task
        network, recipe = task.network, task.recipe
        n_slots = OPTIMIZERS[recipe.optimizer].n_slots
        self._team, memory = None, None
        self._parts = share(network.layer_sizes, members)
        if members > 1:
            try:
                team = Team(members)
                memory = team.share(task, self._parts, n_slots, places_of(network, recipe, self._parts[0]))
                self._team = team
            except OSError:
                # no memory or no processes to be had: what one can do alone is the same
                self._parts = share(network.layer_sizes, 1)
        if memory is None:
            size = size_of(self._parts[0])
            self._flats = [np.empty(size, task.dtype)]
            self._slots = [[np.zeros(size, task.dtype)] for _ in range(n_slots)]
        else:
            everyone = range(members)
            self._flats = [memory[f"flat.{member}"] for member in everyone]
            self._slots = [
                [memory[f"slot.{member}.{slot}"] for member in everyone] for slot in range(n_slots)
            ]
        rows = self._keep(task, memory)
        meeting = None if self._team is None else self._team.begin(task, rows.absent())
        self._stepper = Stepper(
            network,
            recipe,
            self._parts[0],
            self._flats[0],
            [flats[0] for flats in self._slots],
            rows,
            task.dropout_rng,
            meeting,
        )
        # what never has a gradient stands still, unless it decays
        self._stepper.all_move = bool(recipe.weight_decay or recipe.l2_penalty)

    def _keep(self, task: Task, memory: SharedMemory | None) -> Rows:
        """Return the task's rows as a stepper takes them, all of them in the memory if there is one."""
        dtype, weight = task.dtype, task.sample_weight
        shift, factor = (np.asarray(value, dtype) for value in (task.scaling.shift, task.scaling.factor))
        # a zero that is shifted is none, and an adversary moves every one
        dense = bool(shift.any()) or bool(task.recipe.adversarial_epsilon)
        columns = None if dense else column_order(task.x, None if memory is None else memory["x"])
        if columns is not None and factor.ndim:
            factor = factor[columns.order]
        rows = Rows(
            x=task.x if columns is None else columns.rows,
            # narrow labels would overflow where they are multiplied
            y=task.y.astype(np.intp if task.network.output == "softmax" else dtype, copy=False),
            sample_weight=None if weight is None else weight.astype(dtype, copy=False),
            shift=shift,
            factor=factor,
            order=None if columns is None else columns.order,
            widths=None if columns is None else columns.widths,
        )
        return rows if memory is None else rows.moved_to(memory)

    def _members_for(self, task: Task) -> int:
        return members_for(task, THREADS.count(), self._processes)

    def _start_again(self, task: Task, members: int) -> None:
        """Go on with a task of the same network; parameters and the optimizer's memory stay."""
        parameters, state = self.parameters(), self.state()
        self._set_up(task, members)
        self.load_parameters(parameters)
        self.load_state(state)

    def _settle(self) -> None:
        if self._team is not None:
            self._team.settle()

    def _layers_of(self, flats: Sequence[FloatArray]) -> list[list[FloatArray]]:
        return [layers_of(flat, parts) for flat, parts in zip(flats, self._parts, strict=True)]

    def _take(self, kept: Sequence[Sequence[FloatArray]], layers: Parameters) -> None:
        """Fill what each member keeps from whole layers, the first weight's rows in the order kept."""
        order = self._stepper.rows.order
        for number, (weight, bias) in enumerate(layers):
            in_order = weight if number or order is None else weight[order]
            for own, parts in zip(kept, self._parts, strict=True):
                parts[number].take(own[number], in_order, bias)

    def _whole(self, kept: Sequence[Sequence[FloatArray]]) -> Parameters:
        """Return new whole layers of what each member keeps, the rows in the order of the stored columns."""
        sizes, order = self._task.network.layer_sizes, self._stepper.rows.order
        parameters: Parameters = []
        for number, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            weight, bias = (np.empty(shape, self._task.dtype) for shape in ((fan_in, fan_out), fan_out))
            for own, parts in zip(kept, self._parts, strict=True):
                parts[number].give(own[number], weight, bias)
            if not number and order is not None:
                weight[order] = weight.copy()
            parameters.append((weight, bias))
        return parameters
