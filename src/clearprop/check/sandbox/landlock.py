"""Landlock: only named files and folders can be opened, and one folder written; no TCP (Linux 5.13).

Rights and structures are those of the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable

from clearprop.check.sandbox.syscalls import PR_SET_NO_NEW_PRIVS, prctl, syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
# rights a rule for a file may name
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
# how many rights the kernel's version 1, 2, ... knows
_RIGHTS_KNOWN = (13, 14, 15, 15, 16)


def version() -> int:
    """Return the version of the kernel's Landlock; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    try:
        return syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str], folder: str) -> None:
    """Allow this thread, and those that it starts, the named files only, for good.

    Parameters
    ----------
    readable : iterable of str
        Files, and folders with all beneath them, that may be read; what does not exist is left out.
    listable : iterable of str
        Folders whose names may be listed, with the folders beneath them.
    writable : iterable of str
        Devices that may be read and written, such as ``/dev/null``.
    folder : str
        Where regular files may be made, written and removed.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    known = version()
    handled = (1 << _RIGHTS_KNOWN[min(known, len(_RIGHTS_KNOWN)) - 1]) - 1
    # struct landlock_ruleset_attr grew: file rights, then network (version 4), then scopes (version 6)
    words = [handled] + ([3] if known >= 4 else []) + ([3] if known >= 6 else [])
    attribute = struct.pack(f"={len(words)}Q", *words)
    ruleset = syscall(_CREATE_RULESET, ctypes.c_char_p(attribute), len(attribute), 0)
    try:
        for path in readable:
            _allow(ruleset, path, READ_FILE | READ_DIR | EXECUTE)
        for path in listable:
            _allow(ruleset, path, READ_DIR)
        for path in writable:
            _allow(ruleset, path, READ_FILE | WRITE_FILE)
        inside = READ_FILE | READ_DIR | WRITE_FILE | MAKE_REG | REMOVE_FILE | (TRUNCATE & handled)
        _allow(ruleset, folder, inside)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        mode = os.fstat(opened).st_mode
        if stat.S_ISLNK(mode):
            # what it points to has a rule of its own, or none
            return
        if not stat.S_ISDIR(mode):
            rights &= _OF_FILES
        # struct landlock_path_beneath_attr is packed
        rule = struct.pack("=Qi", rights, opened)
        syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(opened)
