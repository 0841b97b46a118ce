"""Text for terminals: tables and sentences wrapped to its width, and control characters escaped."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence


def printable(text: str) -> str:
    """Return text with every character escaped that is not printable, or that standard output cannot encode.

    The name of a file or a class may contain a line break, or control sequences that a terminal would obey;
    or any script, where the output is ASCII.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if text.isprintable() and _encodes(encoding, text):
        return text
    return "".join(
        c if c.isprintable() and _encodes(encoding, c) else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _encodes(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def valid_unicode(text: str) -> str:
    r"""Return text with half characters escaped, so that any file can hold it.

    Python reads the byte E9 of a file name that is not UTF-8 as such a half; it becomes ``\xe9``.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def folded(sentence: str, width: int | None) -> list[str]:
    """Return a sentence as lines of at most a width; None is no limit."""
    return [sentence] if width is None else textwrap.wrap(sentence, width, break_on_hyphens=False)


def table_lines(rows: Sequence[tuple[str, str] | None], width: int | None) -> list[str]:
    """Return the lines of a table.

    Parameters
    ----------
    rows : sequence of (str, str) or None
        Pairs of a label and its figures, which are already aligned; None is an empty line.
    width : int or None
        Columns of the terminal; None is no limit. If the table is wider, labels are aligned to the left, and
        a label too long to fit beside its figures gets a line of its own before them.
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
