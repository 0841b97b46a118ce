"""Zip archives of any origin: the position of each entry, checked before a library unpacks the archive."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clearprop.model.files.json_reader import Budget
from clearprop.model.files.safetensors_reader import clip, read_exactly
from clearprop.utils.errors import ModelFileError

#: The first bytes of every archive.
ZIP_BEGIN = b"PK\x03\x04"
LONGEST_NAME = 512
# bytes that zipfile, torch and the record here need for each entry
ENTRY_COST = 1500
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive: where its bytes begin, as they are, and how many there are."""

    begin: int
    size: int


def read_entries(file: IO[bytes], size: int, place: Path, budget: Budget) -> dict[str, Entry]:
    """Read the directory of a zip archive and check that it describes the archive, all of it and once.

    torch and skops store entries without compression. So no entry of an accepted archive is longer than the
    archive, and all libraries read the same from it.

    Parameters
    ----------
    file : unbuffered binary file
    size : int
        Of the file, in bytes.
    place : pathlib.Path
        The file's name in messages.
    budget : Budget
        Charged for every entry.

    Returns
    -------
    dict of str to Entry
        In the order of the directory.

    Raises
    ------
    ModelFileError
        If it is damaged, compressed or encrypted, or its files overlap or share a name.
    JsonError
        If the budget is spent.
    """
    n_entries, length, at, end = _directory(file, size, place)
    if at + length != end or n_entries * _CENTRAL.size > length:
        raise _damaged(place, "its directory is not where its end record says")
    budget.take(2 * length + ENTRY_COST * n_entries)
    text = _read_at(file, at, length, place)
    entries: dict[str, Entry] = {}
    names: set[str] = set()
    spans = []
    place_in_text = 0
    for _ in range(n_entries):
        name, header_at, stored, place_in_text = _central(text, place_in_text, place)
        # torch ignores the case of names
        if name.lower() in names:
            raise _damaged(place, f"it has {clip(name)} twice")
        names.add(name.lower())
        header = _unpacked(_LOCAL, _read_at(file, header_at, _LOCAL.size, place), ZIP_BEGIN, place)
        name_size, extra_size = header[-2:]
        local_name = _read_at(file, header_at + _LOCAL.size, name_size, place)
        begin = header_at + _LOCAL.size + name_size + extra_size
        if bytes(local_name) != name.encode() or header[3] != 0 or header[2] & _ENCRYPTED:
            raise _damaged(place, f"its directory and its {clip(name)} differ")
        spans.append((header_at, begin + stored, name))
        entries[name] = Entry(begin, stored)
    if place_in_text != length:
        raise _damaged(place, "its directory has more than its entries")
    reached = 0
    for header_at, behind, name in sorted(spans):
        if header_at < reached or behind > at:
            raise _damaged(place, f"its {clip(name)} overlaps something else")
        reached = behind
    return entries


def read_entry(file: IO[bytes], entry: Entry, place: Path) -> bytearray:
    """Return the bytes of one file in an archive."""
    return _read_at(file, entry.begin, entry.size, place)


def _directory(file: IO[bytes], size: int, place: Path) -> tuple[int, int, int, int]:
    """Return how many entries the directory has, its length, where it begins and where it must end."""
    if size < _END.size:
        raise _damaged(place, "it ends too soon")
    end = size - _END.size
    record = _unpacked(_END, _read_at(file, end, _END.size, place), b"PK\x05\x06", place)
    _, disk, directory_disk, here, n_entries, length, at, comment = record
    if disk or directory_disk or here != n_entries or comment:
        raise _damaged(place, "its end record is one that neither torch nor skops writes")
    locator_at = end - _LOCATOR_64.size
    locator = _read_at(file, locator_at, _LOCATOR_64.size, place) if locator_at >= 0 else b""
    if locator[:4] == b"PK\x06\x07":
        end = locator_at - _END_64.size
        wide = _unpacked(_END_64, _read_at(file, max(end, 0), _END_64.size, place), b"PK\x06\x06", place)
        if _LOCATOR_64.unpack(locator)[2] != end or wide[1] != _END_64.size - 12 or wide[6] != wide[7]:
            raise _damaged(place, "its two ends differ")
        narrow = (n_entries, length, at)
        for value, most, other in zip(wide[7:], (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), narrow, strict=True):
            if other not in (most, value):
                raise _damaged(place, "its two ends differ")
        n_entries, length, at = wide[7:]
    return n_entries, length, at, end


def _central(text: bytearray, at: int, place: Path) -> tuple[str, int, int, int]:
    """Return the name of the entry at a place of the directory, its header, its size, and the next place."""
    fields = _unpacked(_CENTRAL, text[at : at + _CENTRAL.size], b"PK\x01\x02", place)
    flags, method, packed, unpacked = fields[3], fields[4], fields[8], fields[9]
    name_size, extra_size, comment_size, disk = fields[10:14]
    header_at, at = fields[16], at + _CENTRAL.size
    raw, extra = text[at : at + name_size], text[at + name_size : at + name_size + extra_size]
    name = raw.decode("ascii", "replace")
    if not (name.isascii() and name.isprintable() and 0 < name_size <= LONGEST_NAME):
        raise _damaged(place, f"it has a file called {clip(bytes(raw[:60]))}")
    if method != 0 or packed != unpacked:
        raise ModelFileError(
            f"{place} is compressed, so it may unpack to any size; save it again without compression, as "
            "torch.save and skops.io.dump do by themselves."
        )
    if flags & _ENCRYPTED or disk or comment_size:
        raise _damaged(place, f"its entry of {clip(name)} is one that neither torch nor skops writes")
    # where 32 bits do not suffice, the numbers stand behind the name, in this order
    wide = [unpacked, packed, header_at]
    if extra:
        missing = [place_ for place_, value in enumerate(wide) if value == 0xFFFFFFFF]
        if len(extra) != 4 + 8 * len(missing) or extra[:4] != struct.pack("<2H", 1, 8 * len(missing)):
            raise _damaged(place, f"its entry of {clip(name)} is one that neither torch nor skops writes")
        for place_, value in zip(missing, struct.unpack(f"<{len(missing)}Q", extra[4:]), strict=True):
            wide[place_] = value
    if wide[0] != wide[1]:
        raise _damaged(place, f"its entry of {clip(name)} has two sizes")
    return name, wide[2], wide[0], at + name_size + extra_size


def _unpacked(record: struct.Struct, content: bytearray, begin: bytes, place: Path) -> tuple[int, ...]:
    if len(content) != record.size or content[:4] != begin:
        raise _damaged(place, "its directory is cut off or altered")
    return record.unpack(content)


def _read_at(file: IO[bytes], at: int, size: int, place: Path) -> bytearray:
    here = file.seek(0, 2)
    if not 0 <= at <= here - size:
        raise _damaged(place, "its directory points beyond its end")
    file.seek(at)
    return read_exactly(file, size, place)


def _damaged(place: Path, reason: str) -> ModelFileError:
    return ModelFileError(f"{place} is damaged ({reason}); save it again.")
