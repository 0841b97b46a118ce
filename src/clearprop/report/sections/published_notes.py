"""Notes on the published figures: each sentence is computed from the results of this run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clearprop.report.facts.published import (
    changes,
    on_published_data,
    swapped_tables,
    test_support,
    true_support,
)
from clearprop.report.facts.words import accuracy, counted, listed
from clearprop.report.sections.double_softmax_notes import double_softmax, first_epoch, with_decay
from clearprop.study.results import ExperimentResult, StudyResults


@dataclass(frozen=True, slots=True)
class Note:
    """One note: a heading and its sentences."""

    title: str
    sentences: list[str]


def published_notes(results: StudyResults) -> list[Note]:
    """Return the notes, computed from the results; none for a study without published figures."""
    if not results.published:
        return []
    return [
        Note("The softmax applied twice", list(double_softmax(results))),
        Note("L2 on top of it", list(with_decay(results))),
        Note("Truth and prediction swapped", list(_swapped(results))),
        Note("The accuracy of the sigmoid", list(_sigmoid(results))),
    ]


# ---- Truth and prediction swapped --------------------------------------------------------------------


def _swapped(results: StudyResults) -> Iterator[str]:
    names = swapped_tables(results)
    if not names:
        yield "The support columns of all published tables agree, so nothing shows that any is swapped."
        return
    truth = true_support(results)
    label = next(iter(results.published[names[0]]["test"]["classes"]))
    shown = listed(f"{test_support(results.published[name])[0]:,.0f} in {name}" for name in names)
    yield (
        "This note concerns the published tables alone. A support column counts true rows, so on one test "
        f"set it is the same for every model. The published test support of class {label} is "
        f"{truth[0]:,.0f} in {_others(results, names)}, but {shown}."
    )
    if on_published_data(results) and results.data.counts.get("test") == truth:
        yield f"The test set read for this run has {truth[0]:,.0f} rows of class {label}."
    yield (
        f"In {listed(names)} truth and prediction were therefore handed over in the wrong order: support "
        "counts predictions, and precision and recall have changed places. The comparison above changes "
        "them back; accuracy and f1 are the same either way."
    )


def _others(results: StudyResults, names: list[str]) -> str:
    others = [name for name in results.published if name not in names]
    return "the other one" if len(others) == 1 else f"the other {len(others)}"


# ---- The accuracy of the sigmoid -------------------------------------------------------------------------


def _sigmoid(results: StudyResults) -> Iterator[str]:
    names = [
        name
        for name, published in results.published.items()
        if published.get("activation") == "sigmoid" and published.get("optimizer") == "sgd"
    ]
    if not on_published_data(results):
        yield (
            f"This note makes sense on {results.published_data} only, and this run is on "
            f"{results.data.name}: the published accuracies of {listed(names)} were measured on other images."
        )
        return
    for name in names:
        experiment = next((each for each in results.experiments if each.name == name), None)
        if experiment is None or not experiment.complete:
            yield f"These results hold no finished {name}, so its published accuracy cannot be placed."
        else:
            yield from _place_published_accuracy(results, experiment)


def _place_published_accuracy(results: StudyResults, experiment: ExperimentResult) -> Iterator[str]:
    published = results.published[experiment.name]
    goal = published["test"]["accuracy"]
    yield f"The published test accuracy of {experiment.name} is {goal:.2f}."
    for run in experiment.complete:
        last = run.history.epochs[-1]
        ending = (
            f"after {counted(last.epoch, 'epoch')} it has validation accuracy "
            f"{_or_none(last.validation_accuracy)} and test accuracy "
            f"{accuracy(run.evaluations['test'].accuracy)}"
        )
        seed = f" (seed {run.seed})" if len(experiment.complete) > 1 else ""
        reached = first_epoch(run, goal)
        if reached is None:
            yield f"In this run{seed} the validation accuracy never reaches it: {ending}."
        elif reached == last.epoch:
            yield f"In this run{seed} the validation accuracy reaches it in the last epoch only: {ending}."
        else:
            yield (
                f"In this run{seed} the validation accuracy reaches it after {reached} of {last.epoch} "
                f"epochs, and {ending}."
            )
    different = changes(experiment, published)
    if different:
        yield f"This run is not the published configuration: {listed(different)}."


def _or_none(value: float | None) -> str:
    return "(not measured)" if value is None else accuracy(value)
