"""Each part is replaced during uploads, and no video is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from devservers.container_stack import ContainerStack
from devservers.containers import BUILD_TIMEOUT_SECONDS, FUNCTIONS, Podman
from devservers.mail_server import MailServer
from devservers.mariadb import MariaDb
from devservers.mongodb import running_mongodb
from devservers.rabbitmq import RabbitMq
from soundlift.client import Client
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD, SECRET
from tests.factories.clips import PICTURE, ffmpeg, talking_mp4
from tests.factories.notified import wait_until_notified

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT_SECONDS)
EMAIL = "ada@example.org"
UPLOADERS = 3
WAIT_SECONDS = 300


@pytest.fixture
def services(
    mariadb_server: MariaDb, rabbitmq_node: RabbitMq, mail_server: MailServer, tmp_path: Path, password_hash: str
) -> Iterator[Services]:
    """Return the services that the containers use, with an account."""
    with running_mongodb(tmp_path) as mongodb:
        settings = {
            "DATABASE_URL": mariadb_server.url(mariadb_server.empty_database()),
            "BROKER_URL": rabbitmq_node.new_virtual_host(),
            "MEDIA_URL": mongodb.url_for_stacks,
            "SMTP_URL": mail_server.url,
            "JWT_SECRET": SECRET,
        }
        services = Services(Settings.from_environment(settings))
        services.users.add(EMAIL, password_hash)
        yield services
        services.database.engine.dispose()


@pytest.fixture
def stack(podman: Podman, services: Services, tmp_path: Path) -> Iterator[ContainerStack]:
    own = services.settings
    servers = {
        "DATABASE_URL": own.database_url,
        "BROKER_URL": own.broker_url,
        "MEDIA_URL": own.media_url,
        "SMTP_URL": own.smtp_url,
    }
    stack = ContainerStack(podman, tmp_path, servers, SECRET)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def test_a_rolling_restart_of_every_part_under_load_loses_nothing(
    stack: ContainerStack, services: Services, mail_server: MailServer, tmp_path: Path
) -> None:
    videos = [talking_mp4(tmp_path), ffmpeg(tmp_path / "silent.mp4", *PICTURE, "-c:v", "mpeg4")]
    stop = Event()

    def keep_uploading() -> list[str]:
        client = Client(stack.url, email=EMAIL, password=PASSWORD)
        ids = []
        for video in itertools.cycle(videos):
            ids.append(client.upload(video).id)
            # Without a wait, a busy machine would convert more slowly than it uploads.
            assert client.wait(ids[-1], timeout=WAIT_SECONDS).ended
            if stop.is_set():
                return ids
        raise AssertionError

    with ThreadPoolExecutor(UPLOADERS) as pool:
        uploads = [pool.submit(keep_uploading) for _ in range(UPLOADERS)]
        try:
            codes = {name: stack.replace(name) for name in (*FUNCTIONS, "connector")}
        finally:
            stop.set()
        ids = [job_id for upload in uploads for job_id in upload.result()]
    assert set(codes.values()) == {0}, codes

    wait_until_notified(services, ids, lambda _: stack.post("/function/cleanup"))
    jobs = {job.id: job for job in services.jobs.page(None, limit=len(ids))}
    assert jobs.keys() == set(ids)
    assert {job.state for job in jobs.values()} == {"ready", "failed"}
    notified = [mail["Message-ID"] for mail in mail_server.messages]
    assert len(notified) == len(set(notified)) == len(ids)
