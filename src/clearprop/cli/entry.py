"""Where the command begins: it hears signals before anything heavy is imported, and until it has ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clearprop.cli import interrupts as signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None
        What follows the command's name; None takes it from ``sys.argv``, and the process ends with the
        command: then a signal that comes too late to change anything is not heard any more.

    Returns
    -------
    int
        0; 2 for a user's mistake; 1 for a defect of Clearprop; 130 after Ctrl-C, 143 after SIGTERM.
    """
    earlier = signals.Handlers()
    try:
        earlier = signals.listen()
        # takes most of the time a command needs to start
        from clearprop.cli.app import run

        return run(arguments)
    except KeyboardInterrupt as error:
        # from somebody who did not want to wait for the imports
        word, code = signals.ending(error)
        print(f"{word}.", file=sys.stderr)
        return code
    finally:
        if arguments is None:
            signals.ignore(earlier)
        else:
            signals.restore(earlier)
