"""Exceptions and warnings for users; each text is one sentence: the fault, its place, and the remedy."""

from __future__ import annotations


class ClearpropWarning(UserWarning):
    """A warning to the user, while the work goes on; its text is one sentence."""


class ClearpropError(Exception):
    """Base class of all errors that a user can cause; the text is one sentence for the user."""


class InvalidArgument(ClearpropError, ValueError):
    """An argument has a value that is not allowed; the text names it, its value and what is allowed."""


class DataError(ClearpropError):
    """A data file or an array has wrong content; the text names the place."""


class FetchError(DataError):
    """A data set could not be downloaded; the text names the mirrors that were tried."""


class OutputError(ClearpropError):
    """A file could not be written; an earlier file of that name is untouched."""


class ModelFileError(ClearpropError):
    """A model file is damaged or does not hold a network."""


class StudyError(ClearpropError):
    """A study file, or the results of a study, cannot be used; the text names the place."""


class CheckpointError(ClearpropError):
    """A checkpoint does not fit the run to resume; the text names the setting that differs."""


class FolderInUse(ClearpropError):
    """Another process works in a folder; the text says which."""


class EngineUnavailable(ClearpropError):
    """The engine or device asked for is not available here; the text says how to get it."""


class MissingExtra(ClearpropError):
    """An optional library is not installed; the text says how to get it."""
