"""Kernel calls by ``ctypes``: libc's ``syscall`` and ``prctl``, with the error as OSError.

No maintained library binds seccomp and Landlock for Python: ``pyseccomp`` is of 2021 and the packages for
Landlock are previews. The two walls need four kernel calls and one ``prctl``, which are here.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: Any) -> int:
    """Make a kernel call.

    Parameters
    ----------
    number : int
        The call's number on this processor.
    *arguments : int, None or ctypes pointer
        Integers are passed as 64 bits.

    Returns
    -------
    int

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; OSError if the kernel refuses."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def libc_call(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library that returns 0, or -1 and an error, which is raised as OSError."""
    words = [
        ctypes.c_ulong(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments
    ]
    if getattr(_libc, name)(*words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
