"""gunicorn's threaded worker, hardened against slow clients."""

from __future__ import annotations

import errno
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from selectors import EVENT_READ
from socket import SHUT_WR, socket
from typing import Any

import structlog
from gunicorn import util
from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import ThreadWorker

from soundlift.common.web.connection import Connection
from soundlift.common.web.drop_counter import DropCounter
from soundlift.common.web.error_responses import error_response, error_status

REQUEST_SECONDS = 10.0  # for a request's head, and its body if that is small
CHECK_SECONDS = 0.5  # between two checks for expired connections, however many events there are
LINGER_SECONDS = 2.0
LINGER_BYTES = 2**20
DRAIN_BYTES = 64 * 1024
NO_PENDING_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPROTO)
IDLE_SECONDS_AT_STOP = 2.0  # the same as gunicorn's for keep-alive connections

log = structlog.get_logger()


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no type hints
    """A threaded worker that receives requests in its event loop and processes them in its threads.

    gunicorn's worker passes a connection to a thread at its first byte, so that one slow client per thread blocks it
    (https://github.com/benoitc/gunicorn/issues/3634), and waits up to 2 seconds in its loop to close a connection.
    This worker passes a request to a thread once its head, and its body if that is small, have arrived; a request that
    takes longer than REQUEST_SECONDS gets a 408. The thread receives a larger body at a minimum rate (minimum_rate.py).

    On SIGTERM, this worker accepts all pending connections and closes its listeners. gunicorn's worker keeps listening,
    so that a proxy that connects in the meantime gets no response instead of trying another instance.

    gunicorn does not document these methods and attributes as an interface: its version is pinned to one minor
    release, and test_gunicorn_interface.py lists what this package relies on.
    """

    connections_per_address = 0  # 0 means no limit

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._arriving: dict[Connection, None] = {}  # an ordered set
        self._lingering: dict[socket, tuple[float, int]] = {}  # deadline, and bytes received since the response
        self._by_address: Counter[str] = Counter()
        self._dropped = DropCounter()
        self._next_check = 0.0

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
        self._by_address[address[0]] += 1
        if self._has_too_many(address[0]):
            self._dropped.add("too many connections from one address")
            self._reject(connection, HTTPStatus.TOO_MANY_REQUESTS)
        else:
            self.enqueue_req(connection)
        return True

    def enqueue_req(self, conn: Connection) -> None:
        """Pass a connection's next request to a thread, immediately or once it has arrived."""
        conn.begin_request(REQUEST_SECONDS)
        if conn.receive():
            super().enqueue_req(conn)
        else:
            self._arriving[conn] = None
            self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))

    def murder_pending(self) -> None:
        """Reject requests that did not arrive in time and close lingering connections; called once per loop."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_SECONDS
        self._reject_late(now)
        self._dropped.log()
        while self._lingering:
            client, (end, _) = next(iter(self._lingering.items()))
            if end > now:
                break
            self._end_linger(client)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Process a request, and return whether its connection can be used again."""
        try:
            return bool(super().handle_request(req, conn)) and conn.has_read_all()
        except TimeoutError:
            self._dropped.add("timeout while sending the response")
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

    def _receive(self, conn: Connection, _: socket) -> None:
        if conn.receive():
            self._stop_receiving(conn)
            super().enqueue_req(conn)
        elif conn.buffer.is_too_large:
            self._stop_receiving(conn)
            self._reject(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _stop_receiving(self, conn: Connection) -> None:
        del self._arriving[conn]
        self.poller.unregister(conn.sock)

    def _shorten_idle_waits(self) -> None:
        """When stopping, wait for connections that have sent nothing yet only as long as for keep-alive ones."""
        latest = time.monotonic() + IDLE_SECONDS_AT_STOP
        for conn in self._arriving:
            if not conn.buffer.has_begun:
                conn.timeout = min(conn.timeout, latest)

    def _reject_late(self, now: float) -> None:
        for conn in [conn for conn in self._arriving if conn.timeout <= now]:
            self._stop_receiving(conn)
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

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _has_too_many(self, address: str) -> bool:
        """Return whether an address other than a trusted proxy's is over its connection limit."""
        limit = self.connections_per_address
        if not limit or self._by_address[address] <= limit or "*" in self.cfg.forwarded_allow_ips:
            return False
        return not any(ip_address(address) in network for network in self.cfg.forwarded_allow_networks())

    def count_slow_body(self) -> None:
        """Count a body that arrives too slowly; safe from any thread."""
        self._dropped.add("slow body")

    def close_connection(self, connection: Connection, *, graceful: bool) -> None:
        """Close a connection; `graceful` waits until the client has its last response."""
        address = connection.client[0]
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        if graceful:
            self._linger(connection.sock)
        else:
            util.close(connection.sock)

    def _linger(self, client: socket) -> None:
        """Close a connection when its client has, so that the response is not cut off (RFC 9112, section 9.6)."""
        try:
            client.setblocking(False)
            client.shutdown(SHUT_WR)
            self.poller.register(client, EVENT_READ, self._drain)
        except (OSError, ValueError):
            util.close(client)
            return
        self.nr_conns += 1
        self._lingering[client] = time.monotonic() + LINGER_SECONDS, 0

    def _drain(self, client: socket) -> None:
        try:
            size = len(client.recv(DRAIN_BYTES))
        except BlockingIOError:
            return
        except OSError:
            size = 0
        end, drained = self._lingering[client]
        self._lingering[client] = end, drained + size
        if not size or drained + size >= LINGER_BYTES:
            self._end_linger(client)

    def _end_linger(self, client: socket) -> None:
        del self._lingering[client]
        self.nr_conns -= 1
        self.poller.unregister(client)
        util.close(client)
