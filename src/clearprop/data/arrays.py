"""Arrays of any type -> Dataset: labels become class numbers, features uint8 or float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.checks import ROWS_AT_ONCE, check_labels
from clearprop.data.classes import codes_of_labels
from clearprop.data.dataset import Dataset, choose_scaling, filled_alike
from clearprop.data.tables.filling import filled, means
from clearprop.nn.scaling import Scaling
from clearprop.utils.errors import DataError

if TYPE_CHECKING:
    from clearprop.data.tables.reading import TableRows

# flat rows of fewer features are a table, even if their number is a square
MIN_IMAGE_FEATURES = 64
TEST_SHARE = 0.2


def from_arrays(
    name: str,
    x: NDArray[Any],
    y: NDArray[Any],
    x_test: NDArray[Any] | None = None,
    y_test: NDArray[Any] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    source: str = "",
) -> Dataset:
    """Make a data set, with a test set, from arrays of features and labels; see ``parts_of_arrays``.

    Where the source has no test set, ``hold_out`` draws one.
    """
    return with_test(*parts_of_arrays(name, x, y, x_test, y_test, class_names=class_names, source=source))


def parts_of_arrays(
    name: str,
    x: NDArray[Any],
    y: NDArray[Any],
    x_test: NDArray[Any] | None = None,
    y_test: NDArray[Any] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
    source: str = "",
) -> tuple[Dataset, Dataset | None]:
    """Make data sets from arrays of features and labels.

    Integers 0..255 stay uint8, as images, if they come as (n, height, width), or as flat rows of 64 or more
    features that fill a square, with a value above 1. All other features become float32.
    ``choose_scaling`` says how both are scaled.

    Parameters
    ----------
    name : str
    x : ndarray (n, features) or (n, height, width) of numbers
    y : ndarray (n,) of int or str
    x_test, y_test : ndarray or None
        The source's own test set.
    class_names : sequence of str or None
        The names of the classes 0, 1, ...; by default the labels in ``y``, sorted (numbers by size).
    known : sequence of str or None
        The classes of a model: labels are told apart by these names, and unknown ones come after them.
    source : str
        A short description of its origin.

    Returns
    -------
    Dataset, and Dataset or None
        The rows and the source's own test set, each without ``test``.

    Raises
    ------
    DataError
        If the arrays do not form a data set; the text names the reason and the place.
    """
    name_of_test = f"the test set of {name}"
    x, y = _matching(name, x, y)
    if x_test is not None and y_test is not None:
        x_test, y_test = _matching(name_of_test, x_test, y_test)
        if x_test.shape[1:] != x.shape[1:]:
            raise DataError(
                f"A training row of {name} has the shape {x.shape[1:]}, but a test row {x_test.shape[1:]}."
            )
    if known is not None and class_names is None:
        class_names, codes = codes_of_labels(known, y, y_test)
        assert codes[0] is not None
        y, y_test = codes[0], codes[1]
    elif class_names is None:
        labels = np.unique(y)
        class_names, ranks = _class_names(labels)
        y = ranks[np.searchsorted(labels, y)]
        if y_test is not None:
            y_test = ranks[_positions(name_of_test, labels, y_test)]
    else:
        check_labels(name, y, tuple(class_names))
        if y_test is not None:
            check_labels(name_of_test, y_test, tuple(class_names))

    parts = [x] if x_test is None else [x, x_test]
    image_shape = x.shape[1:] if x.ndim == 3 else None
    largest = _largest_pixel(parts)
    side = isqrt(x[0].size)
    if image_shape is None and largest is not None:
        if largest > 1 and side**2 == x[0].size >= MIN_IMAGE_FEATURES:
            image_shape = (side, side)
        else:
            largest = None
    dtype = np.float32 if largest is None else np.uint8

    def part(where: str, rows: NDArray[Any], labels: NDArray[Any]) -> Dataset:
        return Dataset(
            name=where,
            x=_to_rows(rows, dtype),
            y=labels.astype(np.int64),
            class_names=tuple(class_names),
            image_shape=image_shape,
            scaling=Scaling(),
            source=source,
        )

    if x_test is None or y_test is None:
        return part(name, x, y), None
    return part(name, x, y), part(name_of_test, x_test, y_test)


def parts_of_table(
    name: str, rows: TableRows, *, known: Sequence[str] | None = None, source: str = ""
) -> tuple[Dataset, None]:
    """Make a data set, without a test set, from the rows of a table.

    Parameters
    ----------
    name, known, source
        As for ``parts_of_arrays``.
    rows : TableRows
        Missing cells are filled with the mean of all rows, until a training part is drawn.
    """
    fill = means(rows.x, rows.missing)
    whole = filled(rows.x, rows.missing, fill)
    dataset, _ = parts_of_arrays(name, whole, rows.y, known=known, source=source)
    return replace(
        dataset,
        table=replace(rows.schema, fill=fill),
        missing=rows.missing,
        notes=tuple(note.text for note in rows.notes if not note.warns),
    ), None


def with_test(train: Dataset, test: Dataset | None) -> Dataset:
    """Return a data set with its test set, its own or else one that is held out, and the scaling chosen."""
    return hold_out(train) if test is None else _with_test(train, test)


def hold_out(pool: Dataset) -> Dataset:
    """Set a stratified 20% of the rows aside as the test set.

    The seed of this draw is always 0: whatever seed a run uses, its test rows are the same. If a class
    has only one row, or the test rows would be fewer than the classes, the draw is not stratified.

    Parameters
    ----------
    pool : Dataset
        All rows, without a test set.

    Returns
    -------
    Dataset
        The other rows, in their order, with ``test`` set and the scaling chosen.
    """
    if len(pool) < 2:
        raise DataError(
            f"{pool.name} has one row only, which cannot be parted; evaluate it with --split all."
        )
    from sklearn.model_selection import train_test_split

    class_sizes = np.unique(pool.y, return_counts=True)[1]
    stratified = class_sizes.min() >= 2 and ceil(TEST_SHARE * len(pool)) >= len(class_sizes)
    train, test = train_test_split(
        np.arange(len(pool)), test_size=TEST_SHARE, random_state=0, stratify=pool.y if stratified else None
    )
    rest, (held_out,) = filled_alike(pool.subset(np.sort(train)), pool.subset(np.sort(test)))
    assert held_out is not None
    return _with_test(rest, held_out)


def _with_test(train: Dataset, test: Dataset) -> Dataset:
    scaling = choose_scaling(train.x)
    return replace(train, scaling=scaling, test=replace(test, name=train.name, scaling=scaling))


def _matching(name: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return features of 2 or 3 axes and plain labels, one for each row."""
    if x.dtype.kind not in "biuf":
        raise DataError(f"The features of {name} are of type {x.dtype}, but must be numbers.")
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.ndim not in (2, 3):
        raise DataError(
            f"The features of {name} have the shape {x.shape}, but must be (rows, features), or "
            "(rows, height, width) for grey images."
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    elif y.ndim == 2 and len(y) == len(x) and _is_one_hot(y):
        y = y.argmax(axis=1)
    if y.ndim != 1 or len(y) != len(x):
        raise DataError(
            f"There are {len(x)} rows in {name}, but labels of the shape {y.shape}; each row needs exactly "
            "one label."
        )
    if x.size == 0:
        raise DataError(f"There are zero rows, or zero features, in {name} (its shape is {x.shape}).")
    return x, _plain_labels(name, y)


def _is_one_hot(y: NDArray[Any]) -> bool:
    """Tell whether every row of labels is one 1 among zeros, in more than one column."""
    if y.dtype.kind not in "biuf" or y.shape[1] < 2:
        return False
    zeros_and_ones = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
    return bool(zeros_and_ones and np.count_nonzero(y.any(axis=0)) > 1)


def _plain_labels(name: str, y: NDArray[Any]) -> NDArray[Any]:
    """Return labels as whole numbers or as text."""
    if y.dtype.kind == "f":
        # float64 holds whole numbers exactly up to 2**53
        wrong = np.flatnonzero((y != np.floor(y)) | ~(np.abs(y) <= 2**53))
        if wrong.size:
            raise DataError(
                f"Label {y[wrong[0]]} at row {wrong[0]} of {name} (rows count from 0) is not a whole number; "
                "labels are whole numbers or names of classes."
            )
        return y.astype(np.int64)
    if y.dtype.kind == "b":
        return y.astype(np.int64)
    if y.dtype.kind == "S":
        try:
            return np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"A label of {name} is not UTF-8 text.") from error
    if y.dtype.kind == "U":
        points = np.ascontiguousarray(y, y.dtype.newbyteorder("=")).view(np.uint32)
        # a file may contain code points that are no characters, which Python cannot print
        if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise DataError(f"A label of {name} is not valid text.")
    elif y.dtype.kind not in "iu":
        raise DataError(f"The labels of {name} are of type {y.dtype}, but must be whole numbers or names.")
    return y


