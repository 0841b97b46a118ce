"""Training in PyTorch, on the CPU or a GPU: the same steps as the NumPy engine, up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clearprop.engines.base import FloatArray, Task, copy_engine, dropout_masks
from clearprop.engines.prediction import CHUNK_ROWS
from clearprop.engines.sparse_rows import dense_chunks
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.losses import LOSSES
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.parameters import Parameters
from clearprop.nn.recipe import Recipe
from clearprop.utils.arguments import check_choice
from clearprop.utils.errors import EngineUnavailable

DEVICES = ("auto", "cpu", "cuda", "mps")


class FeedForwardNN(nn.Module):
    """A fully connected network.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, input and output included.
    activation : nn.Module or sequence of nn.Module
        One for all hidden layers, or one for each.
    output_function : nn.Module or None, default None
        Applied to the logits: ``nn.Softmax(dim=1)`` in the published model, None where the loss applies
        the softmax itself, as ``nn.CrossEntropyLoss`` does.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: nn.Module | Sequence[nn.Module],
        output_function: nn.Module | None = None,
    ) -> None:
        super().__init__()
        fans = list(pairwise(layer_sizes))
        hidden = [activation] * (len(fans) - 1) if isinstance(activation, nn.Module) else activation
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in fans)
        self.activations = nn.ModuleList(hidden)
        self.output_function = output_function or nn.Identity()

    def logits(self, x: Tensor, masks: Sequence[Tensor | None] = ()) -> Tensor:
        """Return the last layer's pre-activations ``(n, n_outputs)`` for inputs ``(n, features)``.

        ``masks``, for each layer ``(n, fan_in)`` or None, multiply the inputs of the layers: dropout.
        """
        for index, layer in enumerate(self.layers):
            mask = masks[index] if masks else None
            x = layer(x if mask is None else x * mask)
            if index < len(self.activations):
                x = self.activations[index](x)
        return x

    def forward(self, x: Tensor, masks: Sequence[Tensor | None] = ()) -> Tensor:
        """Return the outputs ``(n, n_outputs)`` for inputs ``(n, features)``."""
        outputs: Tensor = self.output_function(self.logits(x, masks))
        return outputs


