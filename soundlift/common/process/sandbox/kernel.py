"""The system calls of Linux that restrict a process, for which Python has no functions.

glibc has no functions for most of them either, so they are called by their numbers, through ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446  # on every architecture
LANDLOCK_VERSION = 1
SECCOMP = {"x86_64": 317, "aarch64": 277}
CAPSET = {"x86_64": 126, "aarch64": 91}
SECCOMP_FILTER, SECCOMP_ACTION_AVAILABLE = 1, 2
NOTIFY = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE_PARENT, SIGCHLD = 0x8000, 17
PR_SET_NO_NEW_PRIVS = 38
CAPABILITIES_VERSION = 0x20080522

IGNORE = 1  # SIG_IGN

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """Return the name of the processor architecture, such as x86_64."""
    return os.uname().machine


def call(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call and return its result; raises OSError."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words))


def landlock_version() -> int:
    """Return the version of Landlock's interface, 0 if the kernel or a container's profile does not offer Landlock."""
    try:
        return call(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
    except OSError:
        return 0


def filters_system_calls() -> bool:
    """Return whether a process may install a filter that passes system calls to another process."""
    try:
        call(SECCOMP[machine()], SECCOMP_ACTION_AVAILABLE, 0, NOTIFY.to_bytes(4, sys.byteorder))
    except (OSError, KeyError):
        return False
    return True


def give_up_privileges() -> None:
    """Drop all capabilities, and let no program that is executed gain any; raises OSError."""
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(word) for word in (1, 0, 0, 0))))
    header = CAPABILITIES_VERSION.to_bytes(4, sys.byteorder) + bytes(4)
    call(CAPSET[machine()], header, bytes(24))


def default_signals(numbers: tuple[int, ...]) -> None:
    """Give signals their default effect; the module `signal` takes 4 ms to import."""
    for number in numbers:
        _libc.signal(number, None)


def ignore_signals(numbers: tuple[int, ...]) -> None:
    """Ignore signals, as this process and those that it forks."""
    for number in numbers:
        _libc.signal(number, ctypes.c_void_p(IGNORE))


def fork_sibling() -> int:
    """Fork this process, which must have no other threads, as another child of its parent (CLONE_PARENT).

    Return 0 in the new process and its id in this one; raises OSError.
    """
    number = CLONE.get(machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return call(number, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
