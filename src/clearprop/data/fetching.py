"""Files of the catalog: found on this machine or downloaded from a mirror, and always verified by digest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clearprop.data.catalog import CatalogEntry, DataFile
from clearprop.data.download import TIMEOUT_SECONDS, digest_of, download
from clearprop.utils.errors import DataError, FetchError
from clearprop.utils.files import make_folder

VARIABLE = "CLEARPROP_DATA"
#: What torchvision calls the folders of data sets in its root; the files are in "raw".
TORCHVISION_FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the catalog on this machine: its path, and whether its digest is right."""

    file: DataFile
    state: Literal["genuine", "damaged", "missing"]
    path: Path | None = None
    # the digest of the file at ``path``
    found: str = ""
    # only files in the cache may be deleted; others are the user's own
    in_cache: bool = False


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder to search first: the one given, else that of CLEARPROP_DATA, or None.

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
        Searched first, for ``<name>/<file>`` and ``<file>``, each with and without ``.gz``, and for
        torchvision's ``MNIST/raw/<file>``.
    cache : pathlib.Path or None
        The folder where downloads of this data set are kept; by default a folder of the user's cache.

    Returns
    -------
    LocalFile
    """
    for path, digest in [] if data_dir is None else _places(entry, file, data_dir):
        if path.is_file():
            return _compared(file, path, digest, in_cache=False)
    # finding the user's cache needs pooch, a slow import; with the files in data_dir it is not needed
    path = (cache or cache_folder(entry)) / file.name
    return _compared(file, path, file.digest, in_cache=True) if path.is_file() else LocalFile(file, "missing")


def _compared(file: DataFile, path: Path, digest: str, in_cache: bool) -> LocalFile:
    found = digest_of(path, digest)
    return LocalFile(file, "genuine" if found == digest else "damaged", path, found, in_cache)


def holds(data_dir: Path, entry: CatalogEntry) -> bool:
    """Tell whether a folder has every file of a data set, genuine or not."""
    return all(
        any(path.is_file() for path, _ in _places(entry, file, data_dir)) for file in entry.files.values()
    )


def _places(entry: CatalogEntry, file: DataFile, data_dir: Path) -> list[tuple[Path, str]]:
    """Return the paths a file may have in a folder, each with the digest it must have there."""
    names = {file.name: file.digest, file.name.removesuffix(".gz"): file.unpacked_digest}
    folders = [data_dir / entry.name, data_dir]
    if entry.name in TORCHVISION_FOLDERS:
        name = TORCHVISION_FOLDERS[entry.name]
        folders += [data_dir / name / "raw", *([data_dir / "raw"] if data_dir.name == name else [])]
    return [(folder / name, digest) for folder in folders for name, digest in names.items()]


def obtain(
    entry: CatalogEntry,
    data_dir: Path | None = None,
    cache: Path | None = None,
    *,
    progress: bool = True,
    timeout: tuple[float, float] = TIMEOUT_SECONDS,
) -> dict[str, Path]:
    """Return the files of a data set, and download missing ones into the cache.

    Parameters
    ----------
    entry : CatalogEntry
    data_dir : pathlib.Path or None
        Searched first; nothing in it is ever changed.
    cache : pathlib.Path or None
        Where downloads are kept; by default a folder of the user's cache.
    progress : bool
        Show a bar on a terminal, and one line a file elsewhere.
    timeout : (float, float)
        Seconds to wait for a connection, and between two chunks of an answer.

    Returns
    -------
    dict of str to pathlib.Path
        Has the keys of ``entry.files``; the digest of every file has been verified.

    Raises
    ------
    DataError
        If a file in ``data_dir`` is not the genuine one.
    FetchError
        If no mirror gave a genuine file; the text names the mirrors and how to supply files by hand.
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
    """Return the error message for a file with the wrong digest."""
    remedy = (
        f"fetch it again with: clearprop data get {entry.name}"
        if local.in_cache
        else "it was left as it is; get it again, or keep each data set in a folder of its own name"
    )
    return f"{local.path} is not the genuine file of {entry.name}: its digest is {local.found}; {remedy}."


def _fetch(
    entry: CatalogEntry, file: DataFile, folder: Path, progress: bool, timeout: tuple[float, float]
) -> Path:
    """Download a file from the first mirror that has the genuine file."""
    target = make_folder(folder) / file.name
    failures = []
    for mirror in entry.mirrors:
        failure = download(mirror + file.name, file, target, progress, timeout)
        if failure is not None and failure.damaged:
            # a retry helps if the connection broke off
            failure = download(mirror + file.name, file, target, progress, timeout)
        if failure is None:
            return target
        failures.append(f"{mirror}{file.name} ({failure.reason})")
    names = [file.name for file in entry.files.values()]
    raise FetchError(
        f"{file.name} of {entry.name} could not be downloaded; tried {' and '.join(failures)}. To supply the "
        f"files by hand, put {', '.join(names[:-1])} and {names[-1]} into a folder {entry.name}, and name "
        f"the folder around it with --data-dir, data_dir or {VARIABLE}."
    )
