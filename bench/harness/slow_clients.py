"""Many clients, each at an address of its own, that send or read as little as they can without being disconnected."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

TICK_SECONDS = 1.0
RECEIVE_BUFFER_BYTES = 4096


class SlowClients:
    """Connections on which `dripped` bytes follow the beginning of a request each second; nothing is ever read."""

    def __init__(self, url: str, count: int, beginning: bytes, dripped: bytes = b"") -> None:
        self._address = urlsplit(url)
        self._beginning = beginning
        self._dripped = dripped
        self._count = count
        self._connections: dict[int, socket.socket] = {}

    @contextmanager
    def attacking(self) -> Iterator[None]:
        """Keep all connections open within the block, and replace those that the server closes."""
        stopping = Event()
        thread = Thread(target=self._run, args=[stopping], daemon=True)
        try:
            self._replace_closed()
            thread.start()
            yield
        finally:
            stopping.set()
            thread.join()
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _run(self, stopping: Event) -> None:
        while not stopping.wait(TICK_SECONDS):
            for number, connection in list(self._connections.items()):
                try:
                    connection.send(self._dripped)
                except BlockingIOError:
                    continue
                except OSError:
                    self._connections.pop(number).close()
            self._replace_closed()

    def _replace_closed(self) -> None:
        for number in range(self._count):
            if number not in self._connections:
                with suppress(OSError):
                    self._connections[number] = self._connect(number)

    def _connect(self, number: int) -> socket.socket:
        connection = socket.socket()
        # A small window, so that the server soon has to wait for this client.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        connection.settimeout(5)
        connection.bind((f"127.{1 + number // 65_536}.{number // 256 % 256}.{1 + number % 250}", 0))
        connection.connect((self._address.hostname, self._address.port))
        connection.setblocking(False)
        with suppress(BlockingIOError):
            connection.send(self._beginning)
        return connection
