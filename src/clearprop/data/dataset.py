"""Dataset: rows, labels and class names; its split into parts, and the choice of scaling."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from clearprop.data.checks import ROWS_AT_ONCE, check_finite, check_labels, count_of
from clearprop.data.tables.filling import filled, means
from clearprop.data.tables.schema import TableSchema
from clearprop.display.text import printable
from clearprop.nn.scaling import PIXELS, Scaling
from clearprop.utils.errors import DataError, InvalidArgument
from clearprop.utils.randomness import streams


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Rows as stored, with their labels; engines scale the rows batch by batch.

    Parameters
    ----------
    name : str
        The name in reports and errors.
    x : ndarray (n, features) of uint8 or float32
        The rows, in C order.
    y : ndarray (n,) of int64
        The label of each row, from 0 to n_classes - 1.
    class_names : tuple of str
        The name of class 0, 1, ...; at least two.
    image_shape : (int, int) or None
        Height and width if the rows are images.
    scaling : Scaling
        From stored rows to the input of a network; see ``choose_scaling``.
    test : Dataset or None
        The separate test set; its own ``test`` is None.
    source : str
        A short description of its origin.
    table : TableSchema or None
        How the columns of a table became features; its ``fill`` is of the training rows.
    missing : ndarray (n, features) of bool, or None
        The features of missing cells, if there are any; ``x`` has the table's ``fill`` there.
    notes : tuple of str
        Sentences about how the data was read, such as the column of its labels.

    Raises
    ------
    DataError
        If rows, labels, class names and image shape do not fit each other, or a number is NaN or infinite.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None
    scaling: Scaling
    test: Dataset | None = None
    source: str = ""
    table: TableSchema | None = None
    missing: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.x.dtype not in (np.uint8, np.float32) or not self.x.flags.c_contiguous:
            raise DataError(
                f"The rows of {self.name} are {self.x.dtype} of shape {self.x.shape}, but must be uint8 or "
                "float32 of shape (rows, features), in C order."
            )
        if self.y.shape != (len(self.x),) or self.y.dtype != np.int64:
            raise DataError(
                f"The labels of {self.name} are {self.y.dtype} of shape {self.y.shape}, but must be int64 of "
                f"shape ({len(self.x)},), one for each row."
            )
        if len(self.class_names) < 2:
            raise DataError(
                f"{self.name} has {len(self.class_names)} class only; a classifier needs at least two to "
                "tell apart."
            )
        check_labels(self.name, self.y, self.class_names)
        if self.image_shape is not None and self.image_shape[0] * self.image_shape[1] != self.n_features:
            raise DataError(
                f"The images of {self.name} are {self.image_shape[0]} by {self.image_shape[1]}, but its rows "
                f"have {self.n_features} features."
            )
        check_finite(self.name, self.x)
        if self.test is not None:
            if self.test.n_features != self.n_features or self.test.class_names != self.class_names:
                raise DataError(
                    f"The test set of {self.name} has {self.test.n_features} features and "
                    f"{self.test.n_classes} classes, but must have the {self.n_features} features and the "
                    f"{self.n_classes} classes of the training rows."
                )
            if self.test.test is not None:
                raise DataError(f"The test set of {self.name} has a test set itself, which has no meaning.")

    @property
    def n_features(self) -> int:
        """Number of features, or pixels, of a row."""
        return int(self.x.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes, including classes without rows."""
        return len(self.class_names)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        pixels = f", images {self.image_shape[0]}x{self.image_shape[1]}" if self.image_shape else ""
        test = f", test {len(self.test):,} rows" if self.test is not None else ""
        label = self.table.columns[self.table.label].name if self.table is not None else ""
        return (
            f"Dataset({printable(self.name)}: {len(self):,} rows of {self.n_features} features "
            f"({self.x.dtype}{pixels}), {self.n_classes} classes"
            f"{f' in column {label!r}' if label else ''}{test})"
        )

    def table_record(self) -> dict[str, Any]:
        """Return the schema of the table for a model file; empty for other data."""
        return {} if self.table is None else self.table.to_dict()

    def subset(self, rows: slice | NDArray[Any]) -> Dataset:
        """Return some of the rows; the test set stays the same.

        Parameters
        ----------
        rows : ndarray of int (row numbers) or bool (n,), or slice
        """
        return replace(
            self,
            x=np.ascontiguousarray(self.x[rows]),
            y=np.ascontiguousarray(self.y[rows]),
            missing=None if self.missing is None else self.missing[rows],
        )

    def split(self, train: float | None = None, validation: float | None = None, seed: int = 0) -> Splits:
        """Draw a training and a validation part at random, without overlap; the test set stays as it is.

        Parameters
        ----------
        train : int, float or None
            Rows to train on: a number, or as a float below 1 a share of all rows; None takes all rows that
            are not validation rows.
        validation : int, float or None
            Rows for validation, likewise; None takes one sixth (rounded down), the proportion of the
            published study, and 0 makes no validation part.
        seed : int
            The same seed always draws the same rows, and the validation rows do not depend on ``train``. A
            training part of all rows keeps their order.

        Returns
        -------
        Splits
            Train, validation (or None) and test. Standardised features use the mean and the deviation of the
            training part in all three, and missing cells are filled with its mean.

        Raises
        ------
        InvalidArgument
            If more rows are asked for than there are, or none would be left to train on.
        DataError
            If the training part has one class only.
        """
        n = len(self)
        n_validation = n // 6 if validation is None else count_of("validation", validation, n)
        n_train = n - n_validation if train is None else count_of("train", train, n)
        if n_train + n_validation > n:
            raise InvalidArgument(
                f"train and validation ask for {n_train:,} and {n_validation:,} rows, but {self.name} has "
                f"{n:,}; ask for fewer."
            )
        if n_train < 1:
            raise InvalidArgument(
                f"No row of {self.name} is left to train on (train={train}, validation={validation}, of "
                f"{n:,} rows); leave it some."
            )
        order = streams(seed).split.permutation(n)
        alone = replace(self, test=None)
        # all rows: no draw, and no copy
        part = alone if n_train == n else alone.subset(order[n_validation : n_validation + n_train])
        if part.y.min() == part.y.max():
            raise DataError(
                f"All {n_train:,} training rows of {self.name} are of one class "
                f'("{self.class_names[part.y[0]]}"), so there is nothing to tell apart; take more rows or '
                "another seed."
            )
        held_out = alone.subset(order[:n_validation]) if n_validation else None
        part, (held_out, test) = filled_alike(part, held_out, self.test)
        scaling = standardised(part.x) if np.ndim(self.scaling.shift) else self.scaling
        return Splits(
            train=replace(part, scaling=scaling),
            validation=replace(held_out, scaling=scaling) if held_out is not None else None,
            test=replace(test, scaling=scaling) if test is not None else None,
        )

    def digest(self) -> str:
        """Return the SHA-256 of the numbers: rows, labels, class names and scaling, but not the test set."""
        hasher = hashlib.sha256()
        scaling = self.scaling.to_dict()
        hasher.update(repr((self.x.dtype.name, self.x.shape, self.class_names, scaling)).encode())
        for array in (self.x, self.y):
            # the same digest on a machine of the other byte order
            hasher.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        return hasher.hexdigest()


