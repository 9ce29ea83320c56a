"""`soundlift doctor` recognizes the faults of a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest

from devservers.ports import free_port
from devservers.postgresql import PostgreSql
from soundlift.cli.doctor.database_server import ADVICE, MIN_POSTGRESQL
from soundlift.cli.doctor.finding import Finding
from soundlift.common.db.migrations import migrate
from tests.cli.doctor.conftest import Examine, of

DOCS = Path(__file__).parents[3] / "docs"

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


@pytest.mark.parametrize("version", ["13.22", "14.0"])
def test_a_server_that_is_too_old_is_reported(examine: Examine, postgresql_server: PostgreSql, version: str) -> None:
    database = postgresql_server.new_database()
    url = postgresql_server.url(database)
    migrate(url)
    text = f"SELECT 'PostgreSQL {version} on x86_64-pc-linux-gnu'"
    postgresql_server.execute(
        "SET allow_system_table_mods = on",
        f"CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql AS $${text}$$",
        database=database,
    )
    advice = f"upgrade the server to PostgreSQL {MIN_POSTGRESQL} or newer"
    expected = [("failed", "PostgreSQL 13.22 is older than 14", advice)] if version == "13.22" else []
    assert of(examine(DATABASE_URL=url), "version") == expected


def test_the_documents_name_the_version_that_is_checked() -> None:
    assert f"versions {MIN_POSTGRESQL} and newer" in (DOCS / "postgresql.md").read_text()
    assert f"PostgreSQL {MIN_POSTGRESQL} or newer" in (DOCS / "watching.md").read_text()
