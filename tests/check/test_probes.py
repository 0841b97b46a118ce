"""No two mistakes give the same numbers on the probes, unless their formulas are the same."""

from __future__ import annotations

from itertools import combinations

import pytest

from clearprop.check.assignment import load_assignment
from clearprop.check.calling import Subject
from clearprop.check.definitions import Definition
from clearprop.check.examinations import EXAMINATIONS
from clearprop.check.formulas.base import Outputs
from clearprop.check.matching import predicted, same
from clearprop.check.probes import labels


def agree(one: list[Outputs | None], other: list[Outputs | None]) -> bool:
    both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    comparable = len(both) == sum(a is not None for a in one) == sum(b is not None for b in other)
    return comparable and all(same(a[name], b[name], loose=True) for a, b in both for name in a)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("lesson", "softmax"),
        ("lesson", "forward_prop"),
        ("lesson", "cross_entropy"),
        ("lesson", "backprop"),
        ("lesson", "gradient_descent"),
        ("lesson", "one_hot_encode"),
        ("lesson", "average_every"),
        ("kaggle", "backward_prop"),
        ("cs231n", "affine_backward"),
        ("cs231n", "softmax_loss"),
        ("coursera", "linear_backward"),
    ],
)
def test_no_two_mistakes_agree(template: str, name: str) -> None:
    assignment = load_assignment(template)
    function = next(f for f in assignment.functions if f.name == name)
    subject = Subject(function, Definition(name, 1), assignment, assignment.dialect)
    examination = EXAMINATIONS[function.role](subject)[0]
    formula, values = examination.formula, [probe.values for probe in examination.probes]
    right: list[Outputs | None] = [formula.outputs(v, {}) for v in values]
    # a wrong derivative can be the same formula as one at the wrong argument
    atoms = [atom for atom in formula.atoms(values[0]) if not atom.id.endswith("_wrong")]
    results = [(atom, [predicted(formula, v, (atom,)) for v in values]) for atom in atoms]
    shown = [(atom, outputs) for atom, outputs in results if not agree(outputs, right)]
    assert len(shown) > 5
    agreeing = [
        (one.id, dict(one.settings), other.id, dict(other.settings))
        for (one, first), (other, second) in combinations(shown, 2)
        if one.id != other.id and any(first) and any(second) and agree(first, second)
    ]
    assert agreeing == []


@pytest.mark.parametrize("n", [5, 8, 11, 27])
def test_labels_have_the_highest_class(n: int) -> None:
    assert labels(n, 10, 1).max() == 9
