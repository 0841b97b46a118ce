"""What every figure shares: its colours, its type, and how it shows itself in a notebook."""

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

#: Each colour has one meaning and stands nowhere else, so that a page can put its own in its place.
INK = "#1c2026"
MUTED = "#5a616c"
GRID = "#dcdbd6"
PAPER = "#ffffff"
#: Told apart with any colour vision (after Okabe and Ito, darkened to 3:1 on white); lines also differ in
#: dashes and markers, so that colour is never the only sign.
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
    # a name is a name: dollar signs in it are no formula
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
    """Use the settings of this file; matplotlib's own come back at the end."""
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # a class name in a script that the font lacks is drawn as a box, which is no reason to stop
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


class Drawing(Figure):
    """A matplotlib figure that shows itself in a notebook, whatever backend is chosen there.

    IPython looks for a printer registered for ``Figure`` first, and asks ``_repr_png_`` only where the
    inline backend has registered none, so the figure is shown exactly once.
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw with the settings of this file, since ticks and their labels are made only now."""
        with drawing():
            super().draw(renderer)

    def settle(self) -> None:
        """Lay the figure out once and for all, since each new layout costs more than the drawing."""
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
    """Return an empty figure of some inches, laid out so that no label is cut off."""
    return Drawing(figsize=(width, height), layout="constrained")


def scale_losses(axes: Axes, losses: list[float]) -> None:
    """Scale an axis of losses: from zero, or by powers of ten where a training ran away.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    losses : list of float
        All that are drawn on it.
    """
    # below a factor of ten a scale of powers would have no tick
    if max(losses) > 100 and 0 < 10 * min(losses) <= max(losses):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(min(0.0, *losses), 1.06 * max(losses) or 1.0)


def mark_points(n_points: int) -> str:
    """Return the marker of a line: a dot each while few, so that a single point is seen too."""
    return "o" if n_points <= 20 else ""


def shortened(name: str, most: int = 14) -> str:
    """Return a name that fits beside others and can be drawn, whatever characters it has."""
    drawable = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )
    return drawable if len(drawable) <= most else f"{drawable[: most - 1]}…"
