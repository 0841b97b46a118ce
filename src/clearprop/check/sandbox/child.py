"""The submission's process: builds the walls, runs the submission's top level, then answers calls.

Everything here shares its process with the submission, which may change or forge any of it. So nothing here
knows a right answer, and Clearprop's side believes no frame.
"""

from __future__ import annotations

import copy
import io
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clearprop.check.calls import Generator, Named, Opaque, Result, Trusted
from clearprop.check.sandbox.limits import Limits
from clearprop.check.sandbox.walls import build_walls
from clearprop.check.sandbox.wire import BadFrame, pack, read_frame
from clearprop.check.submission.cells import Unreadable, parsed, read_text
from clearprop.check.submission.execution import (
    FILE,
    Loaded,
    TimeUp,
    described,
    disarm,
    limited,
    run_top_level,
)

MAX_STDOUT = 2000
_ABSENT = object()
_clock = time.monotonic


class Pipe:
    """Both directions of the connection with Clearprop, on descriptors of their own."""

    def __init__(self) -> None:
        # a submission that closes the descriptors it knows closes 0, 1 and 2
        self._incoming = os.dup(0)
        self._outgoing = os.dup(1)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for known in (0, 1, 2):
            os.dup2(nowhere, known)
        os.close(nowhere)
        # kept before a submission can replace them
        self._read, self._write = os.read, os.write

    def receive(self) -> Any:
        """Return the next value from Clearprop; the process ends if the pipe is closed."""
        return read_frame(self._exactly)

    def send(self, frame: bytes) -> None:
        """Write a whole frame."""
        view = memoryview(frame)
        while view:
            view = view[self._write(self._outgoing, view) :]

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._read(self._incoming, min(size, 1 << 20))
            if not part:
                # Clearprop has ended, or has closed the pipe
                os._exit(0)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class Printed(io.TextIOBase):
    """Standard output of a submission, clipped."""

    def __init__(self) -> None:
        self._text = ""
        self.size = 0

    def write(self, text: str) -> int:
        """Keep the beginning, count the rest."""
        self.size += len(text)
        if len(self._text) < MAX_STDOUT:
            self._text += str(text)[: MAX_STDOUT - len(self._text)]
        return len(text)

    def writable(self) -> bool:
        """Return True: libraries ask."""
        return True

    def taken(self) -> str:
        """Return what was kept since the last call."""
        text, self._text = self._text, ""
        return text


def main() -> None:
    """Serve one submission until the pipe closes."""
    pipe = Pipe()
    start = pipe.receive()
    report = build_walls(start["walls"])
    pipe.send(pack(report))
    file = pipe.receive()
    try:
        text = read_text(file["data"], file["notebook"])
    except Unreadable as error:
        pipe.send(pack({"unreadable": str(error)}))
        return
    pipe.send(pack({"source": text.source, "notes": text.notes, "starts": text.starts}))
    printed = Printed()
    sys.stdout = sys.stderr = printed
    # the command line names the user's folders
    sys.argv = sys.orig_argv = [FILE]
    _forget_clearprop(start["path"])
    loaded = run_top_level(
        text.source,
        parsed(text.source),
        Limits(**file["limits"]),
        frozenset(file["skip"]),
        lambda position, line, seconds: pipe.send(
            pack({"statement": position, "line": line, "seconds": seconds})
        ),
    )
    pipe.send(
        pack(
            {
                "passed over": loaded.passed_over,
                "missing": loaded.missing,
                "lesson": loaded.lesson,
                "printed": printed.size,
            }
        ),
    )
    while True:
        calls = pipe.receive()
        printed.taken()
        _answer_all(calls, loaded, printed, pipe.send)


def _forget_clearprop(path: list[str]) -> None:
    """Let the submission import from the named folders only, and nothing of Clearprop."""
    sys.path[:] = path
    for name in [name for name in sys.modules if name.split(".")[0] == "clearprop"]:
        del sys.modules[name]


def _answer_all(
    calls: list[dict[str, Any]], loaded: Loaded, printed: Printed, send: Callable[[bytes], None]
) -> None:
    values: list[Any] = []
    for call in calls:
        value, frame = _answered(call, loaded.module.__dict__, values, printed)
        values.append(value)
        send(frame)


