"""The close of connections after their last response, in the worker's event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from selectors import EVENT_READ, BaseSelector
from socket import SHUT_WR, socket

from gunicorn import util

LINGER_SECONDS = 2.0
LINGER_BYTES = 2**20
DRAIN_BYTES = 64 * 1024


class LingeringClose:
    """Connections that are closed when their clients have closed them (RFC 9112, section 9.6), or after a limit.

    Until then, what their clients still send is discarded: closing earlier would cut off the last response.
    """

    def __init__(self, poller: BaseSelector, on_end: Callable[[], None]) -> None:
        self._poller = poller
        self._on_end = on_end
        self._clients: dict[socket, tuple[float, int]] = {}  # deadline, and bytes received since the response

    def add(self, client: socket) -> bool:
        """Begin to close a connection; return False if it could be closed at once."""
        try:
            client.setblocking(False)
            client.shutdown(SHUT_WR)
            self._poller.register(client, EVENT_READ, self._drain)
        except (OSError, ValueError):
            util.close(client)
            return False
        self._clients[client] = time.monotonic() + LINGER_SECONDS, 0
        return True

    def close_expired(self, now: float) -> None:
        """Close the connections whose time is over."""
        while self._clients and next(iter(self._clients.values()))[0] <= now:
            self.close_oldest()

    def close_oldest(self) -> bool:
        """Close the connection that has been lingering for longest; return whether there was one."""
        oldest = next(iter(self._clients), None)
        if oldest is not None:
            self._end(oldest)
        return oldest is not None

    def _drain(self, client: socket) -> None:
        try:
            size = len(client.recv(DRAIN_BYTES))
        except BlockingIOError:
            return
        except OSError:
            size = 0
        end, drained = self._clients[client]
        self._clients[client] = end, drained + size
        if not size or drained + size >= LINGER_BYTES:
            self._end(client)

    def _end(self, client: socket) -> None:
        del self._clients[client]
        self._poller.unregister(client)
        util.close(client)
        self._on_end()
