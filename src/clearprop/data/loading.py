"""load_data: from a name or a path to a Dataset."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from clearprop.data.arrays import from_arrays, parts_of_arrays, parts_of_table, with_test
from clearprop.data.catalog import CATALOG, CatalogEntry
from clearprop.data.dataset import Dataset, filled_with
from clearprop.data.fetching import data_folder, obtain
from clearprop.data.formats.idx import read_idx_files
from clearprop.data.images.read_image import resize_grey
from clearprop.data.options import Note, ReadOptions
from clearprop.data.tables.schema import TableSchema
from clearprop.display.text import valid_unicode
from clearprop.utils.arguments import listed, nearest
from clearprop.utils.errors import ClearpropWarning, DataError, InvalidArgument

if TYPE_CHECKING:
    from clearprop.nn.network import Network


def load_data(
    name_or_path: str | os.PathLike[str] | Any,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
    label: str | int | None = None,
    missing: str | None = None,
    keep_index: bool = False,
    skip_damaged: bool = False,
) -> Dataset:
    """Load a data set, with its test set.

    Where the source has no test set of its own, a stratified 20% of its rows become one. That draw always
    has the seed 0, so the test rows never depend on the seed of a run.

    Parameters
    ----------
    name_or_path : str, path-like or data frame
        ``"digits"`` (needs no download), ``"mnist"``, ``"fashion-mnist"`` or ``"kmnist"``; or the path of a
        folder with the IDX files of MNIST (``.gz`` or not), of an ``.npz`` file (arrays ``x`` and ``y``, or
        ``x_train``, ``y_train``, ``x_test`` and ``y_test``), of a pair of ``.npy`` files, of a table
        (``.csv``, ``.tsv``, ``.parquet``, ``.arrow``), or of a folder of images with one
        subfolder a class. Or a data frame of pandas, polars or Arrow.
    data_dir : path-like or None
        A folder searched before anything is downloaded; by default that of the environment variable
        CLEARPROP_DATA.
    progress : bool, default True
        Show the progress of a download.
    label : str, int or None
        The column of a table that holds the labels: its name; as text also its number, counted from 1; as
        int its position, counted from 0. None takes "label", "class", "target" or "y", else the first.
    missing : str or None
        What to do with missing cells of a table: fill in the ``"mean"`` of the training rows, ``"drop"``
        the row, or ``"refuse"`` the file (the default).
    keep_index : bool, default False
        Keep columns of a table that count or name its rows.
    skip_damaged : bool, default False
        Leave damaged images of a folder out; a warning names them.

    Returns
    -------
    Dataset
        The rows to split into training and validation, with ``test`` set.

    Raises
    ------
    DataError
        If there is no such data set, or it is damaged; the text names the place.
    FetchError
        If a download is needed and fails.
    InvalidArgument
        If an option is not allowed, or given for data of another kind.

    Warns
    -----
    ClearpropWarning
        For every decision that changes the data: columns or rows left out, cells filled.

    Examples
    --------
    >>> load_data("digits")
    Dataset(digits: 1,437 rows of 784 features (uint8, images 28x28), 10 classes, test 360 rows)
    """
    options = ReadOptions(label, missing, keep_index, skip_damaged)
    if isinstance(name_or_path, str) and name_or_path in CATALOG and not options.to_dict():
        return load_entry(CATALOG[name_or_path], data_folder(data_dir), progress=progress)
    if not isinstance(name_or_path, (str, os.PathLike)):
        return with_test(*_parts_of_frame(name_or_path, options))
    return with_test(*load_parts(name_or_path, data_dir, options, progress=progress, stacklevel=3))


class TrainedModel(Protocol):
    """The parts of a model that ``load_rows`` uses."""

    @property
    def network(self) -> Network:
        """The network, whose inputs are the features."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the outputs."""

    @property
    def table(self) -> dict[str, Any]:
        """How the columns of a table become features."""


def load_rows(
    name_or_path: str | os.PathLike[str] | Any,
    model: TrainedModel,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    missing: str | None = None,
) -> Dataset:
    """Load all rows of a file or a data frame for a trained model, such as a test file of your own.

    The columns of a table are found by name and become the features of the training, and its missing cells
    are filled with the means of the training rows. Classes are matched by name.

    Parameters
    ----------
    name_or_path, data_dir
        As for ``load_data``.
    model : Model
    missing : str or None
        As for ``load_data``; None is what the model was trained with.

    Returns
    -------
    Dataset
        Without ``test``.

    Raises
    ------
    DataError
        As ``load_data``; or if a table has not the columns the model was trained with.
    """
    options = ReadOptions(missing=missing)
    schema = TableSchema.from_dict(model.table, model.network.layer_sizes[0]) if model.table else None
    known = model.class_names or None
    if isinstance(name_or_path, (str, os.PathLike)):
        rows = whole(*load_parts(name_or_path, data_dir, options, schema=schema, known=known, stacklevel=3))
    else:
        rows, _ = _parts_of_frame(name_or_path, options, schema, known)
    return rows if schema is None or rows.table is None else filled_with(rows, schema.fill)


