"""The number of messages in each queue that is not for dead letters: a broker's own count."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pika
from pika.exceptions import ChannelClosedByBroker

from soundlift.common.broker.rabbitmq.topology import Topology, delay_name


def count_rabbitmq(url: str, topology: Topology) -> dict[str, int]:
    """Return the messages that wait in each queue of a topology and in its delay queues, by passive declarations.

    Messages that a consumer has not acknowledged are not counted, so stop the connector first, or use the node's count.
    """
    delays = [delay_name(delay) for delay in topology.delays]
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        return {queue: _count(connection, queue) for queue in (*topology.queues, *delays)}


def count_queue_file(file: Path) -> dict[str, int]:
    """Return the messages of each queue in the file of the embedded broker; a dead letter is one with a reason."""
    if not file.exists():
        return {}
    with closing(sqlite3.connect(file.as_uri() + "?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT queue, COUNT(*) FROM message WHERE reason IS NULL GROUP BY queue")
        return dict(rows.fetchall())


def queue_file(url: str) -> Path:
    """Return the file of a `sqlite:///` address of a broker."""
    return Path(url2pathname(urlsplit(url).path))


def _count(connection: pika.BlockingConnection, queue: str) -> int:
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue, passive=True).method.message_count)
    except ChannelClosedByBroker:
        return 0
