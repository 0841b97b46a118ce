"""The command in the test's own process: the one sentence it refuses with."""

from __future__ import annotations

import pytest

from clearprop.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the sentence that the command refuses with; it must exit with 2 and print nothing else."""
    # output of earlier commands
    capsys.readouterr()
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    return err
