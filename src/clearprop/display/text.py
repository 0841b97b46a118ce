"""Text for terminals: tables and sentences that fold where it is narrow, and nothing that it would obey."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence


def printable(text: str) -> str:
    """Return text with an escape for each character that cannot be seen.

    The name of a file or a class can hold anything: a line break, or what makes a terminal change colour.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def folded(sentence: str, width: int | None) -> list[str]:
    """Return a sentence as lines of at most a width; None is no limit."""
    return [sentence] if width is None else textwrap.wrap(sentence, width, break_on_hyphens=False)


def table_lines(rows: Sequence[tuple[str, str] | None], width: int | None) -> list[str]:
    """Return the lines of a table.

    Parameters
    ----------
    rows : sequence of (str, str) or None
        Each a label and its figures, which are aligned already; None is an empty line.
    width : int or None
        Columns there are; None is no limit. In a table that is wider, labels stand to the left, and one that
        has no room beside its figures on the line before them.
    """
    filled = [row for row in rows if row is not None]
    room = max(len(label) for label, _ in filled)
    side = ">"
    beside = room if width is None else width - 2 - max(len(figures) for _, figures in filled)
    if room > beside:
        room = max((len(label) for label, _ in filled if len(label) <= beside), default=0)
        side = "<"
    lines: list[str] = []
    for row in rows:
        if row is None:
            lines.append("")
            continue
        label, figures = row
        if len(label) > room:
            lines += folded(label, width)
            label = ""
        lines.append(f"{label:{side}{room}}  {figures}")
    return lines
