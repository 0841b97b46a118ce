"""What a signal does to a command: Ctrl-C and a request to terminate both let it clear up and say so."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM; whoever handles Ctrl-C handles it as well."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated in the block when SIGTERM comes, unless somebody else handles it already."""

    def terminate(*_: Any) -> None:
        raise Terminated

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code(interruption: BaseException | None) -> int:
    """Return what the shell calls a process that a signal ended: 128 and the signal's number."""
    return TERMINATED if isinstance(interruption, Terminated) else INTERRUPTED


def word(interruption: BaseException | None) -> str:
    """Return what happened, as the first word of a sentence."""
    return "Terminated" if isinstance(interruption, Terminated) else "Interrupted"
