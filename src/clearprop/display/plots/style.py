"""Style of all figures: colours, fonts and sizes, and the figure class that notebooks display."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

#: Each colour has one meaning only, so that a page can replace it with its own.
INK = "#1c2026"
MUTED = "#5a616c"
GRID = "#dcdbd6"
PAPER = "#ffffff"
#: Distinct for every kind of colour vision (after Okabe and Ito, darkened to a contrast of 3:1 on white);
#: lines also differ in dashes and markers, so that colour is never the only sign.
SERIES = ("#0067a5", "#c8501e", "#00875f", "#a8518a", "#9a6c00", "#3f97d1", "#68707c")
RIGHT, WRONG = SERIES[0], SERIES[1]
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

#: Inches; narrow enough to be read on a phone without enlarging, and two stand side by side on a desk.
WIDTH = 5.0
FONT_SIZE = 9.5
SMALL = 8.5
NOTEBOOK_DPI = 110

SETTINGS: dict[Any, Any] = {
    # a dollar sign in a class name is not the start of a formula
    "text.parse_math": False,
    "text.usetex": False,
    "text.color": INK,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_SIZE,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.titlelocation": "left",
    "axes.titlesize": FONT_SIZE,
    "axes.titleweight": "normal",
    "axes.titlecolor": INK,
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": False,
    "axes.xmargin": 0.02,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "grid.linestyle": "-",
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.0,
    "savefig.facecolor": "auto",
    "savefig.bbox": None,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Use the settings of this file inside the block, and the user's own again after it."""
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # a character that the font lacks is drawn as a box, which deserves no warning
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


class Drawing(Figure):
    """A matplotlib figure that notebooks display, with any backend.

    IPython looks for a printer registered for ``Figure`` first, and asks ``_repr_png_`` only where the
    inline backend has registered none, so the figure is shown exactly once.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw with the settings of this file, since ticks and their labels are made only now."""
        with drawing():
            super().draw(renderer)

    def settle(self) -> None:
        """Fix the layout of the figure, since computing it again costs more than drawing."""
        if self.get_layout_engine() is not None:
            with drawing():
                self.draw_without_rendering()
            self.set_layout_engine("none")

    def png(self, dpi: float = NOTEBOOK_DPI) -> bytes:
        """Return the figure as a PNG file, the same bytes for the same figure."""
        file = io.BytesIO()
        with drawing():
            self.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()


def new_figure(height: float, *, width: float = WIDTH) -> Drawing:
    """Return an empty figure, its size in inches, with a layout that cuts no label off."""
    return Drawing(figsize=(width, height), layout="constrained")


def scale_losses(axes: Axes, losses: list[float]) -> None:
    """Scale an axis of losses: linear from zero, or logarithmic if a training diverged.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    losses : list of float
        All losses drawn on the axis.
    """
    # over less than a factor of ten, a logarithmic axis might have no tick
    if max(losses) > 100 and 0 < 10 * min(losses) <= max(losses):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(min(0.0, *losses), 1.06 * max(losses) or 1.0)


def mark_points(n_points: int) -> str:
    """Return the marker of a line: dots if there are few points, so that a single point is visible."""
    return "o" if n_points <= 20 else ""


def shortened(name: str, most: int = 14) -> str:
    """Return a name cut to a length, with characters that cannot be drawn replaced."""
    drawable = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )
    return drawable if len(drawable) <= most else f"{drawable[: most - 1]}…"
