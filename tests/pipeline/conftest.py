"""Running stacks with one account: embedded, over servers, and in containers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from devservers.container_stack import ContainerStack
from devservers.containers import BUILD_TIMEOUT_SECONDS, Podman
from devservers.local_stack import Stack
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.mongodb import running_mongodb
from devservers.rabbitmq import RabbitMq
from devservers.s3 import S3
from devservers.waiting import wait_for
from soundlift.client import Client
from soundlift.common.db.migrations import migrate
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD, SECRET
from tests.factories.jobs import age

EMAIL = "ada@example.org"
MINUTES = 70
LOG_SHOWN = 20_000  # characters


class Mailbox:
    """The mails of a stack, caught by the stack itself or received by a mail server."""

    def __init__(self, folder: Path, server: MailServer | None) -> None:
        self._folder = folder
        self._server = server

    def about(self, job_id: str) -> list[EmailMessage]:
        """Return the mails about a job."""
        return [mail for mail in self._all() if job_id in mail["Message-ID"]]

    def first_about(self, job_id: str) -> EmailMessage:
        """Wait for the mail about a job and return it."""
        return wait_for(lambda: self.about(job_id), "the mail arrives")[0]

    def _all(self) -> list[EmailMessage]:
        if self._server:
            return list(self._server.messages)
        contents = [path.read_bytes() for path in self._folder.glob("*")]
        return [BytesParser(EmailMessage, policy=policy.default).parsebytes(content) for content in contents]


@pytest.fixture(scope="module")
def mail_server_of_stack() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


class InContainers(dict[str, str]):
    """The settings of a stack of containers."""


CONTAINERS = pytest.param("containers", marks=[pytest.mark.containers, pytest.mark.timeout(BUILD_TIMEOUT_SECONDS)])


@pytest.fixture(scope="module", params=["embedded", "gridfs", "s3", CONTAINERS])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Return the settings of a stack: without servers, or with nearly everything on servers."""
    if request.param == "embedded":
        yield {}
        return
    mariadb: MariaDb = request.getfixturevalue("mariadb_server")
    rabbitmq: RabbitMq = request.getfixturevalue("rabbitmq_node")
    servers = {"DATABASE_URL": mariadb.url(mariadb.new_database()), "BROKER_URL": rabbitmq.new_virtual_host()}
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3_server")
        yield {**servers, "MEDIA_URL": s3.url()}
        return
    mail_server: MailServer = request.getfixturevalue("mail_server_of_stack")
    with running_mongodb(tmp_path_factory.mktemp("mongodb")) as mongodb:
        settings = {**servers, "MEDIA_URL": mongodb.url_for_stacks, "SMTP_URL": mail_server.url}
        yield InContainers(settings) if request.param == "containers" else settings


@contextmanager
def open_services(stack: Stack | ContainerStack, servers: Mapping[str, str]) -> Iterator[Services]:
    """Yield the services that the stack's processes use."""
    settings = {**servers, "SOUNDLIFT_DATA": str(stack.data), "JWT_SECRET": SECRET}
    services = Services(Settings.from_environment(settings))
    yield services
    services.database.engine.dispose()


def skip_minutes(stack: Stack | ContainerStack, servers: Mapping[str, str]) -> None:
    """Make everything that is scheduled due, and call cleanup now instead of at the next full minute."""
    with open_services(stack, servers) as services:
        for job in services.jobs.page(None):
            age(services, job, MINUTES * 60)
    assert stack.cleanup().status == 200


@pytest.fixture(scope="module")
def containers(
    request: pytest.FixtureRequest, servers: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ContainerStack]:
    """Return a running stack of containers with a migrated database."""
    migrate(servers["DATABASE_URL"])
    podman: Podman = request.getfixturevalue("podman")
    stack = ContainerStack(podman, tmp_path_factory.mktemp("containers"), servers, SECRET)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, start: Callable[..., Stack], servers: Mapping[str, str], password_hash: str
) -> Stack | ContainerStack:
    """Return a running stack with one user."""
    stack: Stack | ContainerStack
    if isinstance(servers, InContainers):
        stack = request.getfixturevalue("containers")
    else:
        stack = start(**servers, ACCEPT_BARE_MESSAGES="true")
    with open_services(stack, servers) as services:
        services.users.add(EMAIL, password_hash)
    return stack


@pytest.fixture(autouse=True)
def log_of_the_stack(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print the stack's log during a test, because the cause of a 503 is only logged."""
    stack = request.getfixturevalue("stack") if "stack" in request.fixturenames else None
    if not isinstance(stack, Stack):
        yield
        return
    before = len(stack.output)
    yield
    sys.stdout.write(stack.output[before:][-LOG_SHOWN:])


@pytest.fixture
def client(stack: Stack | ContainerStack) -> Client:
    return Client(stack.url, email=EMAIL, password=PASSWORD)


@pytest.fixture(scope="module")
def mailbox(request: pytest.FixtureRequest, stack: Stack | ContainerStack, servers: Mapping[str, str]) -> Mailbox:
    server = request.getfixturevalue("mail_server_of_stack") if "SMTP_URL" in servers else None
    return Mailbox(stack.data / "mail" / "new", server)
