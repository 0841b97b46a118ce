"""Evaluation: figures that agree with scikit-learn, and the mistakes in the right order."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score, log_loss

import clearprop as cp
from clearprop.data import Dataset, Scaling
from clearprop.data.catalog import CATALOG
from clearprop.display.text import table_lines
from clearprop.model.calibration import calibration_bins, expected_calibration_error
from clearprop.model.class_figures import confusion_counts, report_figures
from clearprop.utils.errors import ClearpropWarning, DataError, InvalidArgument


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


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(*(st.integers(0, n - 1),) * 2), min_size=1, max_size=60)
        )
    )
)
def test_the_report_is_that_of_scikit_learn_whatever_is_missing(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    n_classes, pairs = drawn
    labels, predictions = np.array(pairs, dtype=np.int64).T
    names = tuple(f"class {number}" for number in range(n_classes))
    confusion = confusion_counts(labels, predictions, n_classes)
    assert (confusion == confusion_matrix(labels, predictions, labels=range(n_classes))).all()
    expected = classification_report(
        labels,
        predictions,
        labels=range(n_classes),
        target_names=names,
        output_dict=True,
        zero_division=0.0,
    )
    report = report_figures(confusion, names)
    assert list(report) == [*names, "macro avg", "weighted avg"]
    for name, figures in report.items():
        theirs = [expected[name][key] for key in ("precision", "recall", "f1-score", "support")]
        assert list(figures.values()) == pytest.approx(theirs, rel=1e-14)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_bins_of_calibration_are_those_of_scikit_learn(drawn: list[tuple[float, bool]]) -> None:
    confidence, correct = (np.array(values) for values in zip(*drawn, strict=True))
    shares, means = calibration_curve(correct, confidence, n_bins=15, strategy="uniform")
    bins = calibration_bins(confidence, correct)
    assert [each.accuracy for each in bins] == pytest.approx(shares.tolist(), rel=1e-14)
    assert [each.confidence for each in bins] == pytest.approx(means.tolist(), rel=1e-14)
    assert sum(each.rows for each in bins) == len(drawn)


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


def evaluated(confusion: np.ndarray, class_names: tuple[str, ...]) -> cp.Evaluation:
    return cp.Evaluation("any", class_names, None, 0.5, 1.0, {}, confusion, [], ())


@pytest.mark.parametrize("n_classes", [10, 26, 62])
def test_the_confusion_matrix_of_any_number_of_classes_fits_the_terminal(
    rng: np.random.Generator, n_classes: int
) -> None:
    names = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[:n_classes])
    confusion = np.where(rng.random((n_classes, n_classes)) < 0.3, rng.integers(1, 90, n_classes), 0)
    np.fill_diagonal(confusion, 712)
    text = evaluated(confusion, names).confusion_text()
    assert max(map(len, text.splitlines())) <= 80
    if n_classes > 10:
        # nothing is left out: every count stands with its class
        entry = " ".join(text.split("\n", 1)[1].split())
        for label, name in enumerate(names):
            total = confusion[label].sum()
            line = entry.partition(f"{name}: 712 of {total} ")[2]
            others = [other for other in np.argsort(-confusion[label], kind="stable") if other != label]
            taken = ", ".join(f"{names[other]} {confusion[label, other]}" for other in others[:3])
            assert line.startswith(taken)


@pytest.fixture
def clothes(rng: np.random.Generator) -> cp.Evaluation:
    """An evaluation whose names, calibration and numbers take much room."""
    names = tuple(CATALOG["fashion-mnist"].class_names)
    confusion = rng.integers(1, 40, (10, 10)) + 1000 * np.eye(10, dtype=int)
    bins = calibration_bins(confidence := rng.uniform(0.1, 1, 10_000), rng.random(10_000) < confidence)
    report = report_figures(confusion, names)
    return cp.Evaluation("fashion-mnist", names, None, 0.88, 1.0, report, confusion, [], bins)


def test_everything_fits_a_terminal_of_40_columns(clothes: cp.Evaluation) -> None:
    texts = clothes.report_text(40), clothes.confusion_text(40), clothes.calibration_text(40)
    lines = "\n".join(texts).splitlines()
    assert max(map(len, lines)) <= 40
    assert all(line == line.rstrip() for line in lines)


def test_a_folded_report_says_what_the_wide_one_says(clothes: cp.Evaluation) -> None:
    for text in (clothes.report_text, clothes.calibration_text):
        assert text(40).split() == text().split()
        assert text(80) == text()
    assert clothes.report_text() == str(clothes)


def test_a_label_without_room_stands_on_the_line_before_its_figures() -> None:
    rows = [("", "rows"), ("a", "   1"), None, ("a longer one", "  12")]
    assert table_lines(rows, 80) == [
        "              rows",
        "           a     1",
        "",
        "a longer one    12",
    ]
    assert table_lines(rows, 17) == ["   rows", "a     1", "", "a longer one", "     12"]


def test_a_count_is_never_parted_from_its_class(clothes: cp.Evaluation) -> None:
    lines = clothes.confusion_text(40).splitlines()
    for line in lines[3:]:
        assert line.endswith(",") or line[-1].isdigit()
        assert not line.lstrip()[0].isdigit()


def test_long_names_of_classes_fit_the_terminal_too() -> None:
    names = ("x" * 100, "a short one", "another")
    text = evaluated(np.arange(9).reshape(3, 3), names).confusion_text(40)
    assert max(len(line) for line in text.splitlines()[1:]) <= 40


def test_calibration_is_that_of_guo_et_al() -> None:
    confidence = np.array([0.95, 0.99, 0.97, 0.62, 0.61, 0.3, 1 / 15, 1.0000001])
    correct = np.array([1, 1, 0, 1, 0, 0, 1, 1], bool)
    bins = calibration_bins(confidence, correct)
    assert [each.rows for each in bins] == [1, 1, 2, 4]
    assert (bins[0].low, bins[0].high) == pytest.approx((0, 1 / 15))
    assert (bins[2].confidence, bins[2].accuracy) == pytest.approx((0.615, 0.5))
    by_hand = (1 * (1 - 1 / 15) + 1 * 0.3 + 2 * 0.115 + 4 * abs(0.75 - 3.91 / 4)) / 8
    assert expected_calibration_error(bins) == pytest.approx(by_hand)


def test_what_is_right_as_often_as_it_is_sure_is_calibrated(rng: np.random.Generator) -> None:
    confidence = rng.uniform(0.1, 1, 200_000)
    assert expected_calibration_error(calibration_bins(confidence, rng.random(200_000) < confidence)) < 0.005
    sure = calibration_bins(np.ones(10), np.zeros(10, bool))
    assert expected_calibration_error(sure) == 1


def test_an_evaluation_has_its_calibration(model: cp.Model, digits: Dataset) -> None:
    assert digits.test is not None
    evaluation = cp.evaluate(model, digits.test)
    assert sum(each.rows for each in evaluation.calibration) == 360
    figures = evaluation.to_dict()
    assert figures["expected_calibration_error"] == evaluation.expected_calibration_error
    assert figures["calibration"][-1]["rows"] == evaluation.calibration[-1].rows
    lines = evaluation.calibration_text().splitlines()
    assert f"{evaluation.expected_calibration_error:.4f}" in lines[0]
    assert len(lines) == 2 + len(evaluation.calibration)
    assert max(map(len, lines)) <= 80


def test_data_of_another_kind_is_refused(model: cp.Model) -> None:
    x, y = np.zeros((4, 784), np.uint8), np.arange(4) % 2
    two = Dataset("two", x, y, ("a", "b"), None, Scaling())
    with pytest.raises(InvalidArgument, match="two has 2 classes, but the model tells 10 apart"):
        cp.evaluate(model, two)
    narrow = Dataset("narrow", x[:, :5].copy(), y, tuple("0123456789"), None, Scaling())
    with pytest.raises(DataError, match="the model takes rows of 784 numbers"):
        cp.evaluate(model, narrow)


WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_classes_are_matched_by_name_whatever_their_order(model: cp.Model, digits: Dataset) -> None:
    expected = cp.evaluate(model, digits)
    order = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    named = replace(
        digits, y=np.argsort(order)[digits.y], class_names=tuple(WORDS[i] for i in order), test=None
    )
    evaluation = cp.evaluate(replace(model, class_names=WORDS), named)
    assert evaluation.class_names == WORDS
    assert (evaluation.confusion == expected.confusion).all()
    assert evaluation.loss == expected.loss


def test_numbers_stand_for_the_names_of_classes(model: cp.Model, digits: Dataset) -> None:
    expected = cp.evaluate(model, digits)
    for known, names in ((WORDS, digits.class_names), (digits.class_names, WORDS)):
        named = replace(digits, class_names=names, test=None)
        assert cp.evaluate(replace(model, class_names=known), named).accuracy == expected.accuracy


def test_data_without_some_classes_is_evaluated(model: cp.Model, digits: Dataset) -> None:
    fours = digits.subset(np.isin(digits.y, (4, 9)))
    few = replace(fours, y=(fours.y == 9).astype(np.int64), class_names=("4", "9"), test=None)
    evaluation = cp.evaluate(model, few)
    assert evaluation.accuracy == np.mean(model.predict(fours.x) == fours.y)
    assert evaluation.confusion.sum(axis=1)[[4, 9]].tolist() == [np.sum(fours.y == 4), np.sum(fours.y == 9)]


def test_rows_of_unknown_classes_are_told_and_count_as_mistakes(model: cp.Model, digits: Dataset) -> None:
    shifted = replace(digits, class_names=tuple(map(str, range(1, 11))), test=None)
    with pytest.warns(
        ClearpropWarning, match=r'rows of "10", which the model does not know and has no rows of "0"'
    ):
        evaluation = cp.evaluate(model, shifted)
    assert evaluation.class_names == (*digits.class_names, "10")
    assert evaluation.confusion.sum() == len(digits)
    assert evaluation.report["10"]["recall"] == 0
    assert evaluation.accuracy == np.mean(model.predict(digits.x) == digits.y + 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_calibration_refuses_a_confidence_that_is_no_probability(value: float) -> None:
    with pytest.raises(InvalidArgument, match="confidence holds NaN or infinite numbers"):
        calibration_bins(np.array([0.5, value]), np.array([True, False]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_logits_are_evaluated_and_nan_is_refused(digits: Dataset, dtype: type) -> None:
    model = collapsed(digits)
    bias = np.zeros(10, dtype)
    bias[[3, 7]] = np.inf
    infinite = replace(model, parameters=[(np.zeros((784, 10), dtype), bias)])
    with np.errstate(all="raise", under="ignore"):
        evaluation = cp.evaluate(infinite, digits)
    assert evaluation.accuracy == np.mean(digits.y == 3)
    assert [(each.confidence, each.rows) for each in evaluation.calibration] == [(0.5, len(digits))]
    # half of what two classes get for certain, and the smallest number for the others
    right = np.isin(digits.y, (3, 7))
    expected = -np.where(right, np.log(0.5), np.log(np.finfo(np.float32).tiny)).mean()
    assert evaluation.loss == pytest.approx(expected, rel=1e-6)
    nan = replace(model, parameters=[(np.zeros((784, 10), dtype), bias * np.nan)])
    with pytest.raises(InvalidArgument, match="The model's numbers overflow on digits"):
        cp.evaluate(nan, digits)


def test_names_cannot_speak_to_the_terminal() -> None:
    names = ("a\x1b[31m", "b\n")
    confusion = np.array([[3, 0], [2, 0]])
    report = report_figures(confusion, names)
    evaluation = cp.Evaluation("any\r", names, None, 0.6, 1.0, report, confusion, [], ())
    for text in (str(evaluation), evaluation.confusion_text(), evaluation.confusion_text(10)):
        assert all(line.isprintable() for line in text.split("\n"))
    assert "Every row is predicted as a\\x1b[31m" in str(evaluation)


def test_mistakes_of_rows_that_are_no_images_cannot_be_drawn(model: cp.Model) -> None:
    x = np.zeros((4, 784), np.uint8)
    flat = Dataset("flat", x, np.arange(4), tuple("0123456789"), None, Scaling())
    with pytest.raises(InvalidArgument, match="The rows of flat are not images"):
        cp.evaluate(model, flat).plot_mistakes()
