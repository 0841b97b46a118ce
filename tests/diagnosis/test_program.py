"""Program: accepts right and wrong programs, and refuses values without a meaning."""

from __future__ import annotations

import json

import pytest

from clearprop.diagnosis import Layer, Program
from clearprop.diagnosis.program import changes
from clearprop.utils.errors import InvalidArgument


def test_output_and_loss_that_do_not_fit_are_accepted() -> None:
    program = Program(
        (Layer(8, "relu"), Layer(1, "softmax")), loss="binary_cross_entropy", optimizer="rmsprop"
    )
    assert program.output.activation == "softmax"


def test_learning_rate_defaults_to_the_usual_one_of_the_optimizer() -> None:
    assert Program((Layer(1),), "squared_error").rate == 0.01
    assert Program((Layer(1),), "squared_error", "adam").rate == 0.001


def test_torch_initialization_makes_the_framework_torch() -> None:
    assert Program((Layer(1),), "squared_error").framework == "keras"
    assert Program((Layer(1, initialization="torch_default"),), "squared_error").framework == "torch"


def test_program_goes_through_json() -> None:
    program = Program(
        [Layer(3, "tanh", ("normal", 2.0), 0.5, "before", False), Layer(2)], "poisson", scale_inputs=1 / 255
    )
    assert Program.from_dict(json.loads(json.dumps(program.to_dict()))) == program


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Layer(0), "units"),
        (lambda: Layer(1, "rellu"), "relu"),
        (lambda: Layer(1, dropout=1.0), "dropout"),
        (lambda: Layer(1, initialization=("normal",)), "initialization"),
        (lambda: Layer(1, batch_norm="between"), "batch_norm"),
        (lambda: Program((), "squared_error"), "layers"),
        (lambda: Program((Layer(1),), "mse"), "loss"),
        (lambda: Program((Layer(1),), "squared_error", learning_rate=float("nan")), "learning_rate"),
        (lambda: Program((Layer(1),), "squared_error", scale_targets="log"), "scale_targets"),
        (lambda: Program((Layer(1),), "squared_error", batch_size=0), "batch_size"),
    ],
)
def test_value_without_a_meaning_is_refused_by_its_name(make, names) -> None:
    with pytest.raises(InvalidArgument, match=names):
        make()


def test_changes_names_field_and_layers() -> None:
    before = Program((Layer(8), Layer(8), Layer(1)), "squared_error")
    after = Program((Layer(8, "relu"), Layer(8, "relu"), Layer(1)), "squared_error", "adam")
    assert changes(before, after) == [
        "activation linear -> relu in layers 1, 2",
        "optimizer sgd -> adam",
        "learning_rate 0.01 -> 0.001",
    ]
