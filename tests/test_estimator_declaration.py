"""Parameters declared once: the constructor, the check and the documentation follow from the declaration."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import re
from typing import Any

import pytest
import sklearn.neural_network
from sklearn.base import clone

from clearprop import MLPClassifier, MLPRegressor
from clearprop.estimator.declaration import declares_parameters, parameter

both = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


@both
def test_constructor_begins_with_the_parameters_of_scikit_learn(estimator: type) -> None:
    ours = inspect.signature(estimator).parameters
    theirs = inspect.signature(getattr(sklearn.neural_network, estimator.__name__)).parameters
    assert [name for name in ours if name in theirs] == list(theirs)
    for name, their in theirs.items():
        assert (ours[name].default, ours[name].kind) == (their.default, their.kind), name


@both
def test_help_documents_each_parameter_once_in_the_order_of_the_constructor(estimator: type) -> None:
    shown = pydoc.render_doc(estimator, renderer=pydoc.plaintext)
    section = re.split(r"Parameters\n.*-{5,}\n|Attributes\n", shown)[1]
    documented = re.findall(r"^ \|  (\w+) : .*default=", section, re.MULTILINE)
    assert documented == list(inspect.signature(estimator).parameters)
    assert shown.count("loss_curve_ : list of float") == 1
    assert "{" + "parameters}" not in shown
    assert "{" + "attributes}" not in shown


@both
def test_every_parameter_is_checked(estimator: Any) -> None:
    assert set(estimator._parameter_constraints) == set(estimator().get_params())


@both
def test_unknown_argument_is_a_type_error_that_names_the_class(estimator: type) -> None:
    with pytest.raises(TypeError, match=rf"{estimator.__name__}.*'hidden_layers'"):
        estimator(hidden_layers=3)


@both
def test_an_estimator_is_no_dataclass(estimator: type) -> None:
    # Dask would take two estimators with equal parameters for the same, whatever they were fitted to
    assert not dataclasses.is_dataclass(estimator())
    assert not hasattr(estimator, "alpha")


def test_a_subclass_adds_a_parameter() -> None:
    @declares_parameters()
    class Named(MLPClassifier):
        """One with a name."""

        name: Any = parameter(default="a", allowed=[str], kind="str", doc="Its name.")

    named = clone(Named(activation="tanh", name="b"))
    assert (named.name, named.activation) == ("b", "tanh")
    assert named.get_params()["alpha"] == 0.0001
