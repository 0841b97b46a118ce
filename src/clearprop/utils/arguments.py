"""Checks of single arguments; each error names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real

from clearprop.utils.errors import InvalidArgument


def check_choice(field: str, value: object, allowed: Iterable[str]) -> str:
    """Return the value if it is one of the allowed names, else raise InvalidArgument with the nearest."""
    names = tuple(allowed)
    if isinstance(value, str) and value in names:
        return value
    raise InvalidArgument(f"{field} is {value!r}, but must be one of {listed(names)}.{nearest(value, names)}")


def check_whole(field: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Return the value as an int if it is a whole number within the bounds."""
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or value < minimum or (maximum is not None and value > maximum):  # type: ignore[operator]
        most = "" if maximum is None else f" and at most {maximum:,}"
        raise InvalidArgument(
            f"{field} is {value!r}, but must be a whole number of at least {minimum}{most}."
        )
    return int(value)  # type: ignore[call-overload,no-any-return]


def check_number(
    field: str,
    value: object,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
) -> float:
    """Return the value as a float if it is finite and within the bounds."""
    bounds = []
    fits = isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
    if above is not None:
        bounds.append(f"greater than {above:g}")
        fits = fits and float(value) > above  # type: ignore[arg-type]
    if minimum is not None:
        bounds.append(f"at least {minimum:g}")
        fits = fits and float(value) >= minimum  # type: ignore[arg-type]
    if below is not None:
        bounds.append(f"less than {below:g}")
        fits = fits and float(value) < below  # type: ignore[arg-type]
    if maximum is not None:
        bounds.append(f"at most {maximum:g}")
        fits = fits and float(value) <= maximum  # type: ignore[arg-type]
    if not fits:
        kind = f"number {' and '.join(bounds)}" if bounds else "finite number"
        raise InvalidArgument(f"{field} is {value!r}, but must be a {kind}.")
    return float(value)  # type: ignore[arg-type]


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # an integer too large for a float
        return False


def listed(names: Iterable[str]) -> str:
    """Return the names quoted, with commas and a last "or"."""
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def nearest(value: object, names: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest names, or an empty string if none is near."""
    close = difflib.get_close_matches(str(value).lower(), list(names), n=3, cutoff=0.5)
    return f" Did you mean {listed(close)}?" if close else ""
