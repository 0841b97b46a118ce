"""A seccomp filter: no new process, no program, no socket, no signal to others, no change of metadata.

The filter is a program for the kernel's classic BPF machine (Linux, Documentation/userspace-api/
seccomp_filter.rst). It refuses calls by number; what it does not name is allowed, except numbers newer than
the newest that was looked at.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

from clearprop.check.sandbox.syscalls import PR_SET_NO_NEW_PRIVS, prctl, syscall

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1

# classic BPF: load a word of struct seccomp_data, compare, return
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# offsets in struct seccomp_data; of an argument the lower 32 bits
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

CLONE_THREAD = 0x00010000
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15
# the newest number looked at: file_setattr, Linux 6.17
NEWEST = 469

#: of linux/audit.h, and the call numbers that differ between processors: x86-64, then ARM64; None is a call
#: that the processor does not have
_PROCESSORS = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # processes and programs
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    # the network, and local sockets
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "accept4": (288, 242),
    # other processes
    "ptrace": (101, 117),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    # memory and messages that outlive the process or escape its limit
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "memfd_create": (319, 279),
    # metadata of files, which Landlock does not guard
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "truncate": (76, 45),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the system
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "quotactl": (179, 60),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "syslog": (103, 116),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
}

#: Numbers from 424 on are the same on all processors: pidfd_send_signal, io_uring_* (3), open_tree to fspick
#: (6), pidfd_open, pidfd_getfd, process_madvise, mount_setattr, quotactl_fd, memfd_secret, process_mrelease,
#: fchmodat2, setxattrat, removexattrat, open_tree_attr, file_setattr.
_REFUSED_EVERYWHERE = (
    *(424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442, 443, 447, 448, 452, 463, 466),
    *(467, 469),
)
_CLONE3 = 435


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(code: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | code)


def _on(number: int | None, *body: bytes) -> bytes:
    """Return instructions that run ``body``, which must return, if the call has this number."""
    if number is None:
        return b""
    return _instruction(_EQUAL, number, 0, len(body)) + b"".join(body)


def _only_with(argument: int, values: tuple[int, ...]) -> tuple[bytes, ...]:
    """Return instructions that allow a call if an argument has one of the values."""
    tests = [_instruction(_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    # a jump counts from the next instruction: the refusal is after the last test
    return (
        _instruction(_LOAD, _ARGUMENTS + 8 * argument),
        *tests,
        _refuse(errno.EPERM),
        _instruction(_RETURN, _ALLOW),
    )


def _except_with(argument: int, values: tuple[int, ...]) -> tuple[bytes, ...]:
    """Return instructions that refuse a call if an argument has one of the values."""
    tests = [_instruction(_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    return (
        _instruction(_LOAD, _ARGUMENTS + 8 * argument),
        *tests,
        _instruction(_RETURN, _ALLOW),
        _refuse(errno.EPERM),
    )


def filter_program(machine: str, pid: int) -> bytes:
    """Return the filter as instructions of 8 bytes.

    Parameters
    ----------
    machine : str
        As ``platform.machine()`` names it: ``"x86_64"`` or ``"aarch64"``.
    pid : int
        The one process that may be sent signals.

    Returns
    -------
    bytes
    """
    architecture, column = _PROCESSORS[machine]

    def number(x86: int | None, arm: int | None) -> int | None:
        return (x86, arm)[column]

    program = (
        _instruction(_LOAD, _ARCHITECTURE)
        + _instruction(_EQUAL, architecture, 1, 0)
        # calls of 32-bit programs have other numbers
        + _instruction(_RETURN, _KILL)
        + _instruction(_LOAD, _NUMBER)
        # newer calls, and those of x32: libraries take it for an old kernel
        + _instruction(_AT_LEAST, NEWEST + 1, 0, 1)
        + _refuse(errno.ENOSYS)
        # its flags are out of a filter's reach; the C library then takes clone
        + _on(_CLONE3, _refuse(errno.ENOSYS))
        + _on(
            number(56, 220),
            _instruction(_LOAD, _ARGUMENTS),
            _instruction(_ANY_BIT, CLONE_THREAD, 1, 0),
            _refuse(errno.EAGAIN),
            _instruction(_RETURN, _ALLOW),
        )
        + _on(number(62, 129), *_only_with(0, (pid,)))  # kill
        + _on(number(234, 131), *_only_with(0, (pid,)))  # tgkill
        + _on(number(302, 261), *_only_with(0, (0, pid)))  # prlimit64
        # the kernel sends the owner of a descriptor a signal of one's choice
        + _on(number(72, 25), *_except_with(1, (F_SETOWN, F_SETSIG, F_SETOWN_EX)))  # fcntl
        # the process must end with its parent
        + _on(number(157, 167), *_except_with(0, (1,)))  # prctl
    )
    for refused in _REFUSED.values():
        program += _on(number(*refused), _refuse(errno.EPERM))
    for refused_number in _REFUSED_EVERYWHERE:
        program += _on(refused_number, _refuse(errno.EPERM))
    return program + _instruction(_RETURN, _ALLOW)


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def available() -> bool:
    """Return True if this is Linux on a processor whose call numbers are known."""
    return sys.platform == "linux" and platform.machine() in _PROCESSORS


def restrict() -> None:
    """Install the filter for all threads of this process, for good.

    Raises
    ------
    OSError
        If the kernel refuses, for example inside another sandbox.
    """
    machine = platform.machine()
    instructions = filter_program(machine, os.getpid())
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    program = _Program(len(instructions) // 8, instructions)
    syscall(
        317 if machine == "x86_64" else 277,
        SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_TSYNC,
        ctypes.byref(program),
    )
