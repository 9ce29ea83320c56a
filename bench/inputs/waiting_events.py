"""Events that wait in a queue, put there faster than a publisher could that waits for each confirmation."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pika
from cloudevents.core.v1.event import CloudEvent

from devservers.waiting import wait_for
from soundlift.common.events import VIDEO_UPLOADED, to_message

QUEUE = "video"
FILL_SECONDS = 300
INSERT = """
INSERT INTO message (queue, body, content_type, headers, visible_at) VALUES ('video', ?, ?, '{}', ?)
"""


def event(number: int = 0) -> CloudEvent:
    """Return an event that contains the time of its publication."""
    moment = time.time()
    attributes = {"specversion": "1.0", "id": f"{moment}-{number}", "source": "/bench", "type": VIDEO_UPLOADED}
    return CloudEvent({**attributes, "datacontenttype": "application/json"}, {"published_at": moment})


def set_waiting(url: str, count: int) -> None:
    """Add events to a queue that exists, or remove some, so that `count` of them wait."""
    if url.startswith("sqlite"):
        _set_in_file(url.partition("///")[2], count)
    else:
        _set_in_rabbitmq(url, count)


def _set_in_file(file: str, count: int) -> None:
    with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
        (waiting,) = connection.execute("SELECT count(*) FROM message").fetchone()
        surplus = "DELETE FROM message WHERE id IN (SELECT id FROM message LIMIT ?)"
        connection.execute(surplus, (max(0, waiting - count),))
        connection.execute("UPDATE message SET holder = NULL, visible_at = ?", (time.time(),))
        messages = (to_message(event(number)) for number in range(count - waiting))
        connection.executemany(INSERT, ((each.body, each.content_type, time.time()) for each in messages))


def _set_in_rabbitmq(url: str, count: int) -> None:
    from soundlift.common.broker.rabbitmq.messages import message_for_event

    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()

        def waiting() -> int:
            return int(channel.queue_declare(QUEUE, passive=True).method.message_count)

        if waiting() > 2 * count:
            channel.queue_purge(QUEUE)
        for number in range(count - waiting()):
            each = message_for_event(event(number))
            channel.basic_publish(each.exchange, each.routing_key, each.body, each.properties)
        wait_for(lambda: waiting() >= count, f"{count} events wait", seconds=FILL_SECONDS)
        for _ in range(waiting() - count):
            channel.basic_get(QUEUE, auto_ack=True)
