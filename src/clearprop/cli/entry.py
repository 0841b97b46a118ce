"""Entry point of the command: interrupts are handled before anything heavy is imported, and to the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clearprop.cli import interrupts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None
        The arguments after the command's name. None takes them from ``sys.argv``; the process is then to
        end with the command, so later signals are ignored.

    Returns
    -------
    int
        0; 2 for a user's mistake; 1 for a defect of Clearprop; 130 after Ctrl-C, 143 after SIGTERM.
    """
    previous = interrupts.Handlers()
    try:
        previous = interrupts.install_handlers()
        # imported late: it takes most of the time that a command needs to start
        from clearprop.cli.app import run

        return run(arguments)
    except KeyboardInterrupt as error:
        # the user insisted while the imports above were still running
        word, code = interrupts.begin_ending(error)
        print(f"{word}.", file=sys.stderr)
        return code
    finally:
        if arguments is None:
            interrupts.ignore_signals(previous)
        else:
            interrupts.restore_handlers(previous)
