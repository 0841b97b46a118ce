"""A PyTorch network becomes a Model: a module, a state_dict, or a checkpoint that holds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clearprop.model.conversion.from_layers import make_model
from clearprop.model.conversion.state_dict import find_state_dict, linear_layers
from clearprop.model.model import Model
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    import torch


def from_torch(
    source: torch.nn.Module | Mapping[str, Any],
    *,
    activation: str | Sequence[str] | None = None,
    output: str | None = None,
    scaling: Scaling | None = None,
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Model:
    """Make a model of a PyTorch network: a ``Sequential`` of ``Linear`` layers, or its ``state_dict``.

    Parameters
    ----------
    source : torch.nn.Module or mapping of str to tensor or ndarray
        A module is a Sequential, or one wrapped by ``DataParallel``, ``DistributedDataParallel``,
        ``AveragedModel`` or ``torch.compile``. It tells its activations: a ReLU, Tanh or any other of
        ``ACTIVATIONS``, or an Identity, between the Linears. It is imported as it predicts in mode eval:
        Dropout and Flatten are left out, and a BatchNorm is folded into a Linear. A last Softmax, LogSoftmax
        or Sigmoid is the output.

        A state_dict tells none of this. Its layers keep their order, except that numbers in names that are
        equal otherwise are sorted; where names are sorted as text, as safetensors sorts them, the order is
        the only one in which the layers fit each other. A checkpoint, such as Lightning's, is searched for
        the one state_dict in it.
    activation : str or sequence of str, default "relu"
        For a state_dict: a key of ``ACTIVATIONS``, or one for each hidden layer.
    output : str, default "softmax"
        The function that makes the prediction of the last layer's values: ``"softmax"``, ``"sigmoid"``,
        ``"identity"`` or ``"exponential"``. It must be given if there is a single output.
    scaling : Scaling, default Scaling()
        How stored rows become the network's input.
    class_names : sequence of str or None
    image_shape : tuple of int or None
        (height, width) where a row is an image.

    Returns
    -------
    Model
        float64 if a parameter is float64, else float32; the numbers are copied.

    Raises
    ------
    InvalidArgument
        If it is no plain stack of Linears, several orders of its layers fit, or something does not fit.
    """
    if isinstance(source, Mapping):
        layers = linear_layers(find_state_dict(source))
        if activation is None:
            activation = "relu"
    else:
        # imported here, since a state_dict of arrays needs no torch
        from clearprop.model.conversion.torch_modules import module_layers

        layers, told, ends = module_layers(source)
        if activation is not None:
            raise InvalidArgument(
                f"activation is {activation!r}, but a module tells its own; give its state_dict() instead."
            )
        if output is not None and ends is not None and output != ends:
            raise InvalidArgument(f'output is "{output}", but the module ends in a {ends}; leave output out.')
        activation, output = told, output or ends
    return make_model(layers, activation, output, scaling or Scaling(), class_names, image_shape)
