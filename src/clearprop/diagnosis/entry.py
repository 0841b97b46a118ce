"""diagnose: checks what it is given, and investigates it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.diagnosis.adapters.estimators import is_estimator, read_estimator
from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.checked_data import check_data
from clearprop.diagnosis.finding import Diagnosis
from clearprop.diagnosis.investigation import investigate
from clearprop.diagnosis.program import Program
from clearprop.utils.arguments import check_number
from clearprop.utils.errors import DataError, InvalidArgument
from clearprop.utils.randomness import check_seed

Array = NDArray[np.floating[Any]]

SECONDS = 60.0
#: Less leaves no time for a single remedy.
FEWEST_SECONDS = 1.0


def diagnose(
    subject: Any,
    x: Any = None,
    y: Any = None,
    *,
    validation: tuple[Any, Any] | None = None,
    seed: int = 0,
    seconds: float = SECONDS,
    **settings: Any,
) -> Diagnosis:
    """Find out why a training fails, by trying the remedies.

    Parameters
    ----------
    subject : Program, Run, path, estimator, torch.nn.Module or Keras model
        The training: a Program; a run of Clearprop or the folder of one; an ``MLPClassifier`` or
        ``MLPRegressor`` of Clearprop or scikit-learn, fitted or not; a PyTorch module; a compiled Keras
        model.
    x : array-like (n, ...)
        Training rows; what is not flat is flattened. A run knows its own.
    y : array-like (n,) or (n, columns)
        Class numbers, one-hot rows or numbers, as the program is given them.
    validation : (x, y) or None, default None
        Rows to measure on. None sets a quarter of the rows aside; of fewer than 40 rows (or 24 distinct
        ones), the rows that are trained on are measured.
    seed : int, default 0
    seconds : float, default 60
        The budget, which is kept.
    **settings
        Of a PyTorch module: ``loss`` and ``optimizer`` (objects of ``torch`` or names), ``learning_rate``,
        ``batch_size`` and ``epochs``. Of a Keras model: ``batch_size`` and ``epochs``.

    Returns
    -------
    Diagnosis

    Raises
    ------
    DataError
        If rows or targets are empty, not finite, not numbers, or fit nothing.
    InvalidArgument
        If an argument has a value that is not allowed.
    """
    budget = check_seconds(seconds)
    check_seed(seed)
    return diagnose_subject(_read(subject, x, y, validation, settings), seed=seed, seconds=budget)


def diagnose_subject(subject: Subject, *, seed: int = 0, seconds: float = SECONDS) -> Diagnosis:
    """Check the data of a training that has been read, and investigate it; see ``diagnose``."""
    rows, targets = check_data("", subject.x, subject.y)
    held, validation = None, subject.validation
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise InvalidArgument("validation must be a pair (x, y) of rows and their targets.")
        held = check_data("validation ", *validation)
        if held[0].shape[1:] != rows.shape[1:] or held[1].shape[1:] != targets.shape[1:]:
            raise DataError(
                f"The validation rows have the shapes {held[0].shape} and {held[1].shape}, but the training "
                f"rows {rows.shape} and {targets.shape}; give both the same columns."
            )
    return investigate(
        subject.program,
        rows,
        targets,
        held,
        seed,
        seconds,
        may_try=subject.may_try,
        notes=subject.notes,
        trainer=subject.trainer,
    )


def _read(
    subject: Any, x: Any, y: Any, validation: tuple[Any, Any] | None, settings: dict[str, Any]
) -> Subject:
    """Return the training and its rows; libraries are imported only for what is theirs."""
    owners = {each.__module__.split(".")[0] for each in type(subject).__mro__}
    if "keras" in owners or "tf_keras" in owners:
        from clearprop.diagnosis.adapters.keras_models import read_keras

        return read_keras(subject, x, y, validation, **settings)
    if "torch" in owners:
        from clearprop.diagnosis.adapters.torch_modules import read_module

        return read_module(subject, x, y, validation, **settings)
    if settings:
        raise InvalidArgument(
            f"{next(iter(settings))} is a setting of PyTorch modules and Keras models, not of "
            f"{type(subject).__name__}."
        )
    if isinstance(subject, Program):
        return Subject(subject, x, y, validation)
    if isinstance(subject, (str, os.PathLike)):
        from clearprop.diagnosis.adapters.runs import read_run_folder

        return read_run_folder(Path(subject))
    if is_estimator(subject):
        return read_estimator(subject, x, y, validation)
    if type(subject).__name__ == "Run":
        from clearprop.diagnosis.adapters.runs import read_run

        return read_run(subject, x, y, validation)
    raise InvalidArgument(
        f"The training to diagnose is of type {type(subject).__name__}, but must be a Program, a Run or its "
        "folder, a multilayer perceptron of scikit-learn, a PyTorch module or a Keras model."
    )


def check_seconds(seconds: float) -> float:
    """Return the budget, if something can be tried within it."""
    budget = check_number("seconds", seconds, above=0.0)
    if budget < FEWEST_SECONDS:
        raise InvalidArgument(
            f"seconds is {budget:g}, which is too little to try anything; give at least {FEWEST_SECONDS:g}."
        )
    return budget
