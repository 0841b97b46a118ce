"""Estimators beyond scikit-learn: options, convergence, class weights, interruption, and error messages."""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from clearprop import Callback, ClearpropError, MLPClassifier, MLPRegressor
from clearprop.estimator.full_batch import Objective, pack
from clearprop.estimator.labels import learn_labels
from clearprop.estimator.stochastic import TrainingData
from clearprop.nn.schedules import SCHEDULES
from clearprop.training.callbacks import TrainingState

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS[:300] / 16
DIGIT = DIGIT[:300]
QUICK: dict[str, Any] = {"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0}


def rates(estimator: Any) -> list[float]:
    return [record["learning_rate"] for record in estimator.history_.epochs]


def weights(estimator: Any) -> np.ndarray:
    return np.concatenate([array.ravel() for array in estimator.coefs_ + estimator.intercepts_])


class Watch(Callback):
    """Keeps the weights and rates it sees, and stops after some epochs."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.stop_after = stop_after
        self.steps = 0
        self.parameters: list[Any] = []

    def on_batch_end(self, state: TrainingState) -> None:
        self.steps += 1

    def on_epoch_end(self, state: TrainingState) -> None:
        self.parameters.append(state.engine.parameters())
        state.stop = state.epoch >= self.stop_after


# the learning rate, which scikit-learn's tests read from a private attribute


@pytest.mark.parametrize("power_t", [0.25, 0.5])
def test_invscaling_follows_the_rows_seen_through_a_warm_start(power_t: float) -> None:
    x, y = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    estimator = MLPClassifier(
        solver="sgd", learning_rate="invscaling", power_t=power_t, max_iter=3, warm_start=True
    ).fit(x, y)
    expected = [0.001 / (4 * epoch + 1) ** power_t for epoch in range(3)]
    assert rates(estimator) == pytest.approx(expected)
    # a fit that goes on takes the initial rate until its first epoch has ended
    estimator.fit(x, y)
    expected = [0.001, *(0.001 / (4 * epoch + 1) ** power_t for epoch in (4, 5))]
    assert rates(estimator) == pytest.approx(expected)


def test_constant_learning_rate_stays() -> None:
    estimator = MLPClassifier(solver="sgd", max_iter=3).fit(IRIS, SPECIES)
    assert rates(estimator) == [0.001] * 3


def test_adaptive_learning_rate_is_divided_until_training_stops() -> None:
    estimator = MLPClassifier(tol=0.5, max_iter=3000, solver="sgd", learning_rate="adaptive")
    estimator.fit([[3, 2], [1, 6]], [1, 0])
    assert estimator.n_iter_ < 3000
    distinct = sorted(set(rates(estimator)), reverse=True)
    assert distinct == pytest.approx([0.001 / 5**power for power in range(6)])
    assert distinct[-1] < 1e-6


def test_partial_fit_keeps_an_adaptive_rate() -> None:
    estimator = MLPClassifier(tol=10, n_iter_no_change=1, solver="sgd", learning_rate="adaptive")
    seen = []
    for _ in range(7):
        estimator.partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
        seen += rates(estimator)
    assert seen == pytest.approx([0.001] * 3 + [0.0002] * 2 + [0.00004] * 2)


# the gradient, which scikit-learn's tests ask a private method for


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "targets"),
    [("MLPClassifier", SPECIES), ("MLPClassifier", SPECIES == 1), ("MLPRegressor", np.c_[SPECIES, -SPECIES])],
)
def test_lbfgs_gradient_agrees_with_finite_differences_of_its_loss(
    name: str, targets: Any, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # several chunks, the last one smaller
    monkeypatch.setattr("clearprop.estimator.full_batch.CHUNK", 64)
    kind = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    estimator = kind(hidden_layer_sizes=5, activation="tanh", solver="lbfgs", max_iter=2, alpha=0.3)
    estimator.set_params(random_state=0).fit(IRIS, targets)
    parameters = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    weight = np.random.default_rng(0).uniform(0, 2, len(IRIS)) if weighted else None
    learned = learn_labels(targets).encode(targets) if name == "MLPClassifier" else targets
    objective = Objective(estimator, TrainingData(IRIS, learned, weight, weight), parameters)
    vector = pack(parameters)
    _, gradient = objective(vector)
    steps = np.eye(len(vector)) * 1e-6
    numeric = [(objective(vector + step)[0] - objective(vector - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_lbfgs_reports_the_loss_of_several_outputs_as_scikit_learn_does() -> None:
    x, y = load_diabetes(return_X_y=True)
    y = np.c_[y, -y] / 100
    estimator = MLPRegressor(solver="lbfgs", alpha=0.5, max_iter=20, random_state=0).fit(x, y)
    penalty = 0.5 / 2 / len(x) * sum((weight**2).sum() for weight in estimator.coefs_)
    assert estimator.loss_ == pytest.approx(np.mean((estimator.predict(x) - y) ** 2) / 2 + penalty)


# beyond scikit-learn


def test_dropout_is_applied_in_training_only() -> None:
    plain, dropped, again = (
        MLPClassifier(**QUICK, dropout=dropout).fit(DIGITS, DIGIT) for dropout in (0.0, 0.5, 0.5)
    )
    assert (weights(dropped) == weights(again)).all()
    assert np.abs(weights(dropped) - weights(plain)).max() > 1e-4
    assert (dropped.predict_proba(DIGITS) == dropped.predict_proba(DIGITS)).all()


def test_each_layer_can_have_its_own_activation() -> None:
    estimator = MLPClassifier((6, 4), ["tanh", "identity"], max_iter=2, random_state=0).fit(IRIS, SPECIES)
    hidden = np.tanh(IRIS @ estimator.coefs_[0] + estimator.intercepts_[0])
    hidden = hidden @ estimator.coefs_[1] + estimator.intercepts_[1]
    logits = hidden @ estimator.coefs_[2] + estimator.intercepts_[2]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimator.predict_proba(IRIS), expected)


def test_one_activation_name_equals_the_same_name_for_each_layer() -> None:
    one, each = (
        MLPClassifier((6, 4), activation, max_iter=2, random_state=0).fit(IRIS, SPECIES)
        for activation in ("logistic", ["logistic", "logistic"])
    )
    assert (weights(one) == weights(each)).all()


@pytest.mark.parametrize(("solver", "nesterov"), [("momentum", False), ("nesterov", True)])
def test_momentum_solvers_equal_sgd_with_that_momentum(solver: str, nesterov: bool) -> None:
    named = MLPClassifier(**QUICK, solver=solver).fit(DIGITS, DIGIT)
    chosen = MLPClassifier(**QUICK, solver="sgd", nesterovs_momentum=nesterov).fit(DIGITS, DIGIT)
    assert (weights(named) == weights(chosen)).all()


def test_adamw_decay_is_no_part_of_the_loss() -> None:
    weak, strong = (
        MLPClassifier(**{**QUICK, "max_iter": 60}, solver="adamw", learning_rate_init=0.01, alpha=alpha).fit(
            DIGITS, DIGIT
        )
        for alpha in (0.0, 1.0)
    )
    assert np.linalg.norm(weights(strong)) < 0.8 * np.linalg.norm(weights(weak))
    # the very first batch is measured before any decay, and holds no penalty
    assert strong.history_.batch_losses[0] == weak.history_.batch_losses[0]


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_a_schedule_runs_over_max_iter_epochs(schedule: str) -> None:
    estimator = MLPClassifier(hidden_layer_sizes=4, max_iter=4, schedule=schedule, batch_size=75)
    estimator.fit(IRIS, SPECIES)
    expected = [0.001 * SCHEDULES[schedule](step / 8) for step in (1, 3, 5, 7)]
    assert rates(estimator) == pytest.approx(expected)


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_only_a_constant_schedule_warns_that_max_iter_was_reached(
    schedule: str, recwarn: pytest.WarningsRecorder
) -> None:
    MLPClassifier(**QUICK, schedule=schedule).fit(IRIS, SPECIES)
    assert [warning.category for warning in recwarn] == [ConvergenceWarning] * (schedule == "constant")


def test_infinite_logits_give_probabilities_without_a_warning() -> None:
    estimator = MLPClassifier((4,), random_state=0).partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    estimator.intercepts_[-1] = np.array([np.inf, -np.inf, np.inf])
    np.testing.assert_array_equal(estimator.predict_proba(IRIS), np.tile([0.5, 0, 0.5], (150, 1)))
    np.testing.assert_array_equal(estimator.predict_log_proba(IRIS)[:, 1], -np.inf)
    assert (estimator.predict(IRIS) == 0).all()
    estimator.intercepts_[-1] = np.array([0, np.nan, 0])
    assert np.isnan(estimator.predict_proba(IRIS)).all()


def test_label_smoothing_keeps_probabilities_from_the_ends() -> None:
    for targets in (SPECIES, SPECIES == 0):
        sharp, smooth = (
            MLPClassifier(solver="lbfgs", alpha=0, random_state=0, label_smoothing=share).fit(IRIS, targets)
            for share in (0.0, 0.3)
        )
        n_classes = len(sharp.classes_)
        assert sharp.predict_proba(IRIS).max() > 0.999
        # what a row of a class tends to: 1 - s + s / K
        most = np.median(smooth.predict_proba(IRIS).max(axis=1))
        assert most == pytest.approx(0.7 + 0.3 / n_classes, abs=0.01)


def test_class_weights_are_weights_of_the_rows() -> None:
    of_classes = {0: 3.0, 1: 0.5, 2: 1.0}
    named = MLPClassifier(**QUICK, class_weight=of_classes).fit(IRIS, SPECIES)
    given = MLPClassifier(**QUICK).fit(IRIS, SPECIES, np.array([3.0, 0.5, 1.0])[SPECIES])
    assert (weights(named) == weights(given)).all()
    rows = np.r_[0:50, 50:60, 100:105]
    balanced = MLPClassifier(**QUICK, class_weight="balanced").fit(IRIS[rows], SPECIES[rows])
    shares = len(rows) / 3 / np.bincount(SPECIES[rows])
    given = MLPClassifier(**QUICK).fit(IRIS[rows], SPECIES[rows], shares[SPECIES[rows]])
    np.testing.assert_allclose(weights(balanced), weights(given), rtol=1e-9)


@pytest.mark.parametrize("initialization", ["glorot_normal", "he_uniform", "torch_default"])
def test_named_initialization_draws_the_initial_weights(initialization: str) -> None:
    one, again, auto = (
        MLPClassifier(**{**QUICK, "max_iter": 1}, initialization=name).fit(IRIS, SPECIES)
        for name in (initialization, initialization, "auto")
    )
    assert (weights(one) == weights(again)).all()
    assert np.abs(weights(one) - weights(auto)).max() > 0.01


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "momentum", "nesterov", "lbfgs"])
def test_both_engines_fit_the_same_network(solver: str) -> None:
    pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    options = {**QUICK, "solver": solver, "alpha": 0.1}
    in_numpy, in_torch = (
        MLPClassifier(**options, engine=engine, device="cpu").fit(IRIS, SPECIES)
        for engine in ("numpy", "torch")
    )
    np.testing.assert_allclose(weights(in_torch), weights(in_numpy), atol=1e-9)
    if solver != "lbfgs":
        for estimator in (in_numpy, in_torch):
            estimator.partial_fit(IRIS, SPECIES)
        np.testing.assert_allclose(weights(in_torch), weights(in_numpy), atol=1e-9)


def test_the_torch_engine_rescales_its_velocity_like_the_numpy_engine() -> None:
    pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    options = {**QUICK, "solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1}
    in_numpy, in_torch = (
        MLPRegressor(**options, engine=engine, device="cpu").fit(IRIS, SPECIES.astype(float))
        for engine in ("numpy", "torch")
    )
    np.testing.assert_allclose(weights(in_torch), weights(in_numpy), atol=1e-9)


def test_callbacks_see_every_batch_and_may_stop() -> None:
    watch = Watch(stop_after=2)
    estimator = MLPClassifier(**QUICK, batch_size=50, callbacks=[watch]).fit(IRIS, SPECIES)
    assert (estimator.n_iter_, watch.steps) == (2, 6)
    np.testing.assert_array_equal(watch.parameters[-1][0][0], estimator.coefs_[0])


def test_the_history_holds_every_batch() -> None:
    estimator = MLPClassifier(**QUICK, batch_size=50).fit(IRIS, SPECIES)
    assert len(estimator.history_.batch_losses) == 15
    assert estimator.history_.column("train_loss") == estimator.loss_curve_


def test_restore_best_takes_the_epoch_of_the_lowest_loss() -> None:
    # a learning rate so large that the loss goes up and down
    watch = Watch()
    options = {**QUICK, "max_iter": 12, "learning_rate_init": 0.5, "callbacks": [watch]}
    estimator = MLPClassifier(**options, restore_best=True).fit(DIGITS, DIGIT)
    best = int(np.argmin(estimator.loss_curve_))
    assert best < 11
    np.testing.assert_array_equal(estimator.coefs_[0], watch.parameters[best][0][0])


def test_early_stopping_without_restoring_keeps_the_last_epoch() -> None:
    watch = Watch()
    options = {**QUICK, "max_iter": 12, "learning_rate_init": 0.5, "callbacks": [watch]}
    estimator = MLPClassifier(**options, early_stopping=True, restore_best=False).fit(DIGITS, DIGIT)
    np.testing.assert_array_equal(estimator.coefs_[0], watch.parameters[-1][0][0])


def test_validation_data_is_scored_after_every_epoch() -> None:
    estimator = MLPClassifier(**QUICK)
    estimator.fit(DIGITS[:200], DIGIT[:200], validation_data=(DIGITS[200:], DIGIT[200:]))
    assert len(estimator.validation_scores_) == 5
    assert estimator.validation_scores_[-1] == estimator.score(DIGITS[200:], DIGIT[200:])
    assert estimator.best_validation_score_ == max(estimator.validation_scores_)
    # training went on by the loss, on all rows
    assert estimator.best_loss_ == min(estimator.loss_curve_)
    plain = MLPClassifier(**QUICK).fit(DIGITS[:200], DIGIT[:200])
    assert (weights(estimator) == weights(plain)).all()


def test_validation_data_replaces_the_held_out_rows() -> None:
    estimator = MLPClassifier(**{**QUICK, "max_iter": 300}, early_stopping=True, n_iter_no_change=3)
    weight = np.ones(100)
    estimator.fit(DIGITS[:200], DIGIT[:200], validation_data=(DIGITS[200:], DIGIT[200:], weight))
    assert estimator.n_iter_ < 300
    # all rows were trained on, and the best epoch was gone back to
    assert estimator.t_ == 200 * estimator.n_iter_
    assert estimator.score(DIGITS[200:], DIGIT[200:]) == estimator.best_validation_score_


@pytest.mark.parametrize(
    ("learned", "validated", "named"),
    [
        (SPECIES, SPECIES + 1, "3"),
        (SPECIES // 2, SPECIES, "2"),
        (SPECIES, SPECIES.astype(str), "'0', '1', '2'"),
        (SPECIES.astype(str), np.char.add("iris ", SPECIES.astype(str)), "'iris 0', 'iris 1', 'iris 2'"),
        (SPECIES, np.arange(150), "3, 4, 5 and 144 more"),
        (SPECIES, SPECIES / 4, "0.25, 0.5"),
    ],
    ids=["several classes", "two classes", "numbers as text", "names", "many", "no whole numbers"],
)
def test_unknown_labels_of_validation_data_are_named(learned: Any, validated: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"validation_data has labels that y has not: {named}; leave their"):
        MLPClassifier(**QUICK).fit(IRIS, learned, validation_data=(IRIS, validated))


def test_validation_data_need_not_hold_every_class() -> None:
    estimator = MLPClassifier(**QUICK).fit(IRIS, SPECIES, validation_data=(IRIS[:60], SPECIES[:60]))
    assert estimator.validation_scores_[-1] == estimator.score(IRIS[:60], SPECIES[:60])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_validation_data_with_other_columns_is_refused(kind: Any) -> None:
    indicators = np.eye(3, dtype=int)[SPECIES]
    with pytest.raises(ValueError, match="A row of y is 3 wide, but one of validation_data's y 2"):
        kind(**QUICK).fit(IRIS, indicators, validation_data=(IRIS, indicators[:, :2]))


def test_score_uses_sample_weight_without_class_weight() -> None:
    estimator = MLPClassifier(**QUICK, class_weight={0: 100.0, 1: 1.0, 2: 1.0})
    estimator.fit(IRIS, SPECIES, validation_data=(IRIS, SPECIES))
    assert estimator.validation_scores_[-1] == estimator.score(IRIS, SPECIES)


def test_diverging_training_restores_the_best_weights_and_warns() -> None:
    estimator = MLPRegressor(
        activation="identity", solver="sgd", learning_rate_init=1, restore_best=True, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="the loss became NaN or infinite in iteration"):
        estimator.fit(IRIS, 1e3 * SPECIES)
    assert np.isfinite(weights(estimator)).all()


def test_ctrl_c_keeps_the_learned_parameters() -> None:
    class Interrupt(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            if state.epoch == 3:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        estimator = MLPClassifier(**QUICK, callbacks=[Interrupt()]).fit(IRIS, SPECIES)
    three = MLPClassifier(**{**QUICK, "max_iter": 3}).fit(IRIS, SPECIES)
    assert (weights(estimator) == weights(three)).all()


@pytest.mark.parametrize(("engine", "name"), [("numpy", "NumpyEngine"), ("torch", "TorchEngine")])
def test_ctrl_c_in_the_middle_of_a_step_keeps_the_finished_epochs_only(
    engine: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
    few = {**QUICK, "max_iter": 2, "engine": engine}
    two = MLPClassifier(**few).fit(IRIS, SPECIES)
    kind = getattr(importlib.import_module(f"clearprop.engines.{engine}_engine"), name)
    whole, steps = kind.train_step, len(two.history_.batch_losses)

    def cut(self: Any, rows: Any, learning_rate: float) -> float:
        nonlocal steps
        steps -= 1
        loss = whole(self, rows, learning_rate)
        if steps < 0:
            # it has changed the parameters already
            raise KeyboardInterrupt
        return loss

    monkeypatch.setattr(kind, "train_step", cut)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        estimator = MLPClassifier(**{**few, "max_iter": 9}).fit(IRIS, SPECIES)
    assert (weights(estimator) == weights(two)).all()
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 2
    # before the first epoch is finished there is where it began
    steps = 0
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        again = MLPClassifier(**few).fit(IRIS, SPECIES)
    assert again.n_iter_ == 0


def test_no_hidden_layer_is_a_linear_model() -> None:
    estimator = MLPClassifier((), max_iter=5, random_state=0).fit(IRIS, SPECIES)
    assert [weight.shape for weight in estimator.coefs_] == [(4, 3)]


# what they say

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a value out of range": ({"alpha": -1}, "The 'alpha' parameter of MLPClassifier must be a float in"),
    "an unknown solver": ({"solver": "adagrad"}, "The 'solver' parameter of MLPClassifier must be a str"),
    "a size of zero": ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes must be > 0, got \[5, 0\]\."),
    "an unknown activation": ({"activation": ["swish"]}, "activation names 'swish', but must name only"),
    "an activation that is no name": ({"activation": [["relu"]]}, r"activation names \['relu'\], but must"),
    "too many activations": (
        {"activation": ["relu", "tanh"]},
        "activation names 2 functions, but hidden_layer_sizes has 1 layers",
    ),
    "dropout for lbfgs": ({"solver": "lbfgs", "dropout": 0.5}, 'dropout is 0.5, but solver="lbfgs" looks'),
    "a schedule for lbfgs": (
        {"solver": "lbfgs", "schedule": "cosine"},
        "schedule is 'cosine', but solver=\"lbfgs\" looks at all rows at once and has no use for it",
    ),
    "callbacks for lbfgs": ({"solver": "lbfgs", "callbacks": [Callback()]}, 'but solver="lbfgs" looks at'),
    "a device NumPy has not": ({"device": "cuda"}, 'but the NumPy engine runs on "cpu" only'),
    "a class that is not there": (
        {"class_weight": {0: 1.0, 7: 2.0}},
        "The classes, .*, are not in class_weight",
    ),
    "a class that weighs nothing known": (
        {"class_weight": {0: 1.0, 1: float("nan"), 2: 1.0}},
        r"class_weight\[1\] is nan, but must be a number at least 0",
    ),
    "a class that weighs a word": ({"class_weight": {0: "much"}}, r"class_weight\[0\] is 'much', but must"),
    "a class that weighs too much": ({"class_weight": {0: 10**400}}, r"class_weight\[0\] is 100.*, but must"),
    "classes of no weight": ({"class_weight": {0: 0, 1: 0, 2: 0}}, "class_weight leaves no row any weight"),
    "classes of no weight for lbfgs": (
        {"class_weight": {0: 0, 1: 0, 2: 0}, "solver": "lbfgs"},
        "class_weight leaves no row any weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_gives_one_sentence(mistake: str) -> None:
    options, words = MISTAKES[mistake]
    with pytest.raises(ValueError, match=words):
        MLPClassifier(**options).fit(IRIS, SPECIES)


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ([{0: 1}, {0: float("nan")}], r"class_weight\[1\]\[0\] is nan, but must"),
        ([{0: 1}, "even"], r"class_weight\[1\] is 'even', but must be a dict of weights or \"balanced\""),
    ],
)
def test_invalid_class_weight_of_a_label_is_named(class_weight: object, words: str) -> None:
    labels = np.stack([SPECIES == 0, SPECIES == 1], axis=1).astype(int)
    with pytest.raises(ValueError, match=words):
        MLPClassifier(**QUICK, class_weight=class_weight).fit(IRIS, labels)


def test_sample_and_class_weights_that_leave_no_row_are_refused() -> None:
    estimator = MLPClassifier(**QUICK, class_weight={0: 0, 1: 1, 2: 1})
    with pytest.raises(ValueError, match="class_weight leaves no row any weight"):
        estimator.fit(IRIS, SPECIES, sample_weight=(SPECIES == 0) * 1.0)


def test_lbfgs_takes_every_option_it_can_use(recwarn: pytest.WarningsRecorder) -> None:
    options = {"initialization": "he_normal", "label_smoothing": 0.2, "class_weight": "balanced"}
    plain = MLPClassifier(solver="lbfgs", max_iter=5, random_state=0).fit(IRIS, SPECIES[::-1] // 2)
    for name, value in options.items():
        estimator = MLPClassifier(solver="lbfgs", max_iter=5, random_state=0, **{name: value})
        assert (weights(estimator.fit(IRIS, SPECIES[::-1] // 2)) != weights(plain)).any(), name


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_partial_fit_has_no_schedule(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"schedule is 'step', but partial_fit trains one epoch"):
        kind(schedule="step").partial_fit(
            IRIS, SPECIES, **({"classes": [0, 1, 2]} if kind is MLPClassifier else {})
        )


def test_invalid_parameters_raise_clearprop_errors() -> None:
    with pytest.raises(ClearpropError):
        MLPRegressor(tol=-1).fit(IRIS, SPECIES)


def test_warm_start_with_early_stopping_keeps_the_best_weights_of_earlier_fits() -> None:
    estimator = MLPClassifier(warm_start=True, early_stopping=True, max_iter=40, random_state=0)
    estimator.fit(DIGITS, DIGIT)
    before, score = weights(estimator), estimator.best_validation_score_
    # far too large a step
    estimator.set_params(learning_rate_init=3.0).fit(DIGITS, DIGIT)
    assert estimator.best_validation_score_ == score
    assert np.array_equal(weights(estimator), before)


# class_weight over all classes


def test_partial_fit_weighs_a_batch_without_some_classes() -> None:
    two = SPECIES < 2
    options = {"hidden_layer_sizes": 8, "random_state": 0}
    named = MLPClassifier(**options, class_weight={1: 3.0, 2: 5.0})
    named.partial_fit(IRIS[two], SPECIES[two], classes=[0, 1, 2])
    weighted = MLPClassifier(**options)
    weighted.partial_fit(IRIS[two], SPECIES[two], np.where(SPECIES[two] == 1, 3.0, 1.0), classes=[0, 1, 2])
    assert np.array_equal(weights(named), weights(weighted))
    named.partial_fit(IRIS[SPECIES == 0], SPECIES[SPECIES == 0])


def test_partial_fit_weighs_a_batch_of_one_of_two_classes() -> None:
    names = np.array(["no", "yes"])[(SPECIES == 2).astype(int)]
    estimator = MLPClassifier(hidden_layer_sizes=8, class_weight={"yes": 7.0})
    estimator.partial_fit(IRIS[:50], names[:50], classes=["no", "yes"])
    assert estimator.t_ == 50


def test_partial_fit_on_classes_of_weight_0_changes_no_weights() -> None:
    estimator = MLPClassifier(**QUICK, solver="sgd", momentum=0, class_weight={0: 0})
    estimator.partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    before = weights(estimator)
    estimator.partial_fit(IRIS[:50], SPECIES[:50])
    assert np.array_equal(weights(estimator), before)
    assert estimator.t_ == 200


def test_indicators_without_a_label_are_weighed() -> None:
    indicators = np.stack([SPECIES == 0, SPECIES == 1], axis=1).astype(int)
    options: dict[str, Any] = {**QUICK, "class_weight": [{1: 2.0}, {1: 4.0}]}
    for first, second in ((indicators[:50], indicators[100:]), (indicators[100:], indicators[:50])):
        estimator = MLPClassifier(**options).partial_fit(IRIS[:50], first, classes=[0, 1])
        estimator.partial_fit(IRIS[:50], second)
        assert estimator.t_ == 100
    fitted = MLPClassifier(**options).fit(IRIS[50:], indicators[50:])
    row_weight = np.where(indicators[50:, 1] == 1, 4.0, 1.0)
    weighted = MLPClassifier(**QUICK).fit(IRIS[50:], indicators[50:], row_weight)
    assert np.array_equal(weights(fitted), weights(weighted))


@pytest.mark.parametrize(
    ("class_weight", "labels", "words"),
    [
        ([{1: 2.0}], SPECIES, "class_weight is a list, but y is no label indicators"),
        ({1: 2.0}, np.eye(3, dtype=int)[SPECIES], "class_weight is a dict, but y holds label indicators"),
        ([{1: 2.0}], np.eye(3, dtype=int)[SPECIES], "class_weight has 1 entries, but y has 3 labels"),
    ],
)
def test_class_weight_of_another_kind_of_labels_is_refused(
    class_weight: object, labels: np.ndarray, words: str
) -> None:
    with pytest.raises(ClearpropError, match=words):
        MLPClassifier(**QUICK, class_weight=class_weight).fit(IRIS, labels)


@pytest.mark.parametrize("class_weight", ["balanced", [{1: 2.0}, "balanced", {1: 2.0}]])
def test_partial_fit_refuses_balanced_weights(class_weight: object) -> None:
    estimator = MLPClassifier(class_weight=class_weight)
    with pytest.raises(ClearpropError, match='class_weight is "balanced", but partial_fit'):
        estimator.partial_fit(IRIS, np.eye(3, dtype=int)[SPECIES], classes=[0, 1, 2])


# numpy.errstate around it


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_underflow_is_no_error_where_numpy_is_told_to_raise(solver: str, activation: str) -> None:
    options: dict[str, Any] = {**QUICK, "solver": solver, "activation": activation}
    fits: list[tuple[Any, np.ndarray]] = [
        (MLPClassifier(**options), DIGIT),
        (MLPClassifier(**options), DIGIT > 4),
        (MLPRegressor(**options), DIGIT * 1e-3),
        (MLPRegressor(**options, loss="poisson"), DIGIT * 1.0),
    ]
    for estimator, targets in fits:
        with np.errstate(all="raise"):
            estimator.fit(DIGITS * 100, targets)
            estimator.predict(DIGITS * 1000)
            if isinstance(estimator, MLPClassifier):
                estimator.predict_log_proba(DIGITS * 1000)


def test_invalid_data_gives_one_sentence() -> None:
    fitted = MLPClassifier(**QUICK).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match=r"validation_data is not \(X, y\)"):
        fitted.fit(IRIS, SPECIES, validation_data=IRIS)
    with pytest.raises(ValueError, match='validation_data was given, but solver="lbfgs"'):
        MLPClassifier(solver="lbfgs").fit(IRIS, SPECIES, validation_data=(IRIS, SPECIES))
    with pytest.raises(ValueError, match="sample_weight sums to zero"):
        fitted.fit(IRIS, SPECIES, np.full(150, -1.0))
    with pytest.raises(ValueError, match='y holds -1, but loss="poisson"'):
        MLPRegressor(loss="poisson").fit(IRIS, SPECIES - 1)
    with pytest.raises(ValueError, match='class_weight is "balanced", but partial_fit'):
        MLPClassifier(class_weight="balanced").partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="y is of type multilabel-indicator, but"):
        MLPClassifier(**QUICK, warm_start=True).fit(IRIS, SPECIES).fit(IRIS, np.eye(3, dtype=int)[SPECIES])
    with pytest.raises(ValueError, match=re.escape("`y` has classes not in `self.classes_`")):
        fitted.partial_fit(IRIS, SPECIES + 1)


@pytest.mark.parametrize("estimator", [MLPClassifier(solver="lbfgs"), MLPRegressor(solver="lbfgs")])
def test_lbfgs_has_no_partial_fit(estimator: Any) -> None:
    assert not hasattr(estimator, "partial_fit")


def test_optimizer_state_of_another_solver_is_dropped() -> None:
    estimator = MLPClassifier(**QUICK).partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    estimator.set_params(solver="sgd").partial_fit(IRIS, SPECIES)
    assert np.isfinite(weights(estimator)).all()
