"""A server whose bytes a test defines, for requests to hostile or broken servers."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from threading import Event, Thread
from typing import Self

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.outbound.client import OutboundClient
from soundlift.common.outbound.policy import OutboundPolicy

LOOPBACK = OutboundPolicy((ip_network("127.0.0.0/8"), ip_network("::1")), ports=())
Answer = Callable[[str], Iterable[bytes]]


class RawServer:
    """A TCP server that sends what `answer` yields for the head of each request; the connection is closed then.

    `heads` holds the heads of the requests. An answer that never ends is broken off when the server stops.
    """

    def __init__(self, answer: Answer | bytes, *, address: str = "127.0.0.1") -> None:
        self.answer: Answer = answer if callable(answer) else lambda _: [answer]
        self.heads: list[str] = []
        self.stopped = Event()
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{address}:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Self]:
        accepting = Thread(target=self._accept, daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            self.stopped.set()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            accepting.join()

    def wrap(self, connection: socket.socket) -> socket.socket:
        return connection

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE_SECONDS)
        with suppress(OSError), connection, self.wrap(connection) as wrapped:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := wrapped.recv(65536)):
                    return
                head += data
            self.heads.append(head.decode("latin-1"))
            for block in self.answer(self.heads[-1]):
                if self.stopped.is_set():
                    return
                wrapped.sendall(block)


def dripped(data: bytes, *, seconds: float) -> Iterator[bytes]:
    """Yield one byte at a time, with a pause before each."""
    for byte in data:
        time.sleep(seconds)
        yield bytes([byte])


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str) -> bytes:
    return response(b"", f"Location: {location}", status="302 Found")


def client(policy: OutboundPolicy = LOOPBACK, *answers: Iterable[str]) -> OutboundClient:
    """Return a client for which each resolution of a name has the next of these answers; the last one is repeated."""
    left = [list(answer) for answer in answers] or [["127.0.0.1"]]

    def resolver(host: str) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return OutboundClient(policy, resolver=resolver)
