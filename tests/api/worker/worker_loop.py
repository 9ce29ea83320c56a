"""The gunicorn worker in a thread, with real sockets and a clock that a test can advance."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from selectors import DefaultSelector
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config
from gunicorn.glogging import Logger
from structlog.typing import EventDict

from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.web.drop_counter import LOG_SECONDS
from soundlift.common.web.worker import Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PROXY = "127.0.0.1"
CLIENT = "127.0.0.2"  # not a trusted proxy
THREADS = 2
PAST_ALL_DEADLINES = 1000.0  # seconds
# The limits of the worker under test: too long to pass in real time.
HEAD_SECONDS, SMALL_BODY_SECONDS, LINGER_SECONDS, IDLE_SECONDS_AT_STOP = 200.0, 300.0, 200.0, 50.0
LIMITS = {
    "connection.HEAD_SECONDS": HEAD_SECONDS,
    "connection.SMALL_BODY_SECONDS": SMALL_BODY_SECONDS,
    "lingering_close.LINGER_SECONDS": LINGER_SECONDS,
    "worker.IDLE_SECONDS_AT_STOP": IDLE_SECONDS_AT_STOP,
}
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class WorkerLoop:
    """A worker with one listener, its clock, and its log lines."""

    def __init__(self, application: WSGIApplication, log_lines: list[EventDict], **settings: Any) -> None:
        self._log_lines = log_lines
        self._advanced_seconds = 0.0
        config = Config()
        for name, value in {"threads": THREADS, "worker_connections": 20, "keepalive": 60, **settings}.items():
            config.set(name, value)
        self.listener = socket.create_server((PROXY, 0))
        self.address = self.listener.getsockname()
        self.worker = Worker(1, os.getppid(), [self.listener], None, 30, config, Logger(config))
        self.worker.wsgi = application
        self.worker.tpool = self.worker.get_thread_pool()
        self.worker.poller = DefaultSelector()
        self.worker.method_queue.init()

    def monotonic(self) -> float:
        return time.monotonic() + self._advanced_seconds

    def advance(self, seconds: float) -> None:
        """Advance the clock, and return after the worker has handled it."""
        self._advanced_seconds += seconds
        self.wait_for_iteration()

    def wait_for_iteration(self) -> None:
        """Return after the worker has completed one iteration of its loop."""
        for _ in range(2):
            done = Event()
            self.worker.method_queue.defer(done.set)
            assert done.wait(DEADLINE_SECONDS), "the worker's loop does not run"

    @contextmanager
    def running(self) -> Iterator[WorkerLoop]:
        thread = Thread(target=self.worker.run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._advanced_seconds += PAST_ALL_DEADLINES
            self.stop()
            thread.join(DEADLINE_SECONDS)
            self.worker.tpool.shutdown()
            self.worker.tmp.close()
            self.listener.close()
            assert not thread.is_alive(), "the worker does not stop"

    def stop(self) -> None:
        """Stop the worker as SIGTERM does."""
        self.worker.handle_exit(None, None)

    def open(self, sent: bytes = b"", source: str = CLIENT) -> socket.socket:
        """Return a connection on which bytes have been sent; the worker may not have accepted it yet."""
        client = socket.create_connection(self.address, DEADLINE_SECONDS, (source, 0))
        client.sendall(sent)
        return client

    def connect(self, sent: bytes = b"", source: str = CLIENT) -> socket.socket:
        """Return a connection that the worker has accepted, and whose bytes it has received."""
        arriving, received = self.arriving, self.received
        client = self.open(sent, source)
        self.wait_until(arriving=arriving + 1, received=received + len(sent))
        return client

    @property
    def connections(self) -> int:
        """Return the worker's number of connections, including those in lingering close."""
        return int(self.worker.nr_conns)

    @property
    def arriving(self) -> int:
        """Return the number of connections whose next request is incomplete."""
        return len(self.worker._arriving)

    @property
    def received(self) -> int:
        """Return the number of received bytes of incomplete requests."""
        return sum(len(connection.buffer.received) for connection in list(self.worker._arriving))

    def lines(self, event: str) -> list[EventDict]:
        """Return the logged lines of an event."""
        return [line for line in self._log_lines if line["event"] == event]

    def dropped(self) -> dict[str, int]:
        """Wait for the log line that counts the dropped clients, and return the counts by reason."""

        def dropped_lines() -> list[EventDict]:
            self.advance(LOG_SECONDS)
            return self.lines("clients dropped")

        return dict(wait_for(dropped_lines, "the worker logs it")[-1]["since_start"])

    def wait_until(self, **expected: int) -> None:
        """Wait until properties of this object have the expected values."""
        wait_for(
            lambda: all(getattr(self, name) == value for name, value in expected.items()),
            f"the worker has {expected}",
        )


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server closes its side of a connection without sending anything more."""
    with suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


Serve = Callable[..., WorkerLoop]
