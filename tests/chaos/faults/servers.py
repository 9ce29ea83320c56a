"""Faults of the servers themselves: database, broker, store and mail server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pymysql
from pymysql.cursors import Cursor

from devservers.mariadb import MariaDb
from devservers.mongodb import MongoDb
from devservers.server import Server
from soundlift.common.db.tables import jobs, notifications
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
RETRY_SECONDS = 0.1
MAX_WAIT_SECONDS = 3  # as in the functions
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
    with _setting_of_broker(system, LOW_MEMORY, USUAL_MEMORY):
        yield


@contextmanager
def disk_alarm(system: System, fault: Fault) -> Iterator[None]:
    """Let the broker run out of disk space, so that it blocks publishers."""
    with _setting_of_broker(system, FULL_DISK, USUAL_DISK):
        yield


@contextmanager
def _setting_of_broker(system: System, changed: str, usual: str) -> Iterator[None]:
    shell = system.servers.broker.own.shell
    shell.evaluate(changed)
    try:
        yield
    finally:
        shell.evaluate(usual)


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
    name = system.services.database.engine.url.database
    assert name is not None
    with locked_rows(system.servers.database, name):
        yield


@contextmanager
def locked_rows(server: MariaDb, name: str) -> Iterator[None]:
    """Lock rows of two tables of a database in both orders, again and again; raise an error if none could be locked."""
    tables = (jobs.name, notifications.name)
    lockers = [_RowLocker(server, name, order) for order in (tables, tables[::-1])]
    try:
        yield
    finally:
        for locker in lockers:
            locker.stop()
    for locker in lockers:
        assert locker.locked, f"no rows of {locker.tables[0]} were locked: {locker.error!r}"


class _RowLocker:
    """A thread that locks some rows of one table, then of another, and begins again after a deadlock."""

    def __init__(self, server: MariaDb, name: str, tables: Sequence[str]) -> None:
        self.tables = tables
        self.locked = 0
        self.error: pymysql.Error | None = None
        self._connect = partial(pymysql.connect, host="127.0.0.1", port=server.port, user="root", database=name)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Release all locks, and wait for that."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._connect(ssl_disabled=True) as connection, connection.cursor() as cursor:
                    self._lock(cursor)
            except pymysql.Error as error:  # a deadlock, or the server is away, by another fault
                self.error = error
                self._ended.wait(RETRY_SECONDS)

    def _lock(self, cursor: Cursor) -> None:
        cursor.execute(f"SET innodb_lock_wait_timeout = {MAX_WAIT_SECONDS}")
        for table in self.tables:
            cursor.execute(f"SELECT 1 FROM {table} ORDER BY RAND() LIMIT {LOCKED_ROWS} FOR UPDATE")
            self.locked += 1
            self._ended.wait(LOCK_SECONDS)


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
