"""Namespaces of Linux: no network interface, and on kernels without Landlock a root with named files only.

See unshare(2), user_namespaces(7), mount_namespaces(7) and pivot_root(2). Many systems let any user make a
user namespace, in which the other namespaces are made; where one is refused, the other walls remain.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

from clearprop.check.sandbox.syscalls import libc_call, syscall

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x1000, 0x4000, 0x40000, 2, 4
MNT_DETACH = 2
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY_NO_SUID = 1 | 2


def leave_network(*, files: bool) -> None:
    """Enter a user namespace with a network and System V memory of its own.

    Parameters
    ----------
    files : bool
        Also enter a mount namespace, for :func:`enter_root`.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    user, group = os.geteuid(), os.getegid()
    libc_call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | (CLONE_NEWNS if files else 0))
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


def enter_root(readable: Iterable[str], hidden: str, devices: Iterable[str], folder: str, size: int) -> None:
    """Make a root of memory that has the named files, read only, and the folder, empty; enter it.

    Parameters
    ----------
    readable : iterable of str
        Folders and files, at the same paths in the new root.
    hidden : str
        A folder that is empty in the new root.
    devices : iterable of str
    folder : str
        The working folder; it begins empty, and the real one is not seen.
    size : int
        Bytes that all files in it may have together.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes=20000,mode=755")
    for path in readable:
        _bind(path, folder + path)
        # read only with all mounts below it
        attributes = ctypes.c_char_p(struct.pack("=4Q", _READ_ONLY_NO_SUID, 0, 0, 0))
        target = ctypes.c_char_p(os.fsencode(folder + path))
        syscall(_MOUNT_SETATTR, _AT_FDCWD, target, _AT_RECURSIVE, attributes, 32)
    if os.path.isdir(folder + hidden):
        _mount("tmpfs", folder + hidden, "tmpfs", MS_NOSUID | MS_NODEV, "size=4k")
    for path in devices:
        if os.path.exists(path):
            _bind(path, folder + path)
    os.makedirs(folder + folder, exist_ok=True)
    old = folder + "/.old"
    os.mkdir(old)
    pivot = {"x86_64": 155, "aarch64": 41}[platform.machine()]
    syscall(pivot, ctypes.c_char_p(os.fsencode(folder)), ctypes.c_char_p(os.fsencode(old)))
    os.chdir("/")
    libc_call("umount2", b"/.old", MNT_DETACH)
    os.rmdir("/.old")
    os.chdir(folder)


def _bind(path: str, target: str) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    _mount(path, target, None, MS_BIND | MS_REC)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    def word(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    libc_call("mount", word(source), word(target), word(kind), flags, word(data))
