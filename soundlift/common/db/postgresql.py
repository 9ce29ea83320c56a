"""PostgreSQL: connections that never wait without a limit, and transactions that begin with their own limits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from psycopg.types.string import StrDumper
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

DRIVER = "postgresql+psycopg"
NAMES = ("postgresql", "postgres")
INTERRUPT_SECONDS = 0.1  # how often a waiting connection looks whether the process was interrupted, as psycopg's own
LOCK_SECONDS = 3  # a wait for a lock must end before the client's limit does
SPARE_SECONDS = 0.5  # by which the server's limit of a statement is shorter than the client's
NUL, REPLACEMENT = "\0", "\ufffd"
# A proxy such as PgBouncer gives each transaction any connection to the server, and refuses most options of the startup
# message. So the limits hold for one transaction, and are sent with its BEGIN, at no cost of another round trip.
BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}; "
    "SET LOCAL idle_in_transaction_session_timeout = {idle}"
)

Result = TypeVar("Result")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed if the server takes too long for an answer.

    libpq limits only the time to connect: it would wait for a server that hangs for ever.
    """

    seconds = 5.0

    def wait(self, gen: PQGen[Result], interval: float = INTERRUPT_SECONDS, timeout: float | None = None) -> Result:
        """Consume a generator of psycopg; raises OperationalError after `seconds`, unless `timeout` has another limit.

        What the server still sends would be taken for the answer to the next statement, so the connection is closed.
        """
        limit = self.seconds if timeout is None else timeout
        began = time.monotonic()
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError:
            if time.monotonic() - began >= limit:
                self.close()
            raise

    def __del__(self, warn: Any = None, /) -> None:
        """Close the connection; psycopg would also warn of one that is deleted with its pool."""
        self.close()


class TextDumper(StrDumper):
    """Text with U+FFFD in place of NUL, which PostgreSQL cannot store, and which strangers may send."""

    def dump(self, obj: str) -> Any:
        """Return the bytes to send."""
        return super().dump(obj.replace(NUL, REPLACEMENT))


def postgresql_engine(
    address: URL, *, seconds: float, connect_seconds: float, idle_seconds: float, pool: Mapping[str, Any]
) -> Engine:
    """Return an engine whose statements see everything that was committed before they started.

    A statement may take `seconds`, and a transaction may be idle for `idle_seconds`. Statements are not prepared,
    because a proxy may send each transaction to another connection.
    """
    engine = sa.create_engine(
        address.set(drivername=DRIVER),
        connect_args={"autocommit": True, "prepare_threshold": None},
        use_native_hstore=False,
        pool_pre_ping=True,
        **pool,
    )
    limits = {"lock": LOCK_SECONDS, "statement": max(seconds - SPARE_SECONDS, SPARE_SECONDS), "idle": idle_seconds}
    begin_statement = BEGIN.format(**{name: round(limit * 1000) for name, limit in limits.items()})
    kept_alive = {"connect_timeout": round(connect_seconds), "keepalives_idle": 30, "keepalives_count": 3}

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **{**kept_alive, **options})
        connection.seconds = seconds
        connection.adapters.register_dumper(str, TextDumper)
        return connection

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin_statement)

    return engine