class Splits(NamedTuple):
    """The parts of a data set; validation and test may be None."""

    train: Dataset
    validation: Dataset | None
    test: Dataset | None


def filled_alike(train: Dataset, *others: Dataset | None) -> tuple[Dataset, tuple[Dataset | None, ...]]:
    """Return parts of one table with missing cells filled by the mean of the training part.

    Parameters
    ----------
    train : Dataset
    *others : Dataset or None
    """
    if train.table is None:
        return train, others
    fill = means(train.x, train.missing)
    return filled_with(train, fill), tuple(
        None if part is None else filled_with(part, fill) for part in others
    )


def filled_with(dataset: Dataset, fill: NDArray[np.float64]) -> Dataset:
    """Return the rows of a table with missing cells filled.

    Parameters
    ----------
    dataset : Dataset
        With a ``table``.
    fill : ndarray (n_features,) of float64
    """
    assert dataset.table is not None
    return replace(
        dataset, x=filled(dataset.x, dataset.missing, fill), table=replace(dataset.table, fill=fill)
    )


def one_hot(labels: NDArray[Any], n_classes: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return the one-hot encoding: column k is 1 in rows of label k and 0 elsewhere.

    Parameters
    ----------
    labels : ndarray (n,) of int, from 0 to n_classes - 1
    n_classes : int
    dtype : dtype, default float32

    Returns
    -------
    ndarray (n, n_classes) of dtype
    """
    columns = np.zeros((len(labels), n_classes), dtype)
    columns[np.arange(len(labels)), labels] = 1
    return columns


def choose_scaling(x: NDArray[Any]) -> Scaling:
    """Return the scaling of a data set, by one rule for all.

    - uint8 (images) is divided by 255, to 0..1; if no value is greater than 1 (black and white images stored
      as 0 and 1), it stays as it is.
    - floats that all lie in -1..1 stay as they are.
    - other floats are standardised, feature by feature: minus the mean, divided by the standard deviation
      (a constant feature only minus its mean). The scaling then has one number for each
      feature, and ``Dataset.split`` measures them again on the training part.

    Parameters
    ----------
    x : ndarray (n, features) of uint8 or float32, n at least 1
    """
    if x.dtype == np.uint8:
        return PIXELS if x.max() > 1 else Scaling()
    if x.min() >= -1 and x.max() <= 1:
        return Scaling()
    return standardised(x)


def standardised(x: NDArray[Any]) -> Scaling:
    """Return the scaling that gives each feature of these rows mean 0 and standard deviation 1.

    Parameters
    ----------
    x : ndarray (n, features) of float32, n at least 1
    """
    mean = x.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(x), ROWS_AT_ONCE):
        squares += np.square(x[start : start + ROWS_AT_ONCE] - mean).sum(axis=0)
    deviation = np.sqrt(squares / len(x))
    # the inverse of a smaller deviation overflows float32, so such a feature counts as constant
    constant = (x.min(axis=0) == x.max(axis=0)) | (deviation < 1e-30)
    return Scaling(mean, 1 / np.where(constant, 1.0, deviation))
