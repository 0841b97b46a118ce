"""Limits on one submission: seconds, bytes, processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one submission.

    Parameters
    ----------
    call_seconds : float
        Wall time of one call; less after calls that were stopped, so that the other functions get theirs.
    submission_seconds : float
        Wall time of the submission as a whole, from reading it to the last call.
    memory_bytes : int
        Address space of its process.
    file_bytes : int
        Size of a file that it may write in its folder.
    folder_bytes, folder_files : int
        All files in its folder together.
    statement_seconds : float
        Wall time of one statement at the top level that is no import and no definition.
    statements_seconds : float
        Of all of these together; after that only imports and definitions are run.
    import_seconds : float
        Of one import.
    restarts : int
        How often a new process is started after one that ended or was killed.
    """

    call_seconds: float = 3.0
    submission_seconds: float = 60.0
    memory_bytes: int = 3 << 30
    file_bytes: int = 8 << 20
    folder_bytes: int = 64 << 20
    folder_files: int = 1000
    statement_seconds: float = 1.0
    statements_seconds: float = 3.0
    import_seconds: float = 20.0
    restarts: int = 50
