"""Checks of the database: reachable, migrated, writable, and set up as the functions need it."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from soundlift.cli.doctor.database_server import ADVICE, ADVICE_BY_TEXT, check_server
from soundlift.cli.doctor.finding import Check, Finding, failed, ok, warning
from soundlift.common.db.clock import statement_start
from soundlift.common.db.engine import Database, error_code
from soundlift.common.db.migrations import is_known, newest_revision, revision_of
from soundlift.common.db.tables import attempts
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.services import Services
from soundlift.common.sizes import size_text

PART = "database"
MAX_CLOCK_DIFFERENCE = 5.0  # seconds
MIN_FREE_BYTES = 2**30
POSTGRESQL_PORT, MYSQL_PORT = 5432, 3306


def check_database(services: Services) -> Iterator[Finding]:
    """Yield one finding for each property of the database; none of the others, if it cannot be reached."""
    database, has_tables = services.database, False
    try:
        with database.read() as connection:
            has_tables = revision_of(connection) is not None
            yield ok(PART, f"{_version(connection)} at {_place(database.engine.url)}")
            yield from _check_tables(database, connection)
            yield from _check_clock(connection)
            yield from _check_server(database, connection)
    except DatabaseUnavailable as error:
        yield failed(PART, f"{error.detail.rstrip('.')} ({error.evidence.get('cause')})", _advice(error))
    if has_tables:
        yield from _check_writing(database)


CHECK = Check(PART, "check DATABASE_URL, and that the server runs and can be reached from here", check_database)


def _version(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.scalar(sa.text('SELECT sqlite_version()'))}"
    if connection.dialect.name == "postgresql":
        return f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}"
    version = str(connection.scalar(sa.text("SELECT version()")))
    return version if "MariaDB" in version else f"MySQL {version}"


def _place(url: URL) -> str:
    match url.get_backend_name():
        case "sqlite":
            return str(url.database)
        case "postgresql":
            return f"{url.host}:{url.port or POSTGRESQL_PORT}/{url.database}"
    return f"{url.host}:{url.port or MYSQL_PORT}/{url.database}"


def _advice(error: DatabaseUnavailable) -> str:
    """Return how to fix an error of the driver, by its code."""
    driver_error = getattr(error.__cause__, "orig", None)
    refused = (text for part, text in ADVICE_BY_TEXT.items() if part in str(driver_error))
    return ADVICE.get(error_code(driver_error), next(refused, CHECK.advice))


def _check_tables(database: Database, connection: Connection) -> Iterator[Finding]:
    found, newest = revision_of(connection), newest_revision()
    if found != newest:
        yield _other_version(found, newest)
        return
    try:
        database.check()
    except DatabaseUnavailable as error:
        detail = f"a table or column of version {newest} is missing ({error.evidence.get('cause')})"
        yield failed("tables", detail, "restore the database from its backup")
    else:
        yield ok("tables", f"version {newest}, complete")


def _other_version(found: str | None, newest: str) -> Finding:
    if found is None:
        return failed("tables", "there are none", "run `soundlift migrate`")
    if is_known(found):
        return failed("tables", f"version {found}, but this release needs {newest}", "run `soundlift migrate`")
    advice = "use the release that migrated the database for all functions"
    return warning("tables", f"version {found} of a newer release; this one knows {newest}", advice)


def _check_clock(connection: Connection) -> Iterator[Finding]:
    before = time.time()
    theirs = float(connection.scalar(sa.select(statement_start())) or 0)
    difference = theirs - (before + time.time()) / 2
    if abs(difference) <= MAX_CLOCK_DIFFERENCE:
        yield ok("clock", f"differs by {abs(difference):.1f} s from the database's")
        return
    ahead = "ahead of" if difference > 0 else "behind"
    advice = "synchronize both clocks (NTP): links and tokens expire by this machine's clock, jobs by the database's"
    yield failed("clock", f"the database's is {abs(difference):.0f} s {ahead} this machine's", advice)


def _check_server(database: Database, connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name == "sqlite":
        yield from _check_file(database, connection)
        return
    yield from check_server(connection, database.engine.url.host or "")


def _check_file(database: Database, connection: Connection) -> Iterator[Finding]:
    mode = connection.scalar(sa.text("PRAGMA journal_mode"))
    if mode != "wal":
        advice = "run `soundlift migrate`, and keep the file on a local disk"
        yield warning("journal", f"the file is in mode {mode}, in which readers wait for writers", advice)
    if file := database.engine.url.database:
        free = shutil.disk_usage(Path(file).parent).free
        if free < MIN_FREE_BYTES:
            yield warning("disk", f"{size_text(free)} are free for {file}", "free some space: the database grows")


def _check_writing(database: Database) -> Iterator[Finding]:
    """Insert a row, and take it back."""
    row = {"key": secrets.token_hex(32), "attempts": 0, "locked_until": 0.0, "expires_at": 0.0}
    try:
        with database.write() as connection:
            connection.execute(sa.insert(attempts).values(row))
            connection.rollback()
    except DatabaseUnavailable as error:
        advice = "use the primary server, with the rights to insert, update and delete, and space on its disk"
        yield failed("writing", f"{error.detail.rstrip('.')} ({error.evidence.get('cause')})", advice)
    else:
        yield ok("writing", "a row was inserted, and taken back")
