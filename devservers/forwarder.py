"""Forwards TCP connections on the loopback, and breaks or stalls them on demand."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

BLOCK = 64 * 1024


class Forwarder:
    """A TCP proxy in front of a server's port."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._answers_flow = threading.Event()
        self._listener: socket.socket | None = None
        self.port = 0
        self.accepted = 0
        self.restore()

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        with self._lock:
            return len(self._sockets) // 2

    def cut(self) -> None:
        """Refuse new connections and break the open ones."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop_connections()

    def restore(self) -> None:
        """Accept connections on the same port as before, and forward bytes."""
        self._flows.set()
        self._answers_flow.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hang(self) -> None:
        """Accept connections and bytes, but forward nothing until `restore`."""
        self._flows.clear()
        self._answers_flow.clear()

    def hold_answers(self) -> None:
        """Accept connections and forward what clients send, but not the answers, until `restore`."""
        self._answers_flow.clear()

    def drop_connections(self) -> None:
        """Break the open connections, and keep accepting new ones."""
        with self._lock:
            dropped, self._sockets = self._sockets, set()
        for one in dropped:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.accepted += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._sockets |= {client, server}
                for source, sink, gate in ((client, server, self._flows), (server, client, self._answers_flow)):
                    threading.Thread(target=self._pump, args=(source, sink, gate), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(BLOCK):
                gate.wait()
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            self._sockets -= {source, sink}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flows.set()
        self._answers_flow.set()
        self.cut()
