"""Figures with matplotlib, for notebooks and for the report: one function for each figure.

Importing this package imports matplotlib, so other modules import it only to draw.
"""

from clearprop.display.plots.counts import plot_accuracies, plot_class_counts, plot_confusion
from clearprop.display.plots.curves import plot_batch_losses, plot_history, plot_loss_curves, readable_group
from clearprop.display.plots.images import plot_first_layer, plot_mistakes, plot_samples
from clearprop.display.plots.style import Drawing

__all__ = [
    "Drawing",
    "plot_accuracies",
    "plot_batch_losses",
    "plot_class_counts",
    "plot_confusion",
    "plot_first_layer",
    "plot_history",
    "plot_loss_curves",
    "plot_mistakes",
    "plot_samples",
    "readable_group",
]
