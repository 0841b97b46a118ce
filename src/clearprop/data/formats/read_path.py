"""A path -> arrays, or the rows of a table: chooses the reader by the kind of the file or folder."""

from __future__ import annotations

from pathlib import Path

from clearprop.data.formats import parquet
from clearprop.data.formats.base import Arrays
from clearprop.data.formats.csv_table import CsvSource, read_csv
from clearprop.data.formats.idx import find_idx_files, read_idx_files
from clearprop.data.formats.image_folder import ImageArrays, read_image_folder
from clearprop.data.formats.npz import read_npy_pair, read_npz
from clearprop.data.options import ReadOptions
from clearprop.data.tables.reading import TableRows, apply_schema, read_table
from clearprop.data.tables.schema import TableSchema
from clearprop.data.tables.source import TableSource
from clearprop.utils.errors import DataError, InvalidArgument

TEXT_TABLES = (".csv", ".tsv", ".tab", ".data")


def is_table(path: Path) -> bool:
    """Tell whether a path is a table of columns, by its ending."""
    return path.suffix.lower() in (*TEXT_TABLES, *parquet.ENDINGS) and not path.is_dir()


def read_path(path: Path, options: ReadOptions | None = None) -> Arrays | ImageArrays | TableRows:
    """Read an existing file or folder.

    Parameters
    ----------
    path : pathlib.Path
        A ``.npz`` or ``.csv`` file, a folder with IDX files, or a folder of images.
    options : ReadOptions or None

    Returns
    -------
    Arrays, ImageArrays or TableRows

    Raises
    ------
    DataError
        If no reader takes this kind of path, or the reader finds the data wrong.
    InvalidArgument
        If an option is given for data of another kind.
    """
    options = options or ReadOptions()
    try:
        if is_table(path):
            _check_options(path, options, table=True)
            if path.suffix.lower() in parquet.ENDINGS:
                return read_table(parquet.parquet_source(path), options)
            return read_csv(path, options)
        _check_options(path, options, table=False)
        idx_files = find_idx_files(path)
        if idx_files:
            return read_idx_files(idx_files)
        if path.is_dir():
            if any(path.glob("*.npy")):
                return read_npy_pair(path)
            return read_image_folder(path, skip_damaged=options.skip_damaged)
        if path.suffix.lower() == ".npz":
            return read_npz(path)
        if path.suffix.lower() == ".npy":
            return read_npy_pair(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    raise DataError(
        f"{path} is of no kind that can be read; give a .npz or .csv file (or .npy, .tsv, .parquet, .arrow), "
        "a folder with the IDX files of MNIST, or a folder of images with one subfolder a class."
    )


def read_table_for_model(
    path: Path, schema: TableSchema, *, labels: bool, missing: str | None = None
) -> TableRows:
    """Read a table as a model's training table was read; see ``apply_schema``.

    Parameters
    ----------
    path : pathlib.Path
        Of ``is_table``.
    schema, labels, missing
        As for ``apply_schema``.
    """
    try:
        source = table_source(path, schema)
        rows = apply_schema(source, schema, labels=labels, missing=missing)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return rows._replace(notes=[*rows.notes, *getattr(source, "notes", [])])


def table_source(path: Path, schema: TableSchema | None = None, label: str | None = None) -> TableSource:
    """Return the rows of a table, its header told by the names that a model was trained with."""
    if path.suffix.lower() in parquet.ENDINGS:
        return parquet.parquet_source(path)
    columns = schema.columns if schema is not None else ()
    known = [column.name for column in columns if column.name and column.n_features]
    return CsvSource(path, label=label, known=known)


def _check_options(path: Path, options: ReadOptions, *, table: bool) -> None:
    for name in options.to_dict():
        if (name == "skip_damaged") == table:
            kind = "a folder of images" if table else "tables such as .csv files"
            raise InvalidArgument(f"{name} is for {kind}, but {path} is none; leave it out.")
