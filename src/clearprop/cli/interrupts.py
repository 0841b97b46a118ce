"""Interrupts: SIGINT (Ctrl-C) and SIGTERM end a command at a safe point, with one sentence and its exit code.

Python can raise ``KeyboardInterrupt`` at any bytecode, and that is not safe everywhere: it can leave an
extension module half imported, it can cut a training step in two, and a destructor swallows it. The handler
here therefore raises a signal at once only where the command can be left, and otherwise remembers it:

- during an import, it is raised as soon as the import has ended;
- in ``with delay_interrupts():`` it is raised at the end of the block, or by ``raise_delayed()`` in it;
- in ``with allow_interrupts():``, inside such a block, it is raised at once again;
- once the command is ending, further signals are ignored.

A second signal that comes ``PATIENCE_SECONDS`` after the first is raised at once, even if delayed.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143
#: Wrappers and terminals often send a signal twice at once; only a later one means that the user insists.
PATIENCE_SECONDS = 1.0
RETRY_SECONDS = 0.02

#: Signal number -> handler, as ``signal.getsignal`` returns it.
Handlers = dict[int, Callable[[int, FrameType | None], object] | signal.Handlers]


class Terminated(KeyboardInterrupt):
    """SIGTERM asked the process to end; ``except KeyboardInterrupt`` catches it together with Ctrl-C."""


class _State:
    """The signal received by this process, and whether it may be raised now."""

    def __init__(self) -> None:
        #: The first signal received, and the time at which it, or the last one that insisted, was received.
        self.number: int | None = None
        self.since = 0.0
        self.delayed = False
        self.raised = False
        self.ending = False
        #: The next call of the handler is our own retry of a signal that came during an import.
        self.is_retry = False


_state = _State()


def install_handlers() -> Handlers:
    """Handle SIGINT and SIGTERM, unless another handler is installed; both are delayed at first.

    Returns
    -------
    dict
        The previous handlers, for ``restore_handlers`` or ``ignore_signals``; empty outside of the main
        thread.
    """
    global _state
    _state = _State()
    _state.delayed = True
    if threading.current_thread() is not threading.main_thread():
        return {}
    usual: Handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    # a shell sets SIGINT to be ignored in a background command, which must stay so
    previous = {number: usual[number] for number in usual if signal.getsignal(number) is usual[number]}
    for number in previous:
        signal.signal(number, _handle)
    return previous


def restore_handlers(previous: Handlers) -> None:
    """Install the previous handlers again."""
    _state.ending = True
    for number, handler in previous.items():
        signal.signal(number, handler)


def ignore_signals(previous: Handlers) -> None:
    """Ignore the signals from here on: the work is done, and the exit code is known."""
    _state.ending = True
    for number in previous:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def delay_interrupts() -> Iterator[None]:
    """Delay signals to the end of the block, to ``raise_delayed``, or until the user insists."""
    before = _state.delayed
    _state.delayed = True
    try:
        yield
    finally:
        _state.delayed = before
    if not before:
        raise_delayed()


@contextlib.contextmanager
def allow_interrupts() -> Iterator[None]:
    """Raise signals at once, inside of a block that delays them.

    A signal delayed until now is raised as the block begins; one that came during an import, at the latest
    as the block ends.
    """
    before = _state.delayed
    _state.delayed = False
    try:
        raise_delayed()
        yield
    finally:
        _state.delayed = before
    raise_delayed()


def raise_delayed() -> None:
    """Raise the signal received, if there is one and the command is not ending already."""
    if _state.number is not None and not _state.ending:
        _raise()


def was_interrupted() -> bool:
    """Tell whether a signal was received."""
    return _state.number is not None


def is_ending() -> bool:
    """Tell whether the command is ending, so that further signals are ignored."""
    return _state.ending


def begin_ending(interruption: BaseException | None = None) -> tuple[str, int]:
    """Ignore further signals, and return how to report the one that ends the command.

    Parameters
    ----------
    interruption : BaseException or None
        The exception caught by ``except KeyboardInterrupt``; None means the signal received.

    Returns
    -------
    word : str
        "Interrupted" or "Terminated", to begin a sentence with.
    code : int
        The exit code that shells use for it: 128 plus the number of the signal.
    """
    _state.ending = True
    terminated = (
        isinstance(interruption, Terminated)
        if isinstance(interruption, KeyboardInterrupt)
        else _state.number == signal.SIGTERM
    )
    return ("Terminated", EXIT_TERMINATED) if terminated else ("Interrupted", EXIT_INTERRUPTED)


@contextlib.contextmanager
def silence_swallowed() -> Iterator[None]:
    """Print nothing about a signal that a destructor swallowed: the next safe point raises it again."""

    def hook(swallowed: sys.UnraisableHookArgs) -> None:
        if not (was_interrupted() and issubclass(swallowed.exc_type, KeyboardInterrupt)):
            previous(swallowed)

    previous = sys.unraisablehook
    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous


def _handle(number: int, frame: FrameType | None) -> None:
    state, now = _state, time.monotonic()
    is_retry, state.is_retry = state.is_retry, False
    if state.ending:
        return
    if state.number is None:
        state.number, state.since = number, now
    insists = not is_retry and now - state.since >= PATIENCE_SECONDS
    if insists:
        state.since = now
    elif state.delayed or state.raised:
        return
    elif _is_importing(frame):
        # not a threading.Thread: the interrupted import may hold the locks that starting one needs
        _thread.start_new_thread(_retry, (state, number))
        return
    _raise()


def _raise() -> None:
    _state.raised = True
    raise Terminated if _state.number == signal.SIGTERM else KeyboardInterrupt


def _retry(state: _State, number: int) -> None:
    time.sleep(RETRY_SECONDS)
    if state is _state and not state.ending:
        state.is_retry = True
        _thread.interrupt_main(signal.Signals(number))


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether the main thread is importing a module, below the command line's own frame."""
    while frame is not None and frame.f_globals.get("__name__") != "clearprop.cli.app":
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
