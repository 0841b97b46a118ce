"""Published and reproduced figures compared, with published tables whose precision and recall are swapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clearprop.study.results import ExperimentResult, StudyResults

PARTS = ("train", "test")
FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure: its published and its reproduced value."""

    published: float
    reproduced: float

    @property
    def difference(self) -> float:
        """Reproduced minus published."""
        return self.reproduced - self.published


@dataclass(frozen=True, slots=True)
class Comparison:
    """One experiment beside its published figures.

    Attributes
    ----------
    name : str
    accuracy : dict of str to Pair
        For "train" and "test".
    classes : dict of str to dict of str to dict of str to Pair
        For each part and class: precision, recall and f1; empty where the classes have other names.
    swapped : bool
        Whether the published table had precision and recall swapped; here they are swapped back.
    changes : list of str
        How the configuration differs from the published one, as phrases.
    """

    name: str
    accuracy: dict[str, Pair]
    classes: dict[str, dict[str, dict[str, Pair]]]
    swapped: bool
    changes: list[str]


def compare(results: StudyResults) -> list[Comparison]:
    """Return a comparison for every complete experiment that has published figures."""
    swapped = swapped_tables(results)
    return [
        Comparison(
            experiment.name,
            {
                part: Pair(
                    results.published[experiment.name][part]["accuracy"], fmean(experiment.accuracies(part))
                )
                for part in PARTS
            },
            _classes(experiment, results.published[experiment.name], experiment.name in swapped),
            experiment.name in swapped,
            changes(experiment, results.published[experiment.name]),
        )
        for experiment in results.experiments
        if experiment.name in results.published and experiment.complete
    ]


def _classes(
    experiment: ExperimentResult, published: Mapping[str, Any], swapped: bool
) -> dict[str, dict[str, dict[str, Pair]]]:
    place = {"precision": "recall", "recall": "precision", "f1": "f1"} if swapped else {}
    reports = {part: [seed.evaluations[part].report for seed in experiment.complete] for part in PARTS}
    return {
        part: {
            name: {
                figure: Pair(
                    row[place.get(figure, figure)],
                    fmean(getattr(report[name], figure) for report in reports[part]),
                )
                for figure in FIGURES
            }
            for name, row in published[part]["classes"].items()
        }
        for part in PARTS
        if all(name in reports[part][0] for name in published[part]["classes"])
    }


def on_published_data(results: StudyResults) -> bool:
    """Tell whether the study ran on the data of the published figures, by name or by its test set."""
    named = results.data.name.casefold() == (results.published_data or "").casefold()
    counts = results.data.counts.get("test")
    return bool(results.published) and (
        named or any(test_support(published) == counts for published in results.published.values())
    )


def test_support(published: Mapping[str, Any]) -> list[float]:
    """Return the published support column of the test set."""
    return [row["support"] for row in published["test"]["classes"].values()]


def true_support(results: StudyResults) -> list[float]:
    """Return the rows of each class in the published test set: the support of most published tables."""
    supports = Counter(tuple(test_support(published)) for published in results.published.values())
    (common, _), *_ = supports.most_common(1)
    return list(common)


def swapped_tables(results: StudyResults) -> list[str]:
    """Return the names of the published tables whose support is not that of the test set.

    The support column counts true rows, so on one test set it is the same for every model. A table with
    another support counts predictions: true and predicted labels were swapped, and with them precision and
    recall.
    """
    if not results.published:
        return []
    common = true_support(results)
    return [name for name, published in results.published.items() if test_support(published) != common]


def changes(experiment: ExperimentResult, published: Mapping[str, Any]) -> list[str]:
    """Return how an experiment's configuration differs from the published one, such as "1 epoch, not 15"."""
    ours = {**experiment.network, **experiment.recipe, "engine": experiment.engine}
    split = experiment.complete[0].split
    ours["split"] = [split["train"], split.get("validation", 0)]
    ours["initialization"] = ours["initialization"].replace("_", " ")
    words = {
        "engine": "engine",
        "layer_sizes": "layers",
        "activation": "activation",
        "initialization": "initialization",
        "optimizer": "optimizer",
        "learning_rate": "learning rate",
        "weight_decay": "weight decay",
        "batch_size": "batch size",
        "epochs": "epochs",
        "split": "training and validation rows",
    }
    return [
        f"{word} {_plain(ours[field])} instead of {_plain(published[field])}"
        for field, word in words.items()
        if field in published and _plain(ours[field]) != _plain(published[field])
    ]


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return "-".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
