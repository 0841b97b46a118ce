"""The same random_state gives scikit-learn's weights, losses and epochs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_multilabel_classification
from sklearn.preprocessing import scale

import clearprop as ours

DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS[:400] / 16
DIGIT = DIGIT[:400]
LABELLED, LABELS = make_multilabel_classification(n_samples=150, random_state=0)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
PROGRESSION = PROGRESSION / 100

TARGETS = {
    "binary": ("MLPClassifier", DIGITS, DIGIT % 2, {}),
    "multiclass": ("MLPClassifier", DIGITS, DIGIT, {}),
    "multilabel": ("MLPClassifier", LABELLED, LABELS, {}),
    "value": ("MLPRegressor", DIABETES, PROGRESSION, {}),
    "values": ("MLPRegressor", DIABETES, np.c_[PROGRESSION, PROGRESSION**2], {}),
    "counts": ("MLPRegressor", DIABETES, np.round(PROGRESSION * 3), {"loss": "poisson"}),
}
SOLVERS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adam, other coefficients": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "alpha": 0.1},
    "sgd": {"solver": "sgd"},
    "sgd without momentum": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.05},
    "sgd, Polyak's momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "sgd, adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1
    },
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True},
    "in order": {"shuffle": False, "activation": "logistic", "hidden_layer_sizes": (9, 5), "batch_size": 64},
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_epochs() -> Iterator[None]:
    """Expect both not to converge in a few epochs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations|lbfgs failed to converge")
        yield


def distance(one: Any, other: Any) -> float:
    pairs = zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    return float(max(np.abs(mine - yours).max() for mine, yours in pairs))


# of several values, scikit-learn tells L-BFGS the mean loss but the gradient of the sum: docs/estimator.md
CASES = [
    (target, solver) for target in TARGETS for solver in SOLVERS if (target, solver) != ("values", "lbfgs")
]


@pytest.mark.parametrize(("target", "solver"), CASES)
def test_the_same_random_state_gives_the_same_weights_and_losses(target: str, solver: str) -> None:
    name, x, y, more = TARGETS[target]
    options = {"hidden_layer_sizes": 20, "max_iter": 8, "random_state": 5, **more, **SOLVERS[solver]}
    mine, yours = (getattr(library, name)(**options).fit(x, y) for library in (ours, theirs))
    assert distance(mine, yours) < 1e-9
    assert mine.n_iter_ == yours.n_iter_
    assert mine.t_ == yours.t_
    # with several values the penalty's part of the loss is that of the epoch's end
    tolerance = 1e-4 if target == "values" else 1e-9
    assert mine.loss_ == pytest.approx(yours.loss_, rel=tolerance)
    if solver != "lbfgs":
        assert mine.loss_curve_ == pytest.approx(yours.loss_curve_, rel=tolerance)
        for attribute in ("best_loss_", "validation_scores_", "best_validation_score_"):
            told, expected = getattr(mine, attribute), getattr(yours, attribute)
            assert told is expected is None or told == pytest.approx(expected, rel=tolerance)
    np.testing.assert_allclose(mine.predict(x), yours.predict(x), rtol=1e-7)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sample_weight_gives_the_same_network(solver: str) -> None:
    weight = np.random.default_rng(0).uniform(0, 3, len(DIGITS))
    options = {"solver": solver, "max_iter": 8, "random_state": 0, "hidden_layer_sizes": 20}
    mine, yours = (
        library.MLPClassifier(**options).fit(DIGITS, DIGIT, sample_weight=weight)
        for library in (ours, theirs)
    )
    assert distance(mine, yours) < 1e-9


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_give_the_same_network(solver: str) -> None:
    options = {"solver": solver, "max_iter": 8, "random_state": 0, "hidden_layer_sizes": 20}
    rows = csr_array(DIGITS)
    mine, yours = (library.MLPClassifier(**options).fit(rows, DIGIT) for library in (ours, theirs))
    assert distance(mine, yours) < 1e-9
    np.testing.assert_allclose(mine.predict_proba(rows), yours.predict_proba(rows), atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"solver": "sgd", "learning_rate": "invscaling"}])
