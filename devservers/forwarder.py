"""Forwards TCP connections on the loopback, and breaks or disturbs them on demand."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Literal, Self

from devservers.toxics import Answer, CloseConnection, DropAnswers, Link, MarkRequests, Toxic

BLOCK = 64 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends RST

Direction = Literal["upstream", "downstream"]


class Forwarder:
    """A TCP proxy in front of a server's port."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._sockets: set[socket.socket] = set()
        self._reset: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._answers_flow = threading.Event()
        self._toxics: dict[Direction, tuple[Toxic, ...]] = {"upstream": (), "downstream": ()}
        self._listener: socket.socket | None = None
        self.port = 0
        self.accepted = 0
        self.received_bytes = 0  # from clients
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
        """Accept connections on the same port as before, and forward bytes; remove all toxics."""
        for direction in self._toxics:
            self._set_toxics(direction, ())
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

    def add(self, toxic: Toxic, direction: Direction) -> None:
        """Disturb one direction of all connections, the open ones included, until `remove` or `restore`."""
        self._set_toxics(direction, (*self._toxics[direction], toxic))

    def remove(self, toxic: Toxic) -> None:
        """End a disturbance."""
        for direction, toxics in self._toxics.items():
            self._set_toxics(direction, tuple(one for one in toxics if one is not toxic))

    @contextmanager
    def disturbed(self, toxic: Toxic, direction: Direction) -> Iterator[None]:
        """Disturb one direction of all connections within a `with` statement."""
        self.add(toxic, direction)
        try:
            yield
        finally:
            self.remove(toxic)

    @contextmanager
    def losing_answers(self, text: bytes) -> Iterator[DropAnswers]:
        """Close connections instead of passing on the answers to requests that contain a text."""
        mark, drop = MarkRequests(text), DropAnswers()
        with self.disturbed(drop, "downstream"), self.disturbed(mark, "upstream"):
            yield drop

    def drop_connections(self, *, reset: bool = False) -> None:
        """Break the open connections, and keep accepting new ones."""
        with self._lock:
            dropped, self._sockets = self._sockets, set()
            if reset:
                self._reset |= dropped
        for one in dropped:
            _close(one, reset=reset)

    def _set_toxics(self, direction: Direction, toxics: tuple[Toxic, ...]) -> None:
        before, self._toxics[direction] = self._toxics[direction], toxics
        for toxic in before:
            if toxic not in toxics:
                toxic.removed.set()

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
                self._start_pumps(client, server)

    def _start_pumps(self, client: socket.socket, server: socket.socket) -> None:
        up, down = Link(), Link()
        up.opposite, down.opposite = down, up
        directions: tuple[tuple[Direction, socket.socket, socket.socket, Link, threading.Event], ...] = (
            ("upstream", client, server, up, self._flows),
            ("downstream", server, client, down, self._answers_flow),
        )
        for arguments in directions:
            threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(
        self, direction: Direction, source: socket.socket, sink: socket.socket, link: Link, gate: threading.Event
    ) -> None:
        reset = False
        try:
            while data := source.recv(BLOCK):
                if direction == "upstream":
                    with self._lock:
                        self.received_bytes += len(data)
                gate.wait()
                self._pass_on(data, self._toxics[direction], source, sink, link)
            for toxic in self._toxics[direction]:
                toxic.close(link)
        except CloseConnection as end:
            reset = end.reset
        except OSError:
            pass
        with self._lock:
            reset = reset or source in self._reset
        for one in (source, sink):
            _close(one, reset=reset)
        with self._lock:
            self._sockets -= {source, sink}
            self._reset -= {source}

    def _pass_on(
        self, data: bytes, toxics: tuple[Toxic, ...], source: socket.socket, sink: socket.socket, link: Link
    ) -> None:
        """Send data on as the first toxic passes it to the others."""
        if not toxics:
            sink.sendall(data)
            link.passed += len(data)
            return
        if isinstance(toxics[0], Answer):
            source.sendall(toxics[0].answer)
            raise CloseConnection
        for part in toxics[0].pass_on(data, link):
            self._pass_on(part, toxics[1:], source, sink, link)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flows.set()
        self._answers_flow.set()
        for direction in self._toxics:
            self._set_toxics(direction, ())
        self.cut()


def _close(one: socket.socket, *, reset: bool = False) -> None:
    """Close a socket that another thread may be reading from."""
    with suppress(OSError):
        if reset:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        one.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)  # ends a `recv` in another thread
    one.close()
