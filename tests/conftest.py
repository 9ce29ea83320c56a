"""Gives every test real services: a migrated database, a folder store, a queue in a file, a mail server."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from devservers.mail_server import MailServer
from devservers.rabbitmq import NotPrivate
from devservers.server import NotInstalled
from soundlift.common.auth.passwords import Passwords
from soundlift.common.db.migrations import migrate
from soundlift.common.db.tables import users
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD, SECRET
from tests.fixtures.engines import make_cheap

pytest_plugins = [f"tests.fixtures.{name}" for name in ("functions", "heap", "local_stack", "selection", "servers")]


def pytest_configure() -> None:
    # A shell without job control starts background commands with SIGINT ignored. The processes that tests interrupt
    # would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # By default, structlog colours a stack trace, and shows the source and variables of each frame, for half a second.
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def pytest_xdist_auto_num_workers() -> int | None:
    """Run more tests at once than there are cores (`-n auto`): most of them wait more than they compute."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # for which xdist takes that number
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with _skipped_without_server():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    with _skipped_without_server():
        return (yield)


@contextmanager
def _skipped_without_server() -> Iterator[None]:
    """Skip a test whose server is not installed; in CI, fail it."""
    try:
        yield
    except NotInstalled as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    except NotPrivate as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("database") / "empty.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def password_hash() -> str:
    return Passwords(Settings()).hash(PASSWORD)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Return the data folder of a test."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sqlite_url(data_folder: Path, empty_database: Path) -> str:
    """Return the URL of a database with empty tables, where a process with this data folder looks for it."""
    shutil.copy(empty_database, data_folder / "soundlift.db")
    return f"sqlite:///{data_folder}/soundlift.db"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Return the URL of a test's database; contract tests override this with one database of each kind."""
    return sqlite_url


@pytest.fixture
def settings(data_folder: Path, database_url: str) -> Settings:
    environment = {"SOUNDLIFT_DATA": str(data_folder), "JWT_SECRET": SECRET, "DATABASE_URL": database_url}
    return Settings.from_environment(environment)


@pytest.fixture
def services(settings: Settings, password_hash: str) -> Iterator[Services]:
    """Return the services of one test, with the accounts ada@, bob@ and root@example.org."""
    services = Services(settings)
    make_cheap(services.database.engine)
    accounts = {"ada@example.org": False, "bob@example.org": False, "root@example.org": True}
    rows = [{"email": email, "password": password_hash, "admin": admin} for email, admin in accounts.items()]
    with services.database.write() as connection:  # one transaction instead of three
        connection.execute(users.insert(), rows)
    yield services
    services.database.engine.dispose()


@pytest.fixture
def mailing_services(services: Services, mail_server: MailServer) -> Services:
    """Return the services with a mail server that refuses on demand."""
    services.settings = replace(services.settings, smtp_url=mail_server.url)
    return services


@pytest.fixture(autouse=True)
def _no_log_context_left() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def _umask_stays() -> Iterator[None]:
    """Restore the umask after each test: a command run in this process changes it."""
    with _same_umask():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Restore the umask after the set-up of a fixture that outlives its test, too."""
    if fixturedef.scope == "function":
        return (yield)
    with _same_umask():
        return (yield)


@contextmanager
def _same_umask() -> Iterator[None]:
    umask = os.umask(0o022)
    os.umask(umask)
    try:
        yield
    finally:
        os.umask(umask)
