"""A teacher's own assignment file: its names, layouts, means, labels and points."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import InProcess, Text

from clearprop.check.assignment import AssignmentError, built_in_templates, load_assignment
from clearprop.check.grading import judge
from clearprop.check.verdicts import Status, SubmissionVerdict

ASSIGNMENT = """
name = "week-3"
layout = "columns"
weights = "out_in"
bias = "column"
truth = "labels"
hidden = "sigmoid"
output = "softmax"
mean = false
layers = 3
classes = 4

[containers]
model = { weights = { list = "w{i}" }, biases = { list = "b{i}" } }
passed = { z = { list = "a{i}" }, a = ["x", "h{i}"] }
slopes = { weights = { list = "dw{i}" }, biases = { list = "db{i}" } }

[[functions]]
name = "logistic"
role = "activation"
of = "sigmoid"
arguments = ["x"]

[[functions]]
name = "predict"
role = "forward"
arguments = ["@model", "x"]
returns = "@passed"
points = 2

[[functions]]
name = "gradients"
role = "backward"
arguments = ["@model", "@passed", "truth"]
returns = "@slopes"
points = 5

[[functions]]
name = "learn"
role = "update"
arguments = ["@model", "@slopes", "eta"]
returns = "@model"
"""

SUBMISSION = """
import numpy as np

def logistic(z):
    return 1 / (1 + np.exp(-z))

def predict(model, x):
    zs, hs = [], [x]
    for i, (w, b) in enumerate(zip(model["weights"], model["biases"])):
        zs.append(w @ hs[-1] + b)
        if i < len(model["weights"]) - 1:
            hs.append(logistic(zs[-1]))
        else:
            e = np.exp(zs[-1] - zs[-1].max(axis=0))
            hs.append(e / e.sum(axis=0))
    return {"z": zs, "a": hs}

def gradients(model, passed, y):
    delta = passed["a"][-1].copy()
    delta[y, np.arange(len(y))] -= 1
    dw, db = [], []
    for i in range(len(model["weights"]) - 1, -1, -1):
        dw.insert(0, delta @ passed["a"][i].T)
        db.insert(0, delta.sum(axis=1, keepdims=True))
        if i:
            delta = model["weights"][i].T @ delta * passed["a"][i] * (1 - passed["a"][i])
    return {"weights": dw, "biases": db}

def learn(model, slopes, eta):
    return {
        "weights": [w - eta * d for w, d in zip(model["weights"], slopes["weights"])],
        "biases": [b - eta * d for b, d in zip(model["biases"], slopes["biases"])],
    }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "assignment.toml"
    path.write_text(ASSIGNMENT, "utf-8")
    return path


def judged(path: Path, source: str) -> SubmissionVerdict:
    return judge(Text(source), InProcess(Text(source)), load_assignment(str(path)), "given")


def test_right_submission_gets_all_points(path: Path) -> None:
    verdict = judged(path, SUBMISSION)
    assert verdict.passed
    assert verdict.points == verdict.out_of == 9


@pytest.mark.parametrize(
    ("old", "new", "function", "identity"),
    [
        ("delta @ passed", "delta / len(y) @ passed", "gradients", "gradient_averaged_twice"),
        (" * (1 - passed", " * (1 + passed", "gradients", "sigmoid_derivative_wrong"),
        (' * passed["a"][i] * (1 - passed["a"][i])', "", "gradients", "activation_derivative_missing"),
        ("axis=0)", "axis=1, keepdims=True)", "predict", "softmax_wrong_axis"),
        (" + b)", ")", "predict", "forward_missing_bias"),
        ("[b - eta * d for", "[b + 0 * d for", "learn", "update_forgets_biases"),
        ("-z", "z", "logistic", "sigmoid_wrong"),
    ],
)
def test_mistake_is_named(path: Path, old: str, new: str, function: str, identity: str) -> None:
    verdict = judged(path, SUBMISSION.replace(old, new))
    wrong = {f.name: [m.id for m in f.mistakes] for f in verdict.functions if f.status is Status.WRONG}
    assert wrong == {function: [identity]}
    assert verdict.points < verdict.out_of


@pytest.mark.parametrize("name", built_in_templates())
def test_built_in_template_is_valid(name: str) -> None:
    assert load_assignment(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('role = "forward"', 'role = "forwards"', "line 26"),
        ("points = 2", "pionts = 2", "unknown key 'pionts'"),
        ('"@passed", "truth"]', '"@past", "truth"]', "uses @past, which containers does not define"),
        ('name = "learn"', 'name = "predict"', "two functions are named predict"),
        ('of = "sigmoid"\n', "", 'needs of = "sigmoid"'),
    ],
)
def test_invalid_assignment_is_told_in_one_sentence(path: Path, old: str, new: str, message: str) -> None:
    path.write_text(ASSIGNMENT.replace(old, new), "utf-8")
    with pytest.raises(AssignmentError, match=message) as caught:
        load_assignment(str(path))
    assert "\n" not in str(caught.value)


def test_unknown_template_is_told_with_those_that_exist() -> None:
    with pytest.raises(AssignmentError, match=r"There is no assignment 'lessen'.*lesson"):
        load_assignment("lessen")
