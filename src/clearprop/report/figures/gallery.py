"""All figures of a report: drawn once, as SVG for the page and as PNG files for Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from clearprop.display import plots
from clearprop.model.files.model_file import PARAMETERS_FILE, read_model_file
from clearprop.nn.parameters import Parameters
from clearprop.report.facts.images import decoded
from clearprop.report.facts.published import on_published_data
from clearprop.report.figures.svg import inline_svg
from clearprop.report.sections.conclusion import seed_intervals
from clearprop.study.results import ExperimentResult, SeedResult, StudyResults
from clearprop.training.history import History
from clearprop.utils.errors import ClearpropError
from clearprop.utils.files import write_atomic

FOLDER = "figures"
PNG_DPI = 150


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure: ``path`` is relative to the study's folder, ``alt`` is its alternative text.

    ``svg`` is None for images: the page shows them one by one, so that they fit a phone's screen.
    """

    path: str
    alt: str
    svg: Markup | None


def shown_run(experiment: ExperimentResult) -> SeedResult:
    """Return the run shown in full: the first complete one, else the first."""
    return (experiment.complete or experiment.seeds)[0]


def history_of(run: SeedResult) -> History:
    """Return a run's history as a ``History``, which the plots take."""
    return History([record.model_dump() for record in run.history.epochs], run.history.batch_losses)


def first_layer(folder: Path, run: SeedResult) -> Parameters | None:
    """Return a run's parameters, or None if the file is missing or damaged."""
    try:
        return read_model_file(folder / run.folder / PARAMETERS_FILE).parameters
    except ClearpropError:
        return None


class Gallery:
    """Draws the figures of a study and keeps them by name.

    Parameters
    ----------
    folder : pathlib.Path
        The study's folder; PNG files go to ``figures`` in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pictures: dict[str, Picture] = {}

    def add(self, name: str, figure: plots.Drawing, alt: str, *, inline: bool = True) -> None:
        """Write a figure as PNG, and keep it as SVG if ``inline``."""
        figure.settle()
        path = f"{FOLDER}/{name}.png"
        write_atomic(self._folder / path, figure.png(PNG_DPI))
        self._pictures[name] = Picture(path, alt, inline_svg(figure, name, alt) if inline else None)

    def get(self, name: str) -> Picture | None:
        """Return a figure, or None if there was nothing to draw."""
        return self._pictures.get(name)


def draw_all(folder: Path, results: StudyResults, slugs: dict[str, str]) -> Gallery:
    """Draw every figure for which the results have the numbers.

    Parameters
    ----------
    folder : pathlib.Path
        The study's folder.
    results : StudyResults
    slugs : dict of str to str
        For each experiment a name for its files.

    Returns
    -------
    Gallery
    """
    gallery = Gallery(folder)
    _draw_data(gallery, results)
    for experiment in results.experiments:
        _draw_run(gallery, results, shown_run(experiment), slugs[experiment.name], experiment.name)
        weights = first_layer(folder, shown_run(experiment)) if experiment.complete else None
        if weights and results.data.image_shape:
            figure = plots.plot_first_layer(weights[0][0], results.data.image_shape)
            name = f"{slugs[experiment.name]}-first-layer"
            gallery.add(name, figure, f"First-layer weights of {experiment.name}", inline=False)
    _draw_comparison(gallery, results)
    return gallery


def _draw_data(gallery: Gallery, results: StudyResults) -> None:
    data = results.data
    shares = [count / sum(counts) for counts in data.counts.values() for count in counts]
    gallery.add(
        "class-counts",
        plots.plot_class_counts(data.counts, data.class_names),
        f"Bar chart: each class holds {min(shares):.1%} to {max(shares):.1%} of the rows.",
    )
    if any(data.samples):
        images = [[decoded(image) for image in images] for images in data.samples]
        figure = plots.plot_samples(images, data.class_names)
        gallery.add("samples", figure, "Sample images of every class", inline=False)


def _draw_run(gallery: Gallery, results: StudyResults, run: SeedResult, slug: str, name: str) -> None:
    history, class_names = history_of(run), results.data.class_names
    losses = history.batch_losses
    if losses:
        gallery.add(
            f"{slug}-batch-losses",
            plots.plot_batch_losses(losses, plots.readable_group(len(losses))),
            f"Line chart: training loss of {name} over {len(losses):,} iterations, from {losses[0]:.3g} to "
            f"{losses[-1]:.3g}.",
        )
    if history.epochs:
        gallery.add(f"{slug}-history", plots.plot_history(history), " ".join(_curve_alt(name, history)))
    if run.status == "complete":
        gallery.add(
            f"{slug}-confusion",
            plots.plot_confusion(run.evaluations["test"].confusion, class_names),
            f"Confusion matrix of {name} on the test set: rows are true classes, columns predictions.",
        )
    if run.mistakes and all(mistake.image for mistake in run.mistakes):
        gallery.add(
            f"{slug}-mistakes",
            plots.plot_mistakes(
                [decoded(mistake.image or "") for mistake in run.mistakes],
                [
                    (class_names[mistake.label], class_names[mistake.prediction], mistake.confidence)
                    for mistake in run.mistakes
                ],
            ),
            f"The most confident mistakes of {name} on the test set",
            inline=False,
        )


def _curve_alt(name: str, history: History) -> Iterator[str]:
    first, last = history.epochs[0], history.epochs[-1]
    yield (
        f"Line chart: training loss of {name} by epoch, {first['train_loss']:.3g} to "
        f"{last['train_loss']:.3g}."
    )
    if last["validation_loss"] is not None:
        yield (
            f"Validation loss {first['validation_loss']:.3g} to {last['validation_loss']:.3g}, accuracy "
            f"{first['validation_accuracy']:.3f} to {last['validation_accuracy']:.3f}."
        )


def _draw_comparison(gallery: Gallery, results: StudyResults) -> None:
    histories = {
        # an unfinished run would shorten the curves of the others
        experiment.name: [
            history_of(run) for run in experiment.complete or experiment.seeds if run.history.epochs
        ]
        for experiment in results.experiments
    }
    with_epochs = {name: seeds for name, seeds in histories.items() if seeds}
    if with_epochs:
        gallery.add(
            "loss-curves",
            plots.plot_loss_curves(with_epochs),
            "Line chart: training and validation loss of all experiments by epoch.",
        )
    accuracies = {each.name: each.accuracies() for each in results.experiments if each.complete}
    if accuracies:
        gallery.add(
            "accuracies",
            plots.plot_accuracies(
                accuracies,
                {name: (each.low, each.high) for name, each in seed_intervals(results).items()},
                {name: figures["test"]["accuracy"] for name, figures in results.published.items()}
                if on_published_data(results)
                else {},
            ),
            "Dot chart: test accuracy of every experiment, a dot for each seed.",
        )
