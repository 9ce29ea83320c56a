"""Migrations only add, so that functions of the release before work on the new tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Inspector

from soundlift.common.db import migrations
from soundlift.common.db.engine import Database, open_database

FOLDER = Path(migrations.__file__).parent
REVISIONS = sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))
# Migrations that remove what the release before did not use either, each with its reason.
CONTRACTIONS: dict[str, str] = {}

Tables = dict[str, dict[str, Any]]


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database without tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/empty.db"
    else:
        server = request.getfixturevalue("mariadb_server")
        url = server.url(server.new_database())
    database = open_database(url)
    yield database
    database.engine.dispose()


def migrate_to(database: Database, revision: str) -> None:
    with database.write() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(FOLDER))
        command.upgrade(config, revision)


def test_each_migration_adds_tables_and_columns_that_earlier_functions_need_not_know(database: Database) -> None:
    migrate_to(database, REVISIONS[0])
    before = read_tables(database)
    for revision in REVISIONS[1:]:
        migrate_to(database, revision)
        after = read_tables(database)
        if revision not in CONTRACTIONS:
            check_tables(before, after, revision)
        before = after


def check_tables(before: Tables, after: Tables, revision: str) -> None:
    assert before.keys() <= after.keys(), f"{revision} removes a table"
    for name, table in before.items():
        check_table(table, after[name], f"{revision} of {name}")


def check_table(before: dict[str, Any], after: dict[str, Any], what: str) -> None:
    """Assert that rows can be inserted and read as before."""
    for name, column in before["columns"].items():
        assert after["columns"].get(name) == column, f"{what} changes the column {name}"
    for name in after["columns"].keys() - before["columns"].keys():
        _, nullable, default = after["columns"][name]
        assert nullable or default is not None, f"{what} adds {name}, for which earlier functions write no value"
    assert after["unique"] == before["unique"], f"{what} changes what must be unique"
    assert after["constraints"] == before["constraints"], f"{what} changes a constraint"


def read_tables(database: Database) -> Tables:
    inspector = sa.inspect(database.engine)
    return {name: read_table(inspector, name) for name in inspector.get_table_names() if name != "alembic_version"}


def read_table(inspector: Inspector, name: str) -> dict[str, Any]:
    """Return the parts of a table that limit what can be written."""
    columns = inspector.get_columns(name)
    return {
        "columns": {each["name"]: (str(each["type"]), each["nullable"], each["default"]) for each in columns},
        "unique": {tuple(each["column_names"]) for each in inspector.get_indexes(name) if each["unique"]}
        | {tuple(each["column_names"]) for each in inspector.get_unique_constraints(name)},
        "constraints": (
            inspector.get_pk_constraint(name)["constrained_columns"],
            inspector.get_foreign_keys(name),
            inspector.get_check_constraints(name),
        ),
    }
