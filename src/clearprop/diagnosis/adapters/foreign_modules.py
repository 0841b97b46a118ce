"""PyTorch modules of any shape: trained as they are, with remedies that do not change their layers."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.causes import Hypothesis
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.program_training import LayerPass, Probe, scaling_of
from clearprop.nn.scaling import Scaling
from clearprop.utils.randomness import streams

Array = NDArray[np.floating[Any]]

CLOCK_STEPS = 8
PREDICTION_ROWS = 1024
_CLASS_LOSSES = ("CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss")
_LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross_entropy_from_logits": nn.CrossEntropyLoss,
    "binary_cross_entropy": nn.BCELoss,
    "binary_cross_entropy_from_logits": nn.BCEWithLogitsLoss,
    "squared_error": nn.MSELoss,
    "absolute_error": nn.L1Loss,
}


@dataclass(slots=True)
class ModuleTrained:
    """A trained module, with the interface of ``Trained``."""

    program: Program
    module: nn.Module
    row_shape: tuple[int, ...]
    input_scaling: Scaling
    target_scaling: Scaling
    planned: int
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    diverged: bool = False
    seconds: float = 0.0

    def in_target_units(self, outputs: Array) -> Array:
        """Return outputs back from the scale that is trained on."""
        restored: Array = outputs / self.target_scaling.factor + self.target_scaling.shift
        return restored

    def scaled_outputs(self, x: Array) -> Array:
        """Return the outputs ``(n, units)``, on the scale that is trained on."""
        self.module.eval()
        parts = []
        with torch.no_grad():
            for start in range(0, len(x), PREDICTION_ROWS):
                rows = self.input_scaling.apply(x[start : start + PREDICTION_ROWS])
                out = self.module(torch.from_numpy(rows).reshape(-1, *self.row_shape))
                parts.append(out.reshape(len(rows), -1).numpy())
        self.module.train()
        return np.concatenate(parts)

    def passes(self, x: Array) -> list[LayerPass]:
        """Return the outputs as those of a single layer."""
        out = self.scaled_outputs(x)
        return [LayerPass(x, out, out, out)]


@dataclass(frozen=True, slots=True, eq=False)
class ModuleTrainer:
    """Trains a module from fresh parameters, as ``train_program`` trains a Program.

    Parameters
    ----------
    module : torch.nn.Module
        Never changed: each training has a copy, whose layers are initialized again.
    loss : module or function of torch
    own_loss : str
        The loss of a Program that stands for it; another one is made by its name.
    row_shape : tuple of int
        Of the rows that the module takes.
    """

    module: nn.Module
    loss: Any
    own_loss: str
    row_shape: tuple[int, ...]

    def __call__(
        self,
        program: Program,
        x: Array,
        y: NDArray[Any],
        *,
        seed: int = 0,
        max_steps: int | None = None,
        deadline: float | None = None,
        probe: Probe | None = None,
        at_checkpoint: Callable[[Any], bool] | None = None,
        checkpoints: int = 0,
    ) -> ModuleTrained:
        """Train the module; see ``train_program``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = _initialized_again(self.module)
            return self._train(program, fresh, x, y, seed, max_steps, deadline, at_checkpoint, checkpoints)

    def _train(
        self,
        program: Program,
        module: nn.Module,
        x: Array,
        y: NDArray[Any],
        seed: int,
        max_steps: int | None,
        deadline: float | None,
        at_checkpoint: Callable[[Any], bool] | None,
        checkpoints: int,
    ) -> ModuleTrained:
        input_scaling = scaling_of(program.scale_inputs, x)
        target_scaling = scaling_of(program.scale_targets, y.reshape(len(y), -1))
        rows = torch.from_numpy(np.ascontiguousarray(input_scaling.apply(x))).reshape(-1, *self.row_shape)
        targets = self._targets(program, target_scaling, y)
        loss_of = self.loss if program.loss == self.own_loss else _LOSSES[program.loss]()
        optimizer = _optimizer(program, module)
        n, batch = len(x), min(program.batch_size, len(x))
        per_epoch = -(-n // batch)
        planned = per_epoch * program.epochs
        n_steps = planned if max_steps is None else min(planned, max_steps)
        marks = (
            {round(n_steps * k / checkpoints) for k in range(1, checkpoints + 1)} if checkpoints else set()
        )
        result = ModuleTrained(program, module, self.row_shape, input_scaling, target_scaling, planned)
        shuffle = streams(seed).shuffle
        started = time.perf_counter()
        order = np.arange(n)
        for step in range(1, n_steps + 1):
            place = (step - 1) % per_epoch
            if place == 0:
                order = shuffle.permutation(n)
            chosen = torch.from_numpy(order[place * batch : (place + 1) * batch])
            optimizer.zero_grad()
            loss = loss_of(module(rows[chosen]), targets[chosen])
            if not torch.isfinite(loss):
                result.diverged = True
                break
            loss.backward()
            optimizer.step()
            result.losses.append(float(loss.detach()))
            result.steps = step
            if step in marks and at_checkpoint is not None and at_checkpoint(result):
                break
            if deadline is not None and step % CLOCK_STEPS == 0 and time.perf_counter() > deadline:
                break
        result.seconds = time.perf_counter() - started
        return result

    def _targets(self, program: Program, scaling: Scaling, y: NDArray[Any]) -> torch.Tensor:
        name = getattr(self.loss, "__name__", type(self.loss).__name__)
        classes = program.loss.startswith("cross_entropy") and (
            name in _CLASS_LOSSES or program.loss != self.own_loss
        )
        if classes and y.ndim == 1:
            return torch.from_numpy(y.astype(np.int64))
        scaled = scaling.apply(y.reshape(len(y), -1)).reshape(y.shape)
        return torch.from_numpy(np.ascontiguousarray(scaled, np.float32))


def read_foreign(
    module: nn.Module,
    x: Any,
    y: Any,
    validation: tuple[Any, Any] | None,
    shell: Program,
    loss: Any,
    reason: str,
) -> Subject:
    """Return a module that is no chain of known layers as a subject.

    Parameters
    ----------
    module : torch.nn.Module
    x, y : array-like or tensor
    validation : (x, y) or None
    shell : Program
        Loss, optimizer and sizes of the training.
    loss : module or function of torch
    reason : str
        Why the module is no chain.
    """
    rows = np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x, np.float32)
    with torch.no_grad():
        module_out = copy.deepcopy(module).eval()(torch.from_numpy(rows[:64]))
    outputs = module_out.reshape(len(module_out), -1).numpy()
    program = replace(
        shell, layers=(replace(shell.output, units=outputs.shape[1], activation=_activation_of(outputs)),)
    )
    trainer = ModuleTrainer(module, loss, program.loss, rows.shape[1:])
    note = (
        f"The module is no chain of known layers, since {reason}: it is trained as it is, and remedies that "
        "change its layers are not tried."
    )
    return Subject(program, rows, y, validation, (note,), trainer, _keeps_layers)


