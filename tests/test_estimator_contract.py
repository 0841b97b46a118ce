"""Estimators among scikit-learn's tools: check_estimator, pipelines, searches, pickles, sparse rows."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import pickle
import re
import warnings
from typing import Any

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import clearprop as cp
from clearprop import Callback, MLPClassifier, MLPRegressor
from clearprop.utils.errors import InvalidArgument

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
QUICK: dict[str, Any] = {
    "hidden_layer_sizes": 10,
    "max_iter": 30,
    "random_state": 0,
    "learning_rate_init": 0.02,
}


@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()])
def test_every_check_of_the_contract_passes(estimator: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail=None)
    assert [each["check_name"] for each in results if each["status"] in ("failed", "xfail")] == []
    skipped = {each["check_name"] for each in results if each["status"] == "skipped"}
    # the first asks for an environment variable, the second for a decision_function, which an MLP never had
    expected = {"check_array_api_input", "check_classifiers_multilabel_output_format_decision_function"}
    if importlib.util.find_spec("pandas") is None:
        expected |= {"check_sample_weights_pandas_series", "check_classifier_data_not_an_array"}
        expected |= {"check_regressor_data_not_an_array"}
    assert skipped <= expected
    assert sum(each["status"] == "passed" for each in results) > 50


def test_classifier_and_regressor_declare_their_kind() -> None:
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())


def test_in_a_pipeline_with_frames_in_and_out() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**QUICK)).set_output(transform="pandas")
    pipeline.fit(frame, pd.Series(SPECIES))
    assert pipeline.score(frame, SPECIES) > 0.9
    assert list(pipeline[-1].feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(pipeline[0].transform(frame)[["b", "a", "c", "d"]])


def test_grid_search_in_two_processes() -> None:
    grid = {"dropout": [0.0, 0.2], "solver": ["adam", "nesterov"], "activation": ["relu", ["tanh"]]}
    search = GridSearchCV(MLPClassifier(**QUICK), grid, n_jobs=2, cv=2).fit(IRIS, SPECIES)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.8


def test_cross_val_score() -> None:
    scores = cross_val_score(make_pipeline(StandardScaler(), MLPClassifier(**QUICK)), IRIS, SPECIES, cv=3)
    assert scores.min() > 0.85


def test_calibration() -> None:
    calibrated = CalibratedClassifierCV(MLPClassifier(**QUICK), cv=2).fit(IRIS, SPECIES)
    assert calibrated.score(IRIS, SPECIES) > 0.85


def test_permutation_importance() -> None:
    x, y = IRIS[SPECIES > 0], SPECIES[SPECIES > 0]
    fitted = MLPClassifier(**{**QUICK, "max_iter": 80}).fit(x, y)
    importances = permutation_importance(fitted, x, y, n_repeats=3, random_state=0).importances_mean
    # sepals tell the two species apart far less than petals do
    assert importances[:2].max() < importances[2:].max()


def test_metadata_routing_brings_weights_to_fit_and_score() -> None:
    weight = (SPECIES != 2).astype(float)
    with config_context(enable_metadata_routing=True):
        estimator = MLPClassifier(**QUICK).set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=True)
        scores = cross_val_score(estimator, IRIS, SPECIES, params={"sample_weight": weight}, cv=3)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, estimator).fit(IRIS, SPECIES, sample_weight=weight)
    assert scores.min() > 0.85
    # the class without weight was never learned
    assert 2 not in pipeline.predict(IRIS)


class Count(Callback):
    """Counts epochs."""

    def __init__(self) -> None:
        self.epochs = 0

    def on_epoch_end(self, state: Any) -> None:
        self.epochs += 1


BEYOND: dict[str, Any] = {
    "hidden_layer_sizes": (6, 4),
    "activation": ["relu", "tanh"],
    "solver": "adamw",
    "dropout": 0.1,
    "schedule": "cosine",
    "initialization": "he_normal",
    "engine": "numpy",
    "device": "cpu",
    "callbacks": [Count()],
    "restore_best": True,
    "label_smoothing": 0.1,
    "class_weight": "balanced",
    "max_iter": 3,
    "random_state": 0,
}


def test_clone_has_every_parameter_and_no_fitted_attribute() -> None:
    original = MLPClassifier(**BEYOND).fit(IRIS, SPECIES)
    copy = clone(original)
    assert not hasattr(copy, "coefs_")
    plain = {key: value for key, value in original.get_params().items() if key != "callbacks"}
    assert {key: copy.get_params()[key] for key in plain} == plain
    assert isinstance(copy.callbacks[0], Count)
    assert repr(copy.set_params(callbacks=None)) == repr(original.set_params(callbacks=None))


def test_parameters_are_set_by_name() -> None:
    estimator = MLPClassifier().set_params(**BEYOND)
    assert {key: estimator.get_params()[key] for key in BEYOND} == BEYOND


def test_a_pickle_of_many_batches_is_small() -> None:
    # the batch losses alone would be 54,000 bytes
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 3)), rng.integers(0, 2, 1000)
    options: dict[str, Any] = {"max_iter": 6, "batch_size": 1, "random_state": 0}
    estimator = MLPClassifier(**options, hidden_layer_sizes=2, tol=0, learning_rate_init=1e-5).fit(x, y)
    assert len(estimator.history_.batch_losses) == 6_000
    content = pickle.dumps(estimator)
    assert len(content) < 6_000
    unpickled = pickle.loads(content)
    assert unpickled.history_.epochs == estimator.history_.epochs
    assert unpickled.history_.batch_losses == []


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_keeps_the_batch_losses(copied: Any) -> None:
    estimator = MLPClassifier(**QUICK).fit(IRIS, SPECIES)
    other = copied(estimator)
    assert other.history_.batch_losses == estimator.history_.batch_losses != []
    assert other.get_params() == estimator.get_params()
    assert np.array_equal(other.predict(IRIS), estimator.predict(IRIS))
    other.partial_fit(IRIS, SPECIES)
    assert estimator.n_iter_ == QUICK["max_iter"]


@pytest.mark.parametrize("dump", ["pickle", "joblib"])
def test_pickled_estimator_predicts_and_trains_on_as_the_original(dump: str, tmp_path: Any) -> None:
    original = MLPClassifier(**QUICK).partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    if dump == "pickle":
        loaded = pickle.loads(pickle.dumps(original))
    else:
        joblib.dump(original, tmp_path / "estimator.joblib")
        loaded = joblib.load(tmp_path / "estimator.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(IRIS), original.predict_proba(IRIS))
    # the optimizer's memory went along
    for estimator in (original, loaded):
        estimator.partial_fit(IRIS, SPECIES)
    np.testing.assert_array_equal(loaded.predict_proba(IRIS), original.predict_proba(IRIS))


def test_repr_and_html_show_changed_parameters() -> None:
    estimator = MLPClassifier(dropout=0.5)
    assert repr(estimator) == "MLPClassifier(dropout=0.5)"
    assert "MLPClassifier" in estimator._repr_html_()
    assert "dropout" in estimator._repr_html_()
    assert "sk-estimator fitted" in estimator.set_params(max_iter=1).fit(IRIS, SPECIES)._repr_html_()


def test_predictions_are_string_labels_where_those_were_given() -> None:
    names = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    estimator = MLPClassifier(**QUICK).fit(IRIS, names)
    assert list(estimator.classes_) == ["setosa", "versicolor", "virginica"]
    assert estimator.predict(IRIS).dtype == names.dtype
    assert estimator.score(IRIS, names) > 0.9


def test_predictions_are_sparse_where_the_indicators_were() -> None:
    indicators = csr_matrix(np.eye(3, dtype=int)[SPECIES])
    predicted = MLPClassifier(**QUICK).fit(IRIS, indicators).predict(IRIS)
    assert predicted.shape == (150, 3)
    assert not isinstance(predicted, np.ndarray)


def test_uint8_rows_are_trained_on_without_a_float_copy() -> None:
    x, y = load_digits(return_X_y=True)
    pixels = x.astype(np.uint8)
    options = {"hidden_layer_sizes": 10, "max_iter": 3, "random_state": 0}
    as_bytes, as_floats = (MLPClassifier(**options).fit(rows, y) for rows in (pixels, x))
    np.testing.assert_allclose(as_bytes.coefs_[0], as_floats.coefs_[0], rtol=1e-9)
    assert as_bytes.coefs_[0].dtype == np.float64
    np.testing.assert_allclose(as_bytes.predict_proba(pixels), as_floats.predict_proba(x), rtol=1e-9)


def test_a_large_sparse_table_is_never_made_dense() -> None:
    import tracemalloc

    rng = np.random.default_rng(0)
    n_rows, n_features, stored = 20_000, 2_000, 60_000
    rows = csr_array(
        (np.ones(stored), (rng.integers(0, n_rows, stored), rng.integers(0, n_features, stored))),
        shape=(n_rows, n_features),
    )
    y = np.arange(n_rows) % 2
    estimator = MLPClassifier(hidden_layer_sizes=4, max_iter=1, random_state=0)
    tracemalloc.start()
    estimator.fit(rows, y).predict(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # dense in float64 it would take 320 MB
    assert peak < 40e6


def test_memory_of_sparse_rows_does_not_grow_with_their_columns() -> None:
    """HashingVectorizer has 2^20 columns by default; a dense batch of 200 rows would take 1.7 GB."""
    import tracemalloc

    rng = np.random.default_rng(0)
    features = 2**20
    rows = csr_array(
        (np.ones(3_000), rng.integers(0, features, 3_000), np.arange(0, 3_001, 10)), shape=(300, features)
    )
    estimator = MLPClassifier(hidden_layer_sizes=2, max_iter=1, random_state=0)
    tracemalloc.start()
    estimator.fit(rows, np.arange(300) % 2).predict(rows)
    estimator.partial_fit(rows, np.arange(300) % 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # ten times the network's 16.8 MB: its parameters, their gradient, the optimizer's memory, and copies
    assert peak < 170e6


def test_constant_features_and_a_single_class_can_be_fitted() -> None:
    x = np.ones((20, 3))
    estimator = MLPClassifier(**QUICK).fit(x, np.full(20, "only"))
    assert set(estimator.predict(x)) == {"only"}
    assert estimator.predict_proba(x).shape == (20, 2)
    assert np.isfinite(MLPRegressor(**QUICK).fit(x, np.arange(20.0)).predict(x)).all()


def test_unfitted_estimator_raises_not_fitted_error() -> None:
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            getattr(MLPClassifier(), method)(IRIS)


def test_predictions_use_weights_set_by_the_user() -> None:
    estimator = MLPRegressor(**QUICK).fit(IRIS, SPECIES.astype(float))
    estimator.coefs_[-1] = np.zeros_like(estimator.coefs_[-1])
    estimator.intercepts_[-1] = np.array([4.5])
    assert set(estimator.predict(IRIS)) == {4.5}


@pytest.mark.parametrize("estimator_class", [MLPClassifier, MLPRegressor])
def test_the_docstring_names_every_parameter_and_every_fitted_attribute(estimator_class: Any) -> None:
    text = inspect.getdoc(estimator_class) or ""
    sections = re.split(r"\n([A-Z][A-Za-z ]+)\n-+\n", text)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    documented = {
        name.strip()
        for line in re.findall(r"^(\w[\w, ]*) :", named["Parameters"], flags=re.MULTILINE)
        for name in line.split(",")
    }
    assert documented == set(estimator_class().get_params())
    pytest.importorskip("pandas", reason="pandas, whose columns name the features, is not installed")
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    target = y > 100 if estimator_class is MLPClassifier else y
    fitted = estimator_class(max_iter=1, early_stopping=True).fit(x, target)
    attributes = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    assert attributes == set(re.findall(r"^(\w+_) :", named["Attributes"], flags=re.MULTILINE))
    for section in ("Parameters", "Attributes", "See Also", "References", "Examples"):
        assert section in named
    for name, method in inspect.getmembers(estimator_class, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith("clearprop"):
            assert "Returns\n" in (inspect.getdoc(method) or "")


@pytest.mark.parametrize("estimator_class", [MLPClassifier, MLPRegressor])
def test_the_examples_of_the_docstring_run(estimator_class: Any) -> None:
    import doctest

    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for test in finder.find(estimator_class, estimator_class.__name__):
            runner.run(test)
    assert runner.summarize(verbose=False) == (0, runner.tries)
    assert runner.tries >= 4


class OneCallback(cp.Callback):
    pass


@pytest.mark.parametrize("callbacks", [[7], [print], [OneCallback]])
def test_invalid_callbacks_are_refused_before_training(callbacks: list[object]) -> None:
    with pytest.raises(InvalidArgument, match=r"callbacks\[0\] is .*, but must be an object of a subclass"):
        cp.MLPClassifier(callbacks=callbacks).fit(np.eye(4), [0, 1, 0, 1])
    train, _, _ = cp.load_data("digits").split(validation=0, seed=0)
    with pytest.raises(InvalidArgument, match=r"callbacks\[0\] is "):
        cp.train(cp.Network((784, 2, 10)), cp.Recipe(epochs=1), train, callbacks=callbacks)
