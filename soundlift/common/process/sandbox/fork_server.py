"""A small process that starts programs for the process that started it: it forks, and the fork becomes the program.

A fork takes 3 ms of processor time, where another Python would take 14 ms: with two starts, a clip of ten seconds takes
117 ms of it instead of 139 (`make bench ONLY="sandbox-start clip-processor-time"`). A process with threads cannot fork
safely, but this one has none. Its environment is empty, so a fork inherits no secrets.
"""

from __future__ import annotations

import fcntl
import gc
import os
import socket
import struct

from soundlift.common.process.sandbox.kernel import default_signals, fork_sibling, ignore_signals
from soundlift.common.process.sandbox.launcher import CANNOT_START, launch

# SIGHUP, SIGINT and SIGTERM: a platform may send them to all processes of a service, but this one ends with its parent.
NOT_MEANT_FOR_IT = (1, 2, 15)
MAX_DESCRIPTORS = 64
LENGTH, ANSWER = "=I", "=i"


def main() -> None:
    """Serve the socket that is the standard input, until the other end is closed."""
    ignore_signals(NOT_MEANT_FOR_IT)
    gc.freeze()  # so that a fork copies less memory
    with socket.socket(fileno=os.dup(0)) as connection:
        while request := _receive(connection):
            connection.sendall(struct.pack(ANSWER, _start(*request)))


def _receive(connection: socket.socket) -> tuple[bytes, list[int]] | None:
    """Return a request and its descriptors, or None at the end."""
    size = struct.calcsize(LENGTH)
    data, descriptors, *_ = socket.recv_fds(connection, size, MAX_DESCRIPTORS)
    for descriptor in descriptors:  # recv_fds takes flags, but ignores MSG_CMSG_CLOEXEC
        os.set_inheritable(descriptor, False)
    if len(data) < size:
        return None
    (length,) = struct.unpack(LENGTH, data)
    request = connection.recv(length, socket.MSG_WAITALL)
    return (request, descriptors) if len(request) == length else None


def _start(request: bytes, descriptors: list[int]) -> int:
    """Return the id of the process that becomes the program, or a negative error number."""
    try:
        pid = fork_sibling()
    except OSError as error:
        pid = -(error.errno or 1)
    if pid == 0:
        _become(request, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid


def _become(request: bytes, descriptors: list[int]) -> None:
    """Become the program of a request; never returns."""
    try:
        group, numbers, count, *words = request.decode("utf-8", "surrogateescape").split("\0")
        _place(dict(zip(map(int, numbers.split(",")), descriptors, strict=True)))
        os.setpgid(0, int(group))
        default_signals(NOT_MEANT_FOR_IT)
        environment = dict(word.split("=", 1) for word in words[: int(count)])
        launch(words[int(count) :], environment)
    finally:
        os._exit(CANNOT_START)


def _place(descriptors: dict[int, int]) -> None:
    """Give descriptors their numbers in the program."""
    free = max(descriptors) + 1
    moved = [(number, fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, free)) for number, one in descriptors.items()]
    for number, one in moved:
        os.dup2(one, number)
