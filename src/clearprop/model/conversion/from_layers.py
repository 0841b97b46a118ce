"""Layers of another library, checked and made a Model: the common end of every import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearprop.model.files.model_contents import MOST_LAYERS, name_counts
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import InvalidArgument

# numbers checked at a time, since the answers need memory too
_PIECE = 2**15


@dataclass(frozen=True, slots=True, eq=False)
class BFloat16:
    """An array of bfloat16, a type that NumPy lacks: 16 bits a number until it is converted to float32.

    Parameters
    ----------
    words : ndarray of uint16
        The upper halves of float32 numbers.
    """

    words: NDArray[np.uint16]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type after conversion."""
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return self.words.shape

    @property
    def ndim(self) -> int:
        """As of an array."""
        return self.words.ndim

    @property
    def size(self) -> int:
        """As of an array."""
        return self.words.size

    @property
    def T(self) -> BFloat16:  # noqa: N802
        """As of an array."""
        return BFloat16(self.words.T)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, key: slice) -> BFloat16:
        return BFloat16(self.words[key])

    def ravel(self, order: Literal["K"]) -> BFloat16:
        """As of an array."""
        return BFloat16(self.words.ravel(order))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        wide = self.words.astype(np.uint32, order="C")
        wide <<= 16
        return wide.view(np.float32).astype(dtype or np.float32, copy=False)


Floats = NDArray[np.floating[Any]] | BFloat16


def check_count(n_layers: int) -> None:
    """Raise InvalidArgument if a model file cannot hold so many layers."""
    if n_layers > MOST_LAYERS:
        raise InvalidArgument(
            f"There are {n_layers:,} layers, but a model file holds {MOST_LAYERS:,} at most; import a "
            "smaller network."
        )


def make_model(
    layers: Sequence[tuple[Floats, Floats]],
    activation: str | Sequence[str],
    output: str | None,
    scaling: Scaling,
    class_names: Sequence[str] | None,
    image_shape: tuple[int, int] | None,
) -> Model:
    """Make a model of layers that came from elsewhere.

    Parameters
    ----------
    layers : sequence of (ndarray or BFloat16 (fan_in, fan_out), ndarray or BFloat16 (fan_out,))
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
    check_count(len(layers))
    sizes = (layers[0][0].shape[0], *(weight.shape[1] for weight, _ in layers))
    if output is None:
        if sizes[-1] < 2:
            raise InvalidArgument(
                f"The last layer has {sizes[-1]} output, which may be a probability or a value; say which "
                'with output="sigmoid" or output="identity".'
            )
        output = "softmax"
    network = Network(sizes, activation, output=output)
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
    # last, since only here memory is taken
    return Model(network, _parameters(layers), scaling, names, image_shape)


def _parameters(layers: Sequence[tuple[Floats, Floats]]) -> Parameters:
    is_double = any(array.dtype == np.float64 for layer in layers for array in layer)
    dtype: np.dtype[Any] = np.dtype(np.float64 if is_double else np.float32)
    # all are checked before the first is copied, so that a refused file takes no memory for copies
    for number, layer in enumerate(layers):
        if not all(_is_finite(array, dtype) for array in layer):
            raise InvalidArgument(f"Layer {number} has NaN or infinite numbers; train the network again.")
    # copied, so that training the source further changes nothing here
    return [(np.array(weight, dtype, order="C"), np.array(bias, dtype, order="C")) for weight, bias in layers]


def _is_finite(array: Floats, dtype: np.dtype[Any]) -> bool:
    # in memory order, so that a transposed array is not copied
    flat = array.ravel("K")
    # numbers wider than float64 may become infinite
    with np.errstate(over="ignore"):
        pieces = (np.asarray(flat[at : at + _PIECE], dtype) for at in range(0, flat.size, _PIECE))
        return all(bool(np.isfinite(piece).all()) for piece in pieces)
