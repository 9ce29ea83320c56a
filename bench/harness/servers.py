"""Starts the servers that rows need, or uses those named on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devservers.mariadb import running_mariadb
from devservers.mongodb import running_mongodb
from devservers.rabbitmq import running_rabbitmq
from devservers.s3 import running_s3
from soundlift.common.process.temporary_folders import temporary_folder

named: dict[str, str] = {}  # URLs from the command line, by scheme


@contextmanager
def mongodb() -> Iterator[str]:
    """Yield the URL of a MongoDB server or of FerretDB; raise NotInstalled if neither is installed."""
    if url := named.get("mongodb"):
        yield url
        return
    with temporary_folder("bench") as folder, running_mongodb(folder) as server:
        yield server.url_for_stacks


@contextmanager
def mariadb() -> Iterator[str]:
    """Yield the URL of an empty database on a server with enough memory for a large one."""
    if url := named.get("mysql"):
        yield url
        return
    with temporary_folder("bench") as folder, running_mariadb(folder) as server:
        for name, size in {"innodb_buffer_pool_size": 2**30, "innodb_log_file_size": 2**29}.items():
            server.execute(f"SET GLOBAL {name} = {size}")
        yield server.url(server.new_database())


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
    """Yield the URL of a virtual host without queues; raise NotInstalled if RabbitMQ is not installed."""
    if url := named.get("amqp"):
        yield url
        return
    with temporary_folder("bench") as folder, running_rabbitmq(folder) as node:
        yield node.new_virtual_host()
