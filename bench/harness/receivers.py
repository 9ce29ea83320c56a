"""Runs message receivers in separate processes and records when each message arrives."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

TIMEOUT_SECONDS = 60
Arrivals = list[tuple[float, float]]  # (time of publication, time of arrival)


class Function(asyncio.Protocol):
    """A function that records when each event arrives and answers 204."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport for the responses."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        names = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(names.get(b"content-length", 0))
        if separator and len(rest) >= length:
            self._received = rest[length:]
            self._arrivals.append((published_at(rest[:length]), time.time()))
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def published_at(event: bytes) -> float:
    """Return the time of publication in an event."""
    return float(json.loads(event)["data"]["published_at"])


def serve(pipe: Connection) -> None:
    """Serve the function and send its port; for each count received, send the arrivals once there are that many."""
    arrivals: Arrivals = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Function(arrivals), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        while (wanted := await loop.run_in_executor(None, pipe.recv)) is not None:
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while len(arrivals) < wanted and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            pipe.send(arrivals[:])
            arrivals.clear()

    asyncio.run(run())


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """Run a function in a separate process, and send it None to end it."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=target, args=(theirs, *arguments))
    child.start()
    theirs.close()  # otherwise the end of the child would go unnoticed
    try:
        yield ours
    finally:
        ours.send(None)
        child.join()


def receive_arrivals(pipe: Connection, count: int) -> Arrivals:
    """Return the arrivals of a number of messages; exit if some do not arrive in time."""
    pipe.send(count)
    arrivals: Arrivals = pipe.recv()
    if len(arrivals) < count:
        sys.exit(f"Only {len(arrivals)} of {count} messages arrived in time.")
    return arrivals
