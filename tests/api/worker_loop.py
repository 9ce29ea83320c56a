"""Runs gunicorn's worker of the functions in a thread, over real sockets, by a clock that a test can put forward."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import DefaultSelector
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config
from gunicorn.glogging import Logger
from structlog.typing import EventDict

from devservers.waiting import wait_for
from soundlift.common.web.drop_counter import LOG_SECONDS
from soundlift.common.web.worker import Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PROXY = "127.0.0.1"
CLIENT = "127.0.0.2"  # no proxy
SECONDS = 10.0  # for an answer
TO_THE_END = 1000.0  # seconds after which no connection has any time left


class WorkerLoop:
    """A worker with one listener, the clock that it goes by, and what it logs."""

    def __init__(self, application: WSGIApplication, logs: list[EventDict], **settings: Any) -> None:
        self._logs = logs
        self._ahead = 0.0
        config = Config()
        for name, value in {"threads": 2, "worker_connections": 20, "keepalive": 60, **settings}.items():
            config.set(name, value)
        self.listener = socket.create_server((PROXY, 0))
        self.address = self.listener.getsockname()
        self.worker = Worker(1, os.getppid(), [self.listener], None, 30, config, Logger(config))
        self.worker.wsgi = application
        self.worker.tpool = self.worker.get_thread_pool()
        self.worker.poller = DefaultSelector()
        self.worker.method_queue.init()

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def pass_time(self, seconds: float) -> None:
        """Put the clock forward, and return when the worker has looked at it."""
        self._ahead += seconds
        self.turn()

    def turn(self) -> None:
        """Return when the worker has made one whole turn of its loop."""
        for _ in range(2):
            turned = Event()
            self.worker.method_queue.defer(turned.set)
            assert turned.wait(SECONDS), "its loop stands still"

    @contextmanager
    def running(self) -> Iterator[WorkerLoop]:
        thread = Thread(target=self.worker.run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ahead += TO_THE_END
            self.stop()
            thread.join(SECONDS)
            self.worker.tpool.shutdown()
            self.worker.tmp.close()
            self.listener.close()
            assert not thread.is_alive(), "it does not end"

    def stop(self) -> None:
        """Have the worker stop as on SIGTERM."""
        self.worker.handle_exit(None, None)

    def open(self, sent: bytes = b"", source: str = CLIENT) -> socket.socket:
        """Return a connection on which these bytes were sent, and which may not be taken in yet."""
        client = socket.create_connection(self.address, SECONDS, (source, 0))
        client.sendall(sent)
        return client

    def connect(self, sent: bytes = b"", source: str = CLIENT) -> socket.socket:
        """Return a connection that the worker has taken in, with what was sent, and waits for."""
        arriving, received = self.arriving, self.received
        client = self.open(sent, source)
        self.until(arriving=arriving + 1, received=received + len(sent))
        return client

    @property
    def connections(self) -> int:
        """Return how many connections the worker counts, also those that linger."""
        return int(self.worker.nr_conns)

    @property
    def arriving(self) -> int:
        """Return on how many connections a request is awaited."""
        return len(self.worker._arriving)

    @property
    def received(self) -> int:
        """Return how many bytes of awaited requests have come."""
        return sum(len(connection.buffer.received) for connection in list(self.worker._arriving))

    def logged(self, event: str) -> list[EventDict]:
        """Return the lines that it has logged under this name."""
        return [line for line in self._logs if line["event"] == event]

    def dropped(self) -> dict[str, int]:
        """Return how many clients it says to have dropped, by reason, as soon as it says so."""

        def logged() -> list[EventDict]:
            self.pass_time(LOG_SECONDS)
            return self.logged("clients dropped")

        return dict(wait_for(logged, "the worker logs it", seconds=SECONDS)[-1]["since_start"])

    def until(self, **expected: int) -> None:
        """Wait until it counts so many connections, or awaits a request on so many."""
        wait_for(
            lambda: all(getattr(self, name) == value for name, value in expected.items()),
            f"the worker has {expected}",
            seconds=SECONDS,
        )
