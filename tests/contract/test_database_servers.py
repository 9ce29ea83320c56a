"""Database servers of each kind: outages, deadlocks, the clock, and concurrent migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Barrier

import pytest
import sqlalchemy as sa

from devservers.availability import is_usable
from devservers.forwarder import Forwarder
from devservers.mariadb import MariaDb
from devservers.postgresql import PostgreSql
from devservers.waiting import DEADLINE_SECONDS, wait_for
from soundlift.common.db.clock import now
from soundlift.common.db.engine import Database, open_database
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import jobs, users
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, claimed_job, job_now, queued_job, receiving_job

pytestmark = pytest.mark.servers
DatabaseServer = MariaDb | PostgreSql
Open = Callable[[str], Database]


@pytest.fixture
def open_url(server: DatabaseServer) -> Iterator[Open]:
    """Return a function that opens databases, whose connections are closed after the test."""
    with ExitStack() as stack:

        def open_url(url: str) -> Database:
            database = open_database(url)
            stack.callback(database.engine.dispose)
            return database

        yield open_url


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    name = {"mariadb": "mariadb_server", "postgresql": "postgresql_server"}[request.param]
    server: DatabaseServer = request.getfixturevalue(name)
    return server


@pytest.fixture
def database_url(server: DatabaseServer) -> str:
    return server.url(server.empty_database())


@pytest.fixture
def database(open_url: Open, database_url: str) -> Database:
    return open_url(database_url)


@pytest.fixture
def forwarder(server: DatabaseServer) -> Iterator[Forwarder]:
    with Forwarder(server.port) as forwarder:
        yield forwarder


@pytest.fixture
def forwarded(
    services: Services, server: DatabaseServer, database_url: str, forwarder: Forwarder
) -> Iterator[Services]:
    """Return services whose database is behind a forwarder."""
    url = database_url.replace(f":{server.port}/", f":{forwarder.port}/")
    forwarded = Services(replace(services.settings, database_url=url))
    yield forwarded
    forwarded.database.engine.dispose()


def test_every_call_to_an_unreachable_server_fails_until_it_is_back(server: DatabaseServer, services: Services) -> None:
    job, claim = claimed_job(services)
    server.server.kill()
    try:
        for step in (
            lambda: receiving_job(services),
            lambda: services.jobs.queue(job.id, video_bytes=1),
            lambda: services.jobs.renew(claim, percent=1),
            lambda: services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1),
            services.jobs.due,
            lambda: services.users.find("ada@example.org"),
            services.database.check,
        ):
            with pytest.raises(DatabaseUnavailable):
                step()
    finally:
        server.server.start()
    assert services.jobs.renew(claim, percent=1)
    assert job_now(services, job.id).percent == 1


def test_a_call_to_a_server_that_hangs_fails_after_the_timeout(forwarder: Forwarder, forwarded: Services) -> None:
    job, claim = claimed_job(forwarded)
    forwarder.hang()
    with pytest.raises(DatabaseUnavailable):
        forwarded.jobs.renew(claim, percent=1)
    forwarder.restore()
    wait_for(lambda: is_usable(forwarded.database), "the server responds again")
    assert job_now(forwarded, job.id).claim == claim.token


def test_a_connection_that_was_lost_while_idle_is_not_used(forwarder: Forwarder, forwarded: Services) -> None:
    job = queued_job(forwarded)
    for _ in range(3):
        forwarder.drop_connections()
        assert forwarded.jobs.find(job.id) == job


def test_a_connection_lost_within_a_transaction_rolls_it_back(forwarder: Forwarder, forwarded: Services) -> None:
    job = queued_job(forwarded)

    def cancel_and_break() -> None:
        with forwarded.database.write() as connection:
            connection.execute(sa.update(jobs).values(state="cancelled"))
            forwarder.drop_connections()

    with pytest.raises(DatabaseUnavailable):
        cancel_and_break()
    assert job_now(forwarded, job.id).state == "queued"


def test_both_transactions_of_a_deadlock_are_completed(database: Database) -> None:
    with database.write() as connection:
        connection.execute(users.insert(), [{"email": name, "password": "", "admin": False} for name in ("a", "b")])
    meet = Barrier(2)

    def lock_both(first: str, second: str) -> None:
        with database.write() as connection:
            connection.execute(_set_password(first, "held"))
            meet.wait(DEADLINE_SECONDS)
            connection.execute(_set_password(second, "wanted"))

    def change_both() -> None:
        meet.wait(DEADLINE_SECONDS)
        database.change(sa.update(users).values(password=users.c.password + "+"))

    with ThreadPoolExecutor() as pool:
        locking = [pool.submit(lock_both, *names) for names in (("a", "b"), ("b", "a"))]
        errors = [each.exception(timeout=60) for each in locking]
    assert [type(error).__name__ for error in errors if error] == ["RolledBack"]
    with ThreadPoolExecutor() as pool:
        other = pool.submit(lock_both, "b", "a")
        change_both()
        other.exception(timeout=60)
    with database.read() as connection:
        assert all(password.endswith("+") for password in connection.scalars(sa.select(users.c.password)))


def _set_password(email: str, password: str) -> sa.Update:
    return sa.update(users).where(users.c.email == email).values(password=password)


def test_the_server_s_clock_is_accurate_and_has_fractions_of_a_second(
    database: Database, sqlite_url: str, open_url: Open
) -> None:
    times = []
    for each in (database, open_url(sqlite_url)):
        with each.read() as connection:
            times += [connection.scalar(sa.select(now())) for _ in range(2)]
    assert abs(times[0] - times[2]) < 5
    assert times[0] < times[1]


@pytest.mark.parametrize("name", ["Ünïcode 🎵.mp4", "a" * 255, " spaced .mp4", "quote'\"\\.mp4"])
def test_any_file_name_is_stored_unchanged(services: Services, name: str) -> None:
    assert job_now(services, receiving_job(services, name).id).file_name == name


def test_concurrent_migrations_create_one_set_of_tables(server: DatabaseServer, open_url: Open) -> None:
    url = server.url(server.new_database())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [url] * 4))
    open_url(url).check()


def test_the_error_for_missing_tables_names_the_command_to_run(server: DatabaseServer, open_url: Open) -> None:
    database = open_url(server.url(server.new_database()))
    with pytest.raises(DatabaseUnavailable, match="run `soundlift migrate`"):
        database.check()
