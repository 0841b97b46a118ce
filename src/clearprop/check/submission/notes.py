"""Sentences on what was passed over at a submission's top level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_SHOWN = 4


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A statement that was passed over.

    Parameters
    ----------
    line : int
        Where it begins in the submission's source.
    why : str
        "ValueError: ...", "it took more than 1 s", "it ended its process (exit code 0)".
    """

    line: int
    why: str


def place(line: int, starts: Sequence[int]) -> str:
    """Return where a line is, for people: ``line 12``, or ``line 3 of code cell 2`` of a notebook.

    Parameters
    ----------
    line : int
        In the submission's source.
    starts : sequence of int
        The line at which each code cell begins; empty for a file that is no notebook.
    """
    cell = sum(start <= line for start in starts)
    return f"line {line - starts[cell - 1] + 1} of code cell {cell}" if cell else f"line {line}"


def top_level_notes(
    passed_over: Sequence[PassedOver], missing: Sequence[str], source: str, starts: Sequence[int]
) -> list[str]:
    """Return the sentences.

    Parameters
    ----------
    passed_over : sequence of PassedOver
    missing : sequence of str
        Libraries that were stood in for.
    source : str
        The submission's text, whose lines are quoted.
    starts : sequence of int
        See :func:`place`.

    Returns
    -------
    list of str
    """
    lines = source.split("\n")
    sentences = [
        f"{place(statement.line, starts).capitalize()}, {_quoted(lines, statement.line)}, was passed over: "
        f"{statement.why}."
        for statement in sorted(passed_over, key=lambda statement: statement.line)
    ]
    if len(sentences) > MAX_SHOWN:
        more = len(sentences) - MAX_SHOWN + 1
        sentences = [
            *sentences[: MAX_SHOWN - 1],
            f"{more} more statements at the top level were passed over.",
        ]
    if missing:
        verb, pronoun = ("is", "it") if len(missing) == 1 else ("are", "them")
        sentences.append(
            f"{', '.join(missing)} {verb} not installed here; objects that do nothing stand in for {pronoun}."
        )
    return sentences


def _quoted(lines: Sequence[str], number: int) -> str:
    text = " ".join(lines[number - 1].split()) if 0 < number <= len(lines) else ""
    return f"`{text if len(text) <= 50 else text[:47] + '...'}`"
