"""Notes on the published figures are computed from the run's results."""

from __future__ import annotations

import copy

import pytest
from report_fixtures import DIGITS, MNIST_TEST, diverged, experiment, on_mnist, published, run, study

from clearprop.nn.losses import double_softmax_floor
from clearprop.report.facts.published import compare, on_published_data, swapped_tables
from clearprop.report.sections.published_notes import published_notes
from clearprop.study.results import ExperimentResult, StudyResults

DOUBLED = {"loss": "double_softmax", "optimizer": "adam", "activation": "sigmoid"}


def note(results: StudyResults, title: str) -> str:
    (found,) = (each for each in published_notes(results) if title in each.title)
    return " ".join(found.sentences)


def doubled(name: str = "torch-sigmoid-adam", **settings) -> ExperimentResult:
    runs = settings.pop("seeds", None) or [run(name, end=1.6)]
    return experiment(name, runs, **(DOUBLED | settings))


def test_study_without_published_figures_has_no_notes() -> None:
    assert published_notes(study(experiment("a"))) == []


# ---- The softmax applied twice -----------------------------------------------------------------------


def test_note_gives_the_bound_and_the_lowest_loss() -> None:
    text = note(study(doubled(), published=published()), "twice")
    assert "log(1 + 9/e) = 1.461" in text
    assert "this run reached is 1.600 (torch-sigmoid-adam), 0.139 above that bound" in text


def test_bound_depends_on_the_number_of_classes() -> None:
    names = ("cat", "dog", "owl")
    results = study(
        doubled(seeds=[run("torch-sigmoid-adam", class_names=names, end=1.0)], layer_sizes=[36, 3]),
        class_names=names,
        published=published(),
    )
    assert f"log(1 + 2/e) = {double_softmax_floor(3):.3f}" in note(results, "twice")


def test_loss_below_the_bound_is_called_a_contradiction() -> None:
    results = study(doubled(seeds=[run("torch-sigmoid-adam", end=0.4)]), published=published())
    assert "should not be trusted" in note(results, "twice")


def test_nothing_is_claimed_without_a_doubled_softmax() -> None:
    text = note(study(experiment("numpy-tanh"), published=published()), "twice")
    assert text == "No experiment in these results applies the softmax twice, so they say nothing about it."


@pytest.mark.parametrize(
    ("once", "verdict"),
    [
        ((0.3, 0.95, 0.96, 0.97), "got there after 2, so here training is slower with two"),
        ((0.1, 0.2, 0.3, 0.9), "needed 4 to get there: no slowing shows here"),
        ((0.1, 0.2, 0.3, 0.4), "never reached: no slowing shows here"),
    ],
)
def test_slowing_is_claimed_only_if_one_softmax_was_faster(once, verdict: str) -> None:
    partner = experiment(
        "torch-sigmoid-adam-logits",
        [run("torch-sigmoid-adam-logits", validation=once)],
        optimizer="adam",
        activation="sigmoid",
    )
    text = note(study(doubled(), partner, published=published()), "twice")
    assert "validation accuracy 0.9000 after 4 epochs" in text
    assert verdict in text
    assert "learning rates differ" not in text


def test_different_learning_rates_are_named_as_a_possible_cause() -> None:
    partner = experiment(
        "torch-sigmoid-adam-logits", optimizer="adam", activation="sigmoid", learning_rate=0.001
    )
    text = note(study(doubled(), partner, published=published()), "twice")
    assert "The learning rates differ, 0.01 and 0.001" in text


# ---- L2 on top ---------------------------------------------------------------------------------------


def with_decay(*seeds) -> ExperimentResult:
    return doubled("torch-sigmoid-adam-l2", seeds=list(seeds), weight_decay=0.001)


def test_collapse_note_names_the_class_and_the_published_collapse() -> None:
    l2 = with_decay(run("torch-sigmoid-adam-l2", only=7, end=2.3))
    text = note(study(doubled(), l2, published=published()), "L2")
    assert "predicts one class for every test row: 7; its test accuracy, 0.1000, is the share" in text
    assert "Without the decay, torch-sigmoid-adam predicts 10 classes" in text
    assert "all 10,000 predictions are 0" in text


def test_collapses_into_different_classes_are_listed_by_seed() -> None:
    runs = [run("torch-sigmoid-adam-l2", seed=seed, only=only, end=2.3) for seed, only in enumerate((3, 5))]
    text = note(study(with_decay(*runs), published=published()), "L2")
    assert "3 (seed 0) and 5 (seed 1)" in text


def test_number_of_collapsed_seeds_is_given() -> None:
    runs = [run("torch-sigmoid-adam-l2", end=1.6), run("torch-sigmoid-adam-l2", seed=1, only=5, end=2.3)]
    assert "with 1 of 2 seeds: 5." in note(study(with_decay(*runs), published=published()), "L2")


def test_missing_collapse_is_reported() -> None:
    text = note(study(with_decay(run("torch-sigmoid-adam-l2", end=1.6)), published=published()), "L2")
    assert (
        "did not fall into one class in this run: it predicts 10 of 10 classes, at test accuracy 0.9000"
        in text
    )


def test_decay_is_not_blamed_if_the_network_without_it_collapsed_too() -> None:
    without = doubled(seeds=[run("torch-sigmoid-adam", only=1, end=2.3)])
    l2 = with_decay(run("torch-sigmoid-adam-l2", only=7, end=2.3))
    assert "the decay is not the only cause here" in note(study(without, l2, published=published()), "L2")


