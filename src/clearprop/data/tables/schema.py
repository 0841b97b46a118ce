"""TableSchema: the purpose of each column of a table, decided on the training file, kept with the model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.utils.errors import DataError

#: For missing cells: fill in the mean of the training rows, leave the row out, or refuse the file.
MISSING_POLICIES = ("mean", "drop", "refuse")
#: The kinds of columns, each with its letter in a model file.
KINDS = {"number": "n", "boolean": "b", "category": "c", "label": "l", "left out": "x"}
_KIND_OF = {letter: kind for kind, letter in KINDS.items()}
MAX_COLUMNS = 10_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Empty where the file has no header.
    kind : str
        Of ``KINDS``.
    categories : tuple of str
        The values of a "category"; each becomes a feature, 1 in rows that have it and else 0.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """Number of features that the column becomes."""
        return len(self.categories) if self.kind == "category" else int(self.kind in ("number", "boolean"))


@dataclass(frozen=True, slots=True, eq=False)
class TableSchema:
    """How the columns of a table become features and labels.

    Parameters
    ----------
    columns : tuple of Column
        All columns of the training file, in its order.
    named : bool
        Whether the file names them; else they are told apart by their order.
    missing : str
        Of ``MISSING_POLICIES``.
    fill : ndarray (n_features,) of float64
        The mean of each feature over the training rows that have it.
    """

    columns: tuple[Column, ...]
    named: bool
    missing: str
    fill: NDArray[np.float64]

    @property
    def n_features(self) -> int:
        """Number of features of a row."""
        return sum(column.n_features for column in self.columns)

    @property
    def label(self) -> int:
        """The position of the label column."""
        return next(i for i, column in enumerate(self.columns) if column.kind == "label")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, few of them however many columns there are."""
        text = io.StringIO()
        # a name with a character of the line's end is quoted
        csv.writer(text, lineterminator="\r\n").writerow([column.name for column in self.columns])
        return {
            "names": text.getvalue().removesuffix("\r\n") if self.named else None,
            "kinds": "".join(KINDS[column.kind] for column in self.columns),
            "categories": [list(column.categories) for column in self.columns if column.kind == "category"],
            "missing": self.missing,
            "feature_means": [float(f"{value:.9g}") for value in self.fill.tolist()],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], n_features: int) -> TableSchema:
        """Make a schema from the values of ``to_dict``, which may come from any file.

        Parameters
        ----------
        values : mapping
        n_features : int
            The inputs of the network that it is to feed.

        Raises
        ------
        DataError
            If the values describe no table of so many features.
        """
        try:
            schema = _from_dict(cls, values)
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise DataError(
                f"The model file describes no table that can be read ({error}); save the model again."
            ) from None
        if schema.n_features != n_features or len(schema.fill) != n_features:
            raise DataError(
                f"The model file describes a table of {schema.n_features} features, but its network takes "
                f"{n_features}; save the model again."
            )
        return schema


def _from_dict(cls: type[TableSchema], values: Mapping[str, Any]) -> TableSchema:
    letters, written, names = values["kinds"], values["categories"], values["names"]
    if not isinstance(letters, str) or letters.count("l") != 1 or len(letters) > MAX_COLUMNS:
        raise ValueError("its columns have no kinds, or not one label")
    if not isinstance(written, list) or len(written) != letters.count("c"):
        raise ValueError("its categories do not fit its columns")
    if values["missing"] not in MISSING_POLICIES:
        raise ValueError("it treats missing cells in an unknown way")
    found = [""] * len(letters)
    if names is not None:
        # a name may hold a line break
        found = next(csv.reader(io.StringIO(names, newline="")))
    if len(found) != len(letters):
        raise ValueError("its names do not fit its columns")
    categories = iter(written)
    columns = []
    for name, letter in zip(found, letters, strict=True):
        own = next(categories) if letter == "c" else []
        if not isinstance(own, list) or not all(isinstance(value, str) for value in own):
            raise ValueError("its categories are no texts")
        columns.append(Column(name, _KIND_OF[letter], tuple(own)))
    fill = np.asarray(values["feature_means"], np.float64)
    if fill.ndim != 1 or not np.isfinite(fill).all():
        raise ValueError("the numbers that fill its missing cells are not finite")
    return cls(tuple(columns), names is not None, values["missing"], fill)
