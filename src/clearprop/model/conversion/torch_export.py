"""A model as the state_dict of a PyTorch Sequential, and the Python code that loads and uses it."""

from __future__ import annotations

import io

import numpy as np

from clearprop.model.conversion.torch_files import import_torch
from clearprop.model.model import Model
from clearprop.nn.activations import ACTIVATIONS

#: The module of each activation except the identity, which adds no module to a Sequential.
MODULES = {name: each.torch for name, each in ACTIVATIONS.items() if name != "identity"}
AFTER = {
    "softmax": "probabilities = outputs.softmax(dim=1)",
    "sigmoid": "probabilities = outputs.sigmoid()",
    "exponential": "values = outputs.exp()",
    "identity": "values = outputs",
}


def state_dict_bytes(model: Model) -> bytes:
    """Return the content of a file that ``torch.load(path, weights_only=True)`` reads.

    It holds the ``state_dict`` of the ``torch.nn.Sequential`` that ``torch_usage`` shows: Linears and
    activations, without the scaling before them and the softmax after them.

    Parameters
    ----------
    model : Model

    Raises
    ------
    MissingExtra
        If torch is not installed.
    """
    torch = import_torch()
    state = {}
    for place, (weight, bias) in zip(_places(model), model.parameters, strict=True):
        # PyTorch keeps (fan_out, fan_in); a copy, since the parameters may be read-only
        state[f"{place}.weight"] = torch.from_numpy(np.array(weight.T, order="C"))
        state[f"{place}.bias"] = torch.from_numpy(np.array(bias))
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def torch_usage(model: Model, state_dict_file: str, model_file: str) -> str:
    """Return the lines of Python that load the file and predict with it, from ``rows`` as they are stored.

    Parameters
    ----------
    model : Model
    state_dict_file, model_file : str
        Paths of the state_dict and of its model file, which a scaling by feature is read from.
    """
    sizes, names = model.network.layer_sizes, (*model.network.activations, "identity")
    double = model.parameters[0][0].dtype == np.float64
    modules = []
    for fan_in, fan_out, name in zip(sizes[:-1], sizes[1:], names, strict=True):
        modules.append(f"nn.Linear({fan_in}, {fan_out})")
        modules += [f"nn.{MODULES[name]}()"] if name in MODULES else []
    scaling, dtype = model.scaling, "torch.float64" if double else "torch.float32"
    lines = ["import torch", "from torch import nn", ""]
    if np.ndim(scaling.shift) or np.ndim(scaling.factor):
        lines[0] = "import clearprop, torch"
        lines.append(f"scaling = clearprop.load({model_file!r}).scaling")
        inputs = f"torch.as_tensor(scaling.apply(rows, {str(model.parameters[0][0].dtype)!r}))"
    else:
        inputs = f"torch.as_tensor(rows).to({dtype})"
        inputs = f"({inputs} - {scaling.shift!r})" if scaling.shift else inputs
        inputs = f"{inputs} * {scaling.factor!r}" if scaling.factor != 1 else inputs
    lines += [
        f"network = nn.Sequential({', '.join(modules)}){'.double()' if double else ''}",
        f"network.load_state_dict(torch.load({state_dict_file!r}, weights_only=True))",
        f"outputs = network({inputs})",
        AFTER[model.network.output],
    ]
    return "\n".join(lines)


def _places(model: Model) -> list[int]:
    """Return the index of each Linear in the Sequential; an identity adds no module."""
    places, place = [], 0
    for name in (*model.network.activations, "identity"):
        places.append(place)
        place += 2 if name in MODULES else 1
    return places
