"""Download of one file over HTTP: limited in size, verified by its digest, never left half written."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clearprop.data.catalog import DataFile
from clearprop.utils.errors import DataError, OutputError

# to connect, and between two chunks of an answer
TIMEOUT_SECONDS = (10.0, 30.0)
CHUNK_BYTES = 1 << 16


def digest_of(path: Path, wanted: str) -> str:
    """Return the digest of a file, such as "sha256:...", by the same algorithm as the digest wanted.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    kind = wanted.partition(":")[0]
    try:
        with path.open("rb") as file:
            hasher = hashlib.file_digest(file, functools.partial(hashlib.new, kind, usedforsecurity=False))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return f"{kind}:{hasher.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a download failed, and whether a wrong or damaged file was received."""

    reason: str
    damaged: bool = False


def download(
    url: str, file: DataFile, target: Path, progress: bool, timeout: tuple[float, float]
) -> Failure | None:
    """Download a file under a temporary name, verify it, then rename it.

    Parameters
    ----------
    url : str
    file : DataFile
        The size and the digest it must have.
    target : pathlib.Path
    progress : bool
        Show a bar on a terminal, or print one line elsewhere.
    timeout : (float, float)
        Seconds to wait for a connection, and between two chunks of an answer.

    Returns
    -------
    Failure or None
        None if the genuine file is at ``target``.

    Raises
    ------
    OutputError
        If ``target`` cannot be written.
    """
    import pooch
    import requests

    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    with contextlib.ExitStack() as stack:
        stack.callback(temporary.unlink, missing_ok=True)
        bar = _progress_bar(url, file) if progress else None
        if bar is not None:
            stack.callback(bar.close)
        download = pooch.HTTPDownloader(
            progressbar=bar or False,
            chunk_size=CHUNK_BYTES,
            timeout=timeout,
            # otherwise requests would unpack the .gz file on arrival
            headers={"Accept-Encoding": "identity"},
        )
        try:
            with temporary.open("wb") as out:
                download(url, _Limited(out, file.size), None)
            arrived = temporary.stat().st_size
            if arrived < file.size:
                return Failure(f"only {arrived:,} of {file.size:,} bytes arrived", damaged=True)
            found = digest_of(temporary, file.digest)
            if found != file.digest:
                return Failure(f"wrong file, its digest is {found}", damaged=True)
            os.replace(temporary, target)
        except _TooLong:
            return Failure(f"wrong file, longer than {file.size:,} bytes", damaged=True)
        except requests.HTTPError as error:
            return Failure(str(error).partition(" for url")[0])
        except requests.exceptions.ChunkedEncodingError:
            return Failure("the connection broke off", damaged=True)
        except requests.Timeout:
            return Failure(f"no answer within {max(timeout):g} s")
        except requests.RequestException as error:
            return Failure("no answer in time" if "timed out" in str(error) else "no connection")
        except OSError as error:
            raise OutputError(
                f"Cannot write {target}: {error.strerror or error}; make room there, or choose another place."
            ) from error
    return None


class _TooLong(Exception):
    """A mirror sends more bytes than the file has."""


class _Limited:
    """A writable file with a limit of bytes, so that a wrong mirror cannot fill the disk."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._left = limit

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise _TooLong
        self._file.write(chunk)

    def flush(self) -> None:
        """Do nothing: pooch flushes after every chunk, which only costs time."""


def _progress_bar(url: str, file: DataFile) -> _Bar | None:
    """Return a progress bar on a terminal; elsewhere print one line and return None."""
    if sys.stderr.isatty():
        return _Bar(file)
    print(f"Fetching {url} ({file.size / 1e6:.1f} MB)", file=sys.stderr, flush=True)
    return None


class _Bar:
    """A progress bar with the interface that pooch expects: total, update, reset and close."""

    def __init__(self, file: DataFile) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        self.total: Any = None
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(file.name, total=file.size)
        self._bar.start()

    def update(self, n_bytes: int) -> None:
        self._bar.advance(self._task, n_bytes)

    def reset(self) -> None:
        self._bar.update(self._task, completed=0)

    def close(self) -> None:
        self._bar.stop()
