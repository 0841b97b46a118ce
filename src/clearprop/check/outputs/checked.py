"""One submission as it was checked: its verdict, or why there is none, and how much of it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clearprop.check.verdicts import Evidence, FoundMistake, FunctionVerdict, Status, SubmissionVerdict

#: How much is given away of a mistake: its place, also its name with the numbers, also the remedy.
Hints = Literal["locate", "explain", "fix"]
_PLAIN_WORDS = frozenset(
    (
        "a",
        "all",
        "an",
        "and",
        "both",
        "each",
        "every",
        "in",
        "it",
        "its",
        "no",
        "only",
        "the",
        "there",
        "this",
    )
)
HINTS: tuple[Hints, ...] = ("locate", "explain", "fix")


@dataclass(frozen=True, slots=True)
class Checked:
    """A submission that was checked.

    Parameters
    ----------
    name : str
        Its file name, or its path below the folder that was checked. It may hold any character.
    verdict : SubmissionVerdict or None
        None if nothing could be judged.
    problem : str
        Why nothing could be judged, a sentence; empty otherwise.
    notes : tuple of str
        Sentences on what was passed over, stood in for or stopped.
    seconds : float
        Time that checking took.
    starts : tuple of int
        Of a notebook: the line at which each code cell begins.
    defect : str
        The traceback, if Clearprop itself failed on it.
    """

    name: str
    verdict: SubmissionVerdict | None
    problem: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    defect: str = ""
    starts: tuple[int, ...] = ()

    @property
    def functions(self) -> tuple[FunctionVerdict, ...]:
        """Verdicts on its functions, without those that are missing and not required."""
        every = () if self.verdict is None else self.verdict.functions
        return tuple(one for one in every if one.status is not Status.MISSING or one.out_of > 0)

    @property
    def passed(self) -> bool:
        """Whether every function was judged and is right."""
        return bool(self.functions) and all(one.status is Status.RIGHT for one in self.functions)

    @property
    def points(self) -> float:
        """Points reached."""
        return 0.0 if self.verdict is None else self.verdict.points

    @property
    def out_of(self) -> float | None:
        """Points that can be reached; None if nothing could be judged."""
        return None if self.verdict is None else self.verdict.out_of

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Notes of the reader and the sandbox, then those of the judge."""
        return self.notes + (() if self.verdict is None else self.verdict.notes)


def shown_sentence(mistake: FoundMistake, hints: Hints) -> str:
    """Return what is said of a mistake.

    Parameters
    ----------
    mistake : FoundMistake
    hints : {"locate", "explain", "fix"}

    Returns
    -------
    str
        One or two sentences.
    """
    if hints == "locate":
        return _sentence(mistake.location or "something is wrong here")
    said = _sentence(mistake.sentence)
    return f"{said} {_sentence(mistake.fix)}" if hints == "fix" and mistake.fix else said


def capitalized(sentence: str) -> str:
    """Return a sentence with a capital letter, unless it begins with a name such as ``dw1``."""
    first = sentence.split(" ", 1)[0]
    return sentence[0].upper() + sentence[1:] if first in _PLAIN_WORDS else sentence


def shown_evidence(mistake: FoundMistake, hints: Hints) -> tuple[Evidence, ...]:
    """Return the evidence that is shown; the expected numbers would give the place alone away."""
    return () if hints == "locate" else mistake.evidence


def number(points: float) -> str:
    """Return points without needless zeros: ``3``, ``2.5``."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def mistakes_counted(checked: Sequence[Checked]) -> list[tuple[str, int]]:
    """Return how many submissions made each mistake, the most frequent first.

    Parameters
    ----------
    checked : sequence of Checked

    Returns
    -------
    list of (str, int)
        Ids of mistakes, and ``missing`` for functions that are not there.
    """
    counts: dict[str, int] = {}
    for submission in checked:
        ids = {mistake.id for function in submission.functions for mistake in function.mistakes}
        if any(function.status is Status.MISSING for function in submission.functions):
            ids.add("missing")
        for found in ids:
            counts[found] = counts.get(found, 0) + 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
