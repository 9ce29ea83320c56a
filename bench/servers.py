"""Gives rows the servers that they want: those that are named, or private ones where their programs are installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from soundlift.common.process.temporary_folders import temporary_folder
from tests.devservers.mongodb import running_mongodb
from tests.devservers.rabbitmq import running_rabbitmq
from tests.devservers.s3 import running_s3

named: dict[str, str] = {}  # URLs of servers by their scheme


@contextmanager
def mongodb() -> Iterator[str]:
    """Yield the URL of a MongoDB, or of what speaks its protocol; raises pytest's Skipped where there is none."""
    if url := named.get("mongodb"):
        yield url
        return
    with temporary_folder("bench") as folder, running_mongodb(folder) as server:
        yield server.url


@contextmanager
def s3() -> Iterator[str]:
    """Yield the URL of a bucket."""
    if url := named.get("s3"):
        yield url
        return
    with temporary_folder("bench") as folder, running_s3(folder) as server:
        yield server.url()


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Yield the URL of a virtual host without queues; raises pytest's Skipped where there is no RabbitMQ."""
    if url := named.get("amqp"):
        yield url
        return
    with temporary_folder("bench") as folder, running_rabbitmq(folder) as node:
        yield node.new_virtual_host()
