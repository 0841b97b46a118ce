"""The walls around a submission's process: limits, namespaces, Landlock, seccomp; tried before it runs.

Each wall is built where the system has it, then tried: the report names what was found not to be contained.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from typing import Any

from clearprop.check.sandbox import landlock, namespaces, seccomp
from clearprop.check.sandbox.syscalls import PR_SET_PDEATHSIG, libc_call, prctl

_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
FILES, NETWORK, PROCESSES, SIGNALS = "files", "network", "processes", "signals"


def build_walls(settings: dict[str, Any]) -> dict[str, Any]:
    """Limit this process for good, and report what is still open.

    Parameters
    ----------
    settings : dict
        ``memory``, ``file_size``, ``folder_size`` in bytes, ``cpu_seconds``; ``roots``, folders and files
        that may be read, except ``hidden``; ``folder``, where files may be written; ``canary``, a file of
        the user's that must not be seen.

    Returns
    -------
    dict
        ``open``: list of what is not contained, of "files", "network", "processes", "signals".
    """
    if sys.platform == "linux":
        _end_with_parent()
    _limit_resources(settings)
    if sys.platform == "linux":
        _hide_files(settings)
        _drop_capabilities()
    if seccomp.available():
        with contextlib.suppress(OSError):
            seccomp.restrict()
    return {"open": _still_open(settings["canary"])}


def _hide_files(settings: dict[str, Any]) -> None:
    """Leave the network, and show the named files only: by Landlock, or else by a root of its own."""
    roots, hidden, folder = settings["roots"], settings["hidden"], settings["folder"]
    landlocked = landlock.version() > 0
    with contextlib.suppress(OSError):
        namespaces.leave_network(files=not landlocked)
        if not landlocked:
            namespaces.enter_root(roots, hidden, _DEVICES, folder, settings["folder_size"])
    if landlocked:
        parts = [part for root in roots for part in without(root, hidden)]
        folders = [root for root in roots if os.path.isdir(root)]
        with contextlib.suppress(OSError):
            landlock.restrict(parts, folders, _DEVICES, folder)


def without(root: str, hidden: str) -> Iterable[str]:
    """Return parts of a folder that together are all of it but one folder in it."""
    if root == hidden:
        return []
    if not hidden.startswith(root.rstrip("/") + "/"):
        return [root]
    return [part for entry in os.scandir(root) for part in without(os.path.join(root, entry.name), hidden)]


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_resources(settings: dict[str, Any]) -> None:
    limits = {
        "RLIMIT_AS": settings["memory"],
        "RLIMIT_FSIZE": settings["file_size"],
        "RLIMIT_CPU": settings["cpu_seconds"],
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 96,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, value in limits.items():
        kind = getattr(resource, name, None)
        if kind is not None:
            # macOS refuses some of them
            with contextlib.suppress(OSError, ValueError):
                hard = resource.getrlimit(kind)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (value, value))


def _drop_capabilities() -> None:
    """Give up root's rights: its files are guarded by Landlock, its powers by this."""
    # _LINUX_CAPABILITY_VERSION_3, of this thread, and three empty sets of 64 bits
    with contextlib.suppress(OSError):
        libc_call("capset", struct.pack("=Ii", 0x20080522, 0), bytes(24))


def _still_open(canary: str) -> list[str]:
    """Try what a hostile submission would try."""
    found = []
    try:
        os.close(os.open(canary, os.O_RDONLY))
        found.append(FILES)
    except OSError:
        pass
    try:
        socket.socket().close()
        found.append(NETWORK)
    except OSError:
        pass
    try:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        found.append(PROCESSES)
    except OSError:
        pass
    try:
        os.kill(os.getppid(), 0)
        found.append(SIGNALS)
    except OSError:
        pass
    return found
