"""Every mistake a user can make, as one sentence: what is wrong, where, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearprop.training.history import History


class ClearpropWarning(UserWarning):
    """What a user should know though the work goes on; its text is one sentence meant for that user."""


class ClearpropError(Exception):
    """The base of all errors a user can cause; its text is one sentence meant for that user."""


class InvalidArgument(ClearpropError, ValueError):
    """An argument has a value that is not allowed; the text names it, its value and what is allowed."""


class DataError(ClearpropError):
    """A data file or an array does not hold what it should; the text names the place."""


class FetchError(DataError):
    """A data set could not be downloaded; the text names the mirrors that were tried."""


class OutputError(ClearpropError):
    """A file could not be written; what was there before is untouched."""


class ModelFileError(ClearpropError):
    """A model file is damaged or does not hold a network."""


class StudyError(ClearpropError):
    """A study file, or the results of a study, cannot be used; the text names the place."""


class CheckpointError(ClearpropError):
    """A checkpoint does not fit what shall go on from it; the text names the setting that differs."""


class FolderInUse(ClearpropError):
    """Another process works in a folder; the text says which."""


class EngineUnavailable(ClearpropError):
    """The engine or device asked for is not available here; the text says how to get it."""


class MissingExtra(ClearpropError):
    """An optional library is not installed; the text says how to get it."""


class TrainingDiverged(ClearpropError):
    """The loss became NaN or infinite.

    Attributes
    ----------
    history : History
        What was measured before that, every finite batch loss included.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.history))
