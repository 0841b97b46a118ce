"""Files of the catalog: found here or downloaded, and always verified."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from clearprop.data.catalog import CatalogEntry, DataFile
from clearprop.utils.errors import DataError, FetchError, OutputError
from clearprop.utils.files import make_folder

VARIABLE = "CLEARPROP_DATA"
# to connect, and between two pieces of an answer
TIMEOUT_SECONDS = (10.0, 30.0)
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Where a file of the catalog lies here, and whether it is the genuine one."""

    file: DataFile
    state: Literal["genuine", "damaged", "missing"]
    path: Path | None = None
    # what was found instead of the digest it must have
    found: str = ""
    # the user's own files are never deleted
    in_cache: bool = False


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder that is looked at first: the one given, else that of CLEARPROP_DATA, or None.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    named = os.environ.get(VARIABLE) if data_dir is None else data_dir
    if not named:
        return None
    folder = Path(os.path.expanduser(named))
    if not folder.is_dir():
        origin = f"the value of {VARIABLE}" if data_dir is None else "given as the data folder"
        raise DataError(f"{folder}, {origin}, is not a folder; make it, or name another.")
    return folder


def cache_folder(entry: CatalogEntry) -> Path:
    """Return the folder of the user's cache where downloads of a data set are kept."""
    import pooch

    return Path(pooch.os_cache("clearprop")) / entry.name


def look_up(
    entry: CatalogEntry, file: DataFile, data_dir: Path | None, cache: Path | None = None
) -> LocalFile:
    """Find a file and compare its digest, without changing anything.

    Parameters
    ----------
    entry : CatalogEntry
    file : DataFile
        One of its files.
    data_dir : pathlib.Path or None
        Looked at first, for ``<name>/<file>`` and ``<file>``, each with and without ``.gz``.
    cache : pathlib.Path or None
        The folder where downloads of this data set are kept; by default a folder of the user's cache.

    Returns
    -------
    LocalFile
    """
    for path, digest in [] if data_dir is None else _places(entry, file, data_dir):
        if path.is_file():
            return _compared(file, path, digest, in_cache=False)
    # to find the user's cache takes an import that those who have the files need not wait for
    path = (cache or cache_folder(entry)) / file.name
    return _compared(file, path, file.digest, in_cache=True) if path.is_file() else LocalFile(file, "missing")


def _compared(file: DataFile, path: Path, digest: str, in_cache: bool) -> LocalFile:
    found = _digest_of(path, digest)
    return LocalFile(file, "genuine" if found == digest else "damaged", path, found, in_cache)


def holds(data_dir: Path, entry: CatalogEntry) -> bool:
    """Tell whether a folder has every file of a data set, genuine or not."""
    return all(
        any(path.is_file() for path, _ in _places(entry, file, data_dir)) for file in entry.files.values()
    )


def _places(entry: CatalogEntry, file: DataFile, data_dir: Path) -> list[tuple[Path, str]]:
    """Return where a file may lie in a folder, each with the digest it must have there."""
    names = {file.name: file.digest, file.name.removesuffix(".gz"): file.unpacked_digest}
    folders = (data_dir / entry.name, data_dir)
    return [(folder / name, digest) for folder in folders for name, digest in names.items()]


def obtain(
    entry: CatalogEntry,
    data_dir: Path | None = None,
    cache: Path | None = None,
    *,
    progress: bool = True,
    timeout: tuple[float, float] = TIMEOUT_SECONDS,
) -> dict[str, Path]:
    """Return the files of a data set, downloading into the cache what is not here.

    Parameters
    ----------
    entry : CatalogEntry
    data_dir : pathlib.Path or None
        Looked at first; nothing in it is ever changed.
    cache : pathlib.Path or None
        Where downloads are kept; by default a folder of the user's cache.
    progress : bool
        Show a bar on a terminal, and one line a file elsewhere.
    timeout : (float, float)
        Seconds to wait for a connection, and between two pieces of an answer.

    Returns
    -------
    dict of str to pathlib.Path
        With the keys of ``entry.files``; every file has been compared with its digest.

    Raises
    ------
    DataError
        If a file in ``data_dir`` is not the genuine one.
    FetchError
        If no mirror gave a genuine file; it names all that were tried, and how to supply files by hand.
    OutputError
        If the cache cannot be written.
    """
    paths = {}
    for part, file in entry.files.items():
        local = look_up(entry, file, data_dir, cache)
        if local.state == "genuine" and local.path is not None:
            paths[part] = local.path
            continue
        if local.path is not None:
            if not local.in_cache:
                raise DataError(damage(entry, local))
            local.path.unlink(missing_ok=True)
        paths[part] = _fetch(entry, file, cache or cache_folder(entry), progress, timeout)
    return paths


