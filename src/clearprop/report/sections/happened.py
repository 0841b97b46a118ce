"""What happened in an experiment: the study's explanation as sentences, and the evidence for its figures."""

from __future__ import annotations

from dataclasses import dataclass

from clearprop.report.figures.gallery import Gallery
from clearprop.study.explanations import Change, Explanation, NamedCause
from clearprop.study.results import ExperimentResult


@dataclass(frozen=True, slots=True)
class Happened:
    """The explanation of one experiment.

    Attributes
    ----------
    healthy : bool
    sentences : list of str
    causes : list of NamedCause
        The diagnosis' own, the most likely first.
    changes : list of Change
        Short trainings with one change each.
    evidence_caption, changes_caption : str
    """

    healthy: bool
    sentences: list[str]
    causes: list[NamedCause]
    changes: list[Change]
    evidence_caption: str
    changes_caption: str


def happened(experiment: ExperimentResult, explanation: Explanation) -> Happened:
    """Return an explanation as the templates take it."""
    changes = explanation.changes
    steps = changes[0].steps if changes else 0
    return Happened(
        healthy=explanation.healthy,
        sentences=explanation.sentences,
        # a guess says nothing beside a change that was tried
        causes=[cause for cause in explanation.causes if cause.confirmed or not explanation.mended],
        changes=changes,
        evidence_caption=(
            "After these epochs, on a few training rows: the size of the loss's gradient at each layer, "
            f"{_silent_words(_has_relu(experiment))}, and the classes predicted."
        ),
        changes_caption=(
            f"Short trainings of {steps:,} steps from the same seed, on rows held out: as the experiment is, "
            "and with one change each."
        ),
    )


def cause_sentence(cause: NamedCause) -> str:
    """Return a cause of the diagnosis in one paragraph."""
    if not cause.confirmed:
        tried = "not confirmed in the time there was"
    elif cause.before is None or cause.after is None:
        tried = "confirmed"
    else:
        tried = f"confirmed: accuracy {cause.before:.3f} without the remedy, {cause.after:.3f} with it"
    return f"{cause.title} ({tried}). {cause.sentence} {cause.remedy}"


def draw_happened(
    gallery: Gallery, slug: str, experiment: ExperimentResult, class_names: list[str], found: Explanation
) -> None:
    """Add the figures of an explanation: the evidence, and the curves of the changes."""
    from clearprop.display.plots.evidence import plot_changes, plot_evidence

    looks, name, dead = found.looks, experiment.name, _has_relu(experiment)
    if looks:
        gallery.add(
            f"{slug}-evidence",
            plot_evidence(
                [look.epoch for look in looks],
                [look.gradient for look in looks],
                [look.dead if dead else look.saturated for look in looks],
                [look.predicted for look in looks],
                class_names,
                silent_title="Dead units (%)" if dead else "Saturated outputs (%)",
            ),
            f"Three charts of {name} over the epochs: gradient size by layer, after epoch {looks[-1].epoch} "
            f"{looks[-1].gradient[0]:.2g} at layer 1 and {looks[-1].gradient[-1]:.2g} at the last; "
            f"{_silent_words(dead)}; predictions by class.",
        )
    if found.changes:
        gallery.add(
            f"{slug}-changes",
            plot_changes(
                found.changes[0].before_curve, {each.change: each.after_curve for each in found.changes}
            ),
            f"Line chart: skill of {name} in short trainings, as it is and "
            f"{', '.join(each.change for each in found.changes)}.",
        )


def _silent_words(dead: bool) -> str:
    return "the share of dead units" if dead else "the share of saturated outputs"


def _has_relu(experiment: ExperimentResult) -> bool:
    """Tell whether units can be dead; those of other activations can only saturate."""
    return "relu" in experiment.network["activation"]
