"""Encoding of class labels as targets, and decoding of outputs as labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.multiclass import type_of_target, unique_labels

from clearprop.utils.errors import InvalidArgument

BINARY, MULTICLASS, MULTILABEL = "binary", "multiclass", "multilabel-indicator"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The encoding of class labels: labels to targets, and outputs to labels.

    Parameters
    ----------
    kind : str
        ``"binary"`` (one sigmoid output, also where there is a single class), ``"multiclass"`` (a softmax)
        or ``"multilabel-indicator"`` (a sigmoid for each label).
    classes : ndarray (n_classes,)
        The labels in the order of the outputs, as they were given.
    is_sparse : bool
        Whether label indicators came as a sparse matrix; predictions then go out as one.
    """

    kind: str
    classes: NDArray[Any]
    is_sparse: bool = False

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""
        return 1 if self.kind == BINARY else len(self.classes)

    def encode(self, y: Any) -> NDArray[Any]:
        """Return labels as targets.

        Parameters
        ----------
        y : ndarray (n,), or indicators (n, n_classes), dense or sparse
            Of classes that are known.

        Returns
        -------
        ndarray (n,) of int, or (n, n_outputs) of bool
            Numbers of classes for a softmax, else whether each output is true.
        """
        if (type_of_target(y) == MULTILABEL) != (self.kind == MULTILABEL):
            raise InvalidArgument(
                f"y is of type {type_of_target(y)}, but the classes were learned from {self.kind} targets; "
                "give the same type as before."
            )
        if self.kind == MULTILABEL:
            found: NDArray[Any] = dense(y).astype(bool)
        elif self.kind == BINARY:
            found = (np.asarray(y) == self.classes[-1]).reshape(-1, 1)
            if len(self.classes) == 1:
                # as scikit-learn has it: the only class is the negative one
                found = np.zeros_like(found)
        else:
            found = np.searchsorted(self.classes, y)
        return found

    def codes(self, outputs: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return which classes outputs ``(n, n_outputs)`` stand for, as ``encode`` gives them."""
        return outputs.argmax(axis=1) if self.kind == MULTICLASS else outputs > 0.5

    def decode(self, outputs: NDArray[np.floating[Any]]) -> Any:
        """Return the labels that outputs ``(n, n_outputs)`` stand for, as they were given."""
        codes = self.codes(outputs)
        if self.kind == MULTILABEL:
            indicators = codes.astype(int)
            return sparse.csr_matrix(indicators) if self.is_sparse else indicators
        if self.kind == BINARY:
            codes = codes[:, 0] * (len(self.classes) - 1)
        return self.classes.take(codes)


def dense(y: Any) -> NDArray[Any]:
    """Return label indicators as an array, whether they are one or a sparse matrix."""
    array: Any = y
    return np.asarray(array.toarray() if sparse.issparse(y) else y)


def learn_labels(y: Any) -> Labels:
    """Return the labels that targets hold.

    Parameters
    ----------
    y : ndarray (n,), or indicators (n, n_classes), dense or sparse
        Or simply all classes there will ever be.

    Raises
    ------
    ValueError
        In scikit-learn's words, if they are not class labels.
    """
    kind = type_of_target(y, input_name="y")
    if "multioutput" in kind:
        raise InvalidArgument("Multioutput target data is not supported with label binarization")
    return Labels(kind, unique_labels(y), sparse.issparse(y))
