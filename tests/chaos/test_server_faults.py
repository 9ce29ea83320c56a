"""Faults of the servers: each one really happens, and ends."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest
import sqlalchemy as sa

from devservers.mariadb import MariaDb
from devservers.waiting import wait_for
from soundlift.common.db.tables import notifications
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.chaos.faults.servers import locked_rows
from tests.factories.accounts import SECRET
from tests.factories.jobs import claimed_mail, ready_job

pytestmark = pytest.mark.servers


def deadlocks(server: MariaDb) -> int:
    """Return the number of deadlocks since the server was started."""
    with (
        pymysql.connect(host="127.0.0.1", port=server.port, user="root", ssl_disabled=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        ((_, count),) = cursor.fetchall()
    return int(count)


def test_locked_rows_make_deadlocks_until_the_fault_ends(
    mariadb_server: MariaDb, mariadb_url: str, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": mariadb_url, "JWT_SECRET": SECRET, "SOUNDLIFT_DATA": str(tmp_path)}
    services = Services(Settings.from_environment(environment))
    claimed_mail(services, ready_job(services))
    before = deadlocks(mariadb_server)
    with locked_rows(mariadb_server, urlsplit(mariadb_url).path.removeprefix("/")):
        wait_for(lambda: deadlocks(mariadb_server) > before, "two transactions have locked rows in different orders")
    assert services.database.change(sa.update(notifications).values(attempts=2)) == 1
    services.database.engine.dispose()


def test_rows_that_cannot_be_locked_are_an_error(mariadb_server: MariaDb) -> None:
    empty = mariadb_server.new_database()
    with pytest.raises(AssertionError, match=r"no rows of .* were locked"), locked_rows(mariadb_server, empty):
        pass
