"""A submission in its sandbox: read, run and called; restarted where it ended or blocked its process."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any

from clearprop.check.calls import Answer, Call, Failure
from clearprop.check.sandbox.limits import Limits
from clearprop.check.sandbox.process import Ended, Process, Stopped
from clearprop.check.submission.files import SubmissionFile
from clearprop.check.submission.notes import PassedOver, top_level_notes
from clearprop.utils.errors import ClearpropError

__all__ = ["NotContained", "Sandbox", "Stopped", "Unjudged"]

# beyond the limit that the process keeps itself, before it is killed
_GRACE_SECONDS = 1.5
# of the time that is left to a submission, for one call
_SHARE = 1 / 12
_LEAST_SECONDS = 0.2
_START_SECONDS = 60.0
_READ_SECONDS = 20.0
# worth a sentence
MUCH_PRINTED = 1_000_000


class NotContained(ClearpropError):
    """A submission would not be kept from what it must not reach; the text says from which."""


class Unjudged(Exception):
    """A submission that cannot be judged at all; the text is a sentence."""


class Sandbox:
    """A submission's process, in which calls are made.

    It is a ``Runner`` and, as its file, a ``Submission`` for the judge. Use it in a ``with``
    statement, which reads the file, runs its top level and at the end kills the process.

    Parameters
    ----------
    file : SubmissionFile
    limits : Limits, optional
    trust : bool, default False
        Run it also where the system does not contain it.
    stop : threading.Event, optional
        Once set, everything raises ``Stopped``.

    Raises
    ------
    NotContained
        On entering, where the system has no way to contain it and ``trust`` is False.
    Unjudged
        On entering, if the file has no Python, or blocks its process again and again.
    """

    def __init__(
        self,
        file: SubmissionFile,
        limits: Limits | None = None,
        *,
        trust: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        self._file = file
        self._limits = limits or Limits()
        self._trust = trust
        self._stop = stop
        self._until = 0.0
        self._process: Process | None = None
        self._starts = 0
        self._reading_notes: tuple[str, ...] = ()
        self._passed_over: dict[int, PassedOver] = {}
        self._missing: list[str] = []
        self._events: list[str] = []
        self.name = file.name
        self.source = ""
        #: the line at which each code cell of a notebook begins
        self.starts: tuple[int, ...] = ()
        #: whether it asked for ``clearprop.scratch``
        self.lesson = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was passed over, stood in for or stopped."""
        return (
            *self._reading_notes,
            *top_level_notes(list(self._passed_over.values()), self._missing, self.source, self.starts),
            *dict.fromkeys(self._events),
        )

    def __enter__(self) -> Sandbox:
        self._until = time.monotonic() + self._limits.submission_seconds
        self._load()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, calls: Sequence[Call]) -> list[Answer]:
        """Make calls in order in the submission's process.

        Parameters
        ----------
        calls : sequence of Call

        Returns
        -------
        list of Answer
            As many as calls, also where the process ended.
        """
        answers: list[Answer] = []
        try:
            if self._process is None:
                self._load()
            assert self._process is not None
            plain = [self._plain(call) for call in calls]
            self._process.send(plain, self._seconds_left())
            for call in plain:
                began = time.monotonic()
                seconds = min(call["seconds"], max(self._seconds_left(), 0.0))
                try:
                    answers.append(_answer(self._process.receive(seconds + _GRACE_SECONDS)))
                except Ended:
                    # a blocked call was killed at its limit
                    if time.monotonic() - began >= seconds:
                        answers.append(Answer(timed_out=True, seconds=time.monotonic() - began))
                    raise
        except Ended as ended:
            self._end()
            sentence = f"During a call {ended}."
            self._events.append(sentence)
        except Unjudged as refusal:
            sentence = str(refusal)
        return answers + [Answer(lost=sentence) for _ in calls[len(answers) :]]

    def _seconds(self, call: Call) -> float:
        left = self._seconds_left()
        # each call that is stopped shortens the next ones: no function uses up the time of the others
        limit = min(self._limits.call_seconds, max(left * _SHARE, _LEAST_SECONDS))
        return max(min(limit if call.seconds is None else min(limit, call.seconds), left), 0.01)

    def _seconds_left(self) -> float:
        return self._until - time.monotonic()

    def _plain(self, call: Call) -> dict[str, Any]:
        return {
            "function": call.function,
            "arguments": tuple(call.arguments),
            "keywords": dict(call.keywords),
            "on": call.on,
            "attributes": dict(call.attributes),
            "collect": tuple(call.collect),
            "module": dict(call.module),
            "seed": call.seed,
            "revisit": tuple(call.revisit),
            "seconds": self._seconds(call),
        }

    def _load(self) -> None:
        """Start processes until one has come through the submission's top level."""
        while True:
            if self._seconds_left() <= 0:
                raise Unjudged(
                    f"It used up the {self._limits.submission_seconds:.0f} s that a submission has."
                )
            if self._starts > self._limits.restarts:
                raise Unjudged("It ended or blocked its process again and again.")
            if self._start():
                return

    def _start(self) -> bool:
        """Start a process and run the top level; False if a statement ended it, which is then passed over."""
        self._starts += 1
        if sys.platform == "win32":
            raise NotContained("Submissions are checked on Linux and macOS; on Windows, use WSL.")
        process = Process(self._limits, self._stop)
        self._process = process
        try:
            try:
                process.send(process.settings(), _START_SECONDS)
                report = process.receive(_START_SECONDS)
            except Ended as ended:
                raise NotContained(f"No process for a submission can be started here: {ended}.") from None
            self._check_walls(report)
            content = {
                "data": self._file.data,
                "notebook": self._file.notebook,
                "limits": asdict(self._limits),
                "skip": tuple(self._passed_over),
            }
            process.send(content, _READ_SECONDS)
            try:
                read = process.receive(_READ_SECONDS)
            except Ended as ended:
                raise Unjudged(f"It cannot be read: {ended}.") from None
            if "unreadable" in read:
                raise Unjudged(f"It {read['unreadable']}.")
            if not self.source:
                self.source, self.starts = read["source"], read["starts"]
                self._reading_notes = read["notes"]
            return self._ran_top_level(process)
        except BaseException:
            self._end()
            raise

    def _ran_top_level(self, process: Process) -> bool:
        position, line, seconds = -1, 0, _START_SECONDS
        try:
            while True:
                message = process.receive(min(seconds + _GRACE_SECONDS, max(self._seconds_left(), 0.1)))
                if not isinstance(message, dict):
                    raise Ended("it wrote to the pipe between it and Clearprop")
                if "passed over" in message:
                    self._take_report(message)
                    return True
                position, line, seconds = _statement(message)
                seconds = min(max(seconds, 0.0), self._limits.import_seconds)
        except Ended as ended:
            self._end()
            if position < 0:
                raise Unjudged(f"It cannot be run: {ended}.") from None
            self._passed_over[position] = PassedOver(line, str(ended))
            return False

    def _take_report(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            for position, line, why in message["passed over"]:
                if type(position) is int and type(line) is int and isinstance(why, str):
                    self._passed_over.setdefault(position, PassedOver(line, why))
            self._missing = [str(name)[:60] for name in message["missing"]][:100]
            self.lesson = bool(message["lesson"])
            if message["printed"] > MUCH_PRINTED:
                self._events.append(f"It printed {message['printed']:,} characters, which were not kept.")

    def _check_walls(self, report: Any) -> None:
        still_open = report["open"]
        if still_open and not self._trust:
            raise NotContained(
                f"This system does not keep a submission from {_listed(still_open)}; use Linux 5.13 or later "
                "with Landlock and seccomp, or add --trust if you trust those who wrote the submissions."
            )

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


def _listed(still_open: Sequence[str]) -> str:
    words = {
        "files": "your files",
        "network": "the network",
        "processes": "starting processes",
        "signals": "ending your processes",
    }
    named = [words[name] for name in still_open]
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _statement(message: Mapping[str, Any]) -> tuple[int, int, float]:
    """Return a statement's position, line and seconds from a frame that may be forged."""
    position, line, seconds = message.get("statement"), message.get("line"), message.get("seconds")
    if type(position) is not int or type(line) is not int or not isinstance(seconds, float):
        raise Ended("it wrote to the pipe between it and Clearprop")
    return position, line, seconds


def _answer(message: Any) -> Answer:
    """Return an answer from a frame that may be forged; fields of wrong types are left out."""
    if not isinstance(message, dict):
        raise Ended("it wrote to the pipe between it and Clearprop")

    def field(name: str, kind: type, otherwise: Any) -> Any:
        value = message.get(name)
        return value if isinstance(value, kind) else otherwise

    error = message.get("error")
    seconds = field("seconds", float, 0.0)
    return Answer(
        value=message.get("value"),
        error=_failure(error) if isinstance(error, dict) else None,
        timed_out=message.get("timed_out") is True,
        lost=field("lost", str, "")[:300],
        arguments_after=field("arguments_after", tuple, ()),
        collected=field("collected", dict, {}),
        revisited=field("revisited", tuple, ()),
        stdout=field("stdout", str, "")[:2000],
        seconds=seconds if 0 <= seconds < 1e6 else 0.0,
    )


def _failure(error: Mapping[str, Any]) -> Failure:
    line, function = error.get("line"), error.get("function")
    return Failure(
        kind=str(error.get("kind"))[:60],
        message=str(error.get("message"))[:200],
        line=line if type(line) is int and 0 < line < 1 << 31 else None,
        function=function[:100] if isinstance(function, str) else None,
    )
