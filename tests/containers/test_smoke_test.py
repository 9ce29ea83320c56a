"""The smoke test's Job runs as it would in a cluster: it passes on a working stack, and reports failures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.container_stack import ContainerStack
from devservers.containers import BUILD_TIMEOUT_SECONDS, SANDBOX, Podman, image_name, write_secrets
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.mongodb import running_mongodb
from devservers.rabbitmq import RabbitMq
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import SECRET
from tests.factories.manifests import DEPLOY, only_manifest

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT_SECONDS)
(CONTAINER,) = only_manifest(DEPLOY / "smoke-test" / "job.yaml", "Job")["spec"]["template"]["spec"]["containers"]
STEPS = ("account", "sign-in", "internal functions", "upload", "conversion", "download", "sound", "mail", "delete job")


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def services(
    mariadb_server: MariaDb,
    rabbitmq_node: RabbitMq,
    mail_server: MailServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    """Return the services that the containers use."""
    with running_mongodb(tmp_path_factory.mktemp("mongodb")) as mongodb:
        settings = {
            "DATABASE_URL": mariadb_server.url(mariadb_server.empty_database()),
            "BROKER_URL": rabbitmq_node.new_virtual_host(),
            "MEDIA_URL": mongodb.url_for_stacks,
            "SMTP_URL": mail_server.url,
            "JWT_SECRET": SECRET,
        }
        services = Services(Settings.from_environment(settings))
        yield services
        services.database.engine.dispose()


@pytest.fixture(scope="module")
def stack(podman: Podman, services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    own = services.settings
    servers = {
        "DATABASE_URL": own.database_url,
        "BROKER_URL": own.broker_url,
        "MEDIA_URL": own.media_url,
        "SMTP_URL": own.smtp_url,
    }
    stack = ContainerStack(podman, tmp_path_factory.mktemp("containers"), servers, SECRET)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def smoke_test(stack: ContainerStack, secrets: Path, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the Job's container as in its manifest, with additional options of the command."""
    database_url = (stack.data / "secrets" / "database-url").read_text()
    write_secrets(secrets, {"database-url": database_url, "admin-email": "ada@example.org"})
    program = [f"--entrypoint={json.dumps(CONTAINER['command'])}", f"--env=SOUNDLIFT_URL={url}"]
    mount = f"--volume={secrets}:/var/openfaas/secrets:ro"
    (script,) = CONTAINER["args"]
    command = ["podman", "run", "--rm", *SANDBOX, mount, *program, image_name("cli"), " ".join((script, *more))]
    return subprocess.run(
        command, env=stack.podman.environment, capture_output=True, text=True, timeout=120, check=False
    )


def assert_nothing_is_left(services: Services) -> None:
    assert services.users.list() == []
    assert services.jobs.page(None) == []


def test_it_passes_and_its_mail_reaches_the_admin(
    stack: ContainerStack, services: Services, mail_server: MailServer, tmp_path: Path
) -> None:
    ended = smoke_test(stack, tmp_path / "secrets", stack.url)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert sum("  ok" in line for line in ended.stdout.splitlines()) == len((*STEPS, "delete account"))
    assert all(step in ended.stdout for step in STEPS)
    assert any(mail["To"].startswith("ada+smoke-test-") for mail in mail_server.messages)
    assert_nothing_is_left(services)


def test_an_address_that_exposes_internal_functions_fails(
    stack: ContainerStack, services: Services, tmp_path: Path
) -> None:
    ended = smoke_test(stack, tmp_path / "secrets", stack.internal_url)
    assert ended.returncode == 1
    (failed,) = (line for line in ended.stdout.splitlines() if "FAILED" in line)
    assert (
        "internal functions  FAILED: POST /fetch returned 400, POST /convert returned 400, POST /notify returned 400, "
        in failed
    )
    assert "POST /webhook returned 400, " in failed
    assert "POST /cleanup returned 200" in failed
    assert_nothing_is_left(services)


def test_without_a_connector_the_conversion_fails(stack: ContainerStack, services: Services, tmp_path: Path) -> None:
    (connector,) = stack.containers.pop("connector")
    connector.remove()
    ended = smoke_test(stack, tmp_path / "secrets", stack.url, "--timeout=3")
    stack.add("connector")
    assert ended.returncode == 1
    (failed,) = (line for line in ended.stdout.splitlines() if "FAILED" in line)
    assert "is still queued after 3 s; check the log of convert, and that a connector runs" in failed
    assert_nothing_is_left(services)
