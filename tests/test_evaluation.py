"""Evaluation: figures that agree with scikit-learn, and the mistakes in the right order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.errors import DataError, InvalidArgument


@pytest.fixture(scope="module")
def model(digits: Dataset) -> cp.Model:
    train, _, _ = digits.split(validation=0)
    recipe = cp.Recipe(learning_rate=0.1, epochs=3)
    return cp.train(cp.Network((784, 16, 10)), recipe, train, progress=False).model


def collapsed(data: Dataset) -> cp.Model:
    bias = np.zeros(10, np.float32)
    bias[7] = 5
    return cp.Model(
        cp.Network((784, 10)), [(np.zeros((784, 10), np.float32), bias)], data.scaling, data.class_names
    )


def test_the_figures_are_those_of_scikit_learn(model: cp.Model, digits: Dataset) -> None:
    test = digits.test
    assert test is not None
    evaluation = cp.evaluate(model, test)
    predictions = model.predict(test.x)
    assert evaluation.accuracy == accuracy_score(test.y, predictions)
    assert (evaluation.confusion == confusion_matrix(test.y, predictions)).all()
    assert evaluation.loss == pytest.approx(log_loss(test.y, model.predict_proba(test.x)), rel=1e-4)
    assert evaluation.report["macro avg"]["f1"] == f1_score(test.y, predictions, average="macro")
    per_class = f1_score(test.y, predictions, average=None)
    assert [evaluation.report[name]["f1"] for name in digits.class_names] == per_class.tolist()


def test_the_mistakes_are_all_of_them_the_most_confident_first(model: cp.Model, digits: Dataset) -> None:
    test = digits.test
    assert test is not None
    mistakes = cp.evaluate(model, test).mistakes
    predictions = model.predict(test.x)
    assert {mistake.row for mistake in mistakes} == set(np.flatnonzero(predictions != test.y).tolist())
    confidences = [mistake.confidence for mistake in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    first = mistakes[0]
    assert (test.y[first.row], predictions[first.row]) == (first.label, first.prediction)
    assert (first.pixels == test.x[first.row]).all()


def test_the_printed_report_has_a_line_for_each_class(model: cp.Model, digits: Dataset) -> None:
    assert digits.test is not None
    lines = str(cp.evaluate(model, digits.test)).splitlines()
    assert lines[0].startswith("digits: accuracy 0.")
    assert [line.split()[0] for line in lines if line.strip()][2:12] == list(digits.class_names)
    assert "collapsed" not in lines[-1]


def test_a_collapsed_network_is_called_one(digits: Dataset) -> None:
    evaluation = cp.evaluate(collapsed(digits), digits)
    assert evaluation.predicted_classes == 1
    assert "Every row is predicted as 7" in str(evaluation)
    assert evaluation.report["0"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 142.0}


def test_the_figures_are_plain_json(model: cp.Model, digits: Dataset) -> None:
    assert digits.test is not None
    evaluation = cp.evaluate(model, digits.test)
    assert json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["accuracy"] == evaluation.accuracy


def test_the_confusion_matrix_prints_with_its_class_names(model: cp.Model, digits: Dataset) -> None:
    assert digits.test is not None
    evaluation = cp.evaluate(model, digits.test)
    lines = evaluation.confusion_text().splitlines()
    assert lines[1].split() == list(digits.class_names)
    assert [int(cell.replace(".", "0")) for cell in lines[2].split()[1:]] == evaluation.confusion[0].tolist()


def test_data_of_another_kind_is_refused(model: cp.Model) -> None:
    x, y = np.zeros((4, 784), np.uint8), np.arange(4) % 2
    two = Dataset("two", x, y, ("a", "b"), None, Scaling())
    with pytest.raises(InvalidArgument, match="two has 2 classes, but the model tells 10 apart"):
        cp.evaluate(model, two)
    narrow = Dataset("narrow", x[:, :5].copy(), y, tuple("0123456789"), None, Scaling())
    with pytest.raises(DataError, match="the model takes rows of 784 numbers"):
        cp.evaluate(model, narrow)


def test_mistakes_of_rows_that_are_no_images_cannot_be_drawn(model: cp.Model) -> None:
    x = np.zeros((4, 784), np.uint8)
    flat = Dataset("flat", x, np.arange(4), tuple("0123456789"), None, Scaling())
    with pytest.raises(InvalidArgument, match="The rows of flat are not images"):
        cp.evaluate(model, flat).plot_mistakes()
