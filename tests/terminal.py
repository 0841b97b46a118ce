"""The command on a terminal of a width."""

from __future__ import annotations

import os
import pty
import sys
import threading

import pytest

from clearprop.cli import main


def on_a_terminal(*arguments: str, columns: int = 80) -> str:
    """Run the command with a terminal as its output, and return all that it shows."""
    master, slave = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        # at the end some systems give nothing, others an error
        try:
            while part := os.read(master, 65536):
                shown.append(part)
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.MonkeyPatch.context() as patch, open(slave, "w", encoding="utf-8") as terminal:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", terminal)
        code = main(list(arguments))
    reader.join(timeout=60)
    os.close(master)
    text = b"".join(shown).decode()
    assert code == 0, text
    return text
