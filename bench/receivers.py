"""Runs what messages end at, as processes of their own: a function that does nothing, or pika alone."""

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
Arrivals = list[tuple[float, float]]  # when each event was published, and when it arrived


class Function(asyncio.Protocol):
    """Is a function which notes when each event arrives, and answers 204."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        """Keep what answers go to."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        names = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(names.get(b"content-length", 0))
        if separator and len(rest) >= length:
            self._received = rest[length:]
            self._arrivals.append((_published_at(rest[:length]), time.time()))
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def _published_at(event: bytes) -> float:
    return float(json.loads(event)["data"]["published_at"])


def serve(pipe: Connection) -> None:
    """Serve the function; tell the port, then hand over and forget the arrivals whenever their number is asked for."""
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


def consume_alone(pipe: Connection, url: str, queue: str, prefetch: int) -> None:
    """Do with pika alone what a connector does without a function: consume and acknowledge."""
    import pika

    arrivals: Arrivals = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)

        def arrive(_: Any, method: Any, properties: Any, body: bytes) -> None:
            arrivals.append((_published_at(body), time.time()))
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume(queue, arrive)
        pipe.send(0)
        wanted = 0
        while wanted is not None:
            connection.process_data_events(0.01)
            if not wanted and pipe.poll():
                wanted = pipe.recv()
                deadline = time.monotonic() + TIMEOUT_SECONDS
            if wanted and (len(arrivals) >= wanted or time.monotonic() > deadline):
                pipe.send(arrivals[:])
                arrivals.clear()
                wanted = 0


@contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """Run a function in a process of its own, which ends when its pipe says so."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=target, args=(theirs, *arguments))
    child.start()
    theirs.close()  # or the end of the child would go unnoticed
    try:
        yield ours
    finally:
        ours.send(None)
        child.join()


def arrivals_at(pipe: Connection, count: int) -> Arrivals:
    """Return the arrivals of so many messages; end the bench where some are missing for long."""
    pipe.send(count)
    arrivals: Arrivals = pipe.recv()
    if len(arrivals) < count:
        sys.exit(f"Of {count} messages {len(arrivals)} arrived in time.")
    return arrivals
