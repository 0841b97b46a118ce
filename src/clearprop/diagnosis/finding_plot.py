"""The figure of a diagnosis: skill as the trainings ran, and the gradient of each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearprop.display.plots.style import MARKERS, SERIES, Drawing, drawing, new_figure

if TYPE_CHECKING:
    from clearprop.diagnosis.finding import Diagnosis


def plot_finding(diagnosis: Diagnosis) -> Drawing:
    """Draw the skill on held-out rows before and after the remedy, and each layer's gradient and dead units.

    Parameters
    ----------
    diagnosis : Diagnosis

    Returns
    -------
    matplotlib.figure.Figure
    """
    with drawing():
        figure = new_figure(2.8, width=7.0)
        skill, layers = figure.subplots(1, 2)
        named = (("as it is", diagnosis.curve.skills), ("remedied", diagnosis.remedied_curve.skills))
        for number, (name, skills) in enumerate(named):
            if skills:
                done = [100 * (place + 1) / len(skills) for place in range(len(skills))]
                skill.plot(done, skills, color=SERIES[number], marker=MARKERS[number], label=name)
        skill.set_title("Skill on held-out rows (0 is guessing)")
        skill.set_xlabel("share of the training (%)")
        skill.set_ylim(-0.25, 1.05)
        if skill.lines:
            skill.legend(loc="lower right")
        sizes = diagnosis.curve.gradient_sizes
        numbers = range(1, len(sizes) + 1)
        layers.bar(numbers, sizes, color=SERIES[0], width=0.6)
        if sizes and min(sizes) > 0:
            layers.set_yscale("log")
        for number, dead in zip(numbers, diagnosis.curve.dead, strict=False):
            if dead:
                layers.annotate(f"{dead:.0%} dead", (number, sizes[number - 1]), ha="center", va="bottom")
        layers.set_title("Gradient size by layer")
        layers.set_xlabel("layer")
        layers.set_xticks(list(numbers))
    return figure