def make_optimizer(
    recipe: Recipe, parameters: Iterable[Tensor], *, fused: bool | None
) -> torch.optim.Optimizer:
    """Return the recipe's optimizer of ``torch.optim``, which the table of optimizers names."""
    rule = OPTIMIZERS[recipe.optimizer]
    options = rule.torch_options(asdict(recipe))
    if rule.torch in ("Adam", "AdamW"):
        options["fused"] = fused
    make: Callable[..., torch.optim.Optimizer] = getattr(torch.optim, rule.torch)
    return make(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, **options)


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InvalidArgument
        If there is no device of that name.
    EngineUnavailable
        If this machine, or this build of PyTorch, does not have it.
    """
    check_choice("device", name, DEVICES)
    available: Mapping[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        name = next(device for device, present in available.items() if present())
    if not available[name]():
        raise EngineUnavailable(
            f'device is "{name}", but this machine or this build of PyTorch {torch.__version__} has none; '
            'choose device="cpu".'
        )
    return torch.device(name)


class TorchEngine:
    """Trains in PyTorch; see ``Engine`` and ``Task``."""

    name = "torch"

    def __init__(self, task: Task, device: str = "auto") -> None:
        self._task = task
        self._device = choose_device(device)
        self.device = self._device.type
        if self.device == "mps" and task.dtype == np.float64:
            raise EngineUnavailable(
                'The device "mps" has no float64; choose dtype="float32" or device="cpu".'
            )
        self._dtype = {"float32": torch.float32, "float64": torch.float64}[task.dtype.name]
        # a published mistake, reproduced: probabilities for a loss that expects logits
        output_function = nn.Softmax(dim=1) if task.recipe.loss == "double_softmax" else None
        self.module = FeedForwardNN(
            task.network.layer_sizes,
            [getattr(nn, ACTIVATIONS[name].torch)() for name in task.network.activations],
            output_function,
        ).to(self._device, self._dtype)
        self.load_parameters(task.parameters)
        self._row_losses = LOSSES[task.recipe.loss].torch_rows
        # fused: one pass over each array instead of a dozen, a third less time a step on a CPU
        fused = self.device in ("cpu", "cuda") or None
        self._optimizer = make_optimizer(task.recipe, self.module.parameters(), fused=fused)
        self._step_options, self._coefficients = (
            OPTIMIZERS[task.recipe.optimizer].torch_step,
            asdict(task.recipe),
        )
        self.load_rows(task.x, task.y, task.sample_weight)
        self._shift, self._factor = (
            _tensor(np.asarray(value, dtype=task.dtype)).to(self._device)
            for value in (task.scaling.shift, task.scaling.factor)
        )
        self._shifted = bool(np.any(task.scaling.shift))

    def train_step(self, rows: NDArray[np.intp], learning_rate: float) -> float:
        """Take one step down the gradient of a batch; see ``Engine.train_step``."""
        task = self._task
        index = _tensor(rows).to(self._device)
        total = self._total(index)
        if total == 0:
            return 0.0
        masks = [
            None if mask is None else torch.from_numpy(mask).to(self._device)
            for mask in dropout_masks(task.dropout_rng, task.network, len(rows), task.dtype)
        ]
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
            if self._step_options is not None:
                group.update(self._step_options(self._coefficients, self._next_step()))
        self._optimizer.zero_grad(set_to_none=True)
        adversarial = task.recipe.adversarial_epsilon > 0
        x = self._rows(index).requires_grad_(adversarial)
        # the loss of the original rows is returned
        loss = self._loss(x, index, masks, total)
        torch.autograd.backward(
            self._loss(self._moved_uphill(x, loss), index, masks, total) if adversarial else loss
        )
        self._optimizer.step()
        return float(loss.detach())

    def loss_and_gradient(self, rows: NDArray[np.intp]) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradient; see ``Engine.loss_and_gradient``."""
        index = _tensor(rows).to(self._device)
        total = self._total(index)
        if total == 0:
            return 0.0, [(np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in self.parameters()]
        loss = self._loss(self._rows(index), index, [], total)
        arrays = torch.autograd.grad(loss, list(self.module.parameters()))
        gradient = [
            (_array(weight).T.copy(order="C"), _array(bias).copy())
            for weight, bias in zip(arrays[::2], arrays[1::2], strict=True)
        ]
        return float(loss.detach()), gradient

    def load_rows(self, x: Any, y: NDArray[Any], sample_weight: FloatArray | None = None) -> None:
        """Continue with other training rows; see ``Engine.load_rows``."""
        task = self._task = replace(self._task, x=x, y=y, sample_weight=sample_weight)
        # sparse rows stay on the host, where each batch is made dense
        self._x = _tensor(task.x).to(self._device) if isinstance(task.x, np.ndarray) else None
        of_classes = task.network.output == "softmax"
        self._y = _tensor(task.y).to(self._device, torch.int64 if of_classes else self._dtype)
        self._sample_weight = (
            None if sample_weight is None else _tensor(sample_weight).to(self._device, self._dtype)
        )

    @torch.no_grad()
    def logits(self, x: NDArray[Any]) -> FloatArray:
        """Return the last layer's pre-activations; see ``Engine.logits``."""
        if isinstance(x, np.ndarray):
            chunks = (x[start : start + CHUNK_ROWS] for start in range(0, len(x), CHUNK_ROWS))
        else:
            chunks = dense_chunks(x, CHUNK_ROWS)
        parts = [self.module.logits(self._scaled(_tensor(chunk).to(self._device))) for chunk in chunks]
        result: FloatArray = torch.cat(parts).cpu().numpy()
        return result

    def parameters(self) -> Parameters:
        """Return a copy of the parameters as they are now."""
        # nn.Linear keeps its weight as (fan_out, fan_in)
        return [
            (_array(layer.weight).T.copy(order="C"), _array(layer.bias).copy()) for layer in self._linear()
        ]

    @torch.no_grad()
    def load_parameters(self, parameters: Parameters) -> None:
        """Continue with other parameters of the same shapes."""
        for layer, (weight, bias) in zip(self._linear(), parameters, strict=True):
            layer.weight.copy_(_tensor(weight.T))
            layer.bias.copy_(_tensor(bias))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the optimizer's memory; see ``Engine.state``."""
        return {
            f"{index}.{name}": _array(value)
            for index, slots in self._optimizer.state_dict()["state"].items()
            for name, value in slots.items()
            if isinstance(value, Tensor)
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load the optimizer's memory; see ``Engine.load_state``."""
        slots: dict[int, dict[str, Tensor]] = {}
        for key, array in state.items():
            index, _, name = key.partition(".")
            slots.setdefault(int(index), {})[name] = torch.tensor(array)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})

    def __deepcopy__(self, memo: dict[int, Any]) -> TorchEngine:
        return copy_engine(self, lambda task: TorchEngine(task, self.device), self._task, memo)

    def close(self) -> None:
        """Do nothing: this engine has no resources that only steps need."""

    def _total(self, index: Tensor) -> float:
        """Return the sum of the weights of a batch."""
        return len(index) if self._sample_weight is None else float(self._sample_weight[index].sum())

    def _loss(self, x: Tensor, index: Tensor, masks: Sequence[Tensor | None], total: float) -> Tensor:
        """Return the loss of a batch with the inputs ``x``, the L2 penalty included."""
        recipe = self._task.recipe
        outputs = self.module(x, masks)
        losses: Tensor = self._row_losses(torch, outputs, self._y[index], recipe.label_smoothing)
        loss = losses.mean() if self._sample_weight is None else losses @ self._sample_weight[index] / total
        if recipe.l2_penalty:
            squares = torch.stack([layer.weight.square().sum() for layer in self._linear()])
            loss = loss + recipe.l2_penalty / 2 / total * squares.sum()
        return loss

    def _moved_uphill(self, x: Tensor, loss: Tensor) -> Tensor:
        """Return x + ε g / |g|, row by row, where g is the gradient of the loss for x."""
        (gradient,) = torch.autograd.grad(loss, x)
        length = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        # a row without a gradient has no direction
        step = torch.where(length > 0, self._task.recipe.adversarial_epsilon / length, 0)
        return x.detach() + step * gradient

    def _next_step(self) -> int:
        """Return the number of the next step, from 1, as Adam counts them."""
        counted = self._optimizer.state.get(next(self.module.parameters()), {})
        return int(counted["step"]) + 1 if counted else 1

    def _rows(self, index: Tensor) -> Tensor:
        """Return the scaled rows of a batch."""
        if self._x is None:
            return self._scaled(_tensor(self._task.x[index.cpu().numpy()].toarray()).to(self._device))
        return self._scaled(self._x[index])

    def _scaled(self, rows: Tensor) -> Tensor:
        rows = rows.to(self._dtype)
        if self._shifted:
            rows = rows - self._shift
        return rows * self._factor

    def _linear(self) -> list[nn.Linear]:
        return [layer for layer in self.module.layers if isinstance(layer, nn.Linear)]


def _tensor(array: NDArray[Any]) -> Tensor:
    # PyTorch shares the array's memory: it warns of read-only arrays, and refuses negative strides, fields of
    # records and the other byte order
    is_even = all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides)
    is_shared = array.flags.writeable and array.dtype.isnative and is_even
    return torch.from_numpy(array if is_shared else array.astype(array.dtype.newbyteorder("="), order="C"))


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().numpy()
    return array
