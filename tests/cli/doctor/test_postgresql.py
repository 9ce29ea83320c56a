"""`soundlift doctor` recognizes the faults of a PostgreSQL server."""

from __future__ import annotations

import pytest

from devservers.ports import free_port
from devservers.postgresql import PostgreSql
from soundlift.cli.doctor.database_server import ADVICE
from soundlift.cli.doctor.finding import Finding
from tests.cli.doctor.conftest import Examine, of

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def _failure(findings: list[Finding], part: str) -> tuple[str, str]:
    assert "sesame1234" not in str(findings)
    (found,) = [(detail, advice) for status, detail, advice in of(findings, part) if status == "failed"]
    return found


def test_a_good_server_is_described(examine: Examine, postgresql_url: str) -> None:
    findings = examine(DATABASE_URL=postgresql_url)
    assert of(findings, "database")[0][1].startswith("PostgreSQL 1")
    for part in ("database", "tables", "clock", "connections", "writing"):
        assert [status for status, _, _ in of(findings, part)] == ["ok"], part


def test_each_fault_is_explained(examine: Examine, postgresql_server: PostgreSql, postgresql_url: str) -> None:
    database = postgresql_url.rpartition("/")[2]
    postgresql_server.execute("DROP ROLE IF EXISTS ada", "CREATE ROLE ada LOGIN PASSWORD 'sesame1234'")
    url = postgresql_server.url(database, user="ada", password="sesame1234")
    detail, advice = _failure(examine(DATABASE_URL=f"{url}_typo"), "database")
    assert "does not exist" in detail
    assert advice == ADVICE["3D000"]
    _, advice = _failure(examine(DATABASE_URL=url.replace("sesame", "sesame1")), "database")
    assert advice == ADVICE["28P01"]
    _, advice = _failure(examine(DATABASE_URL=f"postgresql://ada@127.0.0.1:{free_port()}/x"), "database")
    assert advice == ADVICE[2003]
    detail, advice = _failure(examine(DATABASE_URL=url), "database")
    assert "permission denied for table" in detail
    assert advice == ADVICE["42501"]
    empty = postgresql_server.url(postgresql_server.new_database())
    assert of(examine(DATABASE_URL=empty), "tables") == [("failed", "there are none", "run `soundlift migrate`")]
    postgresql_server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    try:
        detail, advice = _failure(examine(DATABASE_URL=postgresql_url), "writing")
    finally:
        postgresql_server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    assert "read-only" in detail
    assert advice.startswith("use the primary server")
