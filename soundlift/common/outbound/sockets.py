"""Sockets whose every operation ends at a deadline, and which receive no more than a number of bytes.

A timeout of a socket is for one operation. A peer that sends a byte at a time renews it without end, while http.client
waits for the rest of a line, of the head, or of a chunk's size.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from soundlift.common.outbound.errors import BadResponse
from soundlift.common.outbound.limits import Deadline


class Allowance:
    """What a connection may still do: until when, and how many bytes it may receive, None for any number."""

    def __init__(self, total: Deadline) -> None:
        self._total = total
        self.deadline = total
        self._max_bytes: int | None = None

    def limit(self, *, seconds: float, max_bytes: int | None = None) -> None:
        """Begin a phase that ends in `seconds`, or earlier with the total time, or after `max_bytes`."""
        self.deadline = Deadline(seconds, no_later_than=self._total)
        self._max_bytes = max_bytes

    def receive(self, count: int) -> int:
        """Count bytes that were received; raises BadResponse if there are too many."""
        if self._max_bytes is not None:
            self._max_bytes -= count
            if self._max_bytes < 0:
                raise BadResponse("The head of the response is too large.")
        return count


class BoundedSocket(socket.socket):
    """A TCP socket with an allowance."""

    allowance: Allowance

    def recv_into(self, *args: Any) -> int:
        """Receive bytes as `socket.recv_into` does; raises ResponseTimeout or BadResponse."""
        self.settimeout(self.allowance.deadline.remaining())
        return self.allowance.receive(super().recv_into(*args))

    def sendall(self, *args: Any) -> None:
        """Send bytes as `socket.sendall` does, whose timeout is for all of them; raises ResponseTimeout."""
        self.settimeout(self.allowance.deadline.remaining())
        super().sendall(*args)


class BoundedTlsSocket(ssl.SSLSocket):
    """A TLS socket with an allowance, which it gets after the handshake; the timeout of that is for all of it."""

    allowance: Allowance

    def recv_into(self, *args: Any) -> int:
        """Receive bytes as `socket.recv_into` does; raises ResponseTimeout or BadResponse."""
        self.settimeout(self.allowance.deadline.remaining())
        return self.allowance.receive(super().recv_into(*args))

    def send(self, *args: Any) -> int:
        """Send bytes as `socket.send` does, which `sendall` calls for each part; raises ResponseTimeout."""
        self.settimeout(self.allowance.deadline.remaining())
        return super().send(*args)
