"""Verdicts on a terminal: a submission in full, or a class with a line for each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from clearprop.check.outputs.checked import (
    Checked,
    Hints,
    mistakes_counted,
    number,
    shown_evidence,
    shown_sentence,
)
from clearprop.check.submission.notes import place
from clearprop.check.verdicts import Evidence, FunctionVerdict, Status
from clearprop.display.text import folded, printable

WIDTH = 110
MAX_EVIDENCE = 4


def full_text(checked: Checked, hints: Hints, width: int | None = None) -> str:
    """Return all that is to be said of a submission.

    Parameters
    ----------
    checked : Checked
    hints : {"locate", "explain", "fix"}
    width : int, optional
        Columns of the terminal.

    Returns
    -------
    str
        Lines; characters that a terminal would obey are escaped.
    """
    columns = min(width or WIDTH, WIDTH)
    lines = [printable(checked.name)]
    if checked.verdict is not None:
        reason = checked.verdict.template_reason
        chosen = f"Template: {checked.verdict.template}" + (f" ({reason})" if reason else "")
        lines += folded(printable(chosen) + ".", columns)
    for note in checked.all_notes:
        lines += folded(printable(note), columns)
    lines.append("")
    if checked.problem:
        return "\n".join([*lines, *folded(f"Not judged: {printable(checked.problem)}", columns)])
    column = max((len(printable(function.name)) for function in checked.functions), default=0) + 2
    if column > columns // 2:
        column = 4
    for function in checked.functions:
        lines += _function_lines(function, hints, column, columns, checked.starts)
    lines += ["", _total(checked)]
    return "\n".join(lines)


def class_line(checked: Checked, width: int) -> str:
    """Return a submission as one line: its name, its points, what is wrong.

    Parameters
    ----------
    checked : Checked
    width : int
        Columns for the name.
    """
    name = printable(checked.name)
    if checked.problem:
        return f"{name:{width}}  not judged: {printable(checked.problem)}"
    points = f"{number(checked.points)} of {number(checked.out_of or 0)}"
    return f"{name:{width}}  {points:>10}  {'all right' if checked.passed else _summary(checked.functions)}"


def class_text(checked: Sequence[Checked]) -> str:
    """Return the summary of a class: how many are right, and how often each mistake was made."""
    judged = [one for one in checked if not one.problem]
    right = sum(one.passed for one in judged)
    lines = ["", f"{right} of {len(checked)} submissions are right in every function."]
    if len(judged) < len(checked):
        lines.append(f"{len(checked) - len(judged)} could not be judged.")
    counted = mistakes_counted(checked)
    if counted:
        lines += ["", "Mistakes, by how many submissions make them:"]
        lines += [f"{count:6}  {found}" for found, count in counted]
    return "\n".join(lines)


def status_text(function: FunctionVerdict) -> str:
    """Return the status with what belongs to it: ``right, given the output``, ``right, but follows ...``."""
    note = printable(function.note).strip().rstrip(".")
    if function.status is Status.RIGHT:
        return note if note.startswith("right") else f"right, {note}" if note else "right"
    if function.status is Status.MISSING:
        return f"missing: {note}" if note else "missing"
    return f"not judged: {note}" if note else "not judged"


def _function_lines(
    function: FunctionVerdict, hints: Hints, column: int, columns: int, starts: Sequence[int]
) -> list[str]:
    name = printable(function.name)
    if function.status is not Status.WRONG:
        return _beside(name, status_text(function), column, columns)
    lines: list[str] = []
    for position, mistake in enumerate(function.mistakes):
        said = f"{'wrong' if position == 0 else 'and'}: {printable(shown_sentence(mistake, hints))}"
        if mistake.line is not None and position == 0:
            said += f" ({place(mistake.line, starts).capitalize()}.)"
        lines += _beside(name if position == 0 else "", said, column, columns)
        lines += _evidence_lines(shown_evidence(mistake, hints)[:MAX_EVIDENCE], column)
    if not function.mistakes:
        lines += _beside(name, "wrong", column, columns)
    if function.note:
        lines += _beside("", printable(function.note), column, columns)
    return lines


def _beside(name: str, text: str, column: int, columns: int) -> list[str]:
    """Return a text in a column to the right of a name."""
    room = max(columns - column, 20)
    wrapped = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    if len(name) + 2 > column:
        return [name, *(" " * column + line for line in wrapped)]
    return [f"{name:{column}}{wrapped[0]}", *(" " * column + line for line in wrapped[1:])]


def _evidence_lines(evidence: Sequence[Evidence], column: int) -> list[str]:
    if not evidence:
        return []
    rows = [("", "yours", "expected")]
    rows += [(printable(row.quantity), printable(row.yours), printable(row.expected)) for row in evidence]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return [
        " " * (column + 2) + f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}".rstrip()
        for row in rows
    ]


def _summary(functions: Sequence[FunctionVerdict]) -> str:
    said = []
    for function in functions:
        name = printable(function.name)
        if function.status is Status.WRONG:
            said.append(f"{name}: {', '.join(mistake.id for mistake in function.mistakes) or 'wrong'}")
        elif function.status is not Status.RIGHT:
            said.append(f"{name}: {function.status}")
    return "; ".join(said)


def _total(checked: Checked) -> str:
    wrong = sum(function.status is not Status.RIGHT for function in checked.functions)
    points = f"{number(checked.points)} of {number(checked.out_of or 0)} points"
    if checked.passed:
        return f"All {len(checked.functions)} functions are right: {points}."
    return f"{len(checked.functions) - wrong} of {len(checked.functions)} functions are right: {points}."
