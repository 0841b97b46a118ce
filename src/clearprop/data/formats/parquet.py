"""Parquet, Feather and Arrow files: columns read by pyarrow, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clearprop.data.formats.base import opened
from clearprop.data.formats.frames import FrameSource, cells_of
from clearprop.data.tables.source import ROWS_IN_A_CHUNK, Cells
from clearprop.utils.errors import DataError, MissingExtra

ENDINGS = (".parquet", ".pq", ".feather", ".arrow", ".ipc")
PARQUET_BEGIN = b"PAR1"
ARROW_BEGIN = b"ARROW1"
# a run of one value takes a few bytes however long it is, so a small file may claim any number of rows
MAX_CELLS_PER_BYTE = 1032
MIN_CELLS_ALLOWED = 10_000_000


def parquet_source(path: Path) -> FrameSource:
    """Return the rows of a Parquet, Feather or Arrow file.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    FrameSource

    Raises
    ------
    MissingExtra
        If pyarrow is not installed.
    DataError
        If the file is none of these, damaged, or claims more cells than a file of its size can have.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(
            f"{path} is read by pyarrow, which is not installed; install it with: pip install "
            '"clearprop[parquet]", or save the table as .csv.'
        ) from error
    with opened(path) as file:
        begin = file.read(8)
    try:
        names, n_rows = _described(path, begin)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    limit = max(MAX_CELLS_PER_BYTE * path.stat().st_size, MIN_CELLS_ALLOWED)
    if n_rows * len(names) > limit:
        raise DataError(
            f"{path} claims {n_rows:,} rows of {len(names):,} columns, more than a file of its size can "
            "hold; save it again."
        )

    def read() -> Iterator[list[Cells]]:
        try:
            for batch in _batches(path, begin):
                yield [_cells(column) for column in batch.columns]
        except (pyarrow.ArrowException, OSError) as error:
            raise _damaged(path, error) from error

    return FrameSource(str(path), names, read)


def _described(path: Path, begin: bytes) -> tuple[list[str], int]:
    """Return the names of the columns and the number of rows, which only Parquet tells at once."""
    import pyarrow

    if begin.startswith(PARQUET_BEGIN):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            return list(file.schema_arrow.names), int(file.metadata.num_rows)
    with pyarrow.memory_map(str(path)) as source, _reader(source, begin) as reader:
        return list(reader.schema.names), 0


def _batches(path: Path, begin: bytes) -> Iterator[Any]:
    import pyarrow

    if begin.startswith(PARQUET_BEGIN):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=ROWS_IN_A_CHUNK)
        return
    with pyarrow.memory_map(str(path)) as source, _reader(source, begin) as reader:
        n = getattr(reader, "num_record_batches", None)
        whole = reader if n is None else (reader.get_batch(i) for i in range(n))
        for batch in whole:
            for start in range(0, batch.num_rows, ROWS_IN_A_CHUNK):
                yield batch.slice(start, ROWS_IN_A_CHUNK)


def _reader(source: Any, begin: bytes) -> Any:
    import pyarrow

    # a stream has no mark at its beginning
    return pyarrow.ipc.open_file(source) if begin.startswith(ARROW_BEGIN) else pyarrow.ipc.open_stream(source)


def _cells(column: Any) -> Cells:
    import pyarrow

    kind = column.type
    if pyarrow.types.is_nested(kind) or pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind):
        return None
    if pyarrow.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        return cells_of(column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False))
    return cells_of(column)


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0].rstrip(".")
    return DataError(f"{path} is no Parquet or Arrow file, or a damaged one ({reason}); save it again.")
