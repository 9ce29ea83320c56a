"""Gives every test real parts: a migrated database, a folder store, a queue in a file, a mail server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from soundlift.common.auth.passwords import hash_password
from soundlift.common.db.migrations import migrate
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.devservers.mail_server import MailServer

pytest_plugins = [f"tests.devservers.{name}" for name in ("containers", "mariadb", "mongodb", "rabbitmq", "s3")]

SECRET = "a secret of the tests, longer than 32 bytes"
PASSWORD = "correct horse"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("database") / "empty.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Return the data folder of a test."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sqlite_url(data_folder: Path, empty_database: Path) -> str:
    """Return the URL of a database whose tables are empty, where a process with this data folder looks for it."""
    shutil.copy(empty_database, data_folder / "soundlift.db")
    return f"sqlite:///{data_folder}/soundlift.db"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Return the URL of the database of a test; where every adapter is tested, it is one after another."""
    return sqlite_url


@pytest.fixture
def settings(data_folder: Path, database_url: str) -> Settings:
    environment = {"SOUNDLIFT_DATA": str(data_folder), "JWT_SECRET": SECRET, "DATABASE_URL": database_url}
    return Settings.from_environment(environment)


@pytest.fixture
def services(settings: Settings, password_hash: str) -> Iterator[Services]:
    """Return the services of one test, with the accounts ada@, bob@ and root@example.org."""
    services = Services(settings)
    services.users.add("ada@example.org", password_hash)
    services.users.add("bob@example.org", password_hash)
    services.users.add("root@example.org", password_hash, admin=True)
    yield services
    services.database.engine.dispose()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def mailing_services(services: Services, mail_server: MailServer) -> Services:
    """Return the services with a mail server that can be told to refuse."""
    services.settings = replace(services.settings, smtp_url=mail_server.url)
    return services


@pytest.fixture(autouse=True)
def _no_log_context_left() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def _umask_stays() -> Iterator[None]:
    """Undo what a command run in this process does to files that later tests make."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
