"""Measures the way of a message through the connector to a function that does nothing: `python bench/connector.py`.

`--broker-url amqp://…` measures over RabbitMQ, and beside it pika alone, which consumes and acknowledges. Use a virtual
host of its own: what lies in its queues is delivered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from cloudevents.core.v1.event import CloudEvent

from soundlift.common.broker import Broker, open_broker
from soundlift.common.events import VIDEO_UPLOADED, from_http, from_message
from soundlift.common.settings import Settings

PACE_SECONDS = 0.01
WARM_UP = 50
TIMEOUT_SECONDS = 60
LISTING = json.dumps([{"name": "nothing", "annotations": {"topic": "video"}}]).encode()
Arrivals = list[tuple[float, float]]  # when each event was published, and when it arrived


class Function(asyncio.Protocol):
    """Is a gateway with one function, which notes when each event arrives and answers 204."""

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
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LISTING), LISTING))
            return
        event = from_http({"content-type": "application/cloudevents+json"}, body)
        self._arrivals.append((_published_at(event), time.time()))
        self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def _published_at(event: CloudEvent) -> float:
    data = event.get_data()
    assert isinstance(data, dict)
    return float(data["published_at"])


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
            arrivals.append((json.loads(body)["data"]["published_at"], time.time()))
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
    try:
        yield ours
    finally:
        ours.send(None)
        child.join()


@contextmanager
def connector(environment: dict[str, str], port: int) -> Iterator[None]:
    """Run the connector as it is deployed, with its log thrown away."""
    own = {**os.environ, **environment, "GATEWAY_URL": f"http://127.0.0.1:{port}"}
    child = subprocess.Popen([sys.executable, "-m", "soundlift.connector"], env=own, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.terminate()
        child.wait()


def publish(broker: Broker, count: int, pace: float) -> None:
    """Publish events that say when they were, one each `pace` seconds."""
    attributes = {
        "specversion": "1.0",
        "source": "/bench",
        "type": VIDEO_UPLOADED,
        "datacontenttype": "application/json",
    }
    for number in range(count):
        broker.publish(CloudEvent({**attributes, "id": str(number)}, {"published_at": time.time()}))
        time.sleep(pace)


def _arrivals(pipe: Connection, count: int) -> Arrivals:
    pipe.send(count)
    arrivals: Arrivals = pipe.recv()
    if len(arrivals) < count:
        sys.exit(f"Of {count} messages {len(arrivals)} arrived in time.")
    return arrivals


def latencies(broker: Broker, pipe: Connection, count: int) -> str:
    """Publish slowly, and return the percentiles of the time until arrival, after some that are not counted."""
    publish(broker, WARM_UP, PACE_SECONDS)
    _arrivals(pipe, WARM_UP)
    publish(broker, count, PACE_SECONDS)
    percentiles = statistics.quantiles((1000 * (at - since) for since, at in _arrivals(pipe, count)), n=100)
    return f"p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms"


def rate(pipe: Connection, count: int) -> str:
    """Return how many of the messages that wait already arrive a second, from the first to the last."""
    moments = [at for _, at in _arrivals(pipe, count)]
    return f"{(count - 1) / (max(moments) - min(moments)):.0f} messages/s"


def measure_connector(broker: Broker, environment: dict[str, str], count: int) -> str:
    """Return latency and rate of the connector."""
    with process(serve) as pipe:
        port = pipe.recv()
        with connector(environment, port):
            slow = latencies(broker, pipe, count // 10)
        publish(broker, count, 0)
        with connector(environment, port):
            return f"{slow}; {rate(pipe, count)}"


def measure_pika(broker: Broker, settings: Settings, count: int) -> str:
    """Return latency and rate of pika alone."""
    arguments = (settings.broker_url, settings.video_queue, settings.connector_concurrency)
    with process(consume_alone, *arguments) as pipe:
        pipe.recv()
        slow = latencies(broker, pipe, count // 10)
    publish(broker, count, 0)
    with process(consume_alone, *arguments) as pipe:
        pipe.recv()
        return f"{slow}; {rate(pipe, count)}"


def main() -> None:
    """Measure one broker, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker-url", default="", help="instead of a queue in a file")
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=4)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soundlift-bench-") as folder:
        environment = {
            "SOUNDLIFT_DATA": folder,
            "BROKER_URL": chosen.broker_url or f"sqlite:///{folder}/queue.db",
            "CONNECTOR_CONCURRENCY": str(chosen.concurrency),
        }
        settings = Settings.from_environment(environment)
        with closing(open_broker(settings)) as broker:
            if (waiting := broker.receive([settings.video_queue], 0.5)) is not None:
                sys.exit(f"There are messages in the queue already, such as {from_message(waiting.message).get_id()}.")
        broker = open_broker(settings)
        print("connector:", measure_connector(broker, environment, chosen.messages))
        if chosen.broker_url:
            print("pika alone:", measure_pika(broker, settings, chosen.messages))


if __name__ == "__main__":
    main()
