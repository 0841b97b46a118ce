"""A path -> arrays: chooses the format reader by the kind of the file or folder."""

from __future__ import annotations

from pathlib import Path

from clearprop.data.formats.base import Arrays
from clearprop.data.formats.csv_table import read_csv
from clearprop.data.formats.idx import find_idx_files, read_idx_files
from clearprop.data.formats.image_folder import read_image_folder
from clearprop.data.formats.npz import read_npz
from clearprop.utils.errors import DataError

READERS = {".npz": read_npz, ".csv": read_csv}


def read_path(path: Path) -> Arrays:
    """Read an existing file or folder.

    Parameters
    ----------
    path : pathlib.Path
        A ``.npz`` or ``.csv`` file, a folder with IDX files, or a folder of images.

    Returns
    -------
    Arrays

    Raises
    ------
    DataError
        If no reader takes this kind of path, or the reader finds the data wrong.
    """
    try:
        if path.is_dir():
            idx_files = find_idx_files(path)
            return read_idx_files(idx_files) if idx_files else read_image_folder(path)
        reader = READERS.get(path.suffix.lower())
        if reader is not None:
            return reader(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    raise DataError(
        f"{path} is of no kind that can be read; give a .npz or .csv file, a folder with the IDX files of "
        "MNIST, or a folder of images with one subfolder a class."
    )
