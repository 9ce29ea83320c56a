"""The system calls that a confined process may make: a filter in the kernel (seccomp(2)).

Landlock restricts which files can be opened. The filter forbids what Landlock does not cover: sockets, new processes,
changes of other processes and of the attributes of files, and parts of the kernel that media files do not need.

A confined process cannot open a connection itself. If it may use a server, its calls of socket(2) are passed to the
process that started it, which returns a connection to that server, and connect(2) does nothing.
"""

from __future__ import annotations

import ctypes
import os
import struct

from soundlift.common.process.sandbox.kernel import NOTIFY, SECCOMP, SECCOMP_FILTER, call, machine

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
DENY, SUCCEED, UNKNOWN = ERROR | 1, ERROR, ERROR | 38  # EPERM, 0 and ENOSYS
NEW_LISTENER = 1 << 3
OTHER_CALLING_CONVENTION = 0x40000000  # x32, whose calls would not be recognized

CLONE_THREAD, AF_INET, SOCK_STREAM, SOCK_TYPE, MSG_FASTOPEN = 0x10000, 2, 1, 0xF, 0x20000000

# The numbers of the calls on x86_64 and aarch64; NONE if the architecture does not have one.
NONE = -1
NEW_PROCESSES = {
    "fork": (57, NONE), "vfork": (58, NONE), "unshare": (272, 97), "setns": (308, 268), "setpgid": (109, 154),
    "setsid": (112, 157),
}  # fmt: skip
OTHER_PROCESSES = {
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "kcmp": (312, 272), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "shmget": (29, 194), "shmat": (30, 196),
    "msgget": (68, 186), "msgsnd": (69, 189), "semget": (64, 190), "semctl": (66, 191), "mq_open": (240, 180),
    "mq_unlink": (241, 181),
}  # fmt: skip
ATTRIBUTES_OF_FILES = {
    "truncate": (76, 45), "chmod": (90, NONE), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, NONE), "fchown": (93, 55), "lchown": (94, NONE), "fchownat": (260, 54), "utime": (132, NONE),
    "utimes": (235, NONE), "futimesat": (261, NONE), "utimensat": (280, 88), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
PARTS_OF_THE_KERNEL = {
    "bpf": (321, 280), "perf_event_open": (298, 241), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219),
}  # fmt: skip
SOCKETS = {
    "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    "sendmmsg": (307, 269),
}  # fmt: skip
FORBIDDEN = NEW_PROCESSES | OTHER_PROCESSES | ATTRIBUTES_OF_FILES | PARTS_OF_THE_KERNEL | SOCKETS
FCNTL, IOCTL, SET_OWNER, SET_OWNER_OF_SOCKET = (72, 25), (16, 29), (8, 15), (0x8901, 0x8902)
CLONE, CLONE3, TGKILL, PRLIMIT = (56, 220), (435, 435), (234, 131), (302, 261)
SOCKET, CONNECT, SENDTO, SENDMSG = (41, 198), (42, 203), (44, 206), (46, 211)

Instruction = tuple[int, int, int, int]


def install_filter(*, has_server: bool) -> int | None:
    """Filter the system calls of this process from now on; raises OSError.

    With a server, returns a descriptor from which another process receives the calls of socket(2).
    """
    result = install(instructions(has_server=has_server), NEW_LISTENER if has_server else 0)
    return result if has_server else None


def install(program: list[Instruction], flags: int = 0) -> int:
    """Install a filter, and return the result of seccomp(2); raises OSError."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code, len(code))
    return call(SECCOMP[machine()], SECCOMP_FILTER, flags, struct.pack("@HP", len(program), ctypes.addressof(memory)))


def instructions(*, has_server: bool) -> list[Instruction]:
    """Return the program of the filter; each instruction is an operation, two relative jumps and a value."""
    column = list(ARCHITECTURES).index(machine())
    rules = [
        *((numbers, [(RETURN, 0, 0, DENY)]) for numbers in FORBIDDEN.values()),
        (CLONE, _unless(0, ANY_BIT, CLONE_THREAD, DENY)),
        (CLONE3, [(RETURN, 0, 0, UNKNOWN)]),  # a filter cannot read its flags; libc uses clone instead
        (TGKILL, _unless(0, EQUAL, os.getpid(), DENY)),  # abort(3) signals the process itself
        (PRLIMIT, _unless(0, EQUAL, 0, DENY)),  # of the process itself
        (FCNTL, _deny_if(1, EQUAL, *SET_OWNER)),  # the process that gets a signal, of any kind, when a file is ready
        (IOCTL, _deny_if(1, EQUAL, *SET_OWNER_OF_SOCKET)),
        (SENDTO, _deny_if(3, ANY_BIT, MSG_FASTOPEN)),  # which would connect to another address
        (SENDMSG, _deny_if(2, ANY_BIT, MSG_FASTOPEN)),
        (SOCKET, _tcp_sockets() if has_server else [(RETURN, 0, 0, DENY)]),
        (CONNECT, [(RETURN, 0, 0, SUCCEED if has_server else DENY)]),
    ]
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, ARCHITECTURES[machine()]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, OTHER_CALLING_CONVENTION),
        (RETURN, 0, 0, UNKNOWN),
    ]
    for numbers, block in rules:
        if (number := numbers[column]) != NONE:
            program += [(EQUAL, 0, len(block), number), *block]
    return [*program, (RETURN, 0, 0, ALLOW)]


def _deny_if(argument: int, test: int, *values: int) -> list[Instruction]:
    """Return instructions that deny a call if a test of an argument succeeds for a value, and otherwise allow it."""
    tests = [step for value in values for step in ((test, 0, 1, value), (RETURN, 0, 0, DENY))]
    return [(LOAD, 0, 0, ARGUMENTS + 8 * argument), *tests, (RETURN, 0, 0, ALLOW)]


def _unless(argument: int, test: int, value: int, action: int) -> list[Instruction]:
    """Return instructions that return an action if a test of an argument fails, and otherwise allow the call."""
    load, return_ = (LOAD, 0, 0, ARGUMENTS + 8 * argument), (RETURN, 0, 0, action)
    return [load, (test, 1, 0, value), return_, (RETURN, 0, 0, ALLOW)]


def _tcp_sockets() -> list[Instruction]:
    """Return instructions that pass the opening of a TCP socket to another process, and forbid any other socket."""
    family = [(LOAD, 0, 0, ARGUMENTS), (EQUAL, 1, 0, AF_INET), (RETURN, 0, 0, DENY)]
    kind = [(LOAD, 0, 0, ARGUMENTS + 8), (AND, 0, 0, SOCK_TYPE), (EQUAL, 1, 0, SOCK_STREAM), (RETURN, 0, 0, DENY)]
    return [*family, *kind, (RETURN, 0, 0, NOTIFY)]
