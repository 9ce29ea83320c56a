"""gunicorn's threaded worker for clients that nobody vouches for: a thread works, and never waits for a slow client."""

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

from soundlift.common.connection import Connection
from soundlift.common.refusals import refusal, status_of

REQUEST_SECONDS = 10.0  # for a request's head, and its body where that is small
LINGER_SECONDS = 2.0
LINGER_BYTES = 2**20
DRAIN_BYTES = 64 * 1024
NOBODY_THERE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)

log = structlog.get_logger()


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no type hints
    """A threaded worker that receives requests in its event loop, and answers them in its threads.

    gunicorn's own gives a connection to a thread at its first byte, so that as many slow clients as there are threads
    silence it, and closes connections in its loop, waiting up to 2 seconds for each. Here a thread gets a request
    whose head, and body where that is small, have arrived; what takes longer than REQUEST_SECONDS is answered 408. A
    larger body is received by the thread at a least rate (body_rate.py).

    Told to stop, it takes in all who have connected and listens no more: gunicorn's own listens on, so that a proxy
    that connects meanwhile waits for an answer that never comes, where it could have asked another instance.
    """

    connections_per_address = 0  # none is no limit

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._arriving: dict[Connection, None] = {}  # the first to be over its time first
        self._lingering: dict[socket, tuple[float, int]] = {}  # until when, and bytes received since the answer
        self._by_address: Counter[str] = Counter()
        self._slow_clients = 0

    def set_accept_enabled(self, enabled: bool) -> None:
        """Do as gunicorn's, and close the listeners once the worker is told to stop."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while self.accept(listener):
                    pass
                listener.close()

    def accept(self, listener: BaseSocket) -> bool:
        """Take in a client, unless its address has too many connections, and return whether there was one."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in NOBODY_THERE:
                raise
            return False
        self.nr_conns += 1
        connection = Connection(self.cfg, client, address, listener.getsockname(), self._close)
        self._by_address[address[0]] += 1
        if self._has_too_many(address[0]):
            self._refuse(connection, HTTPStatus.TOO_MANY_REQUESTS)
        else:
            self.enqueue_req(connection)
        return True

    def enqueue_req(self, conn: Connection) -> None:
        """Receive a connection's next request, at once if it is there, else as it arrives."""
        conn.begin_request(REQUEST_SECONDS)
        if conn.receive():
            super().enqueue_req(conn)
        else:
            self._arriving[conn] = None
            self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))

    def murder_pending(self) -> None:
        """Refuse what has not arrived in time, and close what has lingered; gunicorn calls this in each turn."""
        now = time.monotonic()
        self._refuse_late(now)
        while self._lingering:
            client, (end, _) = next(iter(self._lingering.items()))
            if end > now:
                break
            self._end_linger(client)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Answer a request, and return whether its connection can be used again."""
        try:
            return bool(super().handle_request(req, conn)) and conn.has_read_all()
        except TimeoutError:
            log.warning("slow client dropped", reason="it does not read its answer", address=conn.client[0])
            return False

    def handle_error(self, req: Any, client: socket, addr: Any, exc: Exception) -> None:
        """Answer a request that cannot be read, or an error in answering one, with a problem document."""
        status = status_of(exc)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status is not HTTPStatus.NOT_IMPLEMENTED:
            log.error("request not answered", exc_info=exc)
        else:
            log.info("unreadable request", status=status.value, reason=type(exc).__name__, address=addr[0])
        with suppress(OSError):
            client.sendall(refusal(status))

    def _receive(self, conn: Connection, _: socket) -> None:
        if conn.receive():
            self._stop_receiving(conn)
            super().enqueue_req(conn)
        elif conn.incoming.is_too_large:
            self._stop_receiving(conn)
            self._refuse(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _stop_receiving(self, conn: Connection) -> None:
        del self._arriving[conn]
        self.poller.unregister(conn.sock)

    def _refuse_late(self, now: float) -> None:
        late = 0
        while self._arriving and (conn := next(iter(self._arriving))).timeout <= now:
            self._stop_receiving(conn)
            if conn.incoming.has_begun:
                late += 1
                self._refuse(conn, HTTPStatus.REQUEST_TIMEOUT)
            else:
                self._drop(conn)
        if late:
            self._slow_clients += late
            log.warning("slow clients dropped", count=late, since_start=self._slow_clients)

    def _refuse(self, conn: Connection, status: HTTPStatus) -> None:
        """Answer without a thread what never becomes a request; who does not take the answer goes without."""
        with suppress(OSError):
            conn.sock.send(refusal(status))
        self.nr_conns -= 1
        conn.close(graceful=True)

    def _drop(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _has_too_many(self, address: str) -> bool:
        """Return whether an address, unless it is a proxy's, has more connections than it may."""
        most = self.connections_per_address
        if not most or self._by_address[address] <= most:
            return False
        return not any(ip_address(address) in network for network in self.cfg.forwarded_allow_networks())

    def _close(self, conn: Connection, graceful: bool) -> None:
        address = conn.client[0]
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        if graceful:
            self._linger(conn.sock)
        else:
            util.close(conn.sock)

    def _linger(self, client: socket) -> None:
        """Close a connection when its client has, so that the answer is not cut off (RFC 9112, section 9.6)."""
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
