"""How often ``check`` calls mutants wrong, in the right function and by name, and rewrites right.

    python tests/soak/check_accuracy.py [--mutants 500] [--rewrites 200] [--half held-back] [--list]

The submissions of tests/check/submissions/right are mutated one syntax node at a time: operators, axes,
transposes, signs, indices, factors. A mutant counts if the function's numbers differ from the original's.
The rewrites change the syntax and not the numbers. The half that a change belongs to follows from a digest,
so that the half held back stays the same.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "check"))

from in_process import InProcess, Text  # noqa: E402

from clearprop.check.assignment import Assignment  # noqa: E402
from clearprop.check.calls import Answer  # noqa: E402
from clearprop.check.choosing import choose_dialect, choose_template  # noqa: E402
from clearprop.check.definitions import definitions_of  # noqa: E402
from clearprop.check.examinations import EXAMINATIONS, Subject  # noqa: E402
from clearprop.check.grading import find, judge  # noqa: E402
from clearprop.check.mistakes import MISTAKES  # noqa: E402
from clearprop.check.verdicts import Status, SubmissionVerdict  # noqa: E402

SHARES = ("called wrong", "named", "recognised by agreement")
RIGHT = HERE.parent / "check" / "submissions" / "right"
# judged by their distribution or by several trainings; their numbers may differ and still be right
WITHOUT_ORACLE = ("initialize", "train", "resize")
BUILT_IN = ("range", "len", "list", "reversed", "enumerate", "zip", "str", "int", "float")
VAGUE = ("unexplained", "raises", "wrong_shape", "not_finite", "too_slow", "missing")


@dataclass(frozen=True)
class Change:
    """A changed submission: its text, the function of the assignment that was changed, and how."""

    file: str
    function: str
    role: str
    kind: str
    line: int
    source: str

    @property
    def half(self) -> str:
        digest = hashlib.sha256(f"{self.file}:{self.line}:{self.kind}:{self.source}".encode()).digest()
        return "development" if digest[0] % 2 else "held-back"


# ---- Mutations: each yields (kind, replacement) for a node --------------------------------------------


def binary(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node, ast.BinOp):
        return
    others = {ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.Div: [ast.Mult]}
    for operator in others.get(type(node.op), []):
        yield f"{type(node.op).__name__} -> {operator.__name__}", ast.BinOp(node.left, operator(), node.right)
    if isinstance(node.op, ast.Mult | ast.Div | ast.Add | ast.Sub):
        yield "right operand dropped", node.left
    if isinstance(node.op, ast.Sub):
        yield "operands swapped", ast.BinOp(node.right, node.op, node.left)
    if isinstance(node.op, ast.MatMult):
        yield (
            "left operand transposed",
            ast.BinOp(ast.Attribute(node.left, "T", ast.Load()), node.op, node.right),
        )
        yield (
            "right operand transposed",
            ast.BinOp(node.left, node.op, ast.Attribute(node.right, "T", ast.Load())),
        )


def transposes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose dropped", node.value


def signs(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and not isinstance(node.operand, ast.Constant)
    ):
        yield "minus dropped", node.operand
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("sum", "mean", "dot")
    ):
        yield "minus added", ast.UnaryOp(ast.USub(), node)


def keywords(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        if keyword.arg == "axis" and isinstance(keyword.value, ast.Constant):
            other = copy.copy(node)
            other.keywords = list(node.keywords)
            other.keywords[i] = ast.keyword("axis", ast.Constant(1 if keyword.value.value == 0 else 0))
            yield "other axis", other
        if keyword.arg in ("axis", "keepdims"):
            other = copy.copy(node)
            other.keywords = [k for k in node.keywords if k is not keyword]
            yield f"{keyword.arg} dropped", other


def comparisons(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    swaps = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq}
    if isinstance(node, ast.Compare) and type(node.ops[0]) in swaps:
        yield "comparison turned", ast.Compare(node.left, [swaps[type(node.ops[0])]()], node.comparators)


def constants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 5:
        yield "constant + 1", ast.Constant(node.value + 1)
        yield "constant - 1", ast.Constant(node.value - 1)


def calls(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    swaps = {
        "sum": ["mean"],
        "mean": ["sum"],
        "max": ["min"],
        "log": ["log2", "log10"],
        "maximum": ["minimum"],
    }
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in swaps:
        for name in swaps[node.func.attr]:
            other = copy.copy(node)
            other.func = ast.Attribute(node.func.value, name, ast.Load())
            yield f"{node.func.attr} -> {name}", other
    one_argument = isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords
    if one_argument and isinstance(node.func, ast.Name) and node.func.id not in BUILT_IN:
        yield "call dropped", node.args[0]


MUTATIONS = (binary, transposes, signs, keywords, comparisons, constants, calls)


# ---- Rewrites: the same numbers in other words --------------------------------------------------------


def text(node: ast.AST) -> bool:
    """Whether a sum may be one of texts or lists."""
    return any(
        isinstance(part, ast.List)
        or (isinstance(part, ast.Name) and part.id in ("str", "neurons", "sizes"))
        or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )


def rewrites(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield "factors exchanged", ast.BinOp(node.right, node.op, node.left)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        yield "minus as plus minus", ast.BinOp(node.left, ast.Add(), ast.UnaryOp(ast.USub(), node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        matmul = ast.Attribute(ast.Name("np", ast.Load()), "matmul", ast.Load())
        yield "np.matmul", ast.Call(matmul, [node.left, node.right], [])
        dot = ast.Attribute(ast.Name("np", ast.Load()), "dot", ast.Load())
        yield "np.dot", ast.Call(dot, [node.left, node.right], [])
    if isinstance(node, ast.Attribute) and node.attr == "T":
        swap = ast.Attribute(ast.Name("np", ast.Load()), "transpose", ast.Load())
        yield "np.transpose", ast.Call(swap, [node.value], [])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        inverse = ast.BinOp(ast.Constant(1.0), ast.Div(), node.right)
        yield "times the inverse", ast.BinOp(node.left, ast.Mult(), inverse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and not text(node):
        yield "minus minus", ast.BinOp(node.left, ast.Sub(), ast.UnaryOp(ast.USub(), node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield (
            "np.power",
            ast.Call(
                ast.Attribute(ast.Name("np", ast.Load()), "power", ast.Load()), [node.left, node.right], []
            ),
        )


def changed(
    path: Path, makers: tuple[Callable[[ast.AST], Iterator[tuple[str, ast.AST]]], ...]
) -> Iterator[Change]:
    """Yield every single change of a file's judged functions."""
    text = path.read_text("utf-8")
    module = definitions_of(text)
    assignment, _ = choose_template(module)
    by_name = {}
    for function in assignment.functions:
        definition = find(module, function)
        if definition is not None:
            by_name[definition.name.rpartition(".")[2]] = function
    tree = ast.parse(text)
    for definition in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
        function = by_name.get(definition.name)
        if function is None:
            continue
        for parent in ast.walk(definition):
            for field, value in ast.iter_fields(parent):
                if parent is definition and field != "body":
                    continue
                places = enumerate(value) if isinstance(value, list) else [(None, value)]
                for i, child in list(places):
                    if not isinstance(child, ast.AST):
                        continue
                    for maker in makers:
                        for kind, replacement in maker(child):
                            _put(parent, field, i, replacement)
                            try:
                                source = ast.unparse(ast.fix_missing_locations(tree))
                            except (AttributeError, ValueError):
                                source = ""
                            _put(parent, field, i, child)
                            if source:
                                line = getattr(child, "lineno", definition.lineno)
                                yield Change(path.name, function.name, function.role, kind, line, source)


