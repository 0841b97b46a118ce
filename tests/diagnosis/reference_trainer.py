"""Training of a Program in PyTorch, with the conventions of Keras or PyTorch: an independent second opinion.

It shares no code with ``clearprop.diagnosis``: layers are ``torch.nn`` modules, steps are those of
``torch.optim``, losses are written from the documentation of Keras and PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clearprop.diagnosis import Layer, Program

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
KERAS_EPSILON = 1e-7


class TrainedModule:
    """A trained module that takes rows and returns outputs in the units of the targets given."""

    def __init__(self, module: nn.Module, input_scale: tuple, target_scale: tuple) -> None:
        self.module = module
        self._input_scale = input_scale
        self._target_scale = target_scale

    def outputs(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs ``(n, units)`` for rows ``(n, features)``."""
        shift, spread = self._input_scale
        target_shift, target_spread = self._target_scale
        self.module.eval()
        with torch.no_grad():
            values = self.module(_tensor((x - shift) / spread)).numpy()
        return values * target_spread + target_shift


def train_reference(
    program: Program,
    x: NDArray[Any],
    y: NDArray[Any],
    seed: int = 0,
    watch: Callable[[nn.Module, torch.optim.Optimizer], Callable[[float], None]] | None = None,
) -> TrainedModule:
    """Train a program for all its epochs, or until the loss is no longer finite.

    ``watch`` gets module and optimizer before the first step, and returns a function that gets every loss.
    """
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    x = np.asarray(x, np.float64)
    input_scale = scale(program.scale_inputs, x)
    flat = np.asarray(y, np.float64).reshape(len(y), -1)
    target_scale = scale(program.scale_targets, flat)
    inputs = _tensor((x - input_scale[0]) / input_scale[1])
    scaled = ((flat - target_scale[0]) / target_scale[1]).reshape(np.shape(y))
    targets = targets_of(program, scaled)
    module = module_of(program, x.shape[1])
    optimizer = optimizer_of(program, module)
    tell = watch(module, optimizer) if watch else None
    module.train()
    for _ in range(program.epochs):
        order = torch.randperm(len(x), generator=generator)
        for rows in order.split(program.batch_size):
            loss = loss_of(program, module(inputs[rows]), targets[rows])
            if not torch.isfinite(loss):
                return TrainedModule(module, input_scale, target_scale)
            optimizer.zero_grad()
            if loss.requires_grad:
                loss.backward()
                optimizer.step()
            if tell:
                tell(loss.item())
    return TrainedModule(module, input_scale, target_scale)


def module_of(program: Program, n_features: int) -> nn.Sequential:
    """Return the layers as a module with the starting values that the program names."""
    parts: list[nn.Module] = []
    keras = program.framework == "keras"
    for layer in program.layers:
        linear = nn.Linear(n_features, layer.units)
        _initialize(linear, layer)
        norm = nn.BatchNorm1d(layer.units, *((1e-3, 0.01) if keras else (1e-5, 0.1)))
        activation = nn.Softmax(dim=1) if layer.activation == "softmax" else ACTIVATIONS[layer.activation]()
        own: list[nn.Module] = [linear, activation]
        if layer.batch_norm:
            own.insert(1 if layer.batch_norm == "before" else 2, norm)
        if layer.dropout:
            own.append(nn.Dropout(layer.dropout))
        if not layer.trainable:
            for part in own:
                part.requires_grad_(False)
        parts += own
        n_features = layer.units
    return nn.Sequential(*parts)


def _initialize(linear: nn.Linear, layer: Layer) -> None:
    start = layer.initialization
    if start == "torch_default":
        return
    nn.init.zeros_(linear.bias)
    named = {
        "glorot_uniform": nn.init.xavier_uniform_,
        "glorot_normal": nn.init.xavier_normal_,
        "he_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
        "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "zeros": nn.init.zeros_,
        "ones": nn.init.ones_,
        "random_uniform": lambda w: nn.init.uniform_(w, -0.05, 0.05),
        "random_normal": lambda w: nn.init.normal_(w, 0, 0.05),
    }
    if isinstance(start, str):
        named[start](linear.weight)
    elif start[0] == "uniform":
        nn.init.uniform_(linear.weight, -start[1], start[1])
    elif start[0] == "normal":
        nn.init.normal_(linear.weight, 0, start[1])
    else:
        nn.init.constant_(linear.weight, start[1])


def optimizer_of(program: Program, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer with the coefficients of Keras or of PyTorch."""
    parameters = [each for each in module.parameters() if each.requires_grad]
    common: dict[str, Any] = {"lr": program.rate, "weight_decay": program.weight_decay}
    keras = program.framework == "keras"
    if program.optimizer in ("sgd", "momentum", "nesterov"):
        momentum = 0.0 if program.optimizer == "sgd" else program.momentum
        nesterov = program.optimizer == "nesterov" and momentum > 0
        return torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, **common)
    common["eps"] = KERAS_EPSILON if keras else 1e-8
    if program.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, alpha=0.9 if keras else 0.99, **common)
    kind = torch.optim.AdamW if program.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, **common)


def targets_of(program: Program, y: NDArray[Any]) -> Tensor:
    """Return targets as the loss gets them: for cross_entropy of several units, one-hot rows."""
    units = program.layers[-1].units
    column = y.reshape(len(y), -1)
    of_classes = program.loss in ("cross_entropy", "cross_entropy_from_logits")
    if of_classes and units > 1 and column.shape[1] == 1 and np.all(column == column.round()):
        return _tensor((column == np.arange(units)).astype(np.float64))
    if y.ndim == 1 and not (program.framework == "torch" and program.loss.endswith("_error")):
        return _tensor(column)
    return _tensor(y)


def loss_of(program: Program, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of a batch; shapes that differ broadcast as they do in the framework."""
    low, high = KERAS_EPSILON, 1 - KERAS_EPSILON
    if program.loss == "cross_entropy":
        share = (outputs / outputs.sum(dim=1, keepdim=True)).clamp(low, high)
        return -(targets * share.log()).sum(dim=1).mean()
    if program.loss == "cross_entropy_from_logits":
        return -(targets * torch.log_softmax(outputs, dim=1)).sum(dim=1).mean()
    if program.loss == "binary_cross_entropy":
        p = outputs.clamp(low, high)
        return -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()
    outputs, targets = torch.broadcast_tensors(outputs, targets)
    if program.loss == "binary_cross_entropy_from_logits":
        return nn.functional.binary_cross_entropy_with_logits(outputs, targets)
    if program.loss == "squared_error":
        return nn.functional.mse_loss(outputs, targets)
    if program.loss == "absolute_error":
        return nn.functional.l1_loss(outputs, targets)
    if program.framework == "torch":
        return nn.functional.poisson_nll_loss(outputs, targets)
    return (outputs - targets * (outputs + KERAS_EPSILON).log()).mean()


def scale(kind: str | float | None, values: NDArray[Any]) -> tuple[Any, Any]:
    """Return shift and spread of a scaling, from the training rows."""
    if kind is None:
        return 0.0, 1.0
    if not isinstance(kind, str):
        return 0.0, 1 / kind
    shift = values.mean(axis=0) if kind == "standard" else values.min(axis=0)
    spread = values.std(axis=0) if kind == "standard" else values.max(axis=0) - shift
    return shift, np.where(spread > 1e-9 * (np.abs(shift) + 1e-30), spread, 1.0)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
