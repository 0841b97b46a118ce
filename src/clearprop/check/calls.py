"""Calls to a submission's functions and their answers: the plain data that crosses the sandbox's border.

The judge (``grading``) decides which calls to make and compares the answers. The sandbox makes them in the
submission's process, in order, and brings back plain data. Reference answers never take part in it.

An argument, also inside tuples, lists and dicts, is plain data: ``None``, bool, int, float, complex, str,
bytes, tuple, list, dict or a NumPy array of numbers, booleans or strings. The classes ``Result``, ``Named``,
``Trusted`` and ``Generator`` stand for values that are made in the submission's process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Result:
    """The value that an earlier call of the same list returned; it never leaves the submission's process.

    Parameters
    ----------
    call : int
        Position of the earlier call in the list. If that call failed, this one is answered by its error.
    path : tuple of int or str
        Items to take from the value, outermost first: ``(1,)`` is the second item, ``("cache", 0)`` the first
        item of the item "cache".
    """

    call: int
    path: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """A function or class of the submission, given as an argument: ``Named("dtanh")``."""

    name: str


@dataclass(frozen=True, slots=True)
class Trusted:
    """A function of ours, made from source text in a namespace of its own, which may import NumPy.

    Parameters
    ----------
    name : str
        The name that the source defines; also its ``__name__``.
    source : str
    """

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Generator:
    """``numpy.random.default_rng(seed)``."""

    seed: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function, a class (which makes an object) or a method.

    Parameters
    ----------
    function : str
        The name in the submission's module, or of the method where ``on`` is given. An empty name calls
        nothing and answers with ``on`` itself, or with None: it sets and collects attributes or revisits
        values.
    arguments, keywords
        Plain data and placeholders. Every call gets copies of its own, so a function that changes its
        arguments changes no other call's.
    on : Result, optional
        The object whose method is called: ``Result(0)`` of ``Call("Network", ([3, 4, 2],))``.
    attributes : mapping of str to value
        Set on the object ``on`` before the call.
    collect : tuple of str
        Attributes of ``on`` (of the new object, if a class is called) to return after the call, in
        ``Answer.collected``.
    module : mapping of str to value
        Names set in the submission's module before the call and put back afterwards, so that a substituted
        helper or global serves this call only.
    seed : int, optional
        Before the call, ``numpy.random.seed(seed)`` and ``random.seed(seed)``.
    revisit : tuple of int
        Earlier calls whose returned values are returned again, as they are after this call, in
        ``Answer.revisited``.
    seconds : float, optional
        Time limit of this call, if it is shorter than the sandbox's.
    """

    function: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    on: Result | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    collect: tuple[str, ...] = ()
    module: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    revisit: tuple[int, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that is no plain data, such as a submission's object; ``type_name`` is its type's name."""

    type_name: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that a call ended with.

    Parameters
    ----------
    kind : str
        Name of the exception's class: ``"ValueError"``.
    message : str
        Clipped to one short line.
    line : int, optional
        The deepest line of the submission in the traceback, counted as in ``Submission.source``.
    function : str, optional
        The submission's function that this line belongs to.
    """

    kind: str
    message: str
    line: int | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one call.

    Parameters
    ----------
    value
        Plain data. Parts that are not are :class:`Opaque`; scalars of NumPy are Python numbers or arrays of
        no dimension. None where the call failed.
    error : Failure, optional
    timed_out : bool
        The call was stopped at its time limit; calls that need its value fail.
    lost : str
        Why there is no answer although the call neither failed nor timed out: the process ended, the memory
        limit was reached, the answer was too large. One sentence; empty otherwise.
    arguments_after : tuple
        The positional arguments after the call, which shows changes in place. Placeholders are
        :class:`Opaque`.
    collected : mapping of str to value
        The attributes named in ``Call.collect``; one that does not exist is left out.
    revisited : tuple
        The values named in ``Call.revisit``.
    stdout : str
        Clipped.
    seconds : float
    """

    value: Any = None
    error: Failure | None = None
    timed_out: bool = False
    lost: str = ""
    arguments_after: tuple[Any, ...] = ()
    collected: Mapping[str, Any] = field(default_factory=dict)
    revisited: tuple[Any, ...] = ()
    stdout: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether there is no value."""
        return self.error is not None or self.timed_out or bool(self.lost)


class Submission(Protocol):
    """A read submission, as far as the judge needs it.

    ``source`` is Python that parses: of a notebook, its code cells, with what is no Python blanked out.
    """

    @property
    def name(self) -> str:
        """File name, for people."""

    @property
    def source(self) -> str:
        """Python text, the same number of lines as the file, or as the notebook's code cells."""


class Runner(Protocol):
    """A submission's process: it loads the module once and makes lists of calls in it.

    ``Result(i)`` counts within one list. If the process ends or must be killed, the next list starts a new
    process.
    """

    def run(self, calls: Sequence[Call]) -> list[Answer]:
        """Make the calls in order, and answer each, also after failures; as many answers as calls."""
