"""What the sandbox's tests share: one submission given as text, and a skip where nothing contains it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from clearprop.check.calls import Answer, Call
from clearprop.check.sandbox.limits import Limits
from clearprop.check.sandbox.runner import NotContained, Sandbox
from clearprop.check.submission.files import SubmissionFile

DOUBLE = "def f(x):\n    return 2 * x\n"
ON_ONES = (Call("f", (np.ones(3),)),)
QUICK = Limits(
    call_seconds=0.4,
    submission_seconds=20,
    statement_seconds=0.4,
    statements_seconds=1.2,
    folder_bytes=4 << 20,
)


@cache
def _why_not_contained() -> str:
    try:
        with Sandbox(SubmissionFile("x.py", DOUBLE.encode(), False)):
            return ""
    except NotContained as error:
        return str(error)


def require_containment() -> None:
    """Skip the test where this system has no walls for a submission."""
    why = _why_not_contained()
    if why:
        pytest.skip(why)


def ran(
    source: str | bytes, calls: tuple[Call, ...] = ON_ONES, *, notebook: bool = False, limits: Limits = QUICK
) -> tuple[list[Answer], str]:
    """Return the answers of a submission, and what the sandbox says of it."""
    require_containment()
    data = source.encode() if isinstance(source, str) else source
    with Sandbox(SubmissionFile("x.py", data, notebook), limits) as sandbox:
        answers = sandbox.run(calls)
        return answers, " ".join(sandbox.notes)
