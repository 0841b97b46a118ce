"""The report's section on the data, as plain values for the templates."""

from __future__ import annotations

from clearprop.display.plots.images import on_black
from clearprop.report.facts.images import Thumbnail, decoded
from clearprop.study.results import StudyResults


def samples(results: StudyResults) -> list[tuple[str, list[Thumbnail]]]:
    """Return for each class its name and a few of its images."""
    return [
        (name, [Thumbnail(image, f"{name}, sample {number}") for number, image in enumerate(images, start=1)])
        for name, images in zip(results.data.class_names, results.data.samples, strict=True)
        if images
    ]


def ink_on_black(results: StudyResults) -> bool:
    """Tell whether the images of the data are strokes on black, shown as ink on a light page."""
    return on_black([decoded(image) for images in results.data.samples for image in images])


def splits(results: StudyResults) -> list[tuple[dict[str, int], list[str]]]:
    """Return each way the rows were divided, with the experiments that used it."""
    found: list[tuple[dict[str, int], list[str]]] = []
    for experiment in results.experiments:
        split = experiment.seeds[0].split
        same = next((names for known, names in found if known == split), None)
        if same is None:
            found.append((split, [experiment.name]))
        else:
            same.append(experiment.name)
    return found
