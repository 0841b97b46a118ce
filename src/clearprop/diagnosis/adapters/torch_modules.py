"""PyTorch modules as Programs: a forward pass that is a chain of known layers, its loss and its optimizer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.program import DEFAULT_RATES, Layer, Program
from clearprop.utils.errors import DataError, InvalidArgument

_LINEAR, _ACTIVATION, _DROPOUT, _NORM, _SQUEEZE = "linear", "activation", "dropout", "norm", "squeeze"
_MODULES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
}
_NAMES = {*_MODULES.values(), "relu_", "tanh_", "sigmoid_"}
_PASSING = ("flatten", "view", "reshape", "float", "contiguous", "to", "size")
_LOSSES = {
    "CrossEntropyLoss": "cross_entropy_from_logits",
    "cross_entropy": "cross_entropy_from_logits",
    "NLLLoss": "nll",
    "nll_loss": "nll",
    "BCELoss": "binary_cross_entropy",
    "binary_cross_entropy": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_from_logits",
    "binary_cross_entropy_with_logits": "binary_cross_entropy_from_logits",
    "MSELoss": "squared_error",
    "mse_loss": "squared_error",
    "L1Loss": "absolute_error",
    "l1_loss": "absolute_error",
    "SmoothL1Loss": "absolute_error",
    "HuberLoss": "absolute_error",
    "PoissonNLLLoss": "poisson",
    "poisson_nll_loss": "poisson",
}
_OPTIMIZERS = {"Adam": "adam", "AdamW": "adamw", "RMSprop": "rmsprop", "NAdam": "adam", "RAdam": "adam"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a module's forward pass: its kind, and what belongs to it."""

    kind: str
    name: str = ""
    module: Any = None
    share: float = 0.0


class NotAChain(Exception):
    """The forward pass is not a chain of known layers; the text says where it leaves it."""


def read_module(
    module: nn.Module,
    x: Any,
    y: Any,
    validation: tuple[Any, Any] | None,
    *,
    loss: Any = None,
    optimizer: Any = "adam",
    learning_rate: float | None = None,
    batch_size: int = 32,
    epochs: int = 10,
) -> Subject:
    """Return a module and how it is trained as a subject.

    Parameters
    ----------
    module : torch.nn.Module
    x, y : array-like or tensor
    validation : (x, y) or None
    loss : module or function of torch, or its name
    optimizer : torch.optim.Optimizer or str, default "adam"
        An optimizer's own settings are read from its first group.
    learning_rate : float or None
        Of an optimizer given by name; None is its usual one.
    batch_size, epochs : int

    Raises
    ------
    InvalidArgument
        If there is no loss, or it or the optimizer is not known.
    """
    if loss is None:
        raise InvalidArgument("loss is missing; give it, for example as loss=nn.MSELoss().")
    if x is None or y is None:
        raise InvalidArgument("A PyTorch module does not hold its rows x and y; give them too.")
    shell = program_shell(_loss_name(loss), optimizer, learning_rate, batch_size, epochs)
    _check_rows(module, x)
    try:
        steps = chain_of(module)
        layers, notes = _layers(steps, _trained_parameters(module, optimizer))
        program = _with_loss(replace(shell, layers=layers), steps)
    except NotAChain as error:
        from clearprop.diagnosis.adapters.foreign_modules import read_foreign

        return read_foreign(module, x, y, validation, shell, loss, str(error))
    targets = _targets(y, any(step.kind == _SQUEEZE for step in steps), program)
    held = None
    if validation is not None:
        squeezes = any(step.kind == _SQUEEZE for step in steps)
        held = (validation[0], _targets(validation[1], squeezes, program))
    return Subject(program, x, targets, held, notes)


def _check_rows(module: nn.Module, x: Any) -> None:
    """Raise DataError unless the module takes the rows."""
    rows = torch.as_tensor(np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x)[:2])
    kept = {each: each.training for each in module.modules()}
    try:
        with torch.no_grad():
            module.eval()(rows.float())
    except Exception as error:
        said = " ".join(str(error).split())[:160]
        raise DataError(
            f"The module does not take rows of the shape {tuple(rows.shape[1:])}: {said}"
        ) from None
    finally:
        for each, training in kept.items():
            each.training = training


def program_shell(
    loss: str, optimizer: Any, learning_rate: float | None, batch_size: int, epochs: int
) -> Program:
    """Return a Program of one layer with a training's loss, optimizer and sizes."""
    settings: dict[str, Any] = {"optimizer": optimizer, "learning_rate": learning_rate}
    if isinstance(optimizer, torch.optim.Optimizer):
        group, name = optimizer.param_groups[0], type(optimizer).__name__
        if name == "SGD":
            momentum = group.get("momentum", 0.0)
            plain = "nesterov" if group.get("nesterov") else "momentum" if momentum else "sgd"
            settings = {"optimizer": plain, "momentum": momentum or 0.9}
        elif name in _OPTIMIZERS:
            settings = {"optimizer": _OPTIMIZERS[name]}
        else:
            raise InvalidArgument(
                f"The optimizer is {name}, but must be SGD, {', '.join(_OPTIMIZERS)}; try one of these."
            )
        settings |= {
            "learning_rate": float(group["lr"]),
            "weight_decay": float(group.get("weight_decay", 0.0)),
        }
    elif not isinstance(optimizer, str) or optimizer.lower() not in DEFAULT_RATES:
        raise InvalidArgument(f"optimizer is {optimizer!r}, but must be an object of torch.optim or a name.")
    else:
        settings["optimizer"] = optimizer.lower()
    return Program(
        (Layer(1),),
        "cross_entropy" if loss == "nll" else loss,
        batch_size=batch_size,
        epochs=epochs,
        framework="torch",
        **settings,
    )


