"""Faults of the machine."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pymysql
import pytest

from devservers.mariadb import running_mariadb
from devservers.server import NotInstalled
from devservers.waiting import wait_for
from tests.chaos.system.machine import HOW_TO_INSTALL, Clock

CLOSE_SECONDS = 5.0


@pytest.mark.servers
def test_the_clock_of_the_database_can_be_stepped_forwards_and_backwards(tmp_path: Path) -> None:
    with Clock(tmp_path) as clock:
        if clock.library is None:
            raise NotInstalled("libfaketime", HOW_TO_INSTALL)
        (tmp_path / "database").mkdir()
        with running_mariadb(tmp_path / "database", environment=clock.environment) as mariadb:
            for step, offset in ((0, 0), (1000, 1000), (-3000, -2000)):
                clock.step(step)
                wait_for(lambda: abs(_ahead(mariadb.port) - offset) < CLOSE_SECONDS, f"{offset} s ahead")  # noqa: B023


@pytest.mark.servers
def test_killed_processes_with_another_clock_leave_no_shared_memory(tmp_path: Path) -> None:
    with Clock(tmp_path) as clock:
        if clock.library is None:
            raise NotInstalled("libfaketime", HOW_TO_INSTALL)
        process = subprocess.Popen(["sleep", "60"], env={**os.environ, **clock.environment})
        memory = Path(f"/dev/shm/faketime_shm_{process.pid}")
        wait_for(memory.exists, "the library is loaded")
        process.kill()
        process.wait()
    assert not memory.exists()


def _ahead(port: int) -> float:
    """Return how many seconds the clock of a database is ahead."""
    with (
        pymysql.connect(host="127.0.0.1", port=port, user="root", ssl_disabled=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT UNIX_TIMESTAMP(SYSDATE(6))")
        (seconds,) = cursor.fetchone()
    return float(seconds) - time.time()
