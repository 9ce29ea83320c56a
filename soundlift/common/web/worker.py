"""gunicorn's threaded worker, hardened against slow clients."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE
from socket import socket
from typing import Any

import structlog
from gunicorn import util
from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import ThreadWorker

from soundlift.common.web.address_counter import AddressCounter
from soundlift.common.web.client_address import parse_address
from soundlift.common.web.connection import Connection
from soundlift.common.web.drop_counter import DropCounter
from soundlift.common.web.error_responses import error_response, error_status
from soundlift.common.web.lingering_close import LingeringClose

CHECK_SECONDS = 0.5  # between two checks for expired connections, however many events there are
NO_PENDING_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPROTO)
IDLE_SECONDS_AT_STOP = 2.0  # the same as gunicorn's for keep-alive connections

log = structlog.get_logger()


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no type hints
    """A threaded worker that receives requests in its event loop and processes them in its threads.

    gunicorn's worker passes a connection to a thread at its first byte, so that one slow client per thread blocks it
    (https://github.com/benoitc/gunicorn/issues/3634), and waits up to 2 seconds in its loop to close a connection.
    This worker passes a request to a thread once its head, and its body if that is small, have arrived, and the client
    has read its previous responses. A request that takes longer than the limits in connection.py gets a 408. The thread
    receives a larger body, and sends its response, at a minimum rate (minimum_rate.py, client_socket.py).

    At its limit of connections, this worker closes the one that has waited for longest, instead of leaving new clients
    in the queue of the operating system until the slow ones are gone.

    On SIGTERM, this worker accepts all pending connections and closes its listeners. gunicorn's worker keeps listening,
    so that a proxy that connects in the meantime gets no response instead of trying another instance.

    gunicorn does not document these methods and attributes as an interface: its version is pinned to one minor
    release, and test_gunicorn_interface.py lists what this package relies on.
    """

    connections_per_address = 0  # 0 means no limit

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._arriving: dict[Connection, None] = {}  # an ordered set
        self._addresses = AddressCounter()
        self._dropped = DropCounter()
        self._next_check = 0.0

    @cached_property
    def _lingering(self) -> LingeringClose:
        return LingeringClose(self.poller, self._count_closed)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Extend gunicorn's: when stopping, accept pending connections up to the limit, then close the listeners."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            while self.nr_conns < self.worker_connections and self.accept(listener):
                pass
            listener.close()
        self.sockets: list[BaseSocket] = []
        self._shorten_idle_waits()

    def accept(self, listener: BaseSocket) -> bool:
        """Accept a connection, or reject it if its address has too many; return whether there was one."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in NO_ROOM:
                self._dropped.add("no room for another connection")
            elif error.errno not in NO_PENDING_CONNECTION:
                raise
            return False
        self.nr_conns += 1
        connection = Connection(self.cfg, client, address, listener.getsockname(), self)
        if self._has_too_many(address[0], self._addresses.add(address[0])):
            self._dropped.add("too many connections from one address")
            self._reject(connection, HTTPStatus.TOO_MANY_REQUESTS)
        else:
            self.enqueue_req(connection)
        return True

    def enqueue_req(self, conn: Connection) -> None:
        """Pass a connection's next request to a thread, immediately or once it has arrived."""
        conn.begin_request()
        if conn.receive():
            self._process(conn)
        else:
            self._wait(conn, EVENT_READ, self._receive)

    def murder_pending(self) -> None:
        """Close connections that waited for too long, or are too many; called once per loop, after all events."""
        if self.nr_conns >= self.worker_connections and self._close_longest_waiting():
            self._dropped.add("too many connections")
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_SECONDS
        self._reject_late(now)
        self._lingering.close_expired(now)
        self._dropped.log()

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Process a request, and return whether its connection can be used again."""
        try:
            return bool(super().handle_request(req, conn)) and conn.has_read_all()
        except TimeoutError:
            self._dropped.add("slow reader")
            conn.abandon()
            return False

    def handle_error(self, req: Any, client: socket, addr: Any, exc: Exception) -> None:
        """Send a problem document for a request that cannot be read, or for an error while processing it."""
        status = error_status(exc)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status is not HTTPStatus.NOT_IMPLEMENTED:
            log.error("request failed", exc_info=exc)
        else:
            log.info("unreadable request", status=status.value, reason=type(exc).__name__, address=addr[0])
        with suppress(OSError):
            client.sendall(error_response(status))

    def _wait(self, conn: Connection, event: int, resume: Callable[[Connection], None]) -> None:
        """Call `resume` in the event loop whenever a client has sent, or can be sent, something."""
        self._arriving[conn] = None
        self.poller.register(conn.sock, event, lambda _: resume(conn))

    def _stop_waiting(self, conn: Connection) -> None:
        del self._arriving[conn]
        self.poller.unregister(conn.sock)

    def _receive(self, conn: Connection) -> None:
        if conn.receive():
            self._stop_waiting(conn)
            self._process(conn)

    def _process(self, conn: Connection) -> None:
        if status := conn.buffer.rejection:
            log.info("unreadable request", status=status.value, reason="framing", address=conn.client[0])
            self._reject(conn, status)
        elif conn.takes_response():
            super().enqueue_req(conn)
        else:
            self._wait(conn, EVENT_WRITE, self._resume)

    def _resume(self, conn: Connection) -> None:
        self._stop_waiting(conn)
        super().enqueue_req(conn)

    def _shorten_idle_waits(self) -> None:
        """When stopping, wait for connections that have sent nothing yet only as long as for keep-alive ones."""
        latest = time.monotonic() + IDLE_SECONDS_AT_STOP
        for conn in self._arriving:
            if not conn.buffer.has_begun:
                conn.timeout = min(conn.timeout, latest)

    def _reject_late(self, now: float) -> None:
        for conn in [conn for conn in self._arriving if conn.timeout <= now]:
            self._stop_waiting(conn)
            if conn.buffer.has_begun:
                self._dropped.add("slow request")
                self._reject(conn, HTTPStatus.REQUEST_TIMEOUT)
            else:
                self._drop(conn)

    def _reject(self, conn: Connection, status: HTTPStatus) -> None:
        """Send an error response from the event loop without blocking; ignore send errors.

        An address with too many connections gets no lingering close, which would keep another connection open.
        """
        with suppress(OSError):
            conn.sock.send(error_response(status))
        self.nr_conns -= 1
        conn.close(graceful=status is not HTTPStatus.TOO_MANY_REQUESTS)

    def _close_longest_waiting(self) -> bool:
        """Close a connection that waits for its client, except the newest; return whether there was one."""
        if self._lingering.close_oldest():
            return True
        if len(self._arriving) > 1:
            conn = next(iter(self._arriving))
            self._stop_waiting(conn)
            self._drop(conn)
            return True
        if not self.keepalived_conns:
            return False
        self.keepalived_conns[0].timeout = 0.0
        self.murder_keepalived()
        return True

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _has_too_many(self, address: str, count: int) -> bool:
        """Return whether an address other than a trusted proxy's is over its connection limit."""
        limit = self.connections_per_address
        if not limit or count <= limit or "*" in self.cfg.forwarded_allow_ips:
            return False
        client = parse_address(address)
        return client is None or not any(client in network for network in self.cfg.forwarded_allow_networks())

    def _count_closed(self) -> None:
        self.nr_conns -= 1

    def count_slow_body(self) -> None:
        """Count a body that arrives too slowly; safe from any thread."""
        self._dropped.add("slow body")

    def close_connection(self, connection: Connection, *, graceful: bool) -> None:
        """Close a connection; `graceful` waits until the client has its last response."""
        self._addresses.remove(connection.client[0])
        if not graceful:
            util.close(connection.sock)
        elif self._lingering.add(connection.sock):
            self.nr_conns += 1
