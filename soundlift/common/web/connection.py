"""A client's connection, whose requests are received in the event loop before a thread processes them."""

from __future__ import annotations

import time
from socket import socket
from typing import Any, Protocol

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn

from soundlift.common.errors import TooSlow
from soundlift.common.logging import end_trace
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.minimum_rate import MinimumRateUnreader
from soundlift.common.web.request_buffer import RequestBuffer

RECEIVE_BYTES = 64 * 1024
SEND_SECONDS = 120.0  # for one block of a response; a client that reads none of it is gone
DRAIN_SECONDS = 0.1  # for the rest of a body that was not read: enough for what has arrived, even on a busy machine


class Owner(Protocol):
    """The part of the worker that its connections use."""

    def close_connection(self, connection: Connection, *, graceful: bool) -> None:
        """Close a connection; called once. `graceful` waits until the client has its last response."""

    def count_slow_body(self) -> None:
        """Count a body that arrives too slowly; called from a thread."""


class Connection(TConn):  # type: ignore[misc]  # gunicorn carries no type hints
    """A connection of gunicorn's threaded worker that never makes a thread wait for the beginning of a request."""

    def __init__(self, cfg: Any, sock: socket, client: Any, server: Any, owner: Owner) -> None:
        super().__init__(cfg, sock, client, server)
        self.buffer = RequestBuffer()
        self.data_ready = True  # gunicorn: a thread need not wait, since a request has arrived
        self._owner = owner

    def begin_request(self, seconds: float) -> None:
        """Start receiving a request, with the bytes read ahead; it must arrive within `seconds`."""
        self.sock.setblocking(False)
        self.buffer = RequestBuffer(self.parser.unreader.take_buffered() if self.parser else b"")
        self.timeout = time.monotonic() + seconds

    def receive(self) -> bool:
        """Read what has arrived; return whether a thread can process it, or the client has closed the connection."""
        if self.buffer.is_complete:
            return True
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.buffer.add(data)
        return not data or self.buffer.is_complete

    def init(self) -> None:
        """Pass what has arrived to the parser; called in the thread that processes the request."""
        end_trace()
        limit_body_time(None)
        is_new = self.parser is None
        super().init()
        self.sock.settimeout(SEND_SECONDS)
        if is_new:
            self.parser.unreader = MinimumRateUnreader(self.sock, self._owner.count_slow_body)
        self.parser.unreader.unread(self.buffer.received)
        self.buffer = RequestBuffer()

    def has_read_all(self) -> bool:
        """Return whether the request was read to its end, so that the connection can be used again.

        An error in a body that was not read before gets no second response.
        """
        try:
            return bool(self.parser.finish_body(deadline=time.monotonic() + DRAIN_SECONDS))
        except (ParseException, OSError, TooSlow):
            return False

    def close(self, graceful: bool = False) -> None:
        """Close the connection, gracefully after a response, so that it reaches a client that is still sending."""
        self._owner.close_connection(self, graceful=graceful)
