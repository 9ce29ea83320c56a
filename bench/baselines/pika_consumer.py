"""A plain pika consumer, which acknowledges each message and calls no function."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

from bench.harness.receivers import TIMEOUT_SECONDS, Arrivals, published_at


def consume(pipe: Connection, url: str, queue: str, prefetch: int) -> None:
    """Consume and acknowledge messages; for each count received, send the arrivals once there are that many."""
    import pika

    arrivals: Arrivals = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)

        def arrive(_: Any, method: Any, properties: Any, body: bytes) -> None:
            arrivals.append((published_at(body), time.time()))
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
