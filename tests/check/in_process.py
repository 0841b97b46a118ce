"""A runner for the judge's own tests: it makes the calls in this process, without any protection."""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import random
import signal
import sys
import time
import traceback
import types
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.check.calls import Answer, Call, Failure, Generator, Named, Opaque, Result, Trusted

SECONDS = 2.0


@dataclass(frozen=True)
class Text:
    """A submission from text."""

    source: str
    name: str = "submission.py"


class _Late(BaseException):
    pass


def _alarm(*_: Any) -> None:
    raise _Late


class InProcess:
    """Loads a submission's text as a module and makes calls in it."""

    def __init__(self, submission: Text) -> None:
        self.module = types.ModuleType("submission")
        for statement in ast.parse(submission.source).body:
            code = compile(ast.Module([statement], []), "<submission>", "exec")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
                exec(code, self.module.__dict__)
        self.lists = 0

    def run(self, calls: Sequence[Call]) -> list[Answer]:
        self.lists += 1
        values: list[Any] = []
        answers: list[Answer] = []
        for call in calls:
            value, answer = self._one(call, values, answers)
            values.append(value)
            answers.append(answer)
        return answers

    def _resolved(self, value: Any, values: list[Any]) -> Any:
        if isinstance(value, Result):
            found = values[value.call]
            if isinstance(found, Failure):
                raise RuntimeError("earlier call failed")
            for step in value.path:
                found = found[step]
            return found
        if isinstance(value, Named):
            return getattr(self.module, value.name)
        if isinstance(value, Trusted):
            names: dict[str, Any] = {}
            exec(value.source, names)
            return names[value.name]
        if isinstance(value, Generator):
            return np.random.default_rng(value.seed)
        if isinstance(value, dict):
            return {key: self._resolved(part, values) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._resolved(part, values) for part in value)
        return copy.deepcopy(value)

    def _one(self, call: Call, values: list[Any], answers: list[Answer]) -> tuple[Any, Answer]:
        if call.seed is not None:
            np.random.seed(call.seed)  # noqa: NPY002
            random.seed(call.seed)
        before = {name: self.module.__dict__.get(name, _ABSENT) for name in call.module}
        started = time.perf_counter()
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, call.seconds or SECONDS)
        try:
            for name, replacement in call.module.items():
                self.module.__dict__[name] = self._resolved(replacement, values)
            on = self._resolved(call.on, values) if call.on is not None else None
            for name, replacement in call.attributes.items():
                setattr(on, name, self._resolved(replacement, values))
            arguments = self._resolved(tuple(call.arguments), values)
            keywords = self._resolved(dict(call.keywords), values)
            with (
                contextlib.redirect_stdout(io.StringIO()) as printed,
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
            ):
                warnings.simplefilter("ignore")
                if call.function:
                    owner = on if on is not None else self.module
                    value = getattr(owner, call.function)(*arguments, **keywords)
                else:
                    value = on
            signal.setitimer(signal.ITIMER_REAL, 0)
            target = on if on is not None else value
            collected = {name: plain(getattr(target, name)) for name in call.collect if hasattr(target, name)}
            answer = Answer(
                plain(value),
                arguments_after=plain(arguments),
                collected=collected,
                revisited=tuple(plain(values[i]) for i in call.revisit),
                stdout=printed.getvalue()[:1000],
                seconds=time.perf_counter() - started,
            )
            return value, answer
        except _Late:
            return Failure("Timeout", ""), Answer(timed_out=True)
        except Exception as error:
            failure = Failure(type(error).__name__, str(error)[:200], _line(error))
            return failure, Answer(error=failure)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for name, old in before.items():
                if old is _ABSENT:
                    self.module.__dict__.pop(name, None)
                else:
                    self.module.__dict__[name] = old


_ABSENT = object()


def _line(error: BaseException) -> int | None:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<submission>"]
    return lines[-1] if lines else None


def plain(value: Any) -> Any:
    """Return a copy of a value as plain data; what is none becomes Opaque."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    if isinstance(value, np.ndarray):
        return value.copy() if value.dtype.kind != "O" else plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        kind = list if isinstance(value, list) else tuple
        return kind(plain(part) for part in value)
    return Opaque(type(value).__name__)


if __name__ == "__main__":
    sys.exit("import InProcess")
