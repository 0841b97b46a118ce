"""load_data: from a name or a path to a Dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clearprop.data.arrays import from_arrays
from clearprop.data.catalog import CATALOG, CatalogEntry
from clearprop.data.dataset import Dataset
from clearprop.data.fetching import data_folder, holds, obtain
from clearprop.data.formats.idx import find_idx_files, read_idx_files
from clearprop.data.formats.read_path import read_path
from clearprop.data.images.read_image import resize_grey
from clearprop.display.text import valid_unicode
from clearprop.utils.arguments import listed, nearest
from clearprop.utils.errors import DataError


def load_data(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> Dataset:
    """Load a data set, with its test set.

    Where the source has no test set of its own, a stratified 20% of its rows become one. That draw always
    has the seed 0, so the test rows never depend on the seed of a run.

    Parameters
    ----------
    name_or_path : str or path-like
        ``"digits"`` (needs no download), ``"mnist"``, ``"fashion-mnist"`` or ``"kmnist"``; or the path of a
        folder with the IDX files of MNIST (``.gz`` or not), of an ``.npz`` file (arrays ``x`` and ``y``, or
        ``x_train``, ``y_train``, ``x_test`` and ``y_test``), of a ``.csv`` file (labels in the column
        "label", "class", "target" or "y", else in the first), or of a folder of images with one subfolder a
        class.
    data_dir : path-like or None
        A folder searched before anything is downloaded; by default that of the environment variable
        CLEARPROP_DATA.
    progress : bool, default True
        Show the progress of a download.

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

    Examples
    --------
    >>> load_data("digits")
    Dataset(digits: 1,437 rows of 784 features (uint8, images 28x28), 10 classes, test 360 rows)
    """
    if isinstance(name_or_path, str) and name_or_path in CATALOG:
        return load_entry(CATALOG[name_or_path], data_folder(data_dir), progress=progress)
    # unlike pathlib, os.path does not raise for text that cannot be a path, and does not turn "" into "."
    expanded = os.path.expanduser(name_or_path)
    path = Path(expanded)
    if not os.path.exists(expanded):
        names = listed(CATALOG)
        raise DataError(
            f'There is no data set "{name_or_path}", and no file or folder of that name; give {names}, or a '
            f"path.{nearest(name_or_path, CATALOG)}"
        )
    return from_arrays(_name_of(path), *read_path(path), source=valid_unicode(str(path)))


def preparation_of(name_or_path: str | os.PathLike[str]) -> str:
    """Return the preparation, for ``prepare_image``, that makes a picture look like the images of a data set.

    Parameters
    ----------
    name_or_path : str or path-like
        As for ``load_data``; a path need not exist.

    Returns
    -------
    str
        The catalog's preparation for a built-in data set; ``"stretch"`` for a folder of images, which are
        read that way; ``"mnist"`` for files, whose images may have been made in any way.
    """
    if isinstance(name_or_path, str) and name_or_path in CATALOG:
        return CATALOG[name_or_path].preparation
    path = Path(os.path.expanduser(name_or_path))
    try:
        return "stretch" if path.is_dir() and not find_idx_files(path) else "mnist"
    except (OSError, ValueError):
        # a model file may contain any text as the name of its data, even one that no file can have
        return "mnist"


def origin_of(
    name_or_path: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None
) -> dict[str, str | None]:
    """Return the location of a data set on this machine, to be kept in the settings of a run.

    Parameters
    ----------
    name_or_path, data_dir
        As for ``load_data``.

    Returns
    -------
    dict
        Absolute paths or None: ``"data_path"`` of the user's own data, or ``"data_dir"``, the folder searched
        for files of the catalog.
    """
    if isinstance(name_or_path, str) and name_or_path in CATALOG:
        folder = data_folder(data_dir) if CATALOG[name_or_path].files else None
        return {"data_path": None, "data_dir": None if folder is None else str(folder.resolve())}
    return {"data_path": str(Path(os.path.expanduser(name_or_path)).resolve()), "data_dir": None}


def portable_name(name_or_path: str) -> str:
    """Return the name of the data for a model file: model files are shared, so no absolute path is kept."""
    path = Path(os.path.expanduser(name_or_path))
    return valid_unicode(path.name if path.is_absolute() else name_or_path)


def remembered_folder(name: str, origin: Mapping[str, object]) -> Path | None:
    """Return the data folder recorded by ``origin_of``, if it still has the files of the data set.

    Parameters
    ----------
    name : str
        As for ``load_data``.
    origin : mapping
        The result of ``origin_of``, read from a file: its values may be missing or of any type.
    """
    folder = origin.get("data_dir")
    if name in CATALOG and isinstance(folder, str) and holds(Path(folder), CATALOG[name]):
        return Path(folder)
    return None


def load_again(name: str, origin: Mapping[str, object], data_dir: Path | None = None) -> Dataset:
    """Load the data set that a model was trained on, from the recorded path or else by name.

    Parameters
    ----------
    name : str
        The name in the model file.
    origin : mapping
        As for ``remembered_folder``.
    data_dir : pathlib.Path or None
        As for ``load_data``.

    Raises
    ------
    DataError, FetchError
        As ``load_data``; or if the user's own data is in neither place.
    """
    path = origin.get("data_path")
    if isinstance(path, str) and os.path.exists(path):
        return load_data(path)
    if name not in CATALOG and not os.path.exists(os.path.expanduser(name)):
        raise DataError(
            f"The data that the model was trained on, {path or name}, is not there; name it with --data."
        )
    return load_data(name, data_dir or remembered_folder(name, origin))


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
