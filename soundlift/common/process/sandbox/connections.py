"""The connections of a confined process to the one server that it may use.

The process cannot open a socket: the kernel passes its calls of socket(2) to a thread here (seccomp_unotify(2)), which
connects to the server and places the connection among the descriptors of the process.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from contextlib import suppress
from fcntl import ioctl
from threading import Thread

# From linux/seccomp.h; a request has the direction, the size of its argument, a letter and a number.
READ_AND_WRITE, WRITE = 3 << 30, 1 << 30
CALL_BYTES, RESPONSE, DESCRIPTOR = 80, "=QqiI", "=QIIII"


def _request(direction: int, size: int, number: int) -> int:
    return direction | size << 16 | ord("!") << 8 | number


RECEIVE = _request(READ_AND_WRITE, CALL_BYTES, 0)
RESPOND = _request(READ_AND_WRITE, struct.calcsize(RESPONSE), 1)
ADD_DESCRIPTOR = _request(WRITE, struct.calcsize(DESCRIPTOR), 3)
CONNECT_SECONDS = 10


class Connections:
    """The connections of one process to a server at an address, made by a thread until the process ends.

    The process inherits `descriptor`, which is released when the process has started. `close` is called when it has
    ended or was not started. `error` is the first error of a connection.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self.error: OSError | None = None
        self._server = server
        self._own, self._inherited = socket.socketpair()
        self._thread = Thread(target=self._run, name="connections", daemon=True)
        self._thread.start()

    @property
    def descriptor(self) -> int:
        """The descriptor by which the process passes on its calls."""
        return self._inherited.fileno()

    def release(self) -> None:
        """Close the descriptor in this process, so that the thread ends if no process uses it."""
        self._inherited.close()

    def close(self) -> None:
        """Wait for the thread to end."""
        self.release()
        self._thread.join()
        self._own.close()

    def _run(self) -> None:
        _, descriptors, *_ = socket.recv_fds(self._own, 1, 1)
        for listener in descriptors:  # none if the process has ended before it confined itself
            try:
                self._answer_calls(listener)
            finally:
                os.close(listener)

    def _answer_calls(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            ((_, events),) = poll.poll()
            if not events & select.POLLIN:
                return  # the process has ended
            with suppress(OSError):  # the call was interrupted, or the process killed
                self._answer(listener)

    def _answer(self, listener: int) -> None:
        call = bytearray(CALL_BYTES)
        ioctl(listener, RECEIVE, call)
        (number,) = struct.unpack_from("=Q", call)
        result, error = 0, 0
        try:
            with self._connect() as connection:
                added = struct.pack(DESCRIPTOR, number, 0, connection.fileno(), 0, os.O_CLOEXEC)
                result = ioctl(listener, ADD_DESCRIPTOR, bytearray(added))
        except OSError as failure:  # also if the process has too many open files, or was killed
            error = -(failure.errno or errno.ETIMEDOUT)
        ioctl(listener, RESPOND, bytearray(struct.pack(RESPONSE, number, result, error, 0)))

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection(self._server, CONNECT_SECONDS)
        except OSError as error:
            self.error = self.error or error
            raise
        connection.setblocking(True)
        return connection