def chain_of(module: nn.Module) -> list[Step]:
    """Return the steps of a module's forward pass, in order.

    Raises
    ------
    NotAChain
        If a step is not known, or has other inputs than the step before it.
    """
    if isinstance(module, nn.Sequential):
        return [step for child in module for step in chain_of(child)]
    known = _known_module(module)
    if known is not None:
        return known
    try:
        graph = fx.symbolic_trace(module)
    except Exception as error:
        raise NotAChain(f"its forward pass cannot be traced ({type(error).__name__})") from None
    steps: list[Step] = []
    before = None
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            if before is not None:
                raise NotAChain("it has several inputs")
            before = node
        elif node.op == "output":
            if node.args[0] is not before:
                raise NotAChain("it returns something else than its last layer")
        elif _name_of(node) == "size" or (before is not None and _name_of(node) == "getattr"):
            continue
        else:
            if not node.args or node.args[0] is not before:
                raise NotAChain(f"{node.name} does not follow the layer before it")
            steps += _node_steps(graph, node)
            before = node
    return steps


def _known_module(module: nn.Module) -> list[Step] | None:
    if isinstance(module, nn.Linear):
        return [Step(_LINEAR, module=module)]
    if isinstance(module, nn.Dropout):
        return [Step(_DROPOUT, share=module.p)]
    if isinstance(module, nn.BatchNorm1d):
        return [Step(_NORM)]
    if isinstance(module, (nn.Flatten, nn.Identity)):
        return []
    name = _MODULES.get(type(module))
    return None if name is None else [Step(_ACTIVATION, name)]


def _name_of(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _node_steps(graph: fx.GraphModule, node: fx.Node) -> list[Step]:
    if node.op == "call_module":
        return chain_of(graph.get_submodule(str(node.target)))
    name = _name_of(node)
    if name in _NAMES:
        return [Step(_ACTIVATION, name.rstrip("_"))]
    if name == "dropout":
        share = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
        return [Step(_DROPOUT, share=float(share))]  # type: ignore[arg-type]
    if name in ("squeeze", "ravel"):
        return [Step(_SQUEEZE)]
    if name in _PASSING:
        return []
    raise NotAChain(f"{name or node.name} is no layer of a perceptron")


def _layers(steps: list[Step], trained: set[int]) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Return the layers that the steps make up, and notes on steps that they leave out."""
    layers: list[Layer] = []
    notes = []
    for step in steps:
        if step.kind == _LINEAR:
            weight = step.module.weight
            layers.append(
                Layer(
                    step.module.out_features,
                    initialization=initialization_of(weight.detach().cpu().numpy().T, "torch_default"),
                    trainable=weight.requires_grad and (not trained or id(weight) in trained),
                )
            )
        elif step.kind == _SQUEEZE:
            continue
        elif not layers:
            notes.append(f"A {step.name or step.kind} of the inputs is left out of the trainings here.")
        else:
            layers[-1] = _extended(layers[-1], step)
    if not layers:
        raise NotAChain("it has no linear layer")
    return tuple(layers), tuple(notes)


def _extended(layer: Layer, step: Step) -> Layer:
    if step.kind == _DROPOUT:
        return replace(layer, dropout=min(step.share, 0.999))
    if step.kind == _NORM:
        if layer.batch_norm:
            raise NotAChain("a layer is normalized twice")
        return replace(layer, batch_norm="before" if layer.activation == "linear" else "after")
    if layer.activation != "linear" or layer.dropout or layer.batch_norm == "after":
        raise NotAChain("two activations follow each other")
    name = "linear" if step.name == "log_softmax" else step.name
    return replace(layer, activation=name)


def _with_loss(program: Program, steps: list[Step]) -> Program:
    """Return the program with the output that its loss sees: log_softmax and NLLLoss are a cross-entropy."""
    logarithm = any(step.name == "log_softmax" for step in steps)
    if logarithm and program.loss == "cross_entropy":
        return replace(program, loss="cross_entropy_from_logits")
    return program


def initialization_of(weight: Any, usual: str) -> str | tuple[str, float]:
    """Return how weights ``(fan_in, units)`` start, as far as their size tells it."""
    deviation = float(np.std(weight))
    if weight.size > 1 and np.ptp(weight) == 0:
        return ("constant", float(weight.flat[0]))
    fan_in, units = weight.shape
    expected = (2 / (fan_in + units)) ** 0.5 if usual != "torch_default" else (3 * fan_in) ** -0.5
    # a trained layer has moved away from its start, but seldom so far
    if weight.size >= 8 and not expected / 4 < deviation < 4 * expected:
        return ("normal", deviation)
    return usual


def _trained_parameters(module: nn.Module, optimizer: Any) -> set[int]:
    """Return the ids of the parameters that an optimizer has; empty where it is only named."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        return set()
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


def _loss_name(loss: Any) -> str:
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    if name in _LOSSES:
        return _LOSSES[name]
    if name in _LOSSES.values() and name != "nll":
        return name
    raise InvalidArgument(f"loss is {name}, but must be one of torch.nn: {', '.join(sorted(_LOSSES))}.")


def _targets(y: Any, squeezes: bool, program: Program) -> Any:
    """Return targets with the shape that meets the outputs as it does in PyTorch."""
    values = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    if squeezes and program.output.units == 1:
        # outputs (n,) meet targets (n,) row by row, and broadcast with targets (n, 1)
        return values.reshape(-1, 1) if values.ndim == 1 else values.reshape(-1)
    return values
