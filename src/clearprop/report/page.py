"""All values of a report, computed once for its HTML and its Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from clearprop.diagnosis.verdicts import is_collapsed
from clearprop.report.facts import words
from clearprop.report.facts.published import compare, on_published_data
from clearprop.report.figures.gallery import draw_all
from clearprop.report.sections.conclusion import conclusion
from clearprop.report.sections.data import ink_on_black, samples, splits
from clearprop.report.sections.experiments import experiment_sections
from clearprop.report.sections.happened import cause_sentence, draw_happened, happened
from clearprop.report.sections.published_notes import published_notes
from clearprop.study.explanations import read_explanations
from clearprop.study.results import ExperimentResult, StudyResults, spread


def gather(folder: Path, results: StudyResults) -> dict[str, Any]:
    """Return the values of the templates; draws the figures and writes their PNG files.

    Parameters
    ----------
    folder : pathlib.Path
        The study's folder.
    results : StudyResults
    """
    slugs = slugs_of(results)
    gallery = draw_all(folder, results, slugs)
    explanations = read_explanations(folder)
    explained = [each for each in results.experiments if each.name in explanations]
    for each in explained:
        draw_happened(gallery, slugs[each.name], each, results.data.class_names, explanations[each.name])
    return {
        "results": results,
        "introduction": paragraphs(results.introduction),
        "note": paragraphs(results.note),
        "samples": samples(results),
        "ink_on_black": ink_on_black(results),
        "splits": splits(results),
        "sections": experiment_sections(folder, results, slugs),
        "happened": {each.name: happened(each, explanations[each.name]) for each in explained},
        "cause_sentence": cause_sentence,
        "slugs": slugs,
        "picture": gallery.get,
        "summary": [summary_row(experiment) for experiment in results.experiments],
        "fewer_seeds": [each.name for each in results.experiments if len(each.seeds) < len(results.seeds)],
        "summary_rows": test_rows(results),
        "any_doubled": any(each.recipe["loss"] == "double_softmax" for each in results.experiments),
        "same_data": on_published_data(results),
        "comparisons": compare(results),
        "notes": published_notes(results),
        "findings": conclusion(results),
        "words": words,
    }


def slugs_of(results: StudyResults) -> dict[str, str]:
    """Return for each experiment a unique name of letters, digits and hyphens."""
    slugs: dict[str, str] = {}
    for number, experiment in enumerate(results.experiments, start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", experiment.name.lower()).strip("-")[:60]
        slugs[experiment.name] = slug if slug and slug not in slugs.values() else f"{slug or 'x'}-{number}"
    return slugs


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text; empty lines separate them."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def test_rows(results: StudyResults) -> int | None:
    """Return the number of test rows, or None if no run has it."""
    sizes = (run.split.get("test") for experiment in results.experiments for run in experiment.seeds)
    return next((size for size in sizes if size), None)


def summary_row(experiment: ExperimentResult) -> dict[str, Any]:
    """Return one experiment's key numbers; None for those that were not measured."""
    done = experiment.complete
    speeds = [run.rows_per_second for run in done if run.rows_per_second is not None]
    return {
        "name": experiment.name,
        "title": experiment.title,
        "engine": experiment.engine,
        "runs": len(experiment.seeds),
        "complete": len(done),
        "collapsed": any(is_collapsed(run.evaluations["test"].confusion) for run in done),
        "diverged": len(done) < len(experiment.seeds),
        "test": spread(experiment.accuracies("test"))[0] if done else None,
        "accuracies": {
            part: words.with_spread([run.evaluations[part].accuracy for run in done])
            for part in ("train", "validation", "test")
            if done and all(part in run.evaluations for run in done)
        },
        "seconds": spread([run.seconds for run in experiment.seeds])[0],
        "rows_per_second": spread(speeds)[0] if speeds else None,
    }
