"""A deployment of processes of the earlier release, on servers of their own tables and store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.mongodb import MongoDb, running_mongodb
from devservers.process_stack import PARTS, ROOT, ProcessStack
from devservers.rabbitmq import RabbitMq
from soundlift.client import Client
from soundlift.common.db.migrations import migrate
from soundlift.common.jobs.model import MAX_RESEND_SECONDS, State
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD, SECRET
from tests.factories.jobs import age
from tests.factories.notified import wait_until_notified
from tests.upgrade.earlier_release import NoHistory, extract_earlier_release

EMAIL = "ada@example.org"
# A shorter wait for a store that is away than in other stacks, and none for a connection on a busy machine.
STORE_OPTIONS = "?serverSelectionTimeoutMS=3000&connectTimeoutMS=20000&socketTimeoutMS=60000"


@dataclass
class Deployment:
    """A running deployment with its servers; `earlier` is the checkout that its processes were started from."""

    stack: ProcessStack
    services: Services
    mariadb: MariaDb
    mongodb: MongoDb
    mail_server: MailServer
    earlier: Path
    is_upgraded: bool = False

    def upgrade(self) -> None:
        """Replace every part by one of this release, unless that has been done."""
        migrate(self.services.settings.database_url)
        if not self.is_upgraded and self.earlier != ROOT:
            for part in PARTS:
                self.stack.replace(part)
        self.is_upgraded = True

    def client(self, url: str | None = None) -> Client:
        """Return a client of the gateway, or of one process."""
        token = self.services.tokens.sign_in(EMAIL, admin=False)
        return Client(url or self.stack.url, token=token)

    def settle(self, job_ids: list[str]) -> None:
        """Wait until the owner of each job is notified; meanwhile, time passes and cleanup runs, faster than usual."""
        wait_until_notified(self.services, job_ids, self._let_time_pass)

    def _let_time_pass(self, job_ids: list[str]) -> None:
        """Make the events of waiting jobs due, and run cleanup."""
        for job in self.services.jobs.find_all(job_ids):
            if job.state == State.QUEUED:
                age(self.services, job, MAX_RESEND_SECONDS, "resend_at")
        assert self.stack.cleanup().status == 200

    def mails_about(self, job_id: str) -> int:
        return sum(job_id in mail["Message-ID"] for mail in self.mail_server.messages)


@pytest.fixture(scope="session")
def earlier_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout of the earlier release, or of this one if the history is not known."""
    try:
        return extract_earlier_release(tmp_path_factory.mktemp("earlier") / "release")
    except NoHistory as error:
        sys.stderr.write(f"{error}\n")  # shown with the failure of the test that needs it
        return ROOT


@pytest.fixture(scope="module")
def deployment(
    earlier_release: Path,
    mariadb_server: MariaDb,
    rabbitmq_node: RabbitMq,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """Return a deployment of the earlier release, whose tables are those of that release."""
    data = tmp_path_factory.mktemp("deployment")
    with running_mongodb(tmp_path_factory.mktemp("mongodb")) as mongodb, MailServer() as mail_server:
        servers = {
            "DATABASE_URL": mariadb_server.url(mariadb_server.new_database()),
            "BROKER_URL": rabbitmq_node.new_virtual_host(),
            "MEDIA_URL": f"{mongodb.url}{STORE_OPTIONS}",
            "SMTP_URL": mail_server.url,
            "JWT_SECRET": SECRET,
        }
        run_command(earlier_release, servers, "migrate")
        run_command(earlier_release, servers, "user", "add", EMAIL, given=f"{PASSWORD}\n")
        services = Services(Settings.from_environment(servers))
        stack = ProcessStack(data, {**servers, "MAX_JOBS_IN_FLIGHT": "0"})
        try:
            stack.start(earlier_release)
            yield Deployment(stack, services, mariadb_server, mongodb, mail_server, earlier_release)
        finally:
            stack.stop()
            services.database.engine.dispose()


def run_command(checkout: Path, settings: dict[str, str], *arguments: str, given: str = "") -> None:
    """Run the `soundlift` command of a checkout."""
    subprocess.run(
        [sys.executable, "-m", "soundlift.cli", *arguments],
        env={**os.environ, **settings, "PYTHONPATH": str(checkout)},
        cwd=checkout,
        input=given.encode(),
        check=True,
        capture_output=True,
    )
