"""Verdicts: for each function its status, its mistakes with their evidence, and its points."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """Status of a function."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Numbers that show a mistake: one row of the small table "yours, expected".

    Parameters
    ----------
    quantity : str
        "dw1[0, 0]", "softmax(x)[0, 2]".
    yours, expected : str
        Numbers as text, or "nan", "a (3, 4) array", "ValueError: ...".
    """

    quantity: str
    yours: str
    expected: str


@dataclass(frozen=True, slots=True)
class FoundMistake:
    """A mistake in one function.

    Parameters
    ----------
    id : str
        One of the ids in ``clearprop.check.mistakes.MISTAKES``.
    sentence : str
        What is wrong, with the outputs that show it ("explain").
    fix : str
        What to write instead ("fix").
    location : str
        Where it is, without naming it ("locate"): "dw1 and dw2 are wrong".
    evidence : tuple of Evidence
    line : int, optional
        The line of the function in the submission.
    """

    id: str
    sentence: str
    fix: str
    location: str
    evidence: tuple[Evidence, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True)
class FunctionVerdict:
    """The verdict on one function.

    Parameters
    ----------
    name : str
        As the template names it: "backprop", "Network.backprop".
    status : Status
    mistakes : tuple of FoundMistake
        Empty unless the status is wrong.
    note : str
        What else is to be said: "given the output (1 - h²)", "follows from softmax", why it was not judged.
    follows_from : tuple of str
        Functions whose mistakes make this function's output wrong, although it is right in itself.
    line : int, optional
        The line of its definition.
    points, out_of : float
    """

    name: str
    status: Status
    mistakes: tuple[FoundMistake, ...] = ()
    note: str = ""
    follows_from: tuple[str, ...] = ()
    line: int | None = None
    points: float = 0.0
    out_of: float = 1.0


@dataclass(frozen=True, slots=True)
class SubmissionVerdict:
    """The verdict on a submission.

    Parameters
    ----------
    template : str
    template_reason : str
        How the template was chosen: "given", or the names in the file that decided.
    functions : tuple of FunctionVerdict
        In the template's order.
    notes : tuple of str
        Sentences on the file as a whole that the judge adds to those of the reader and the sandbox.
    """

    template: str
    template_reason: str
    functions: tuple[FunctionVerdict, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def points(self) -> float:
        """Points reached."""
        return sum(function.points for function in self.functions)

    @property
    def out_of(self) -> float:
        """Points that can be reached."""
        return sum(function.out_of for function in self.functions)

    @property
    def passed(self) -> bool:
        """Whether every function is right."""
        return all(function.status is Status.RIGHT for function in self.functions)