class _Failed:
    """In the place of a value that a call failed to return; calls that need it get the same answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer


def _answered(
    call: dict[str, Any], namespace: dict[str, Any], values: list[Any], printed: Printed
) -> tuple[Any, bytes]:
    """Make one call; return its value, and the answer as a frame."""
    answer: dict[str, Any] = {}
    before: dict[str, Any] = {}
    began = _clock()
    try:
        with limited(call["seconds"]), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = _made(call, namespace, values, answer, before)
            answer |= {"value": value, "seconds": _clock() - began, "stdout": printed.taken()}
            # packed now: later calls may change the lists and arrays in it
            return value, pack(answer)
    except TimeUp:
        disarm()
        answer = {"timed_out": True}
    except BadFrame as error:
        answer = {"lost": f"The answer cannot be sent: {error}."}
    except _Needed as needed:
        answer = needed.answer
    except BaseException as error:
        answer = {"error": _failure(error)}
    finally:
        _put_back(namespace, before)
    return _Failed(answer), pack(answer | {"seconds": _clock() - began, "stdout": printed.taken()})


class _Needed(Exception):
    """An earlier call whose value is needed has failed."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer


def _made(
    call: dict[str, Any],
    namespace: dict[str, Any],
    values: list[Any],
    answer: dict[str, Any],
    before: dict[str, Any],
) -> Any:
    def real(value: Any) -> Any:
        return _real(value, namespace, values)

    on = real(call["on"]) if call["on"] is not None else None
    for name, value in call["module"].items():
        before[name] = namespace.get(name, _ABSENT)
        namespace[name] = real(value)
    for name, value in call["attributes"].items():
        setattr(on, name, real(value))
    arguments = [real(argument) for argument in call["arguments"]]
    keywords = {name: real(argument) for name, argument in call["keywords"].items()}
    if call["seed"] is not None:
        random.seed(call["seed"])
        np.random.seed(call["seed"])  # noqa: NPY002 - for submissions that use it
    value = on
    if call["function"]:
        if on is None and call["function"] not in namespace:
            raise NameError(f"{call['function']} is not defined")
        called = namespace[call["function"]] if on is None else getattr(on, call["function"])
        value = called(*arguments, **keywords)
    answer["arguments_after"] = tuple(
        Opaque(type(given).__name__) if _is_placeholder(given) else now
        for given, now in zip(call["arguments"], arguments, strict=True)
    )
    holder = value if on is None else on
    answer["collected"] = {name: getattr(holder, name) for name in call["collect"] if hasattr(holder, name)}
    answer["revisited"] = tuple(
        None if isinstance(values[number], _Failed) else values[number] for number in call["revisit"]
    )
    return value


def _real(value: Any, namespace: dict[str, Any], values: list[Any]) -> Any:
    """Return a copy of an argument with its placeholders replaced."""
    if isinstance(value, Result):
        found = values[value.call]
        if isinstance(found, _Failed):
            raise _Needed(found.answer)
        for key in value.path:
            found = found[key]
        return found
    if isinstance(value, Named):
        if value.name not in namespace:
            raise NameError(f"{value.name} is not defined")
        return namespace[value.name]
    if isinstance(value, Trusted):
        scope: dict[str, Any] = {"__name__": "trusted"}
        exec(compile(value.source, "<trusted>", "exec", dont_inherit=True), scope)
        return scope[value.name]
    if isinstance(value, Generator):
        return np.random.default_rng(value.seed)
    if isinstance(value, dict):
        return {key: _real(item, namespace, values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_real(item, namespace, values) for item in value)
    return copy.copy(value)


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, (Result, Named, Trusted, Generator))


def _put_back(namespace: dict[str, Any], before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        if value is _ABSENT:
            namespace.pop(name, None)
        else:
            namespace[name] = value


def _failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as the fields of a ``Failure``."""
    name, _, message = described(error).partition(": ")
    line = function = None
    step = error.__traceback__
    steps = 0
    while step is not None and steps < 10_000:
        code = step.tb_frame.f_code
        if code.co_filename == FILE:
            line, function = step.tb_lineno, code.co_name
        step = step.tb_next
        steps += 1
    return {"kind": name, "message": message, "line": line, "function": function}
