"""A client's connection, whose requests are received in the event loop before a thread processes them."""

from __future__ import annotations

import time
from socket import socket
from typing import Any, Protocol

from gunicorn.workers.gthread import TConn

from soundlift.common.errors import TooSlow
from soundlift.common.logging import end_trace
from soundlift.common.web.body_deadline import limit_body_time
from soundlift.common.web.client_socket import ClientSocket
from soundlift.common.web.minimum_rate import CONTINUE, MinimumRateUnreader
from soundlift.common.web.request import Request
from soundlift.common.web.request_buffer import RequestBuffer

HEAD_SECONDS = 10.0
SMALL_BODY_SECONDS = 20.0  # from its head on: at the minimum rate, SMALL_BODY_BYTES take 16 seconds
RECEIVE_BYTES = 64 * 1024
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
        super().__init__(cfg, ClientSocket(sock), client, server)
        self.buffer = RequestBuffer()
        self.data_ready = True  # gunicorn: a thread need not wait, since a request has arrived
        self._owner = owner
        self._is_abandoned = False

    def begin_request(self) -> None:
        """Start receiving a request, with the bytes read ahead; `timeout` is when its next part must have arrived."""
        self.sock.setblocking(False)
        self.timeout = time.monotonic() + HEAD_SECONDS
        self.buffer = RequestBuffer()
        if self.parser:
            self._add(self.parser.unreader.take_buffered())

    @property
    def is_settled(self) -> bool:
        """Return whether there is no need to receive more before a thread can process the request, or to reject it."""
        return self.buffer.is_complete or self.buffer.rejection is not None

    def receive(self) -> bool:
        """Read what has arrived; return whether the request is settled, or the client has closed the connection."""
        if self.is_settled:
            return True
        try:
            data = self.sock.recv(RECEIVE_BYTES)
            self._add(data)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not data or self.is_settled

    def takes_response(self) -> bool:
        """Return whether the client has read its previous responses, so that the next one does not block a thread."""
        return self.parser is None or bool(self.sock.takes_response())

    def init(self) -> None:
        """Pass what has arrived to the parser; called in the thread that processes the request."""
        end_trace()
        limit_body_time(None)
        is_new = self.parser is None
        super().init()
        if is_new:
            self.parser.mesg_class = Request
            self.parser.unreader = MinimumRateUnreader(self.sock, self._owner.count_slow_body)
        self.parser.unreader.unread(self.buffer.received)
        self.buffer = RequestBuffer()

    def _add(self, data: bytes) -> None:
        had_head = self.buffer.has_head
        self.buffer.add(data)
        if had_head or not self.buffer.has_head:
            return
        self.timeout = time.monotonic() + SMALL_BODY_SECONDS
        if self.buffer.must_continue and not self.buffer.is_complete:
            self.sock.send(CONTINUE)

    def has_read_all(self) -> bool:
        """Return whether the request was read to its end, so that the connection can be used again."""
        try:
            return bool(self.parser.finish_body(deadline=time.monotonic() + DRAIN_SECONDS))
        except (OSError, TooSlow):
            return False

    def abandon(self) -> None:
        """Make the close immediate even after a response, and drop what the client has not read."""
        self.sock.discard_unsent()
        self._is_abandoned = True

    def close(self, graceful: bool = False) -> None:
        """Close the connection, gracefully after a response, so that it reaches a client that is still sending."""
        self._owner.close_connection(self, graceful=graceful and not self._is_abandoned)
