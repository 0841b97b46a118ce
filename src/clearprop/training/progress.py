"""Progress of a training: a bar on a terminal or in a notebook, one plain line an epoch elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clearprop.training.callbacks import Callback, TrainingState

if TYPE_CHECKING:
    from rich.progress import Progress

# a bar looks alive at this rate, and drawing it takes no noticeable time
SECONDS_BETWEEN_UPDATES = 0.1


def progress_callback(title: str = "") -> Callback:
    """Return the progress display for standard error: a notebook's, a terminal's, or plain lines.

    Parameters
    ----------
    title : str
        Stands before the progress, such as the name of an experiment.
    """
    if _in_notebook():
        return NotebookProgress(title)
    return BarProgress(title) if _can_move_a_bar() else LineProgress(title)


class ResumeNotice(Callback):
    """Prints the epoch after which a training resumes.

    Parameters
    ----------
    folder : path-like
        The run's folder, as messages name it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)

    def on_train_begin(self, state: TrainingState) -> None:
        """Print the sentence."""
        if not state.epoch:
            sentence = f"There is no checkpoint in {self._folder} yet: training from the beginning."
        elif state.stop or state.epoch >= state.recipe.epochs:
            sentence = f"The run in {self._folder} is finished, after {state.epoch} epochs."
        else:
            sentence = f"Going on in {self._folder} after epoch {state.epoch} of {state.recipe.epochs}."
        print(sentence, file=sys.stderr, flush=True)


class _Progress(Callback):
    """Base class of the three displays: rows a second, time left, and their text."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._started = 0.0
        self._epoch_started = 0.0
        self._updated = 0.0
        # steps before a resumed training was interrupted
        self._steps_before = 0

    def on_train_begin(self, state: TrainingState) -> None:
        """Start the clock."""
        self._steps_before = len(state.history.batch_losses)
        self._started = self._epoch_started = self._updated = time.perf_counter()

    def on_epoch_end(self, state: TrainingState) -> None:
        """Start the clock of the next epoch."""
        self._epoch_started = time.perf_counter()

    def _due(self) -> bool:
        now = time.perf_counter()
        if now - self._updated < SECONDS_BETWEEN_UPDATES:
            return False
        self._updated = now
        return True

    def _facts(self, state: TrainingState) -> dict[str, str]:
        """Return the facts that every display shows; a dash stands for a value not known yet."""
        epochs, losses = state.history.epochs, state.history.batch_losses
        now = time.perf_counter()
        # as in Run.rows_per_second, without the time of validation
        seconds = sum(state.history.column("seconds"))
        if len(epochs) == state.epoch and epochs:
            loss = f"{epochs[-1]['train_loss']:.4f}"
        else:
            loss = f"{losses[-1]:.4f}" if losses else "-"
            seconds += now - self._epoch_started
        full_epochs, rest = divmod(len(losses), state.n_batches)
        rows = full_epochs * state.n_rows + rest * state.recipe.batch_size
        steps_left = 0 if state.stop else state.recipe.epochs * state.n_batches - len(losses)
        # of fixed width, so that the columns after it do not move
        facts = {
            "epoch": f"{state.epoch:{len(str(state.recipe.epochs))}}/{state.recipe.epochs}",
            "loss": f"{loss:6}",
        }
        if state.has_validation:
            accuracy = f"{epochs[-1]['validation_accuracy']:.4f}" if epochs else "-"
            facts["validation accuracy"] = f"{accuracy:6}"
        facts["rows/s"] = f"{rows / seconds:7,.0f}" if rows and seconds else f"{'-':>7}"
        steps = len(losses) - self._steps_before
        facts["left"] = _clock((now - self._started) / steps * steps_left) if steps else "-"
        return facts


class LineProgress(_Progress):
    """Prints one plain line an epoch, for files and pipes."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Print the epoch's line."""
        words = [f"{name} {value}" for name, value in self._facts(state).items()]
        print("  ".join([self._title, *words] if self._title else words), file=sys.stderr, flush=True)
        super().on_epoch_end(state)


class _LiveProgress(_Progress):
    """Base class of the two bars: it limits how often they are drawn."""

    def on_batch_end(self, state: TrainingState) -> None:
        """Move the bar."""
        if self._due():
            self._show(state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Show the epoch's figures."""
        self._show(state)
        super().on_epoch_end(state)

    def _show(self, state: TrainingState) -> None:
        raise NotImplementedError


class BarProgress(_LiveProgress):
    """Shows a bar that moves, for terminals."""

    def __init__(self, title: str = "") -> None:
        super().__init__(title)
        self._bar: Progress | None = None
        self._task: Any = None

    def on_train_begin(self, state: TrainingState) -> None:
        """Show the empty bar, below its title: both in one line would not fit on 80 columns."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().on_train_begin(state)
        console = Console(stderr=True)
        if self._title:
            console.out(self._title, highlight=False)
        self._bar = Progress(
            # on a narrow terminal the bar gets shorter, and the text stays
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=console,
        )
        total = state.recipe.epochs * state.n_batches
        self._task = self._bar.add_task(self._text(state), total=total)
        self._bar.start()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _show(self, state: TrainingState) -> None:
        assert self._bar is not None
        self._bar.update(self._task, completed=len(state.history.batch_losses), description=self._text(state))

    def _text(self, state: TrainingState) -> str:
        facts = self._facts(state)
        # the only accuracy there is, so the short word is clear
        words = [f"{name.removeprefix('validation ')} {value}" for name, value in facts.items()]
        return "  ".join(words)


class NotebookProgress(_LiveProgress):
    """Shows a bar in the output cell of a notebook."""

    def __init__(self, title: str = "") -> None:
        super().__init__(title)
        self._handle: Any = None

    def on_train_begin(self, state: TrainingState) -> None:
        """Show the empty bar."""
        from IPython.display import HTML, display

        super().on_train_begin(state)
        self._handle = display(HTML(self._html(state)), display_id=True)  # type: ignore[no-untyped-call]

    def _show(self, state: TrainingState) -> None:
        from IPython.display import HTML

        self._handle.update(HTML(self._html(state)))  # type: ignore[no-untyped-call]

    def _html(self, state: TrainingState) -> str:
        share = len(state.history.batch_losses) / (state.recipe.epochs * state.n_batches)
        return progress_html(self._title or "training", share, self._facts(state))


def progress_html(title: str, share: float, facts: Mapping[str, str]) -> str:
    """Return the progress of a training as a bar with a few facts.

    Parameters
    ----------
    title : str
    share : float
        The part that is done, from 0 to 1.
    facts : mapping of str to str
        Shown beside the bar, such as ``{"epoch": "3/15", "loss": "0.4211"}``.
    """
    from clearprop.display.html import card

    return card("progress", title=title, share=min(max(share, 0.0), 1.0), facts=facts)


def _in_notebook() -> bool:
    """Tell whether the code runs in a Jupyter kernel, without importing IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _can_move_a_bar() -> bool:
    """Tell whether standard error is a terminal whose cursor can move back."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _clock(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
