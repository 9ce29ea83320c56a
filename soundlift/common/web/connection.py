"""One client's connection, whose requests are received without a thread until they have arrived."""

from __future__ import annotations

import time
from socket import socket
from typing import Any, Protocol

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn

from soundlift.common.errors import TooSlow
from soundlift.common.logging import end_trace
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.body_rate import PacedUnreader
from soundlift.common.web.incoming import IncomingRequest

RECEIVE_BYTES = 64 * 1024
SEND_SECONDS = 120.0  # for one block of an answer; a client that takes none of it is gone
DRAIN_SECONDS = 0.01  # for what is left of a body that nobody read: enough for what has arrived


class Owner(Protocol):
    """What a connection reports to its worker."""

    def close_connection(self, connection: Connection, *, graceful: bool) -> None:
        """Close a connection, called once; gracefully so that its last answer arrives."""

    def count_slow_body(self) -> None:
        """Count a body that arrives too slowly; called from a thread."""


class Connection(TConn):  # type: ignore[misc]  # gunicorn carries no type hints
    """A connection of gunicorn's threaded worker."""

    def __init__(self, cfg: Any, sock: socket, client: Any, server: Any, owner: Owner) -> None:
        super().__init__(cfg, sock, client, server)
        self.incoming = IncomingRequest()
        self.data_ready = True  # a thread gets it when a request has arrived, and never waits for one
        self._owner = owner

    def begin_request(self, seconds: float) -> None:
        """Begin to receive a request, starting with bytes already read ahead; it must arrive within `seconds`."""
        self.sock.setblocking(False)
        self.incoming = IncomingRequest(self.parser.unreader.take_buffered() if self.parser else b"")
        self.timeout = time.monotonic() + seconds

    def receive(self) -> bool:
        """Take in what has arrived, and return whether a thread can go on without waiting, or the client has closed."""
        if self.incoming.is_whole:
            return True
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.incoming.add(data)
        return not data or self.incoming.is_whole

    def init(self) -> None:
        """Hand what has arrived to the parser, in the thread that answers the request."""
        end_trace()
        limit_body_time(None)
        is_new = self.parser is None
        super().init()
        self.sock.settimeout(SEND_SECONDS)
        if is_new:
            self.parser.unreader = PacedUnreader(self.sock, self._owner.count_slow_body)
        self.parser.unreader.unread(self.incoming.received)
        self.incoming = IncomingRequest()

    def has_read_all(self) -> bool:
        """Return whether the request was read to its end, so that the next one can follow.

        What is malformed in a body that nobody read gets no second answer.
        """
        try:
            return bool(self.parser.finish_body(deadline=time.monotonic() + DRAIN_SECONDS))
        except (ParseException, OSError, TooSlow):
            return False

    def close(self, graceful: bool = False) -> None:
        """Close the connection; after an answer gracefully, so that it reaches a client that still sends."""
        self._owner.close_connection(self, graceful=graceful)
