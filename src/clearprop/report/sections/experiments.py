"""The report's section on each experiment, as plain values for the templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from clearprop.diagnosis.verdicts import is_collapsed
from clearprop.display.plots.curves import GROUPS, readable_group
from clearprop.display.plots.images import MOST_UNITS, percent, strongest_units, weight_images
from clearprop.nn.settings_table import HIDDEN
from clearprop.report.facts.images import Thumbnail, encoded
from clearprop.report.facts.settings import shown_settings
from clearprop.report.facts.words import accuracy, counted, duration, listed, with_spread
from clearprop.report.figures.gallery import first_layer, shown_run
from clearprop.study.results import ExperimentResult, SeedResult, SplitFigures, StudyResults, spread

N_CONFUSIONS = 3


@dataclass(frozen=True, slots=True)
class ExperimentSection:
    """The values of one experiment's section.

    Attributes
    ----------
    result : ExperimentResult
    slug : str
        Its name in links and file names.
    run : SeedResult
        The run shown in full.
    badges : list of str
        Warnings, such as "diverged".
    facts : list of (str, str)
        The key numbers, each with its label.
    configuration : list of (str, str)
    remarks : list of str
        Sentences about the course of the training.
    losses_caption : str
        Caption of the training loss, with the number of iterations averaged in a point.
    validated : bool
        Whether validation rows were measured.
    reports : dict of str to SplitFigures
        For "train" and "test", where the run is complete.
    mistakes, weights : list of Thumbnail
    weights_note : str
        Caption of the weights, or the reason why there are none.
    """

    result: ExperimentResult
    slug: str
    run: SeedResult
    badges: list[str]
    facts: list[tuple[str, str]]
    configuration: list[tuple[str, str]]
    remarks: list[str]
    losses_caption: str
    validated: bool
    reports: dict[str, SplitFigures]
    mistakes: list[Thumbnail]
    weights: list[Thumbnail]
    weights_note: str


def experiment_sections(
    folder: Path, results: StudyResults, slugs: dict[str, str]
) -> list[ExperimentSection]:
    """Return the section of every experiment."""
    return [
        _section(folder, results, experiment, slugs[experiment.name]) for experiment in results.experiments
    ]


def _section(
    folder: Path, results: StudyResults, experiment: ExperimentResult, slug: str
) -> ExperimentSection:
    run = shown_run(experiment)
    weights, weights_note = _weights(folder, results, run)
    return ExperimentSection(
        result=experiment,
        slug=slug,
        run=run,
        badges=list(_badges(results, experiment)),
        facts=list(_facts(experiment, run)),
        configuration=list(_configuration(experiment, run)),
        remarks=list(_remarks(results, experiment, run)),
        losses_caption=_losses_caption(run),
        validated=any(epoch.validation_loss is not None for epoch in run.history.epochs),
        reports={part: run.evaluations[part] for part in ("train", "test") if part in run.evaluations},
        mistakes=_mistakes(results, run),
        weights=weights,
        weights_note=weights_note,
    )


def _losses_caption(run: SeedResult) -> str:
    iterations = len(run.history.batch_losses)
    group = readable_group(iterations)
    if group == GROUPS[0]:
        return f"Training loss by iteration, averaged every {group} as in the published study."
    averaged = "not averaged" if group == 1 else f"averaged every {group}"
    return (
        f"Training loss by iteration, {averaged}: of {iterations:,} iterations, groups of {GROUPS[0]} would "
        "leave too few points to read."
    )


def _badges(results: StudyResults, experiment: ExperimentResult) -> Iterator[str]:
    if any(run.status == "diverged" for run in experiment.seeds):
        yield "diverged"
    if any(is_collapsed(run.evaluations["test"].confusion) for run in experiment.complete):
        yield "one class only"
    if len(experiment.seeds) < len(results.seeds):
        yield f"{len(experiment.seeds)} of {len(results.seeds)} seeds"


def _facts(experiment: ExperimentResult, run: SeedResult) -> Iterator[tuple[str, str]]:
    if experiment.complete:
        yield "Test accuracy", with_spread(experiment.accuracies("test"))
        yield "Training accuracy", with_spread(experiment.accuracies("train"))
    yield "Epochs", str(len(run.history.epochs))
    yield "Time", duration(spread([each.seconds for each in experiment.seeds])[0])
    speeds = [each.rows_per_second for each in experiment.seeds if each.rows_per_second is not None]
    if speeds:
        yield "Rows a second", f"{spread(speeds)[0]:,.0f}"


def _configuration(experiment: ExperimentResult, run: SeedResult) -> Iterator[tuple[str, str]]:
    sizes = experiment.network["layer_sizes"]
    yield HIDDEN.label.capitalize(), " – ".join(str(size) for size in sizes)
    yield (
        "Parameters",
        f"{sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes)):,}",
    )
    yield from shown_settings(experiment)
    yield "Engine", f"{run.engine}, {run.device}, {run.dtype}"
    yield "Rows", ", ".join(f"{part} {rows:,}" for part, rows in run.split.items())


def _remarks(results: StudyResults, experiment: ExperimentResult, run: SeedResult) -> Iterator[str]:
    if len(experiment.complete) > 1:
        tests = experiment.accuracies()
        yield (
            f"Over {len(tests)} seeds the test accuracy is {with_spread(tests)} (mean and standard "
            f"deviation), from {accuracy(min(tests))} to {accuracy(max(tests))}. What follows shows seed "
            f"{run.seed}."
        )
    for each in experiment.seeds:
        if each.status == "diverged":
            yield f"Seed {each.seed} diverged. {each.message}"
    yield from _course(run)
    if run.status == "complete":
        yield from _confusions(results, run)


def _course(run: SeedResult) -> Iterator[str]:
    epochs = run.history.epochs
    if len(epochs) < 2:
        return
    first, last = f"{epochs[0].train_loss:.3f}", f"{epochs[-1].train_loss:.3f}"
    if abs(epochs[0].train_loss - epochs[-1].train_loss) < 0.01 * abs(epochs[0].train_loss):
        yield f"The training loss hardly moved: {first} in the first epoch, {last} in the last."
    else:
        yield f"The training loss went from {first} in the first epoch to {last} in the last."
    measured = {epoch.epoch: epoch.validation_loss for epoch in epochs if epoch.validation_loss is not None}
    if measured:
        best = min(measured, key=lambda epoch: measured[epoch])
        lowest, ending = f"{measured[best]:.3f}", f"{measured[epochs[-1].epoch]:.3f}"
        if best == epochs[-1].epoch:
            yield "The validation loss was lowest in the last epoch: more epochs might lower it further."
        elif lowest != ending:
            yield (
                f"The validation loss was lowest after {counted(best, 'epoch')} ({lowest}) and ended at "
                f"{ending}."
            )


def _confusions(results: StudyResults, run: SeedResult) -> Iterator[str]:
    names, test = results.data.class_names, run.evaluations["test"]
    if is_collapsed(run.evaluations["test"].confusion):
        only = names[test.predicted_classes[0]]
        yield f"Every test row is predicted as {only}: the network tells no classes apart."
        return
    cells = [
        (count, row, column)
        for row, counts in enumerate(test.confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    if cells:
        most = sorted(cells, key=lambda cell: (-cell[0], cell[1:]))[:N_CONFUSIONS]
        shown = (f"{names[row]} taken for {names[column]} ({count})" for count, row, column in most)
        yield f"Most frequent confusions in the test set: {listed(shown)}."
    else:
        yield "No test row was taken for another class."


def _mistakes(results: StudyResults, run: SeedResult) -> list[Thumbnail]:
    names = results.data.class_names
    return [
        Thumbnail(
            mistake.image,
            f"Test row {mistake.row}: {names[mistake.label]} taken for {names[mistake.prediction]}",
            (names[mistake.label], names[mistake.prediction], percent(mistake.confidence)),
        )
        for mistake in run.mistakes
        if mistake.image
    ]


def _weights(folder: Path, results: StudyResults, run: SeedResult) -> tuple[list[Thumbnail], str]:
    shape = results.data.image_shape
    if shape is None:
        return [], "The rows of this data are not images, so the weights have no picture."
    if run.status != "complete":
        return [], "The training did not reach its end, so there are no weights to show."
    parameters = first_layer(folder, run)
    if parameters is None:
        return (
            [],
            "The parameters of this run are no longer in the study's folder, so its weights are not drawn.",
        )
    weight = parameters[0][0]
    units = strongest_units(weight)
    which = (
        f"The {MOST_UNITS} units with the largest weights, of {weight.shape[1]:,}"
        if weight.shape[1] > MOST_UNITS
        else f"All {weight.shape[1]} units"
    )
    return [
        Thumbnail(encoded(image), f"Weights of unit {unit + 1}")
        for unit, image in zip(units, weight_images(weight, shape, units), strict=True)
    ], f"{which}. Blue: ink there excites the unit; orange: it holds it back. Each unit has its own scale."
