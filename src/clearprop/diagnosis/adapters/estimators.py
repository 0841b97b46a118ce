"""MLPClassifier and MLPRegressor, of scikit-learn and of Clearprop, as Programs; read by their parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.program import Layer, Program
from clearprop.utils.errors import InvalidArgument

_ACTIVATIONS = {"logistic": "sigmoid", "identity": "linear"}
#: Of batch_size="auto".
AUTO_BATCH = 200


def is_estimator(subject: Any) -> bool:
    """Tell whether an object is a multilayer perceptron with scikit-learn's interface."""
    return hasattr(subject, "get_params") and hasattr(subject, "hidden_layer_sizes")


def read_estimator(estimator: Any, x: Any, y: Any, validation: tuple[Any, Any] | None) -> Subject:
    """Return an estimator, fitted or not, and its rows as a subject.

    Raises
    ------
    InvalidArgument
        If there are no rows.
    """
    if x is None or y is None:
        raise InvalidArgument(
            f"{type(estimator).__name__} does not hold its rows; give them too: diagnose(estimator, X, y)."
        )
    rows = np.asarray(x.toarray() if hasattr(x, "toarray") else x)
    targets = np.asarray(y)
    classifies = hasattr(type(estimator), "predict_proba")
    if classifies and targets.ndim == 1:
        names, targets = np.unique(targets, return_inverse=True)
        if validation is not None:
            validation = (validation[0], np.searchsorted(names, np.asarray(validation[1])))
    program, notes = _program_of(estimator, rows, targets, classifies)
    return Subject(program, rows, targets if classifies else targets.astype(float), validation, notes)


def _program_of(estimator: Any, rows: Any, targets: Any, classifies: bool) -> tuple[Program, tuple[str, ...]]:
    sizes = np.atleast_1d(estimator.hidden_layer_sizes).astype(int).tolist()
    names = estimator.activation
    names = [names] * len(sizes) if isinstance(names, str) else list(names)
    dropout = getattr(estimator, "dropout", 0.0)
    start = getattr(estimator, "initialization", "auto")
    start = "glorot_uniform" if start == "auto" else start
    hidden = [
        Layer(int(size), _ACTIVATIONS.get(name, name), start, dropout)
        for size, name in zip(sizes, names, strict=True)
    ]
    if not classifies:
        output, loss = Layer(1 if targets.ndim == 1 else targets.shape[1], "linear", start), "squared_error"
    elif targets.ndim > 1:
        output, loss = Layer(targets.shape[1], "sigmoid", start), "binary_cross_entropy"
    elif (classes := int(targets.max()) + 1) <= 2:
        output, loss = Layer(1, "sigmoid", start), "binary_cross_entropy"
    else:
        output, loss = Layer(classes, "softmax", start), "cross_entropy"
    solver = estimator.solver
    notes = []
    if solver in ("lbfgs",):
        notes.append("The solver lbfgs is tried as adam, since it takes no steps of batches.")
        solver = "adam"
    elif solver == "sgd" and estimator.momentum > 0:
        solver = "nesterov" if estimator.nesterovs_momentum else "momentum"
    batch = estimator.batch_size
    batch = min(AUTO_BATCH, len(rows)) if batch == "auto" else int(batch)
    if estimator.early_stopping or estimator.max_iter > 20:
        notes.append("The trainings here take all epochs of max_iter, without the estimator's early stop.")
    decay = float(estimator.alpha)
    return (
        Program(
            (*hidden, output),
            loss,
            solver,
            float(estimator.learning_rate_init),
            float(estimator.momentum),
            # alpha is divided by the rows of a batch
            decay if solver == "adamw" else decay / batch,
            batch,
            int(estimator.max_iter),
        ),
        tuple(notes),
    )