def load_parts(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    options: ReadOptions | None = None,
    *,
    progress: bool = True,
    schema: TableSchema | None = None,
    known: Sequence[str] | None = None,
    stacklevel: int = 2,
) -> tuple[Dataset, Dataset | None]:
    """Load a data set and its own test set, if it has one, as ``load_data`` does.

    Parameters
    ----------
    name_or_path, data_dir, progress
        As for ``load_data``.
    options : ReadOptions or None
    schema : TableSchema or None
        Of a model: the columns of a table are found by name, and read as for its training.
    known : sequence of str or None
        The classes of a model, by whose names labels are told apart.
    stacklevel : int
        Of the warnings.
    """
    options = options or ReadOptions()
    if isinstance(name_or_path, str) and name_or_path in CATALOG:
        if options.to_dict():
            raise InvalidArgument(
                f"{name_or_path} is read as it is; leave {' and '.join(options.to_dict())} out."
            )
        dataset = load_entry(CATALOG[name_or_path], data_folder(data_dir), progress=progress)
        return replace(dataset, test=None), dataset.test
    # the readers take longer to import than a data set of the catalog to load
    from clearprop.data.formats.image_folder import ImageArrays
    from clearprop.data.formats.read_path import is_table, read_path, read_table_for_model
    from clearprop.data.tables.reading import TableRows

    path = existing_path(name_or_path)
    name, source = _name_of(path), valid_unicode(str(path))
    read = (
        read_path(path, options)
        if schema is None or not is_table(path)
        else read_table_for_model(path, schema, labels=True, missing=options.missing)
    )
    _warn(read.notes, stacklevel + 1)
    if isinstance(read, TableRows):
        return parts_of_table(name, read, known=known, source=source)
    if isinstance(read, ImageArrays):
        return parts_of_arrays(name, *read[:4], known=known, source=source)
    return parts_of_arrays(name, *read, known=known, source=source)


def _parts_of_frame(
    frame: object,
    options: ReadOptions,
    schema: TableSchema | None = None,
    known: Sequence[str] | None = None,
) -> tuple[Dataset, None]:
    from clearprop.data.formats.frames import frame_source, is_frame
    from clearprop.data.tables.reading import apply_schema, read_table

    if not is_frame(frame):
        raise DataError(
            f"name_or_path is {type(frame).__name__}, but must be a name, a path, or a data frame of pandas, "
            "polars or Arrow; for arrays use clearprop.data.from_arrays."
        )
    if options.skip_damaged:
        raise InvalidArgument(
            "skip_damaged is for a folder of images, but a data frame is none; leave it out."
        )
    source = frame_source(frame)
    if schema is None:
        rows = read_table(source, options)
    else:
        rows = apply_schema(source, schema, labels=True, missing=options.missing)
    _warn(rows.notes, 4)
    return parts_of_table("data frame", rows, known=known, source=type(frame).__name__)


def _warn(notes: Sequence[Note], stacklevel: int) -> None:
    for note in notes:
        if note.warns:
            warnings.warn(note.text, ClearpropWarning, stacklevel=stacklevel + 1)


def whole(rows: Dataset, own_test: Dataset | None) -> Dataset:
    """Return all rows of a data set: those of its own test set, if it has one, come last.

    Parameters
    ----------
    rows, own_test
        As ``load_parts`` returns them.
    """
    if own_test is None:
        return rows
    x, y = (np.concatenate(pair) for pair in ((rows.x, own_test.x), (rows.y, own_test.y)))
    return replace(rows, x=x, y=y)


def existing_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the path that a user names.

    Raises
    ------
    DataError
        If it is not there; the text suggests names of the catalog.
    """
    # unlike pathlib, os.path does not raise for text that cannot be a path, and does not turn "" into "."
    expanded = os.path.expanduser(name_or_path)
    if not os.path.exists(expanded):
        names = listed(CATALOG)
        raise DataError(
            f'There is no data set "{name_or_path}", and no file or folder of that name; give {names}, or a '
            f"path.{nearest(name_or_path, CATALOG)}"
        )
    return Path(expanded)


def load_entry(
    entry: CatalogEntry,
    data_dir: Path | None = None,
    cache: Path | None = None,
    *,
    progress: bool = True,
) -> Dataset:
    """Load a data set of the catalog, from local files or a download.

    Parameters
    ----------
    entry : CatalogEntry
    data_dir, cache, progress
        As for ``obtain``.
    """
    if not entry.files:
        return _load_digits(entry)
    arrays = read_idx_files(obtain(entry, data_dir, cache, progress=progress))
    return from_arrays(entry.name, *arrays, class_names=entry.class_names, source=entry.title)


def _name_of(path: Path) -> str:
    return valid_unicode(path.resolve().name if path.is_dir() else path.stem)


def _load_digits(entry: CatalogEntry) -> Dataset:
    """Return the 8x8 images of 17 grey levels in the form of MNIST: 28x28, 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    x = np.stack([resize_grey(image, (28, 28)) for image in small])
    return from_arrays(entry.name, x, digits.target, class_names=entry.class_names, source=entry.title)
