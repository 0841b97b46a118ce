"""The command on a terminal of a width."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

PROGRAM = "import sys; from clearprop.cli import main; sys.exit(main())"


def on_a_terminal(*arguments: str, columns: int = 80) -> str:
    """Run the command on a terminal, and return all that it shows."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(master)
    assert process.returncode == 0
    return shown.decode()
