"""Verdicts for programs: JSON, a grade book's CSV, and the results.json of Gradescope."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from clearprop.check.mistakes import MISTAKES
from clearprop.check.outputs.checked import (
    Checked,
    Hints,
    capitalized,
    number,
    shown_evidence,
    shown_sentence,
)
from clearprop.check.outputs.text import status_text
from clearprop.check.submission.notes import place
from clearprop.check.verdicts import FoundMistake, FunctionVerdict, Status
from clearprop.display.text import printable

# spreadsheets take a cell that begins so for a formula
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_GRADESCOPE_MAX_OUTPUT = 5000


def as_plain(checked: Checked, hints: Hints) -> dict[str, Any]:
    """Return a submission as the object that ``--json`` prints; ``docs/check.md`` has its schema.

    Parameters
    ----------
    checked : Checked
    hints : {"locate", "explain", "fix"}

    Returns
    -------
    dict
        ``submission``, ``template``, ``functions``, ``points``, ``out_of``, ``passed``; text, numbers, lists
        and dicts only.
    """
    verdict = checked.verdict
    return {
        "submission": {
            "name": _text(checked.name),
            "judged": verdict is not None,
            "problem": _text(checked.problem) or None,
            "notes": [_text(note) for note in checked.all_notes],
            "seconds": round(checked.seconds, 3),
        },
        "template": None if verdict is None else verdict.template,
        "template_reason": None if verdict is None else _text(verdict.template_reason),
        "functions": [_function(function, hints, checked.starts) for function in checked.functions],
        "points": checked.points,
        "out_of": checked.out_of,
        "passed": checked.passed,
    }


def _function(function: FunctionVerdict, hints: Hints, starts: Sequence[int]) -> dict[str, Any]:
    return {
        "name": _text(function.name),
        "status": str(function.status),
        "note": _text(function.note),
        "follows_from": [_text(name) for name in function.follows_from],
        "line": function.line,
        "place": None if function.line is None else place(function.line, starts),
        "mistakes": [_mistake(mistake, hints) for mistake in function.mistakes] or _missing(function),
        "points": function.points,
        "out_of": function.out_of,
    }


def _missing(function: FunctionVerdict) -> list[dict[str, Any]]:
    """Return the mistake of a function that is not there, which gives nothing away."""
    if function.status is not Status.MISSING:
        return []
    known = MISTAKES["missing"]
    return [
        {
            "id": known.id,
            "sentence": f"{capitalized(known.sentence)}.",
            "fix": known.fix,
            "evidence": [],
            "line": None,
        }
    ]


def _mistake(mistake: FoundMistake, hints: Hints) -> dict[str, Any]:
    return {
        "id": mistake.id if hints != "locate" else None,
        "sentence": _text(shown_sentence(mistake, hints)),
        "fix": _text(mistake.fix) if hints == "fix" else None,
        "evidence": [
            {"quantity": _text(row.quantity), "yours": _text(row.yours), "expected": _text(row.expected)}
            for row in shown_evidence(mistake, hints)
        ],
        "line": mistake.line,
    }


def csv_text(checked: Sequence[Checked]) -> str:
    """Return a table for a grade book: a line a submission, a column a function.

    Parameters
    ----------
    checked : sequence of Checked

    Returns
    -------
    str
        Columns ``submission``, ``points``, ``out_of``, ``template``, then the functions' points, then
        ``mistakes`` and ``problem``. Cells that a spreadsheet would compute begin with an apostrophe.
    """
    names = list(dict.fromkeys(function.name for one in checked for function in one.functions))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["submission", "points", "out_of", "template", *map(_cell, names), "mistakes", "problem"])
    for one in checked:
        points = {function.name: number(function.points) for function in one.functions}
        writer.writerow(
            [
                _cell(one.name),
                number(one.points),
                "" if one.out_of is None else number(one.out_of),
                "" if one.verdict is None else _cell(one.verdict.template),
                *(points.get(name, "") for name in names),
                _cell("; ".join(_found(one.functions))),
                _cell(one.problem),
            ]
        )
    return out.getvalue()


def _found(functions: Sequence[FunctionVerdict]) -> list[str]:
    found = [f"{function.name}: {mistake.id}" for function in functions for mistake in function.mistakes]
    return found + [
        f"{function.name}: missing" for function in functions if function.status is Status.MISSING
    ]


def _cell(text: str) -> str:
    shown = _text(text)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown


def gradescope_results(checked: Checked, hints: Hints) -> dict[str, Any]:
    """Return the content of Gradescope's ``results.json``.

    Parameters
    ----------
    checked : Checked
    hints : {"locate", "explain", "fix"}
        Students see it.

    Returns
    -------
    dict
        ``score``, ``output``, ``tests`` and what else Gradescope's autograder specification names.
    """
    said = [checked.problem] if checked.problem else []
    said += checked.all_notes
    return {
        "score": checked.points,
        "execution_time": round(checked.seconds),
        "output": _clipped("\n".join(map(printable, said))),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": _text(function.name),
                "score": function.points,
                "max_score": function.out_of,
                "status": "passed" if function.status is Status.RIGHT else "failed",
                "output": _clipped(_said_of(function, hints)),
                "output_format": "text",
            }
            for function in checked.functions
        ],
    }


def _said_of(function: FunctionVerdict, hints: Hints) -> str:
    if function.status is not Status.WRONG:
        return status_text(function)
    lines = []
    for mistake in function.mistakes:
        lines.append(printable(capitalized(shown_sentence(mistake, hints))))
        lines += [
            printable(f"{row.quantity}: yours {row.yours}, expected {row.expected}")
            for row in shown_evidence(mistake, hints)
        ]
    return "\n".join(lines) or "wrong"


def _clipped(text: str) -> str:
    return text if len(text) <= _GRADESCOPE_MAX_OUTPUT else text[:_GRADESCOPE_MAX_OUTPUT] + "..."


def _text(text: str) -> str:
    """Return text that can be encoded: a file name may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