# ---- Truth and prediction swapped --------------------------------------------------------------------


def test_swapped_tables_are_found_by_their_support() -> None:
    results = study(experiment("numpy-tanh"), published=published())
    assert swapped_tables(results) == ["torch-sigmoid-adam", "torch-sigmoid-adam-l2"]
    text = note(results, "swapped")
    assert "is 980 in the other 3, but 998 in torch-sigmoid-adam and 10,000 in torch-sigmoid-adam-l2" in text


def test_own_test_set_is_cited_only_on_mnist() -> None:
    results = study(experiment("numpy-tanh"), published=published())
    witness = "The test set read for this run has 980 rows of class 0."
    assert witness in note(on_mnist(results), "swapped")
    assert witness not in note(results, "swapped")


def test_tables_with_equal_support_are_not_called_swapped() -> None:
    only_numpy = {name: figures for name, figures in published().items() if name.startswith("numpy")}
    text = note(study(experiment("numpy-tanh"), published=only_numpy), "swapped")
    assert "nothing shows that any is swapped" in text


def test_comparison_swaps_precision_and_recall_back() -> None:
    results = study(doubled(), experiment("numpy-tanh"), published=published())
    torch, numpy = compare(results)
    table = published()["torch-sigmoid-adam"]["test"]["classes"]["9"]
    pairs = torch.classes["test"]["9"]
    assert (pairs["precision"].published, pairs["recall"].published) == (table["recall"], table["precision"])
    assert (torch.swapped, numpy.swapped) == (True, False)


def test_comparison_uses_the_mean_over_seeds() -> None:
    runs = [run("numpy-tanh", accuracy=0.9), run("numpy-tanh", seed=1, accuracy=0.8)]
    (found,) = compare(study(experiment("numpy-tanh", runs), published=published()))
    assert found.accuracy["test"].reproduced == pytest.approx(0.85)
    assert found.accuracy["test"].difference == pytest.approx(0.85 - 0.95)


def test_classes_with_other_names_are_not_compared() -> None:
    names = tuple("abcdefghij")
    runs = [run("numpy-tanh", class_names=names)]
    (found,) = compare(study(experiment("numpy-tanh", runs), class_names=names, published=published()))
    assert found.classes == {}


def test_mnist_is_recognized_by_name_or_test_set() -> None:
    digits = study(experiment("numpy-tanh"), published=published())
    assert not on_published_data(digits)
    assert on_published_data(on_mnist(digits))
    folder = on_mnist(digits).data.model_copy(update={"name": "some-folder"})
    assert on_published_data(digits.model_copy(update={"data": folder}))
    assert sum(MNIST_TEST) == 10_000


# ---- The sigmoid's accuracy --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("validation", "text"),
    [
        (
            (0.3, 0.66, 0.7, 0.76),
            "reaches it after 2 of 4 epochs, and after 4 epochs it has validation accuracy 0.7600",
        ),
        ((0.3, 0.4, 0.5, 0.7), "reaches it in the last epoch only"),
        ((0.1, 0.2, 0.3, 0.4), "never reaches it: after 4 epochs it has validation accuracy 0.4000"),
    ],
)
def test_note_gives_the_epoch_that_reaches_the_published_accuracy(validation, text: str) -> None:
    sigmoid = experiment("numpy-sigmoid", [run("numpy-sigmoid", validation=validation)], activation="sigmoid")
    found = note(on_mnist(study(sigmoid, published=published())), "sigmoid")
    assert "The published test accuracy of numpy-sigmoid is 0.66." in found
    assert text in found


def test_every_seed_gets_its_own_epoch() -> None:
    runs = [run("numpy-sigmoid", seed=seed, validation=(0.3, 0.5 + 0.2 * seed, 0.7, 0.8)) for seed in (0, 1)]
    sigmoid = experiment("numpy-sigmoid", runs, activation="sigmoid")
    found = note(on_mnist(study(sigmoid, published=published())), "sigmoid")
    assert "(seed 0) the validation accuracy reaches it after 3 of 4" in found
    assert "(seed 1) the validation accuracy reaches it after 2 of 4" in found


def test_unpublished_configuration_is_pointed_out() -> None:
    sigmoid = experiment("numpy-sigmoid", activation="sigmoid")
    found = note(on_mnist(study(sigmoid, published=published())), "sigmoid")
    assert "not the published configuration" in found
    assert "epochs 4 instead of 15" in found


def test_note_on_other_data_says_it_does_not_apply() -> None:
    found = note(study(experiment("numpy-sigmoid", activation="sigmoid"), published=published()), "sigmoid")
    assert found.startswith("This note makes sense on MNIST only, and this run is on digits")


def test_missing_sigmoid_experiment_is_reported() -> None:
    for results in (
        study(experiment("numpy-tanh"), published=published()),
        study(experiment("numpy-sigmoid", [diverged("numpy-sigmoid")]), published=published()),
    ):
        assert "cannot be placed" in note(on_mnist(results), "sigmoid")


def test_sigmoid_without_validation_is_reported_without_it() -> None:
    sigmoid = experiment("numpy-sigmoid", [run("numpy-sigmoid", validation=None)], activation="sigmoid")
    found = note(on_mnist(study(sigmoid, published=published())), "sigmoid")
    assert "(not measured)" in found


def test_comparing_does_not_change_published_figures() -> None:
    figures = published()
    before = copy.deepcopy(figures)
    compare(study(doubled(), published=figures))
    assert figures == before
    assert len(DIGITS) == 10