def damage(entry: CatalogEntry, local: LocalFile) -> str:
    """Return the sentence for a file that is not what it should be."""
    remedy = (
        f"fetch it again with: clearprop data get {entry.name}"
        if local.in_cache
        else "it was left as it is; get it again, or keep each data set in a folder of its own name"
    )
    return f"{local.path} is not the genuine file of {entry.name}: its digest is {local.found}; {remedy}."


def _digest_of(path: Path, wanted: str) -> str:
    """Return the digest of a file, of the kind of the one that is wanted."""
    kind = wanted.partition(":")[0]
    try:
        with path.open("rb") as file:
            hasher = hashlib.file_digest(file, functools.partial(hashlib.new, kind, usedforsecurity=False))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return f"{kind}:{hasher.hexdigest()}"


def _fetch(
    entry: CatalogEntry, file: DataFile, folder: Path, progress: bool, timeout: tuple[float, float]
) -> Path:
    """Download a file from the first mirror that has the genuine one."""
    target = make_folder(folder) / file.name
    failures = []
    for mirror in entry.mirrors:
        failure = _download(mirror + file.name, file, target, progress, timeout)
        if failure is not None and failure.damaged:
            # a second try helps against a connection that broke, and not against a mirror that is wrong
            failure = _download(mirror + file.name, file, target, progress, timeout)
        if failure is None:
            return target
        failures.append(f"{mirror}{file.name} ({failure.reason})")
    names = [file.name for file in entry.files.values()]
    raise FetchError(
        f"{file.name} of {entry.name} could not be downloaded; tried {' and '.join(failures)}. To supply the "
        f"files by hand, put {', '.join(names[:-1])} and {names[-1]} into a folder {entry.name}, and name "
        f"the folder around it with --data-dir, data_dir or {VARIABLE}."
    )


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    # whether something came that was not the file
    damaged: bool = False


def _download(
    url: str, file: DataFile, target: Path, progress: bool, timeout: tuple[float, float]
) -> _Failure | None:
    """Download a file under a temporary name, verify it, then rename it."""
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
            chunk_size=CHUNK,
            timeout=timeout,
            # the file as it is, and not unpacked on the way
            headers={"Accept-Encoding": "identity"},
        )
        try:
            with temporary.open("wb") as out:
                download(url, _Limited(out, file.size), None)
            arrived = temporary.stat().st_size
            if arrived < file.size:
                return _Failure(f"only {arrived:,} of {file.size:,} bytes arrived", damaged=True)
            found = _digest_of(temporary, file.digest)
            if found != file.digest:
                return _Failure(f"wrong file, its digest is {found}", damaged=True)
            os.replace(temporary, target)
        except _TooLong:
            return _Failure(f"wrong file, longer than {file.size:,} bytes", damaged=True)
        except requests.HTTPError as error:
            return _Failure(str(error).partition(" for url")[0])
        except requests.exceptions.ChunkedEncodingError:
            return _Failure("the connection broke off", damaged=True)
        except requests.Timeout:
            return _Failure(f"no answer within {max(timeout):g} s")
        except requests.RequestException as error:
            return _Failure("no answer in time" if "timed out" in str(error) else "no connection")
        except OSError as error:
            raise OutputError(
                f"Cannot write {target}: {error.strerror or error}; make room there, or choose another place."
            ) from error
    return None


class _TooLong(Exception):
    """A mirror sends more than the file can have."""


class _Limited:
    """A file that refuses to grow beyond a size, so that a wrong mirror cannot fill the disk."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._left = limit

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise _TooLong
        self._file.write(chunk)

    def flush(self) -> None:
        """Do nothing: pooch asks for it after every piece, which only costs time."""


def _progress_bar(url: str, file: DataFile) -> _Bar | None:
    """Return a bar where there is a terminal; print a line where there is none."""
    if sys.stderr.isatty():
        return _Bar(file)
    print(f"Fetching {url} ({file.size / 1e6:.1f} MB)", file=sys.stderr, flush=True)
    return None


class _Bar:
    """The bar that pooch moves: it sets total, and calls update, reset and close."""

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
