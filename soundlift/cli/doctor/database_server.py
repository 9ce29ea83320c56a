"""Checks of a database server: its version, the isolation of transactions, its connections, and encryption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.cli.doctor.finding import Finding, failed, ok, warning
from soundlift.cli.doctor.hosts import is_private

ISOLATION = "READ COMMITTED"
MIN_POSTGRESQL = 14
MIN_CONNECTIONS = 100
MAX_USED_SHARE = 0.8
# By the number of MySQL's error, or by PostgreSQL's SQLSTATE.
ADVICE: dict[object, str] = {
    1044: "grant the user of DATABASE_URL all privileges on this database",
    1045: "correct the user or the password in DATABASE_URL",
    1049: "create the database that DATABASE_URL names, then run `soundlift migrate`",
    1040: "raise the server's max_connections, or run fewer processes",
    2003: "check the host and the port in DATABASE_URL, and that the server runs",
    "42501": "give the user of DATABASE_URL all rights on this database, its schema and its tables",
    "28P01": "correct the user or the password in DATABASE_URL",
    "28000": "correct the user in DATABASE_URL, or allow its connections in the server's pg_hba.conf",
    "3D000": "create the database that DATABASE_URL names, then run `soundlift migrate`",
    "53300": "raise the server's max_connections, or run fewer processes",
}
# libpq reports no SQLSTATE if it cannot connect, not even that which the server has sent.
ADVICE_BY_TEXT = {
    "password authentication failed": ADVICE["28P01"],
    "no pg_hba.conf entry": ADVICE["28000"],
    'role "': ADVICE["28000"],
    "too many clients": ADVICE["53300"],
    "does not exist": ADVICE["3D000"],
    "Connection refused": ADVICE[2003],
    "failed to resolve host": ADVICE[2003],
}


@dataclass(frozen=True)
class _Server:
    """What a server reports of itself."""

    max_connections: int
    used_connections: int
    encrypted: bool
    how_to_encrypt: str


def check_server(connection: Connection, host: str) -> Iterator[Finding]:
    """Yield the findings about the server that a connection belongs to."""
    yield from _check_version(connection)
    isolation = connection.get_isolation_level()
    if isolation != ISOLATION:
        advice = f"connect to the server directly, or let the proxy pass {ISOLATION} on"
        yield failed("isolation", f"transactions run in {isolation}", advice)
    server = _postgresql(connection) if connection.dialect.name == "postgresql" else _mysql(connection)
    limit, used = server.max_connections, server.used_connections
    detail = f"{used} of max_connections = {limit} in use"
    if limit < MIN_CONNECTIONS or used > limit * MAX_USED_SHARE:
        yield warning("connections", detail, "raise it: each process opens up to 40 at a time, and keeps up to 8")
    else:
        yield ok("connections", detail)
    if not server.encrypted and not is_private(host):
        yield warning("encryption", "the connection to the database is not encrypted", server.how_to_encrypt)


def _check_version(connection: Connection) -> Iterator[Finding]:
    version = connection.dialect.server_version_info
    if connection.dialect.name == "postgresql" and version and version < (MIN_POSTGRESQL,):
        detail = f"PostgreSQL {'.'.join(map(str, version))} is older than {MIN_POSTGRESQL}"
        yield failed("version", detail, f"upgrade the server to PostgreSQL {MIN_POSTGRESQL} or newer")


def _mysql(connection: Connection) -> _Server:
    return _Server(
        max_connections=int(_value(connection, "VARIABLES", "max_connections")),
        used_connections=int(_value(connection, "STATUS", "Threads_connected")),
        encrypted=bool(_value(connection, "STATUS", "Ssl_cipher")),
        how_to_encrypt="let the server offer TLS, and set MYSQL_SSL_CA or append ?ssl_ca=FILE to DATABASE_URL",
    )


def _value(connection: Connection, kind: str, name: str) -> str:
    row = connection.execute(sa.text(f"SHOW SESSION {kind} LIKE :name"), {"name": name}).one_or_none()
    return str(row[1]) if row else ""


def _postgresql(connection: Connection) -> _Server:
    return _Server(
        max_connections=int(connection.scalar(sa.text("SHOW max_connections")) or 0),
        used_connections=int(connection.scalar(sa.text("SELECT sum(numbackends) FROM pg_stat_database")) or 0),
        encrypted=bool(connection.scalar(sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))),
        how_to_encrypt="append ?sslmode=verify-full&sslrootcert=FILE to DATABASE_URL",
    )
