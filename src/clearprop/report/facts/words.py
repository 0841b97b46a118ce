"""Accuracies, differences, durations and lists as the report writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from clearprop.study.results import spread

MINUS = "\N{MINUS SIGN}"


def accuracy(value: float) -> str:
    """Return an accuracy with four digits, such as ``0.9672``."""
    return f"{value:.4f}"


def with_spread(values: Sequence[float]) -> str:
    """Return the mean, with the standard deviation over seeds where there are several."""
    mean, deviation = spread(list(values))
    return (
        accuracy(mean)
        if len(values) == 1
        else f"{mean:.4f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{deviation:.4f}"
    )


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign; one that rounds to 0 has no sign."""
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    return f"{'+' if rounded > 0 else MINUS}{abs(rounded):.{digits}f}"


def duration(seconds: float) -> str:
    """Return a time such as ``8.4 s``, ``3 min 5 s`` or ``1 h 2 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def moment(created: str) -> str:
    """Return a moment in ISO 8601 as ``2026-03-01 12:30 UTC``."""
    at = datetime.fromisoformat(created)
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".rstrip()


def memory(n_bytes: int) -> str:
    """Return an amount of memory in GiB."""
    return f"{n_bytes / 2**30:.1f} GiB"


def listed(names: Iterable[str], last: str = "and") -> str:
    """Return names as ``a, b and c``."""
    *first, final = names
    return f"{', '.join(first)} {last} {final}" if first else final


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as ``1 row`` or ``1,437 rows``."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