def _class_names(labels: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names in order, and the rank of each of the sorted labels in that order.

    Text of digits is sorted as numbers, so that "2" comes before "10".
    """
    names = [str(label) for label in labels.tolist()]
    order = np.arange(len(names))
    if labels.dtype.kind == "U" and all(text.isascii() and text.isdigit() for text in names):
        order = np.array(sorted(order, key=lambda i: (len(names[i].lstrip("0")), names[i].lstrip("0"))))
    return tuple(names[i] for i in order), np.argsort(order)


def _positions(name: str, labels: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index of each label in the sorted labels of the training rows."""
    if (labels.dtype.kind == "U") != (y.dtype.kind == "U"):
        raise DataError(f"The labels of {name} are {y.dtype}, but those of its training rows {labels.dtype}.")
    found = np.minimum(np.searchsorted(labels, y), len(labels) - 1)
    wrong = np.flatnonzero(labels[found] != y)
    if wrong.size:
        raise DataError(
            f"Label {y[wrong[0]]} at row {wrong[0]} of {name} (rows count from 0) is outside the classes of "
            f"the training rows, {labels[0]} to {labels[-1]}."
        )
    return found


def _largest_pixel(parts: Sequence[NDArray[Any]]) -> int | None:
    """Return the largest value, or None unless all values are whole numbers from 0 to 255."""
    largest = 0
    for part in parts:
        for start in range(0, len(part), ROWS_AT_ONCE):
            rows = part[start : start + ROWS_AT_ONCE]
            low, high = rows.min(), rows.max()
            # the negated comparison is also true for NaN
            if not (low >= 0 and high <= 255) or (rows.dtype.kind == "f" and (rows != np.floor(rows)).any()):
                return None
            largest = max(largest, int(high))
    return largest


def _to_rows(x: NDArray[Any], dtype: type[np.uint8 | np.float32]) -> NDArray[Any]:
    # a number too large for float32 becomes infinite, which the Dataset reports with its place
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(x.reshape(len(x), -1), dtype)
