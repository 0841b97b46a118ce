"""A submission's top level, run statement by statement: what fails or takes too long is passed over.

The functions that it defines are what is judged; training, plots, downloads and ``input()`` around them must
not keep them from it.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import contextlib
import linecache
import signal
import sys
import time
import types
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.check.sandbox.limits import Limits
from clearprop.check.submission.stand_ins import Imports

MODULE = "submission"
FILE = "<submission>"
MAX_MESSAGE = 200

_OLD_NUMPY = {
    "int": int,
    "float": float,
    "complex": complex,
    "object": object,
    "str": str,
    "float_": np.float64,
    "complex_": np.complex128,
    "Inf": np.inf,
    "infty": np.inf,
    "NaN": np.nan,
    "product": np.prod,
    "cumproduct": np.cumprod,
    "alltrue": np.all,
    "sometrue": np.any,
}

_setitimer = signal.setitimer
_clock = time.monotonic
_compile = compile
_exec = exec


class TimeUp(BaseException):
    """A statement or a call is over its time; no ``except Exception`` of a submission catches it."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeUp` in the block after some seconds, again and again until it ends.

    One who catches it calls :func:`disarm`: it may come while this is ending.
    """

    def ring(number: int, frame: Any) -> None:
        raise TimeUp

    # set again each time: a submission may have replaced the handler
    signal.signal(signal.SIGALRM, ring)
    _setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 0.1)
    try:
        yield
    finally:
        disarm()


def disarm() -> None:
    """Stop the timer of :func:`limited`."""
    _setitimer(signal.ITIMER_REAL, 0)


@dataclass(slots=True)
class Loaded:
    """A submission's module after its top level has run.

    Parameters
    ----------
    module : module
    passed_over : list of (int, int, str)
        Of each statement passed over: its position among the statements, its line, and why.
    missing : list of str
        Libraries that were stood in for because they are not installed.
    lesson : bool
        Whether it asked for ``clearprop.scratch``.
    """

    module: types.ModuleType
    passed_over: list[tuple[int, int, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lesson: bool = False


def run_top_level(
    source: str,
    tree: ast.Module,
    limits: Limits,
    skip: Collection[int],
    begins: Callable[[int, int, float], None],
) -> Loaded:
    """Run a submission's statements in order, in a new module.

    Parameters
    ----------
    source : str
    tree : ast.Module
        ``source`` parsed.
    limits : Limits
    skip : collection of int
        Positions of statements to leave out: they were passed over in an earlier process.
    begins : callable
        Called with a statement's position, line and seconds before it runs, so that Clearprop knows which one
        ended or blocked the process.

    Returns
    -------
    Loaded
    """
    module = types.ModuleType(MODULE)
    module.__dict__["__file__"] = FILE
    sys.modules[MODULE] = module
    # tracebacks and inspect.getsource find the text here
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    builtins.input = _no_input
    # of notebooks
    builtins.display = _show_nothing  # type: ignore[attr-defined]
    _restore_old_names()
    imports = Imports(MODULE, tree)
    imports.install()
    loaded = Loaded(module)
    flags = _future_flags(tree)
    left = limits.statements_seconds
    for position, statement in enumerate(tree.body):
        if position in skip:
            continue
        definition = is_definition(statement)
        if not definition and left <= 0:
            loaded.passed_over.append((position, statement.lineno, "the time for all statements was used up"))
            continue
        is_import = isinstance(statement, (ast.Import, ast.ImportFrom, ast.Try)) and definition
        seconds = (
            limits.import_seconds
            if is_import
            # takes no time, but the machine may be busy
            else 5 * limits.statement_seconds
            if definition
            else min(limits.statement_seconds, left)
        )
        begins(position, statement.lineno, float(seconds))
        began = _clock()
        reason = _run(statement, module.__dict__, flags, seconds)
        if not definition:
            left -= _clock() - began
        if reason:
            loaded.passed_over.append((position, statement.lineno, reason))
    loaded.missing = imports.missing
    loaded.lesson = imports.lesson
    return loaded


def is_definition(statement: ast.stmt) -> bool:
    """Return True for a statement that defines and does no work: it is run also when time is short."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    if isinstance(statement, definitions):
        return True
    if isinstance(statement, (ast.If, ast.Try)):
        return any(map(is_definition, statement.body))
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
        return not any(isinstance(part, (ast.Call, ast.ListComp)) for part in ast.walk(statement.value))
    return False


def _run(statement: ast.stmt, namespace: dict[str, Any], flags: int, seconds: float) -> str:
    """Run one statement; return why it was passed over, or an empty text."""
    try:
        with limited(seconds):
            code = _compile(ast.Module([statement], []), FILE, "exec", flags, dont_inherit=True)
            _exec(code, namespace)
    except TimeUp:
        disarm()
        return f"it took more than {seconds:.3g} s"
    except SystemExit:
        return "it ends Python"
    except BaseException as error:
        return described(error)
    return ""


def described(error: BaseException) -> str:
    """Return an exception as one short line; its text may itself fail, or be endless."""
    try:
        text = str(error)[: 4 * MAX_MESSAGE]
        message = " ".join(text.encode("utf-8", "replace").decode().split())
    except BaseException:
        message = ""
    name = type.__dict__["__name__"].__get__(type(error))
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 3] + "..."
    return f"{name}: {message}" if message else str(name)


def _no_input(prompt: object = "") -> str:
    raise EOFError("nobody is here to answer input()")


def _show_nothing(*shown: object, **keywords: object) -> None:
    return None


def _restore_old_names() -> None:
    """Give NumPy the names back that older releases had: homework is written for the release of its day."""
    for name, value in _OLD_NUMPY.items():
        if not hasattr(np, name):
            setattr(np, name, value)


def _future_flags(tree: ast.Module) -> int:
    flags = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                feature = getattr(__future__, alias.name, None)
                flags |= getattr(feature, "compiler_flag", 0)
    return flags
