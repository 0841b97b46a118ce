"""Where the data of a model came from: recorded with a run, found again, and never a path in a model file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clearprop.data.catalog import CATALOG
from clearprop.data.fetching import data_folder, holds
from clearprop.data.formats.idx import find_idx_files
from clearprop.data.options import ReadOptions
from clearprop.display.text import valid_unicode
from clearprop.utils.errors import DataError


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
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    options: ReadOptions | None = None,
) -> dict[str, Any]:
    """Return the location of a data set on this machine, to be kept in the settings of a run.

    Parameters
    ----------
    name_or_path, data_dir
        As for ``load_data``.
    options : ReadOptions or None

    Returns
    -------
    dict
        Absolute paths or None: ``"data_path"`` of the user's own data, or ``"data_dir"``, the folder searched
        for files of the catalog; and ``"reading"``, the options given.
    """
    reading = (options or ReadOptions()).to_dict()
    if isinstance(name_or_path, str) and name_or_path in CATALOG:
        folder = data_folder(data_dir) if CATALOG[name_or_path].files else None
        path = None if folder is None else str(folder.resolve())
        return {"data_path": None, "data_dir": path, "reading": reading}
    path = str(Path(os.path.expanduser(name_or_path)).resolve())
    return {"data_path": path, "data_dir": None, "reading": reading}


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


def place_again(
    name: str, origin: Mapping[str, object], data_dir: Path | None = None
) -> tuple[str, Path | None]:
    """Return the name or path of the data that a model was trained on, and the folder to search for it.

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
    DataError
        If the user's own data is neither at the recorded path nor where the name leads.
    """
    path = origin.get("data_path")
    if isinstance(path, str) and os.path.exists(path):
        return path, None
    if name not in CATALOG and not os.path.exists(os.path.expanduser(name)):
        raise DataError(
            f"The data that the model was trained on, {path or name}, is not there; name it with --data."
        )
    return name, data_dir or remembered_folder(name, origin)
