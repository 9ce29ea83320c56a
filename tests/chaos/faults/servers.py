"""Faults of the servers themselves: database, broker, store and mail server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pymysql

from devservers.mongodb import MongoDb
from devservers.server import Server
from tests.chaos.schedule import Fault
from tests.chaos.system.servers import BROKER, DATABASE, STORE
from tests.chaos.system.system import System

# As `rabbitmqctl set_vm_memory_high_watermark` and `set_disk_free_limit`, which take seconds to start.
LOW_MEMORY = "vm_memory_monitor:set_vm_memory_high_watermark(0.0001)."
USUAL_MEMORY = "vm_memory_monitor:set_vm_memory_high_watermark(0.4)."
FULL_DISK = 'rabbit_disk_monitor:set_disk_free_limit("1000TB").'
USUAL_DISK = 'rabbit_disk_monitor:set_disk_free_limit("50MB").'
LOCKED_ROWS = 10
LOCK_SECONDS = 1.0
START_SECONDS = 100.0


@contextmanager
def restart(system: System, fault: Fault) -> Iterator[None]:
    """Kill a server with SIGKILL, and start it again."""
    server = _server(system, fault.target)
    server.kill()
    try:
        yield
    finally:
        server.start(seconds=START_SECONDS)


def _server(system: System, name: str) -> Server:
    servers = system.servers
    if name == STORE:
        assert isinstance(servers.store, MongoDb)
        assert servers.store.server is not None
        return servers.store.server
    return {DATABASE: servers.database.server, BROKER: servers.broker.server}[name]


@contextmanager
def memory_alarm(system: System, fault: Fault) -> Iterator[None]:
    """Let the broker run out of memory, so that it blocks publishers."""
    shell = system.servers.broker.own.shell
    shell.evaluate(LOW_MEMORY)
    try:
        yield
    finally:
        shell.evaluate(USUAL_MEMORY)


@contextmanager
def disk_alarm(system: System, fault: Fault) -> Iterator[None]:
    """Let the broker run out of disk space, so that it blocks publishers."""
    shell = system.servers.broker.own.shell
    shell.evaluate(FULL_DISK)
    try:
        yield
    finally:
        shell.evaluate(USUAL_DISK)


@contextmanager
def read_only(system: System, fault: Fault) -> Iterator[None]:
    """Let the database refuse all writes of the functions' user."""
    system.servers.database.execute("SET GLOBAL read_only = 1")
    try:
        yield
    finally:
        system.servers.database.execute("SET GLOBAL read_only = 0")


@contextmanager
def deadlock(system: System, fault: Fault) -> Iterator[None]:
    """Lock rows of jobs and notifications in both orders, for so long that statements of the functions time out."""
    ended = threading.Event()
    tables = ("jobs", "notifications")
    threads = [
        threading.Thread(target=_lock_rows, args=(system, order, ended), daemon=True)
        for order in (tables, tables[::-1])
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _lock_rows(system: System, tables: tuple[str, ...], ended: threading.Event) -> None:
    name = system.services.database.engine.url.database
    connect = partial(pymysql.connect, host="127.0.0.1", port=system.servers.database.port, user="root", database=name)
    while not ended.is_set():
        with suppress(pymysql.Error), connect(ssl_disabled=True) as connection, connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"SELECT 1 FROM {table} ORDER BY RAND() LIMIT {LOCKED_ROWS} FOR UPDATE")
                ended.wait(LOCK_SECONDS)
            connection.rollback()


@contextmanager
def refuse_mail(system: System, fault: Fault) -> Iterator[None]:
    """Let the mail server refuse every mail for the time being."""
    system.servers.mail.replies["RCPT"] = "451 Try again later"
    try:
        yield
    finally:
        del system.servers.mail.replies["RCPT"]


@contextmanager
def stall_mail(system: System, fault: Fault) -> Iterator[None]:
    """Let the mail server accept mails, but not answer until later."""
    command = ("MAIL", "RCPT", "DATA")[int(fault.choice * 3)]
    system.servers.mail.stalls.add(command)
    try:
        yield
    finally:
        system.servers.mail.stalls.discard(command)
