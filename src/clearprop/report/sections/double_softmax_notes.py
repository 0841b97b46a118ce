"""Notes on the softmax applied twice, with and without L2, computed from the results of this run."""

from __future__ import annotations

from collections.abc import Iterator

from clearprop.diagnosis.verdicts import is_collapsed, tells_classes_apart
from clearprop.nn.losses import double_softmax_floor
from clearprop.report.facts.published import swapped_tables, test_support
from clearprop.report.facts.words import accuracy, counted, listed
from clearprop.study.results import ExperimentResult, SeedResult, StudyResults

# how far float32 rounding may take a loss below its bound
ROUNDING = 1e-4


# ---- The softmax applied twice -----------------------------------------------------------------------


def double_softmax(results: StudyResults) -> Iterator[str]:
    """Give the bound on the loss, the lowest loss reached, and how much the training was slower."""
    doubled = [each for each in results.experiments if _is_doubled(each) and _finished_epochs(each)]
    if not doubled:
        yield "No experiment in these results applies the softmax twice, so they say nothing about it."
        return
    n_classes = len(results.data.class_names)
    floor = double_softmax_floor(n_classes)
    yield (
        "A softmax gives numbers between 0 and 1, and a second softmax of such numbers can never be certain: "
        f"with {n_classes} classes the loss cannot fall below log(1 + {n_classes - 1}/e) = {floor:.3f}, "
        "however good the network is."
    )
    lowest, best = min((_lowest_loss(each), each.name) for each in doubled)
    if lowest < floor - ROUNDING:
        yield (
            f"Yet {best} has an epoch of mean training loss {lowest:.4f}, below that bound: these results "
            "contradict the arithmetic, and should not be trusted."
        )
    else:
        yield (
            f"The lowest mean training loss of an epoch this run reached is {lowest:.3f} ({best}), "
            f"{lowest - floor:.3f} above that bound."
        )
    for each in doubled:
        partner = _partner_with_one_softmax(results, each)
        if partner is not None and each.complete and partner.complete:
            yield _slowing(each, partner)


def _is_doubled(experiment: ExperimentResult) -> bool:
    # smoothed labels have another, higher bound
    return experiment.recipe["loss"] == "double_softmax" and not experiment.recipe["label_smoothing"]


def _finished_epochs(experiment: ExperimentResult) -> list[SeedResult]:
    return [seed for seed in experiment.seeds if seed.history.epochs]


def _lowest_loss(experiment: ExperimentResult) -> float:
    return min(epoch.train_loss for seed in _finished_epochs(experiment) for epoch in seed.history.epochs)


def _partner_with_one_softmax(results: StudyResults, doubled: ExperimentResult) -> ExperimentResult | None:
    """Return the experiment that differs in the loss, and at most in the learning rate, if there is one."""

    def rest(experiment: ExperimentResult) -> dict[str, object]:
        recipe = {**experiment.recipe, "loss": "", "learning_rate": 0}
        return {**recipe, **experiment.network, "engine": experiment.engine}

    return next(
        (
            each
            for each in results.experiments
            if each.recipe["loss"] == "cross_entropy" and rest(each) == rest(doubled)
        ),
        None,
    )


def _slowing(doubled: ExperimentResult, once: ExperimentResult) -> str:
    """Compare how soon the two reach the accuracy that the doubled softmax ends with, on the first seed."""
    slow, quick = doubled.complete[0].history.epochs, once.complete[0].history.epochs
    goal = slow[-1].validation_accuracy
    if goal is None or quick[-1].validation_accuracy is None:
        return f"Without a validation set nothing can be said about how fast {doubled.name} learned."
    reached = first_epoch(once.complete[0], goal)
    rates = (doubled.recipe["learning_rate"], once.recipe["learning_rate"])
    caution = (
        ""
        if rates[0] == rates[1]
        else f" The learning rates differ, {rates[0]:g} and {rates[1]:g}, so the softmax is not alone in it."
    )
    if not all(_told_apart(each) for each in (doubled, once)):
        return (
            f"{doubled.name} and {once.name} did not both learn to tell the classes apart in this run, so it "
            "says nothing about which is faster."
        )
    start = (
        f"{doubled.name} ends with validation accuracy {accuracy(goal)} after {counted(len(slow), 'epoch')}"
    )
    if reached is None:
        return f"{start}, which {once.name}, with one softmax, never reached: no slowing shows here.{caution}"
    if reached < len(slow):
        return (
            f"{start}; {once.name}, with one softmax, got there after {reached}, so here training is slower "
            f"with two.{caution}"
        )
    no_slowing = f"needed {reached} to get there: no slowing shows here"
    return f"{start}; {once.name}, with one softmax, {no_slowing}.{caution}"


