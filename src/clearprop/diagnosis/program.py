"""Program: a training as people write it, right or wrong, as plain immutable values.

``Network`` and ``Recipe`` refuse an output and a loss that do not fit each other. A diagnosis has to train
such programs, so ``Program`` accepts them; it refuses only values that have no meaning at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from numbers import Real
from types import MappingProxyType
from typing import Any

from clearprop.nn.initialization import INITIALIZATIONS
from clearprop.utils.arguments import check_choice, check_number, check_whole
from clearprop.utils.errors import InvalidArgument

ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid", "softmax")
#: Losses of class probabilities, of logits and of numbers.
LOSSES = (
    "cross_entropy",
    "binary_cross_entropy",
    "cross_entropy_from_logits",
    "binary_cross_entropy_from_logits",
    "squared_error",
    "absolute_error",
    "poisson",
)
#: Each optimizer with its usual learning rate, that of Keras and of torch.optim where it has one.
DEFAULT_RATES: Mapping[str, float] = MappingProxyType(
    {"sgd": 0.01, "momentum": 0.01, "nesterov": 0.01, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}
)
#: Names of initializations beside those of ``clearprop.nn.initialization``, as (kind, size).
PLAIN_INITIALIZATIONS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "zeros": ("constant", 0.0),
        "ones": ("constant", 1.0),
        "random_uniform": ("uniform", 0.05),
        "random_normal": ("normal", 0.05),
    }
)
SCALINGS = ("standard", "minmax")
FRAMEWORKS = ("keras", "torch")


@dataclass(frozen=True, slots=True)
class Layer:
    """A fully connected layer and all that follows it up to the next one.

    Parameters
    ----------
    units : int
    activation : str, default "linear"
        linear, relu, leaky_relu, elu, gelu, tanh, sigmoid or softmax.
    initialization : str or (str, float), default "glorot_uniform"
        A name: glorot_uniform, glorot_normal, he_uniform, he_normal, torch_default (that of
        ``torch.nn.Linear``, biases included), zeros, ones, random_uniform (±0.05) or random_normal (0.05).
        Or a distribution of the weights: ``("uniform", bound)``, ``("normal", deviation)`` or
        ``("constant", value)``. Biases start at 0.
    dropout : float, default 0.0
        The share of the layer's outputs that is dropped in training, from 0 to below 1.
    batch_norm : str or None, default None
        Batch normalization "before" or "after" the activation.
    trainable : bool, default True
        False keeps the layer's parameters as they start.

    Raises
    ------
    InvalidArgument
        Naming the field, its value and what is allowed.
    """

    units: int
    activation: str = "linear"
    initialization: str | tuple[str, float] = "glorot_uniform"
    dropout: float = 0.0
    batch_norm: str | None = None
    trainable: bool = True

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "units": check_whole("units", self.units, minimum=1),
            "activation": check_choice("activation", self.activation, ACTIVATIONS),
            "initialization": _checked_initialization(self.initialization),
            "dropout": check_number("dropout", self.dropout, minimum=0.0, below=1.0),
        }
        if self.batch_norm is not None:
            check_choice("batch_norm", self.batch_norm, ("before", "after"))
        for field, value in checked.items():
            object.__setattr__(self, field, value)


@dataclass(frozen=True, slots=True)
class Program:
    """A network, its loss and how it is trained, without the data.

    Parameters
    ----------
    layers : sequence of Layer
        At least one; the last is the output layer.
    loss : str
        cross_entropy or binary_cross_entropy (of probabilities), cross_entropy_from_logits,
        binary_cross_entropy_from_logits, squared_error, absolute_error or poisson. The mean over rows; all
        but the two cross_entropy also over outputs.
    optimizer : str, default "sgd"
        sgd, momentum, nesterov, adam, adamw or rmsprop.
    learning_rate : float or None, default None
        None is the optimizer's usual one: 0.01, and for adam, adamw and rmsprop 0.001.
    momentum : float, default 0.9
        Of the optimizers momentum and nesterov.
    weight_decay : float, default 0.0
        As ``torch.optim`` takes it: part of the gradient, and for adamw apart from it; biases decay too.
    batch_size : int, default 32
    epochs : int, default 10
    scale_inputs, scale_targets : None, str or float, default None
        "standard" (mean 0, deviation 1, column by column), "minmax" (0 to 1) or a factor.
    metric : str or None, default None
        "accuracy" if that is the number the user watches.
    framework : str or None, default None
        "keras" or "torch": whose conventions hold where the two differ. Keras compares targets ``(n,)`` with
        outputs ``(n, 1)`` row by row, ``torch.nn.MSELoss`` and ``L1Loss`` broadcast them to ``(n, n)``; the
        poisson loss of Keras takes the rate, PyTorch's its logarithm; rmsprop keeps 0.9 and 0.99 of its mean
        square, adds an epsilon of 1e-7 and 1e-8. None is "torch" if a layer starts by "torch_default", else
        "keras".

    Raises
    ------
    InvalidArgument
        Naming the field, its value and what is allowed.
    """

    layers: tuple[Layer, ...]
    loss: str
    optimizer: str = "sgd"
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 32
    epochs: int = 10
    scale_inputs: str | float | None = None
    scale_targets: str | float | None = None
    metric: str | None = None
    framework: str | None = None

    def __post_init__(self) -> None:
        layers = tuple(self.layers) if isinstance(self.layers, (tuple, list)) else ()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise InvalidArgument("layers must be a sequence of at least one Layer, such as (Layer(10),).")
        optimizer = check_choice("optimizer", self.optimizer, DEFAULT_RATES)
        rate = DEFAULT_RATES[optimizer] if self.learning_rate is None else self.learning_rate
        by_torch = any(layer.initialization == "torch_default" for layer in layers)
        framework = ("torch" if by_torch else "keras") if self.framework is None else self.framework
        checked: dict[str, Any] = {
            "layers": layers,
            "loss": check_choice("loss", self.loss, LOSSES),
            "learning_rate": check_number("learning_rate", rate, minimum=0.0),
            "momentum": check_number("momentum", self.momentum, minimum=0.0, maximum=1.0),
            "weight_decay": check_number("weight_decay", self.weight_decay, minimum=0.0),
            "batch_size": check_whole("batch_size", self.batch_size, minimum=1),
            "epochs": check_whole("epochs", self.epochs, minimum=1),
            "scale_inputs": _checked_scaling("scale_inputs", self.scale_inputs),
            "scale_targets": _checked_scaling("scale_targets", self.scale_targets),
            "framework": check_choice("framework", framework, FRAMEWORKS),
        }
        if self.metric is not None:
            check_choice("metric", self.metric, ("accuracy",))
        for field, value in checked.items():
            object.__setattr__(self, field, value)

    @property
    def rate(self) -> float:
        """The learning rate, which is never None once the program is made."""
        assert self.learning_rate is not None
        return self.learning_rate

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """All layers but the last."""
        return self.layers[:-1]

    @property
    def output(self) -> Layer:
        """The last layer."""
        return self.layers[-1]

    def with_output(self, **changes: Any) -> Program:
        """Return the program with fields of its output layer changed."""
        return replace(self, layers=(*self.hidden, replace(self.output, **changes)))

    def with_hidden(self, **changes: Any) -> Program:
        """Return the program with fields of all its hidden layers changed."""
        return replace(self, layers=(*(replace(each, **changes) for each in self.hidden), self.output))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; ``Program.from_dict(d)`` makes the program again."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Program:
        """Make a program from the values of ``to_dict``, also after a way through JSON."""
        layers = []
        for each in values["layers"]:
            start = each.get("initialization", "glorot_uniform")
            layers.append(
                Layer(**{**each, "initialization": start if isinstance(start, str) else tuple(start)})
            )
        return cls(**{**values, "layers": tuple(layers)})


def changes(before: Program, after: Program) -> list[str]:
    """Return the differences of two programs as short phrases, such as ``learning_rate 10 -> 0.001``."""
    told = [
        f"{field} {_shown(old)} -> {_shown(new)}"
        for field in Program.__dataclass_fields__
        if field != "layers" and (old := getattr(before, field)) != (new := getattr(after, field))
    ]
    if len(before.layers) != len(after.layers):
        return [f"layers {_sizes(before)} -> {_sizes(after)}", *told]
    in_layers: dict[str, list[str]] = {}
    for number, (old, new) in enumerate(zip(before.layers, after.layers, strict=True), start=1):
        for field in Layer.__dataclass_fields__:
            was, now = getattr(old, field), getattr(new, field)
            if was != now:
                in_layers.setdefault(f"{field} {_shown(was)} -> {_shown(now)}", []).append(str(number))
    where = [
        f"{change} in layer{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
        for change, numbers in in_layers.items()
    ]
    return [*where, *told]


def _sizes(program: Program) -> str:
    return "-".join(str(layer.units) for layer in program.layers)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _checked_initialization(value: object) -> str | tuple[str, float]:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise InvalidArgument(
                f'initialization is {value!r}, but must be a name or a pair such as ("normal", 0.01).'
            )
        kind = check_choice("initialization", value[0], ("uniform", "normal", "constant"))
        if kind == "constant":
            return kind, check_number("initialization", value[1])
        return kind, check_number("initialization", value[1], minimum=0.0)
    return check_choice("initialization", value, (*INITIALIZATIONS, *PLAIN_INITIALIZATIONS))


def _checked_scaling(field: str, value: object) -> str | float | None:
    if value is None:
        return None
    if isinstance(value, Real) and not isinstance(value, bool):
        return check_number(field, value, above=0.0)
    return check_choice(field, value, SCALINGS)