def _keeps_layers(program: Program, hypothesis: Hypothesis) -> bool:
    """Tell whether a remedy leaves the layers as they are, and the loss one that PyTorch has."""
    changed = [change(program) for change in hypothesis.changes]
    return all(each.layers == program.layers for each in changed) and all(
        each.loss == program.loss or each.loss in _LOSSES for each in changed
    )


def _activation_of(outputs: Array) -> str:
    """Return the activation that outputs of an untrained module look like."""
    inside = outputs.min() >= 0 and outputs.max() <= 1
    if inside and outputs.shape[1] > 1 and np.allclose(outputs.sum(axis=1), 1, atol=1e-4):
        return "softmax"
    return "sigmoid" if inside and outputs.std() > 0 else "linear"


def _initialized_again(module: nn.Module) -> nn.Module:
    fresh = copy.deepcopy(module).cpu().train()
    for each in fresh.modules():
        reset = getattr(each, "reset_parameters", None)
        if callable(reset):
            reset()
    return fresh


def _optimizer(program: Program, module: nn.Module) -> torch.optim.Optimizer:
    parameters = [each for each in module.parameters() if each.requires_grad]
    settings: dict[str, Any] = {"lr": program.rate, "weight_decay": program.weight_decay}
    if program.optimizer in ("sgd", "momentum", "nesterov"):
        momentum = 0.0 if program.optimizer == "sgd" else program.momentum
        nesterov = program.optimizer == "nesterov" and momentum > 0
        return torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, **settings)
    makers: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
    }
    made: torch.optim.Optimizer = makers[program.optimizer](parameters, **settings)
    return made