def _told_apart(experiment: ExperimentResult) -> bool:
    """Tell whether every run tells the classes apart."""
    return all(tells_classes_apart(run.evaluations["test"].confusion) for run in experiment.complete)


def first_epoch(result: SeedResult, goal: float) -> int | None:
    """Return the first epoch whose validation accuracy is at least the goal."""
    return next(
        (
            epoch.epoch
            for epoch in result.history.epochs
            if epoch.validation_accuracy is not None and epoch.validation_accuracy >= goal
        ),
        None,
    )


# ---- L2 on top of it ---------------------------------------------------------------------------------


def with_decay(results: StudyResults) -> Iterator[str]:
    """Say whether the network collapsed with L2 on top, and whether the decay is the cause."""
    decayed = [
        each
        for each in results.experiments
        if _is_doubled(each) and each.recipe["weight_decay"] and each.complete
    ]
    if not decayed:
        yield (
            "No finished experiment in these results has L2 on top of two softmaxes, so they say nothing "
            "about it."
        )
    for each in decayed:
        runs = each.complete
        collapsed = [run for run in runs if is_collapsed(run.evaluations["test"].confusion)]
        decay = f"{each.name} (weight decay {each.recipe['weight_decay']:g})"
        if len(collapsed) == len(runs):
            yield (
                f"{decay} predicts one class for every test row: {_only_classes(results, runs)}; its test "
                f"accuracy, {_range([run.evaluations['test'].accuracy for run in runs])}, is the share of "
                "that class."
            )
        elif collapsed:
            yield (
                f"{decay} predicts one class for every test row with {len(collapsed)} of {len(runs)} seeds: "
                f"{_only_classes(results, collapsed)}."
            )
        else:
            told = sorted({len(run.evaluations["test"].predicted_classes) for run in runs})
            yield (
                f"{decay} did not fall into one class in this run: it predicts "
                f"{listed((str(number) for number in told), 'or')} of {len(results.data.class_names)} "
                f"classes, at test accuracy {_range([run.evaluations['test'].accuracy for run in runs])}."
            )
        if collapsed:
            yield from _without_decay(results, each)
        yield from _published_collapse(results, each.name)


def _only_classes(results: StudyResults, runs: list[SeedResult]) -> str:
    names = {run.seed: results.data.class_names[run.evaluations["test"].predicted_classes[0]] for run in runs}
    if len(names) == 1:
        return next(iter(names.values()))
    return listed(f"{name} (seed {seed})" for seed, name in names.items())


def _range(values: list[float]) -> str:
    low, high = accuracy(min(values)), accuracy(max(values))
    return low if low == high else f"{low} to {high}"


def _without_decay(results: StudyResults, decayed: ExperimentResult) -> Iterator[str]:
    for other in results.experiments:
        same = {**other.recipe, "weight_decay": 0} == {**decayed.recipe, "weight_decay": 0}
        if same and other.network == decayed.network and not other.recipe["weight_decay"] and other.complete:
            told = min(len(run.evaluations["test"].predicted_classes) for run in other.complete)
            if told > 1 and not _told_apart(other):
                yield (
                    f"{other.name}, without the decay, has not learned to tell the classes apart either, so "
                    "this run does not show that the decay is the cause."
                )
            elif told > 1:
                yield (
                    f"Without the decay, {other.name} predicts {told} classes: it is the decay that the "
                    "small gradients of two softmaxes lose against."
                )
            else:
                yield f"{other.name}, without the decay, collapsed too: the decay is not the only cause here."


def _published_collapse(results: StudyResults, name: str) -> Iterator[str]:
    if name in results.published:
        support = test_support(results.published[name])
        predicted = [
            label
            for label, count in zip(results.published[name]["test"]["classes"], support, strict=True)
            if count
        ]
        if len(predicted) == 1 and name in swapped_tables(results):
            yield (
                f"The published table shows the same collapse: all {max(support):,.0f} predictions are "
                f"{predicted[0]}."
            )