def test_partial_fit_continues_as_in_scikit_learn(options: dict[str, Any]) -> None:
    mine, yours = (
        library.MLPClassifier(hidden_layer_sizes=20, random_state=1, **options) for library in (ours, theirs)
    )
    for estimator in (mine, yours):
        for start in range(0, 400, 100):
            rows = slice(start, start + 100)
            estimator.partial_fit(DIGITS[rows], DIGIT[rows], classes=range(10))
    assert distance(mine, yours) < 1e-9
    assert mine.loss_curve_ == pytest.approx(yours.loss_curve_, rel=1e-9)
    assert mine.t_ == yours.t_


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_warm_start_continues_as_in_scikit_learn(solver: str) -> None:
    options = {
        "solver": solver,
        "max_iter": 4,
        "warm_start": True,
        "random_state": 2,
        "hidden_layer_sizes": 20,
    }
    mine, yours = (library.MLPClassifier(**options) for library in (ours, theirs))
    for estimator in (mine, yours):
        estimator.fit(DIGITS, DIGIT).fit(DIGITS, DIGIT)
    assert distance(mine, yours) < 1e-9
    assert mine.n_iter_ == yours.n_iter_


def test_used_random_state_gives_the_same_network() -> None:
    mine, yours = (
        library.MLPClassifier(hidden_layer_sizes=20, max_iter=4, random_state=np.random.RandomState(7)).fit(
            DIGITS, DIGIT
        )
        for library in (ours, theirs)
    )
    assert distance(mine, yours) < 1e-12


def test_float32_stays_float32_and_takes_the_same_steps() -> None:
    x = DIGITS.astype(np.float32)
    options = {"hidden_layer_sizes": 20, "max_iter": 8, "random_state": 5}
    mine, yours = (library.MLPClassifier(**options).fit(x, DIGIT) for library in (ours, theirs))
    assert {array.dtype for array in mine.coefs_ + mine.intercepts_} == {np.dtype(np.float32)}
    assert mine.predict_proba(x).dtype == yours.predict_proba(x).dtype == np.float32
    assert distance(mine, yours) < 1e-4


def test_training_ends_in_the_same_epoch() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    options = {"tol": 1e-3, "random_state": 0, "hidden_layer_sizes": 20}
    mine, yours = (library.MLPClassifier(**options).fit(scale(x), y) for library in (ours, theirs))
    assert mine.n_iter_ == yours.n_iter_ < 200


def test_verbose_prints_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    options = {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 10,
        "n_iter_no_change": 1,
        "verbose": True,
    }
    texts = []
    for library in (ours, theirs):
        library.MLPClassifier(max_iter=200, random_state=0, **options).fit(DIGITS, DIGIT)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert "Setting learning rate to" in texts[0]
    assert "Learning rate too small. Stopping." in texts[0]


def test_the_parameters_and_their_defaults_are_scikit_learns() -> None:
    for name in ("MLPClassifier", "MLPRegressor"):
        mine, yours = (getattr(library, name)().get_params() for library in (ours, theirs))
        assert {key: mine[key] for key in yours} == yours


def test_the_fitted_attributes_are_scikit_learns() -> None:
    for name, y in (("MLPClassifier", DIGIT), ("MLPRegressor", DIGIT.astype(float))):
        for options in ({}, {"early_stopping": True}, {"solver": "lbfgs"}):
            mine, yours = (
                getattr(library, name)(max_iter=3, **options).fit(DIGITS, y) for library in (ours, theirs)
            )
            public = {key: type(value) for key, value in vars(yours).items() if key.endswith("_")}
            assert set(public) <= set(vars(mine))
            for key in ("coefs_", "loss_curve_", "n_iter_", "t_", "out_activation_"):
                if key in public:
                    assert type(getattr(mine, key)) is public[key]