def _put(parent: ast.AST, field: str, i: int | None, node: ast.AST) -> None:
    if i is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[i] = node


# ---- The oracle: are the function's numbers the original's? -------------------------------------------


def outputs(source: str, name: str, assignment: Assignment, dialect: Any) -> list[Any]:
    """Return what a function answers to all its probes, failures as their kind."""
    module = definitions_of(source)
    function = next(f for f in assignment.functions if f.name == name)
    definition = find(module, function)
    if definition is None:
        return ["missing"]
    runner = InProcess(Text(source))
    found = []
    for examination in EXAMINATIONS[function.role](Subject(function, definition, assignment, dialect)):
        for probe in [*examination.probes, *(probe for _, probe in examination.stable)]:
            answers = runner.run([*probe.calls])
            found.append(_seen(answers[-1]))
    return found


def _seen(answer: Answer) -> Any:
    if answer.failed:
        return "failed"
    return (answer.value, dict(answer.collected), answer.arguments_after)


def equal(one: Any, other: Any) -> bool:
    """Whether two answers agree to rounding."""
    if isinstance(one, np.ndarray | float | int) and isinstance(other, np.ndarray | float | int):
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape:
            return False
        with np.errstate(all="ignore"):
            scale = np.max(np.abs(np.where(np.isfinite(a), a, 0)), initial=0.0)
            return bool(np.allclose(a, b, rtol=1e-6, atol=1e-7 * max(float(scale), 1e-12), equal_nan=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and (one == other or not isinstance(one, str))


# ---- The table ----------------------------------------------------------------------------------------


def judged(source: str) -> SubmissionVerdict:
    module = definitions_of(source)
    assignment, reason = choose_template(module)
    return judge(Text(source), InProcess(Text(source)), assignment, reason)


def chosen(changes: list[Change], half: str, number: int) -> list[Change]:
    """Return a sample of one half, the same at each run."""
    ours = [change for change in changes if half == "both" or change.half == half]
    random.Random(0).shuffle(ours)
    return ours[:number]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--rewrites", type=int, default=200)
    parser.add_argument("--half", default="both", choices=("both", "development", "held-back"))
    parser.add_argument("--list", action="store_true", help="print each failure")
    options = parser.parse_args()
    files = sorted(RIGHT.glob("*.py"))
    settings = {}
    originals: dict[tuple[str, str], list[Any]] = {}
    for path in files:
        text = path.read_text("utf-8")
        module = definitions_of(text)
        assignment, _ = choose_template(module)
        dialect, _ = choose_dialect(assignment, module, InProcess(Text(text)))
        settings[path.name] = (text, assignment, dialect)

    def differs(change: Change) -> str:
        text, assignment, dialect = settings[change.file]
        key = (change.file, change.function)
        if key not in originals:
            originals[key] = outputs(text, change.function, assignment, dialect)
        if originals[key][0] == "failed":
            return "unknown"
        found = outputs(change.source, change.function, assignment, dialect)
        if equal(originals[key], found):
            return ""
        return "fails" if found[0] in ("failed", "missing") else "differs"

    mutants = [c for path in files for c in changed(path, MUTATIONS) if c.role not in WITHOUT_ORACLE]
    rewritten = [c for path in files for c in changed(path, (rewrites,))]
    count: Counter[str] = Counter()
    vague: Counter[str] = Counter()
    for change in chosen(mutants, options.half, options.mutants):
        count["mutants"] += 1
        try:
            different = differs(change)
            verdict = judged(change.source)
        except SyntaxError:
            continue
        own = next(f for f in verdict.functions if f.name == change.function)
        wrong = [f.name for f in verdict.functions if f.status is Status.WRONG]
        if different == "unknown":
            count["not comparable here"] += 1
            continue
        if not different:
            count["same numbers"] += 1
            if [name for name in wrong if name == change.function]:
                count["same numbers, called wrong"] += 1
                _print(options.list, "SAME CALLED WRONG", change, wrong)
            continue
        if different == "fails":
            count["fails"] += 1
            if own.status is Status.WRONG:
                count["fails, called wrong"] += 1
            else:
                _print(options.list, "FAILURE NOT SEEN", change, wrong)
            continue
        count["other numbers"] += 1
        if own.status is Status.WRONG:
            count["called wrong"] += 1
        else:
            _print(options.list, "NOT SEEN", change, wrong)
        others = [name for name in wrong if name != change.function]
        if others:
            count["another function blamed"] += 1
            _print(options.list, f"BLAMED {others}", change, wrong)
        ids = [mistake.id for mistake in own.mistakes]
        unforeseen = any(MISTAKES[m.id].sentence in m.sentence for m in own.mistakes if m.id in VAGUE)
        if own.status is Status.WRONG and not unforeseen:
            count["recognised by agreement"] += 1
        if ids and not all(identity in VAGUE for identity in ids):
            count["named"] += 1
        elif own.status is Status.WRONG:
            vague[", ".join(ids)] += 1
            sentence = own.mistakes[0].sentence if own.mistakes else ""
            _print(options.list, f"VAGUE {ids} {sentence[:110]}", change, wrong)
    for change in chosen(rewritten, options.half, options.rewrites):
        count["rewrites"] += 1
        wrong = [f.name for f in judged(change.source).functions if f.status is Status.WRONG]
        if wrong:
            count["rewrites called wrong"] += 1
            _print(options.list, "REWRITE CALLED WRONG", change, wrong)
    print(f"\n{'half':30} {options.half}")
    for name in (
        "mutants",
        "not comparable here",
        "same numbers",
        "same numbers, called wrong",
        "fails",
        "fails, called wrong",
        "other numbers",
        "called wrong",
        "another function blamed",
        "named",
        "recognised by agreement",
        "rewrites",
        "rewrites called wrong",
    ):
        share = f"{count[name] / count['other numbers']:.1%}" if name in SHARES else ""
        print(f"{name:30} {count[name]:5} {share}")
    print("not named:", dict(vague))


def _print(wanted: bool, title: str, change: Change, wrong: list[str]) -> None:
    if wanted:
        print(
            f"{title} | {change.file}:{change.line} {change.function} | {change.kind} | wrong: {wrong}",
            flush=True,
        )


if __name__ == "__main__":
    main()
