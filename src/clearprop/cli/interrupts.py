"""What a signal does to a command: Ctrl-C and a request to terminate both let it clear up and say so.

An exception that is raised wherever a signal happens to come is not safe everywhere: it cuts an import in
two, and what a half-imported extension makes of it is anything from an ImportError to silence; it leaves a
step of the training half done; it is lost in a destructor. So a signal is raised as an exception where the
command can be left, and waits where it cannot: while anything is imported, and in a block that is ``held``
until it asks for it at a safe point. One that comes while the command is ending changes nothing any more.
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

INTERRUPTED, TERMINATED = 130, 143
#: Wrappers and terminals send a signal twice; who sends it again after so many seconds will not wait.
PATIENCE = 1.0
SECONDS_BETWEEN_ATTEMPTS = 0.02

#: What is done with each signal, as the module signal has it.
Handlers = dict[int, Callable[[int, FrameType | None], object] | signal.Handlers]


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM; whoever handles Ctrl-C handles it as well."""


class _State:
    """What this process, which has one main thread to hear signals with, knows of them."""

    def __init__(self) -> None:
        #: The signal that came, and when somebody last insisted on it.
        self.number: int | None = None
        self.since = 0.0
        #: The time has not come to raise it; it was raised; nothing is to be raised any more.
        self.held = self.raised = self.ending = False
        #: This is not another signal but the earlier one, which came during an import.
        self.attempt = False


_state = _State()


def listen() -> Handlers:
    """Hear SIGINT and SIGTERM from here on, but for those that somebody else handles; begin held.

    Returns
    -------
    dict
        For ``restore`` or ``ignore``: what handled each signal before.
    """
    global _state
    _state = _State()
    _state.held = True
    if threading.current_thread() is not threading.main_thread():
        return {}
    usual: Handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    # a shell that runs a command in the background has it ignore SIGINT, and so it shall
    earlier = {number: usual[number] for number in usual if signal.getsignal(number) is usual[number]}
    for number in earlier:
        signal.signal(number, _hear)
    return earlier


def restore(earlier: Handlers) -> None:
    """Let whoever handled the signals before handle them again."""
    _state.ending = True
    for number, handler in earlier.items():
        signal.signal(number, handler)


def ignore(earlier: Handlers) -> None:
    """Hear nothing any more: the command has done all it had to, and its exit code is known."""
    _state.ending = True
    for number in earlier:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def held(held: bool = True) -> Iterator[None]:
    """Let a signal wait for the end of the block, for ``raise_waiting``, or until somebody insists.

    ``held=False`` is the other way round, in a block that is held: what waits is raised as it begins, what
    comes where it comes, and what came in an import as it ends at the latest.
    """
    before = _state.held
    _state.held = held
    try:
        if not held:
            raise_waiting()
        yield
    finally:
        _state.held = before
    if not (before and held):
        raise_waiting()


def raise_waiting() -> None:
    """Raise the signal that came, if it did not end the command yet."""
    if _state.number is not None and not _state.ending:
        _raise()


def came() -> bool:
    """Tell whether a signal came that ends the command."""
    return _state.number is not None


def is_ending() -> bool:
    """Tell whether the command is ending because of a signal."""
    return _state.ending


def ending(interruption: BaseException | None = None) -> tuple[str, int]:
    """End the command: no further signal disturbs what it does from here on.

    Parameters
    ----------
    interruption : BaseException or None
        What ``except KeyboardInterrupt`` caught; None asks for the signal that came.

    Returns
    -------
    word : str
        What happened, as the first word of a sentence.
    code : int
        What the shell calls a process that the signal ended: 128 and the signal's number.
    """
    _state.ending = True
    terminated = (
        isinstance(interruption, Terminated)
        if isinstance(interruption, KeyboardInterrupt)
        else _state.number == signal.SIGTERM
    )
    return ("Terminated", TERMINATED) if terminated else ("Interrupted", INTERRUPTED)


@contextlib.contextmanager
def quiet_when_lost() -> Iterator[None]:
    """Say nothing of a signal that was raised where nothing can be raised, such as in a destructor."""

    def hook(lost: sys.UnraisableHookArgs) -> None:
        # it is not forgotten: the next safe point raises it again
        if not (came() and issubclass(lost.exc_type, KeyboardInterrupt)):
            elsewhere(lost)

    elsewhere = sys.unraisablehook
    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = elsewhere


def _hear(number: int, frame: FrameType | None) -> None:
    state, now = _state, time.monotonic()
    attempt, state.attempt = state.attempt, False
    if state.ending:
        return
    if state.number is None:
        state.number, state.since = number, now
    insisted = not attempt and now - state.since >= PATIENCE
    if insisted:
        state.since = now
    elif state.held or state.raised:
        return
    elif _importing(frame):
        # not by a Thread, whose locks the import may have
        _thread.start_new_thread(_attempt_again, (state, number))
        return
    _raise()


def _raise() -> None:
    _state.raised = True
    raise Terminated if _state.number == signal.SIGTERM else KeyboardInterrupt


def _attempt_again(state: _State, number: int) -> None:
    time.sleep(SECONDS_BETWEEN_ATTEMPTS)
    if state is _state and not state.ending:
        state.attempt = True
        _thread.interrupt_main(signal.Signals(number))


def _importing(frame: FrameType | None) -> bool:
    """Tell whether the main thread is importing a module."""
    while frame is not None and frame.f_globals.get("__name__") != "clearprop.cli.app":
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
