"""One client's connection, whose requests are received without a thread until they have arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from socket import socket
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn

from soundlift.common.body_rate import PacedUnreader
from soundlift.common.errors import TooSlow
from soundlift.common.incoming import IncomingRequest

RECEIVE_BYTES = 64 * 1024
SEND_SECONDS = 120.0  # for one block of an answer; a client that takes none of it is gone
DRAIN_SECONDS = 0.01  # for what is left of a body that nobody read: enough for what has arrived


class Connection(TConn):  # type: ignore[misc]  # gunicorn carries no type hints
    """A connection of gunicorn's threaded worker.

    `on_close` is called once with the socket, and whether it is to be closed so that the last answer arrives.
    """

    def __init__(
        self, cfg: Any, sock: socket, client: Any, server: Any, on_close: Callable[[Connection, bool], None]
    ) -> None:
        super().__init__(cfg, sock, client, server)
        self.incoming = IncomingRequest()
        self.data_ready = True  # a thread gets it when a request has arrived, and never waits for one
        self._on_close = on_close

    def begin_request(self, seconds: float) -> None:
        """Begin to receive a request, with what was read of it behind the one before; its head has so many seconds."""
        self.sock.setblocking(False)
        self.incoming = IncomingRequest(self.parser.unreader.take_buffered() if self.parser else b"")
        self.timeout = time.monotonic() + seconds

    def receive(self) -> bool:
        """Take in what has arrived, and return whether a thread can go on without waiting: also at the end of all."""
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
        is_new = self.parser is None
        super().init()
        self.sock.settimeout(SEND_SECONDS)
        if is_new:
            self.parser.unreader = PacedUnreader(self.sock)
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
        self._on_close(self, graceful)
