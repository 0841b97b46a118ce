"""What every way into Clearprop shares: the layers of another library, checked and made a Model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.errors import InvalidArgument
from clearprop.model import Model
from clearprop.model_files import MOST_LAYERS, name_counts
from clearprop.network import Network
from clearprop.parameters import Parameters
from clearprop.scaling import Scaling


def make_model(
    layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    activation: str | Sequence[str],
    output: str | None,
    scaling: Scaling,
    class_names: Sequence[str] | None,
    image_shape: tuple[int, int] | None,
) -> Model:
    """Make a model of layers that came from elsewhere.

    Parameters
    ----------
    layers : sequence of (ndarray (fan_in, fan_out), ndarray (fan_out,))
        float64 stays, every other type becomes float32.
    activation : str or sequence of str
    output : str or None
        None means the softmax, if there are two outputs or more.
    scaling : Scaling
    class_names : sequence of str or None
        None means "0", "1", ... for a softmax, and no names else.
    image_shape : tuple of int or None

    Raises
    ------
    InvalidArgument
        If something does not fit the rest; the text names it.
    """
    if not layers:
        raise InvalidArgument("There is no layer to import; a network has at least one.")
    for number, ((first, _), (second, _)) in enumerate(pairwise(layers)):
        if first.shape[1] != second.shape[0]:
            raise InvalidArgument(
                f"Layer {number} has {first.shape[1]} outputs, but layer {number + 1} has {second.shape[0]} "
                "inputs, so they are no chain of layers; only a plain stack of them can be imported."
            )
    if len(layers) > MOST_LAYERS:
        raise InvalidArgument(
            f"There are {len(layers):,} layers, but a model file holds {MOST_LAYERS:,} at most; import a "
            "smaller network."
        )
    sizes = (layers[0][0].shape[0], *(weight.shape[1] for weight, _ in layers))
    if output is None:
        if sizes[-1] < 2:
            raise InvalidArgument(
                f"The last layer has {sizes[-1]} output, which may be a probability or a value; say which "
                'with output="sigmoid" or output="identity".'
            )
        output = "softmax"
    network = Network(sizes, activation, output=output)
    parameters = _parameters(layers)
    allowed = name_counts(network)
    names = tuple(map(str, range(sizes[-1]) if output == "softmax" else ())) if class_names is None else None
    if names is None:
        assert class_names is not None
        names = tuple(map(str, class_names))
        if len(names) not in allowed:
            raise InvalidArgument(
                f"class_names has {len(names)} names, but must have {' or '.join(map(str, allowed))}."
            )
    if image_shape is not None and image_shape[0] * image_shape[1] != sizes[0]:
        raise InvalidArgument(
            f"image_shape is {image_shape}, which makes {image_shape[0] * image_shape[1]} pixels, but the "
            f"network has {sizes[0]} inputs."
        )
    for field in ("shift", "factor"):
        values = np.asarray(getattr(scaling, field))
        if values.shape not in ((), (sizes[0],)) or not np.isfinite(values).all():
            raise InvalidArgument(
                f"scaling has a {field} of shape {values.shape}, but must have one finite number, or one for "
                f"each of {sizes[0]} inputs."
            )
    return Model(network, parameters, scaling, names, image_shape)


def _parameters(layers: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> Parameters:
    is_double = any(array.dtype == np.float64 for layer in layers for array in layer)
    dtype = np.float64 if is_double else np.float32
    parameters: Parameters = []
    for number, (weight, bias) in enumerate(layers):
        # copied, so that training the source further changes nothing here
        parameters.append((np.array(weight, dtype, order="C"), np.array(bias, dtype, order="C")))
        if not all(map(_is_finite, parameters[-1])):
            raise InvalidArgument(f"Layer {number} has NaN or infinite numbers; train the network again.")
    return parameters


def _is_finite(array: NDArray[Any]) -> bool:
    # a piece at a time, since the answers need memory too
    flat = array.reshape(-1)
    return all(bool(np.isfinite(flat[at : at + 2**15]).all()) for at in range(0, flat.size, 2**15))
