"""Network: the layers, activations and initialization of a perceptron, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.initialization import INITIALIZATIONS
from clearprop.nn.losses import LOSSES_OF_OUTPUT
from clearprop.nn.setting import fields_for_files, setting, settings_of
from clearprop.utils.arguments import check_choice, check_whole
from clearprop.utils.errors import InvalidArgument

OUTPUTS = tuple(LOSSES_OF_OUTPUT)
# 256 GiB of float32: beyond it a size is a slip of the finger
MAX_PARAMETERS = 2**36


@dataclass(frozen=True, slots=True)
class Network:
    """A fully connected network: its layers, its activations and how it starts.

    Parameters
    ----------
    layer_sizes : sequence of int
        Units of every layer, input and output included: ``(784, 500, 250, 100, 10)``.
    activation : str or sequence of str, default "relu"
        A key of ``ACTIVATIONS``, such as ``"relu"`` or ``"tanh"``, or one of them for each hidden layer.
    initialization : str, default "glorot_uniform"
        ``"glorot_uniform"``, ``"glorot_normal"``, ``"he_uniform"``, ``"he_normal"`` or ``"torch_default"``.
    dropout : float, default 0.0
        The share of hidden units left out in a training step, from 0 up to but not including 1.
    output : str, default "softmax"
        The function that turns the last layer's logits into the prediction: ``"softmax"`` into the
        probability of each of several classes, ``"sigmoid"`` into a probability for each output by itself
        (two classes, or several labels at once), ``"identity"`` into any numbers, ``"exponential"`` into
        positive ones.
    input_dropout : float, default 0.0
        The share of inputs left out in a training step, from 0 up to but not including 1.

    Raises
    ------
    InvalidArgument
        Naming the field, its value and the values allowed.
    """

    layer_sizes: tuple[int, ...]
    activation: str | tuple[str, ...] = setting(
        "relu",
        type=str,
        choices=ACTIVATIONS,
        file_type=str | list[str],
        help="Of {names}; {default} if not given. Or one for each hidden layer.",
        always_shown=True,
    )
    initialization: str = setting(
        "glorot_uniform", choices=INITIALIZATIONS, help="{choices}.", always_shown=True
    )
    dropout: float = setting(
        0.0, minimum=0.0, below=1.0, help="Share of hidden units left out in a step; {default}."
    )
    output: str = "softmax"
    input_dropout: float = setting(
        0.0,
        minimum=0.0,
        below=1.0,
        help="Share of inputs left out in a step; {default}.",
        label="dropout of the inputs",
        is_newer=True,
    )

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: str | Sequence[str] = "relu",
        initialization: str = "glorot_uniform",
        dropout: float = 0.0,
        output: str = "softmax",
        input_dropout: float = 0.0,
    ) -> None:
        if isinstance(layer_sizes, str) or not isinstance(layer_sizes, Sequence) or len(layer_sizes) < 2:
            raise InvalidArgument(
                f"layer_sizes is {layer_sizes!r}, but must name at least an input and an output size, "
                "such as (784, 100, 10)."
            )
        sizes = tuple(check_whole("layer_sizes", size, minimum=1) for size in layer_sizes)
        if _count_parameters(sizes) > MAX_PARAMETERS:
            raise InvalidArgument(
                f"layer_sizes is {sizes}, which makes {_count_parameters(sizes):,} parameters, more than the "
                f"{MAX_PARAMETERS:,} a network may have; choose smaller layers."
            )
        if output == "softmax" and sizes[-1] < 2:
            raise InvalidArgument(
                f"layer_sizes ends in {sizes[-1]}, but a softmax output needs at least 2 classes."
            )
        if not isinstance(activation, str):
            if not isinstance(activation, Sequence):
                raise InvalidArgument(
                    f"activation is {activation!r}, but must be a name, or one name for each hidden layer."
                )
            activation = tuple(activation)
            if len(activation) != len(sizes) - 2:
                raise InvalidArgument(
                    f"activation names {len(activation)} functions, but layer_sizes has {len(sizes) - 2} "
                    "hidden layers; give one name for all of them, or one for each."
                )
        for name in (activation,) if isinstance(activation, str) else activation:
            NETWORK_SETTINGS["activation"].check(name)
        check_choice("output", output, OUTPUTS)
        # a frozen dataclass with slots has no other way to set its fields
        for field, value in (
            ("layer_sizes", sizes),
            ("activation", activation),
            ("initialization", NETWORK_SETTINGS["initialization"].check(initialization)),
            ("dropout", NETWORK_SETTINGS["dropout"].check(dropout)),
            ("output", output),
            ("input_dropout", NETWORK_SETTINGS["input_dropout"].check(input_dropout)),
        ):
            object.__setattr__(self, field, value)

    @property
    def activations(self) -> tuple[str, ...]:
        """The activation of each hidden layer, first to last."""
        if isinstance(self.activation, str):
            return (self.activation,) * (len(self.layer_sizes) - 2)
        return self.activation

    @property
    def n_parameters(self) -> int:
        """How many weights and biases the network has."""
        return _count_parameters(self.layer_sizes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; ``Network(**d)`` makes the network again."""
        fields = fields_for_files(self, NETWORK_SETTINGS)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    def _repr_html_(self) -> str:
        from clearprop.display.html import card

        layers = [
            {
                "inputs": fan_in,
                "units": fan_out,
                "activation": activation,
                "parameters": (fan_in + 1) * fan_out,
            }
            for (fan_in, fan_out), activation in zip(
                pairwise(self.layer_sizes), (*self.activations, self.output), strict=True
            )
        ]
        return card("network", network=self, layers=layers)


#: The settings of a network by name; its sizes and its output come from the data.
NETWORK_SETTINGS = settings_of(Network)


def _count_parameters(layer_sizes: Sequence[int]) -> int:
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(layer_sizes))
