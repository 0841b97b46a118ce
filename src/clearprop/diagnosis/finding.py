"""Diagnosis: the result of an investigation, as text, HTML, figure and plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.causes import Cause
from clearprop.diagnosis.program import Program, changes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The losses of a training, and its skill on held-out rows as it ran.

    Attributes
    ----------
    losses, skills : list of float
    gradient_sizes, dead : list of float
        One number a layer; empty where they were not measured.
    """

    losses: list[float] = field(default_factory=list)
    skills: list[float] = field(default_factory=list)
    gradient_sizes: list[float] = field(default_factory=list)
    dead: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """Why a training failed.

    Attributes
    ----------
    healthy : bool
        The training learns what can be learned, and nothing else was found.
    symptoms : list of str
        What was measured, in words with numbers.
    causes : list of Cause
        The most likely first: the one without whose remedy the others do not help.
    program : Program
        As it was given.
    remedied : Program
        The smallest set of changes that restores training; the program itself if it is healthy or if no
        change of a program helps.
    remedied_data : (x, y) or None
        Training rows after a remedy that changes data, all other rows left as they are; None without one.
    figure : str
        "accuracy" or "R²": what ``before`` and ``after`` are.
    before, after : float or None
        Of the program and the remedied one on held-out rows, the median over seeds.
    confirmed : bool
        The remedied program was trained with three seeds, and restored the training with most.
    notes : list of str
        Limits of this investigation, such as rows left out or a budget that ended it.
    trainings : int
    seconds : float
        Spent.
    """

    healthy: bool
    symptoms: list[str]
    causes: list[Cause]
    program: Program
    remedied: Program
    remedied_data: tuple[NDArray[Any], NDArray[Any]] | None
    figure: str
    before: float | None
    after: float | None
    confirmed: bool
    notes: list[str]
    trainings: int
    seconds: float
    curve: Curve
    remedied_curve: Curve

    def __str__(self) -> str:
        lines = [self.headline(), ""] if self.causes else [self.headline()]
        for number, cause in enumerate(self.causes, start=1):
            lines.append(f"{number}. {cause.title} [{cause.name}], {_tried(cause, self.figure)}")
            lines.append(f"   {cause.sentence}")
            lines += [f"   - {fact}" for fact in cause.evidence]
            lines.append(f"   Remedy: {cause.remedy}")
        told = self.changes()
        if told:
            lines += ["", "Changes:", *(f"  {change}" for change in told)]
        lines += ["", "Measured:", *(f"  - {symptom}" for symptom in self.symptoms)]
        if self.notes:
            lines += ["", "Notes:", *(f"  - {note}" for note in self.notes)]
        lines += ["", f"{self.trainings} trainings in {self.seconds:.1f} s."]
        return "\n".join(lines)

    def __repr__(self) -> str:
        names = ", ".join(cause.name for cause in self.causes)
        return f"Diagnosis({'healthy' if self.healthy else names or 'not healthy, cause unknown'})"

    def headline(self) -> str:
        """Return the result in one sentence."""
        if self.healthy:
            return f"Healthy: the training learns what can be learned ({self.figure} {_shown(self.before)})."
        if not self.causes:
            return f"The training fails ({self.figure} {_shown(self.before)}), and no cause was found."
        if self.after is None:
            return (
                f"The training is not healthy: {self.causes[0].title[0].lower()}{self.causes[0].title[1:]}."
            )
        return (
            f"The training fails: {self.figure} {_shown(self.before)}, and {_shown(self.after)} with "
            f"{'this remedy' if len(self.causes) == 1 else 'these remedies'}."
        )

    def changes(self) -> list[str]:
        """Return the differences between the program and the remedied one, as short phrases."""
        return changes(self.program, self.remedied)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain JSON values, without data and curves."""
        return {
            "healthy": self.healthy,
            "headline": self.headline(),
            "symptoms": list(self.symptoms),
            "causes": [cause.to_dict() for cause in self.causes],
            "program": self.program.to_dict(),
            "remedied": self.remedied.to_dict(),
            "changes": self.changes(),
            "changes_data": self.remedied_data is not None,
            "figure": self.figure,
            "before": self.before,
            "after": self.after,
            "confirmed": self.confirmed,
            "notes": list(self.notes),
            "trainings": self.trainings,
            "seconds": self.seconds,
        }

    def _repr_html_(self) -> str:
        from clearprop.display.html import SPARK_BOX, card, spark_points

        curves = {
            name: spark_points(_thinned(curve.losses))
            for name, curve in (("before", self.curve), ("after", self.remedied_curve))
            if curve.losses and min(curve.losses) >= 0
        }
        return card("diagnosis", diagnosis=self, curves=curves, box=SPARK_BOX, tried=_tried)

    def plot(self) -> Figure:
        """Draw the losses before and after, and each layer's gradient size."""
        from clearprop.diagnosis.finding_plot import plot_finding

        return plot_finding(self)


def _shown(figure: float | None) -> str:
    return "unknown" if figure is None else f"{figure:.3f}"


def _tried(cause: Cause, figure: str) -> str:
    if not cause.confirmed:
        return "not confirmed"
    if cause.before is None or cause.after is None:
        return "confirmed"
    return f"confirmed: {figure} {cause.before:.3f} without the remedy, {cause.after:.3f} with it"


def _thinned(losses: list[float], most: int = 200) -> list[float]:
    """Return the means of at most so many groups of losses, none larger than ten times the first's."""
    groups = np.array_split(np.asarray(losses), min(most, len(losses)))
    means = np.array([group.mean() for group in groups])
    return [float(value) for value in np.minimum(means, 10 * max(means[0], 1e-12))]
