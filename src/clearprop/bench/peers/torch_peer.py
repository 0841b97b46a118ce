"""PyTorch as its experts write it: data as one tensor, fused optimizers, no copies to the host in a step."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clearprop.bench.peers.base import Predictor, Task, Training


def train(task: Task) -> Training:
    """Train with ``variant`` "eager", or with the forward and backward pass compiled."""
    torch.set_num_threads(task.threads)
    x, y = torch.from_numpy(task.scaled()), torch.from_numpy(task.y)
    module = _module(task)
    optimizer: torch.optim.Optimizer
    # fused is the fastest of PyTorch's three loops over parameters: clearly for Adam, a little for SGD
    if task.optimizer == "adam":
        optimizer = torch.optim.Adam(module.parameters(), lr=task.learning_rate, fused=True)
    else:
        optimizer = torch.optim.SGD(module.parameters(), lr=task.learning_rate, fused=True)

    def loss_of(rows: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(module(rows), labels)

    loss_function = torch.compile(loss_of, dynamic=False) if task.variant == "compile" else loss_of
    orders = task.orders()
    seconds, losses = [], []
    for _ in range(task.epochs):
        started = time.perf_counter()
        total = torch.zeros(())
        for rows in torch.split(torch.from_numpy(next(orders)), task.batch_size):
            loss: Any = loss_function(x[rows], y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        losses.append(float(total) / len(x))
        seconds.append(time.perf_counter() - started)
    return Training(seconds, losses)


def predictor(task: Task) -> Predictor:
    """Predict in inference mode, with ``variant`` "eager" or with the whole compiled."""
    torch.set_num_threads(task.threads)
    module = _module(task).eval()

    def classes_of(rows: Tensor) -> Tensor:
        classes: Tensor = module(rows).argmax(dim=1)
        return classes

    function = torch.compile(classes_of, dynamic=False) if task.variant == "compile" else classes_of
    return Predictor(torch.inference_mode()(function), torch.from_numpy(task.scaled()))


def _module(task: Task) -> nn.Sequential:
    modules: list[nn.Module] = []
    for fans, (weight, bias) in zip(pairwise(task.layer_sizes), task.parameters, strict=True):
        linear = nn.Linear(*fans)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
            linear.bias.copy_(torch.from_numpy(bias))
        modules += [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*modules[:-1])
