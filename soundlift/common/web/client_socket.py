"""A client's socket, on which a response must be read at a minimum rate."""

from __future__ import annotations

import time
from contextlib import suppress
from select import POLLOUT, poll
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_NOTSENT_LOWAT, socket
from struct import pack
from typing import TYPE_CHECKING

from soundlift.common.web.minimum_rate import MinimumRate

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Longer than for bodies, because a client's system makes room for a response in blocks of up to 64 KiB.
PERIOD_SECONDS = 60.0
# Of a response, beyond what the client has room for. The system's own limit is 4 MiB per connection, and it reports
# progress only after a third of that, so that a client slower than 10 kB/s would appear to read nothing.
UNSENT_BYTES = 64 * 1024


class ClientSocket(socket):
    """A socket whose `sendall` raises TimeoutError if the client reads too slowly."""

    def __init__(self, accepted: socket) -> None:
        """Take over an accepted connection; the socket that was passed is closed, without closing the connection."""
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._rate = MinimumRate(PERIOD_SECONDS)
        with suppress(OSError):  # the client has already disconnected
            self.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Send all bytes; raises TimeoutError if the client reads less than MIN_BYTES_PER_SECOND in PERIOD_SECONDS."""
        timeout = self.gettimeout()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._send_some(rest, flags) :]
        finally:
            self.settimeout(timeout)

    def takes_response(self) -> bool:
        """Return whether a small response can be sent without waiting, since the client reads the previous ones."""
        poller = poll()
        poller.register(self, POLLOUT)
        return bool(poller.poll(0))

    def discard_unsent(self) -> None:
        """Make the next close drop what has not been sent, and reset the connection."""
        with suppress(OSError):
            self.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))

    def _send_some(self, rest: memoryview, flags: int) -> int:
        self.settimeout(self._rate.seconds_left)
        began = time.monotonic()
        try:
            sent = self.send(rest, flags)
        except TimeoutError:
            sent = 0
        if not self._rate.record(time.monotonic() - began, sent):
            raise TimeoutError("The client reads the response too slowly.")
        return sent
