"""Subject: a Program read from somewhere, with its data and the notes on what the reading left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clearprop.diagnosis.causes import Hypothesis
from clearprop.diagnosis.program import Program


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A training to diagnose.

    Attributes
    ----------
    program : Program
    x, y : array-like
    validation : (x, y) or None
    notes : tuple of str
        Settings of the original that a Program does not have.
    trainer : callable or None
        Trains in place of ``train_program``, whose arguments it takes; the program then only describes.
    may_try : callable or None
        ``may_try(program, hypothesis)`` tells whether a remedy may be tried.
    """

    program: Program
    x: Any
    y: Any
    validation: tuple[Any, Any] | None = None
    notes: tuple[str, ...] = ()
    trainer: Callable[..., Any] | None = None
    may_try: Callable[[Program, Hypothesis], bool] | None = None
