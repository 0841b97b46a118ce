"""Checking files and folders: each submission read, run in its sandbox and judged, several at a time."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from clearprop.check.assignment import load_assignment
from clearprop.check.calls import Runner, Submission
from clearprop.check.choosing import choose_template
from clearprop.check.definitions import definitions_of
from clearprop.check.grading import judge
from clearprop.check.outputs.checked import Checked
from clearprop.check.sandbox.limits import Limits
from clearprop.check.sandbox.runner import NotContained, Sandbox, Stopped, Unjudged
from clearprop.check.submission.files import Found, find, read
from clearprop.check.verdicts import SubmissionVerdict
from clearprop.utils.errors import InvalidArgument

LESSON_PROBLEM = (
    "It calls Clearprop's own lesson (clearprop.scratch) instead of defining the functions, so nothing of it "
    "is judged."
)

#: Judges a submission through calls in its process.
Judge = Callable[[Submission, Runner], SubmissionVerdict]


def check(
    path: str | os.PathLike[str],
    template: str | os.PathLike[str] | None = None,
    *,
    trust: bool = False,
    limits: Limits | None = None,
) -> Checked:
    """Check one submission.

    Parameters
    ----------
    path : path-like
        A Python file or a notebook.
    template : str or path-like, optional
        A template's name (``"lesson"``, ``"kaggle"``, ``"nielsen"``, ``"cs231n"``, ``"coursera"``) or the
        path of an assignment file. None lets the names in the submission decide.
    trust : bool, default False
        Run it also on a system that does not keep it from the user's files and the network.
    limits : Limits, optional

    Returns
    -------
    Checked
        The verdict on each function is in ``functions``.

    Raises
    ------
    InvalidArgument
        If the path is no Python file or notebook.
    AssignmentError
        If the template does not exist or is not valid.
    NotContained
        If this system cannot contain it and ``trust`` is False.
    """
    if Path(path).is_dir():
        raise InvalidArgument(f"{path} is a folder; check its files one by one, or use check_all.")
    (checked,) = check_all([path], template, trust=trust, limits=limits)
    return checked


def check_all(
    paths: Sequence[str | os.PathLike[str]],
    template: str | os.PathLike[str] | None = None,
    *,
    jobs: int = 1,
    trust: bool = False,
    limits: Limits | None = None,
) -> Iterator[Checked]:
    """Check files and folders of submissions.

    Parameters
    ----------
    paths : sequence of path-like
        Python files, notebooks, and folders of them.
    template, trust, limits
        See :func:`check`.
    jobs : int, default 1
        Submissions checked at the same time.

    Returns
    -------
    iterator of Checked
        In the order of the paths, and of the names in folders; each once those before it are done.

    Raises
    ------
    InvalidArgument, AssignmentError, NotContained
        See :func:`check`; before anything is checked, but NotContained with the first submission.
    """
    found = find(paths)
    named = {Path(path).absolute() for path in paths}
    return check_found(found, judge_of(template), jobs=jobs, trust=trust, limits=limits, named=named)


def judge_of(template: str | os.PathLike[str] | None) -> Judge:
    """Return the judge of a template.

    Parameters
    ----------
    template : str, path-like or None
        See :func:`check`.

    Raises
    ------
    AssignmentError
        If it does not exist or is not valid.
    """
    assignment = None if template is None else load_assignment(os.fspath(template))

    def judged(submission: Submission, runner: Runner) -> SubmissionVerdict:
        if assignment is not None:
            return judge(submission, runner, assignment)
        return judge(submission, runner, *choose_template(definitions_of(submission.source)))

    return judged


def check_found(
    found: Sequence[Found],
    judged: Judge,
    *,
    jobs: int = 1,
    trust: bool = False,
    limits: Limits | None = None,
    named: frozenset[Path] | set[Path] = frozenset(),
) -> Iterator[Checked]:
    """Check submissions that were found.

    Parameters
    ----------
    found : sequence of Found
    judged : Judge
    jobs, trust, limits
        See :func:`check_all`.
    named : set of pathlib.Path
        Files that the user named, not their folder: links to them are followed.
    """
    stop = threading.Event()

    def one(file: Found) -> Checked:
        began = time.monotonic()
        checked = _checked(file, judged, limits or Limits(), trust, file.path.absolute() in named, stop)
        return _with_seconds(checked, time.monotonic() - began)

    # threads suffice: the submissions run in processes of their own. Such a process ends with the thread that
    # started it, so the pool must outlive it
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="check")
    try:
        yield from pool.map(one, found)
    finally:
        # also on Ctrl-C, where a submission may have a minute left
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _checked(
    file: Found, judged: Judge, limits: Limits, trust: bool, follow: bool, stop: threading.Event
) -> Checked:
    content = read(file, follow=follow)
    if isinstance(content, str):
        return Checked(file.name, None, f"It {content}.")
    sandbox = Sandbox(content, limits, trust=trust, stop=stop)
    try:
        with sandbox:
            if sandbox.lesson:
                return Checked(file.name, None, LESSON_PROBLEM, sandbox.notes)
            verdict = judged(sandbox, sandbox)
            return Checked(file.name, verdict, notes=sandbox.notes, starts=sandbox.starts)
    except Unjudged as refusal:
        return Checked(file.name, None, str(refusal), sandbox.notes)
    except (NotContained, Stopped):
        raise
    except Exception as error:
        # the others are judged all the same; the command ends with the exit code of a defect
        sentence = f"Clearprop failed on it ({type(error).__name__}), which is a defect of Clearprop."
        return Checked(file.name, None, sentence, sandbox.notes, defect=traceback.format_exc())


def _with_seconds(checked: Checked, seconds: float) -> Checked:
    return replace(checked, seconds=seconds)
