"""Network and Recipe: what they hold, and every mistake caught when they are made."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.nn.initialization import INITIALIZATIONS, initial_parameters
from clearprop.nn.losses import LOSSES, LOSSES_OF_OUTPUT
from clearprop.nn.network import OUTPUTS, Network
from clearprop.nn.recipe import DoubleSoftmaxWarning, Recipe
from clearprop.nn.schedules import SCHEDULES
from clearprop.utils.errors import InvalidArgument
from clearprop.utils.randomness import streams


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layer_sizes": (784,)}, r"layer_sizes is \(784,\), but must name at least an input and an output"),
        ({"layer_sizes": "784"}, "layer_sizes is '784'"),
        ({"layer_sizes": (784, 0, 10)}, "layer_sizes is 0, but must be a whole number of at least 1"),
        ({"layer_sizes": (784, 2.5, 10)}, "layer_sizes is 2.5"),
        ({"layer_sizes": (784, 1)}, "layer_sizes ends in 1, but a softmax output needs at least 2"),
        ({"activation": "rlu"}, "activation is 'rlu'.*Did you mean \"relu\""),
        ({"activation": ("relu",)}, "activation names 1 functions, but layer_sizes has 2 hidden layers"),
        ({"activation": ("relu", "gelu")}, "activation is 'gelu', but must be one of"),
        ({"activation": 3}, "activation is 3, but must be a name"),
        ({"initialization": "xavier"}, "initialization is 'xavier', but must be one of"),
        ({"dropout": 1.0}, "dropout is 1.0, but must be a number at least 0 and less than 1"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"input_dropout": 1}, "input_dropout is 1, but must be a number at least 0 and less than 1"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"output": "linear"}, "output is 'linear'"),
    ],
)
def test_a_network_names_the_field_the_value_and_what_is_allowed(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Network(**{"layer_sizes": (784, 20, 20, 10), **fields})


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("optimizer", "adm", 'one of .* Did you mean "adam"'),
        ("learning_rate", 0, "greater than 0"),
        ("learning_rate", -1e-3, "greater than 0"),
        ("learning_rate", float("inf"), "greater than 0"),
        ("learning_rate", "fast", "greater than 0"),
        ("schedule", "linear", "one of"),
        ("weight_decay", -1, "at least 0"),
        ("epochs", 0, "a whole number of at least 1"),
        ("epochs", 1.5, "a whole number of at least 1"),
        ("batch_size", 0, "a whole number of at least 1"),
        ("batch_size", True, "a whole number of at least 1"),
        ("loss", "mse", "one of"),
        ("label_smoothing", 1, "less than 1"),
        ("early_stopping", 0, "a whole number of at least 1"),
        ("seed", -1, "a whole number of at least 0"),
        ("l2_penalty", -1e-4, "at least 0"),
        ("momentum", 1.1, "at least 0 and at most 1"),
        ("beta_1", 1.0, "at least 0 and less than 1"),
        ("beta_2", -0.5, "at least 0 and less than 1"),
        ("epsilon", 0, "greater than 0"),
        ("adversarial_epsilon", -0.1, "at least 0"),
    ],
)
def test_a_recipe_names_the_field_the_value_and_what_is_allowed(
    field: str, value: object, allowed: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"{field} is {value!r}, but must be .*{allowed}"):
        Recipe(**{field: value})  # type: ignore[arg-type]


def test_networks_and_recipes_are_values() -> None:
    network, recipe = Network([784, 100, 10]), Recipe()
    assert network == Network((784, 100, 10))
    assert hash(network) == hash(Network((784, 100, 10)))
    with pytest.raises(AttributeError):
        network.dropout = 0.5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        recipe.epochs = 3  # type: ignore[misc]


def test_numpy_numbers_become_plain_ones() -> None:
    recipe = Recipe(epochs=np.int64(3), learning_rate=np.float32(0.5), seed=np.uint8(7))  # type: ignore[arg-type]
    assert [type(value) for value in (recipe.epochs, recipe.learning_rate, recipe.seed)] == [int, float, int]


def test_both_can_be_made_again_from_their_plain_values() -> None:
    network = Network((4, 3, 2, 2), ("tanh", "relu"), dropout=0.1, input_dropout=0.2)
    recipe = Recipe(optimizer="adamw", early_stopping=3)
    assert Network(**network.to_dict()) == network
    assert Recipe(**recipe.to_dict()) == recipe


def test_a_network_without_dropout_of_its_inputs_reads_as_earlier_versions_wrote_it() -> None:
    assert "input_dropout" not in Network((4, 2)).to_dict()


def test_recipe_of_an_earlier_version_is_read() -> None:
    newer = ("l2_penalty", "momentum", "beta_1", "beta_2", "epsilon", "adversarial_epsilon")
    older = {name: value for name, value in Recipe(seed=3).to_dict().items() if name not in newer}
    assert Recipe(**older) == Recipe(seed=3)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.filterwarnings("ignore::clearprop.nn.recipe.DoubleSoftmaxWarning")
def test_a_loss_fits_the_output_it_is_made_for(loss: str, output: str) -> None:
    recipe = Recipe(loss=loss)
    if loss in LOSSES_OF_OUTPUT[output]:
        recipe.check_output(output)
    else:
        with pytest.raises(InvalidArgument, match=f'but a network with output="{output}" learns by'):
            recipe.check_output(output)


def test_only_a_softmax_needs_two_outputs() -> None:
    for output in ("sigmoid", "identity", "exponential"):
        assert Network((4, 1), output=output).output == output


def test_a_network_counts_its_parameters() -> None:
    assert Network((784, 500, 250, 100, 10)).n_parameters == sum(
        weight.size + bias.size
        for weight, bias in initial_parameters(
            (784, 500, 250, 100, 10), "glorot_uniform", np.random.default_rng(0)
        )
    )


def test_the_double_softmax_warns_when_chosen_and_nothing_else_does() -> None:
    with pytest.warns(DoubleSoftmaxWarning, match="applies the softmax twice"):
        Recipe(loss="double_softmax")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recipe()


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("glorot_uniform", np.sqrt(2 / 700)),
        ("glorot_normal", np.sqrt(2 / 700)),
        ("he_uniform", np.sqrt(2 / 400)),
        ("he_normal", np.sqrt(2 / 400)),
        ("torch_default", np.sqrt(1 / 400 / 3)),
    ],
)
def test_each_initialization_has_the_deviation_its_paper_gives(name: str, deviation: float) -> None:
    (weight, bias), *_ = initial_parameters((400, 300), name, np.random.default_rng(0), np.float64)
    assert weight.shape == (400, 300)
    assert weight.std() == pytest.approx(deviation, rel=0.01)
    assert weight.mean() == pytest.approx(0, abs=deviation / 100)
    assert (bias == 0).all() == (name != "torch_default")


def test_every_initialization_is_named_in_the_test_above() -> None:
    assert set(INITIALIZATIONS) == {
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "torch_default"
    }  # fmt: skip


def test_the_two_dtypes_start_from_the_same_numbers() -> None:
    single, double = (
        initial_parameters((5, 4, 3), "he_normal", np.random.default_rng(1), dtype)
        for dtype in (np.float32, np.float64)
    )
    for (weight, _), (other, _) in zip(single, double, strict=True):
        assert (weight == other.astype(np.float32)).all()


@given(seed=st.integers(0, 2**64))
def test_drawing_from_one_stream_leaves_the_others_as_they_were(seed: int) -> None:
    untouched, drawn = streams(seed), streams(seed)
    drawn.split.permutation(1000)
    drawn.dropout.random(1000)
    assert (drawn.shuffle.random(4) == untouched.shuffle.random(4)).all()
    assert (drawn.initialization.random(4) == untouched.initialization.random(4)).all()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_no_schedule_leaves_the_range_from_zero_to_the_learning_rate(name: str) -> None:
    recipe = Recipe(schedule=name, learning_rate=0.5)
    rates = [recipe.learning_rate_at(step, 1000) for step in range(1000)]
    assert min(rates) > 0
    assert max(rates) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "step"])
def test_the_schedules_are_those_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    n_steps = 200
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedulers = torch.optim.lr_scheduler
    scheduler = {
        # OneCycleLR reaches its end on the last of its steps, ours would reach it on the one after
        "one_cycle": lambda: schedulers.OneCycleLR(optimizer, 0.5, total_steps=n_steps + 1),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, n_steps),
        "step": lambda: schedulers.MultiStepLR(optimizer, [n_steps // 2, 3 * n_steps // 4]),
    }[name]()
    recipe = Recipe(schedule=name, learning_rate=0.5)
    for step in range(n_steps):
        # OneCycleLR ends its rise one step early
        tolerance = 0.05 if name == "one_cycle" else 1e-9
        assert recipe.learning_rate_at(step, n_steps) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=tolerance
        )
        optimizer.step()
        scheduler.step()
