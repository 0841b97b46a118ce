"""The two trainers of a Program, NumPy's and PyTorch's, take the same steps from the same start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from programs import CASES

from clearprop.diagnosis.parameters_of_program import initial_arrays
from clearprop.diagnosis.program_training import train_program
from clearprop.utils.randomness import streams

torch = pytest.importorskip("torch", reason="compares with PyTorch")
reference = pytest.importorskip("reference_trainer")

STEPS = 3


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_first_losses_agree_with_those_of_pytorch(name: str) -> None:
    written = next(case for case in CASES if case.name == name).written
    # all rows in each batch, so that their order does not matter; nothing is drawn but the start
    layers = tuple(replace(each, dropout=0.0) for each in written.program.layers)
    x, y = np.asarray(written.x, np.float64)[:100], written.y[:100]
    program = replace(written.program, layers=layers, batch_size=len(x), epochs=STEPS)
    ours = train_program(program, x, y, seed=3).losses
    theirs = torch_losses(program, x, y, seed=3)
    # a training that grows without bound multiplies every rounding
    compared = [pair for pair in zip(ours, theirs, strict=False) if abs(pair[1]) < 1e6]
    first = min(len(ours), len(theirs), 1)
    compared = compared or list(zip(ours[:first], theirs[:first], strict=True))
    for our_loss, their_loss in compared:
        assert our_loss == pytest.approx(their_loss, rel=2e-3, abs=1e-5)


def torch_losses(program, x: np.ndarray, y: np.ndarray, seed: int) -> list[float]:
    """Return the losses of PyTorch from the parameters that NumPy draws."""
    found: list[float] = []
    start = initial_arrays(program, x.shape[1], streams(seed).initialization, np.float64)

    def watch(module, _):
        linear = [part for part in module if isinstance(part, torch.nn.Linear)]
        with torch.no_grad():
            for part, own in zip(linear, start.layers, strict=True):
                part.weight.copy_(torch.from_numpy(own.weight.T.copy()))
                part.bias.copy_(torch.from_numpy(own.bias.copy()))
        return found.append

    reference.train_reference(program, x, y, seed, watch)
    return found
