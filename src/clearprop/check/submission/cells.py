"""The Python in a submission's file: text decoded, code cells joined, no-Python blanked out, line by line.

Runs in the submission's process, since a file may be made to break the parser.
"""

from __future__ import annotations

import ast
import codecs
import io
import json
import re
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any

# blocks of a file that does not parse as a whole are tried one by one; more would take long
MAX_BLOCKS = 2000
MAX_SOURCE = 2 << 20
MAX_DEPTH = 150

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# `%matplotlib inline`, `!pip install`, `x = !ls`, `files = %sx ls`, `plt.plot?`
_MAGIC = re.compile(r"^\s*(?:[%!]|[\w.\[\], ]+=\s*[%!]\w|\?|[\w.]+\?{1,2}\s*$)")
# cells of these are Python all the same
_CELLS_OF_PYTHON = frozenset(("time", "timeit", "capture", "prun", "debug", "memit", "python", "python3"))


class Unreadable(Exception):
    """A file without Python to judge; the text is the end of the sentence "alice.py ..."."""


@dataclass(frozen=True, slots=True)
class Text:
    """A submission as Python text that parses.

    Parameters
    ----------
    source : str
        As many lines as the file, or as a notebook's code cells, one after the other.
    notes : tuple of str
        A sentence for each thing that was left out.
    starts : tuple of int
        The line at which each code cell begins; empty for a file that is no notebook.
    """

    source: str
    notes: tuple[str, ...]
    starts: tuple[int, ...] = ()


def read_text(data: bytes, notebook: bool) -> Text:
    """Return the Python of a file.

    Parameters
    ----------
    data : bytes
        The file.
    notebook : bool
        True for ``.ipynb``.

    Raises
    ------
    Unreadable
        If there is none.
    """
    notes: list[str] = []
    text = _decoded(data, notes)
    cells = _code_cells(text) if notebook else [text]
    if sum(map(len, cells)) > MAX_SOURCE:
        raise Unreadable(f"has more than {MAX_SOURCE >> 20} MB of code, which no homework has")
    parts = [_python_of(cell, f"cell {n}" if notebook else "", notes) for n, cell in enumerate(cells, 1)]
    source = "\n".join(parts)
    if not source.strip():
        raise Unreadable("has no Python code")
    if _depth(parsed(source)) > MAX_DEPTH:
        raise Unreadable(f"has expressions nested more than {MAX_DEPTH} deep")
    lines = [part.count("\n") + 1 for part in parts]
    starts = tuple(1 + sum(lines[:n]) for n in range(len(parts))) if notebook else ()
    return Text(source, tuple(notes), starts)


def parsed(source: str) -> ast.Module:
    """Return the syntax tree, without the warnings that Python has on some literals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _decoded(data: bytes, notes: list[str]) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "")
    if not encoding:
        try:
            encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        except SyntaxError:
            encoding = "utf-8"
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        text = data.decode("latin-1")
        notes.append("It is not UTF-8; it was read as Latin-1.")
    if "\0" in text:
        if not text.replace("\0", "").isprintable() and data[:2] in (b"PK", b"\x7fE", b"\x89P", b"%P"):
            raise Unreadable("is no text: it has binary data")
        text = text.replace("\0", "")
        notes.append("It has null characters, which were left out.")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")


def _code_cells(text: str) -> list[str]:
    """Return the code cells of a notebook, formats 3 and 4."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("is no notebook: it is not JSON") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if cells is None and isinstance(notebook, dict):
        sheets = notebook.get("worksheets")
        sheet = sheets[0] if isinstance(sheets, list) and sheets else None
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("is no notebook: it has no cells")
    code = [
        _joined(cell.get("source", cell.get("input", "")))
        for cell in cells
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]
    return [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in code]


def _joined(source: Any) -> str:
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _python_of(cell: str, place: str, notes: list[str]) -> str:
    """Return a cell, or a whole file, with what is no Python blanked out."""
    if place:
        cell = _without_magics(cell)
    elif not _parses(cell) and _parses(without := _without_magics(cell)):
        # a notebook saved as a script
        return without
    if _parses(cell):
        return cell
    return _parsing_blocks(cell, place, notes)


def _parses(text: str) -> bool:
    try:
        parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _without_magics(cell: str) -> str:
    lines = cell.split("\n")
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        name = (lines[first].strip("% ").split() or [""])[0]
        if name not in _CELLS_OF_PYTHON:
            return "\n" * (len(lines) - 1)
    if _parses(cell):
        return cell
    # an indented magic may be all that a block has
    return "\n".join(_indent(line) + "pass" if _MAGIC.match(line) else line for line in lines)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _parsing_blocks(text: str, place: str, notes: list[str]) -> str:
    """Return the text with the blocks at the top level that do not parse blanked out."""
    lines = text.split("\n")
    starts = [n for n, line in enumerate(lines) if line[:1] not in ("", " ", "\t", "#", ")", "]", "}")]
    starts = [n for n in starts if not re.match(r"(else|elif|except|finally)\b", lines[n])]
    if len(starts) > MAX_BLOCKS:
        raise Unreadable("is not Python, and too long to look for the parts that are")
    kept = [""] * len(lines)
    edges = [*starts, len(lines)]
    block = 0
    while block < len(starts):
        end = next(
            (
                end
                # a text in three quotes, or a decorator, goes on over several blocks
                for end in range(block + 1, min(block + 40, len(edges)))
                if _parses("\n".join(lines[edges[block] : edges[end]]))
            ),
            None,
        )
        if end is None:
            where = f"line {edges[block] + 1}" + (f" of {place}" if place else "")
            notes.append(
                f"From {where} on, {_excerpt(lines[edges[block]])} is not Python and was passed over."
            )
            end = block + 1
        else:
            kept[edges[block] : edges[end]] = lines[edges[block] : edges[end]]
        block = end
    return "\n".join(kept)


def _excerpt(line: str) -> str:
    text = " ".join(line.split())
    return repr(text if len(text) <= 50 else text[:47] + "...")


def _depth(tree: ast.AST) -> int:
    """Return how deep a tree is, without recursion."""
    deepest = 0
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        deepest = max(deepest, depth)
        stack += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return deepest
