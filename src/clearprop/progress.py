"""Progress of a training: a bar on a terminal or in a notebook, one plain line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from clearprop.callbacks import Callback, TrainingState

if TYPE_CHECKING:
    from rich.progress import Progress

# often enough to look alive, seldom enough to cost nothing
SECONDS_BETWEEN_UPDATES = 0.1


def progress_callback(title: str = "") -> Callback:
    """Return the progress display that fits where standard error goes.

    Parameters
    ----------
    title : str
        Stands before the progress, such as the name of an experiment.
    """
    if _in_notebook():
        return NotebookProgress(title)
    return BarProgress(title) if sys.stderr.isatty() else LineProgress(title)


class _Progress(Callback):
    """What the three displays share: rows a second, time left, and the words for them."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._started = 0.0
        self._updated = 0.0

    def on_train_begin(self, state: TrainingState) -> None:
        """Start the clock."""
        self._started = self._updated = time.perf_counter()

    def _due(self) -> bool:
        now = time.perf_counter()
        if now - self._updated < SECONDS_BETWEEN_UPDATES:
            return False
        self._updated = now
        return True

    def _facts(self, state: TrainingState) -> dict[str, str]:
        """Return what every display shows, as words."""
        steps = len(state.history.batch_losses)
        elapsed = time.perf_counter() - self._started
        total = state.recipe.epochs * state.n_batches
        full_epochs, rest = divmod(steps, state.n_batches)
        rows = full_epochs * state.n_rows + rest * state.recipe.batch_size
        left = elapsed / steps * (total - steps) if steps else 0.0
        epochs = state.history.epochs
        at_end = epochs and epochs[-1]["epoch"] == state.epoch
        loss = epochs[-1]["train_loss"] if at_end else (state.history.batch_losses or [float("nan")])[-1]
        facts = {
            "epoch": f"{state.epoch}/{state.recipe.epochs}",
            "loss": f"{loss:.4f}",
        }
        if state.has_validation:
            accuracy = f"{epochs[-1]['validation_accuracy']:.4f}" if epochs else "-"
            facts["validation accuracy"] = accuracy
        facts["rows/s"] = f"{rows / elapsed:,.0f}" if elapsed else "-"
        facts["left"] = _clock(left)
        return facts


class LineProgress(_Progress):
    """Prints one plain line an epoch, for files and pipes."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Print the epoch's line."""
        facts = self._facts(state)
        epoch = facts.pop("epoch").rjust(2 * len(str(state.recipe.epochs)) + 1)
        words = [f"epoch {epoch}", *(f"{name} {value}" for name, value in facts.items())]
        print("  ".join([self._title, *words] if self._title else words), file=sys.stderr, flush=True)


class BarProgress(_Progress):
    """Shows a bar that moves, for terminals."""

    def __init__(self, title: str = "") -> None:
        super().__init__(title)
        self._bar: Progress | None = None
        self._task: Any = None

    def on_train_begin(self, state: TrainingState) -> None:
        """Show the empty bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().on_train_begin(state)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}", markup=False),
            console=Console(stderr=True),
        )
        total = state.recipe.epochs * state.n_batches
        self._task = self._bar.add_task(self._title or "training", total=total, facts="")
        self._bar.start()

    def on_batch_end(self, state: TrainingState) -> None:
        """Move the bar."""
        if self._due():
            self._show(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Show the epoch's figures."""
        self._show(state)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _show(self, state: TrainingState) -> None:
        assert self._bar is not None
        facts = self._facts(state)
        self._bar.update(
            self._task,
            completed=len(state.history.batch_losses),
            facts="  ".join(f"{name} {value}" for name, value in facts.items()),
        )


class NotebookProgress(_Progress):
    """Shows a bar in the output cell of a notebook."""

    def __init__(self, title: str = "") -> None:
        super().__init__(title)
        self._handle: Any = None

    def on_train_begin(self, state: TrainingState) -> None:
        """Show the empty bar."""
        from IPython.display import HTML, display

        super().on_train_begin(state)
        self._handle = display(HTML(self._html(state)), display_id=True)  # type: ignore[no-untyped-call]

    def on_batch_end(self, state: TrainingState) -> None:
        """Move the bar."""
        if self._due():
            self._show(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Show the epoch's figures."""
        self._show(state)

    def _show(self, state: TrainingState) -> None:
        from IPython.display import HTML

        self._handle.update(HTML(self._html(state)))  # type: ignore[no-untyped-call]

    def _html(self, state: TrainingState) -> str:
        from clearprop.display import progress_html

        share = len(state.history.batch_losses) / (state.recipe.epochs * state.n_batches)
        return progress_html(self._title or "training", share, self._facts(state))


def _in_notebook() -> bool:
    """Tell whether the code runs in a Jupyter kernel, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _clock(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
