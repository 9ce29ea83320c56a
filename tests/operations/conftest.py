"""A deployment over each kind of database and of media store, which agree until a test makes them differ."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devservers.mongodb import MongoDb, closing_client
from devservers.s3 import S3
from soundlift.common.auth.password_links import Purpose
from soundlift.common.jobs.recent import count
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.cli.conftest import run
from tests.factories.accounts import SECRET
from tests.factories.api_keys import new_key
from tests.factories.jobs import (
    age,
    claimed_job,
    failed_job,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.factories.resumable_uploads import begun_upload
from tests.factories.webhooks import endpoint
from tests.imports.sources import importing_job
from tests.operations.contents import empty_store

__all__ = ["run"]
KINDS = [
    ("sqlite", "folder"),
    pytest.param(("sqlite", "s3"), marks=pytest.mark.servers),
    pytest.param(("mariadb", "folder"), marks=pytest.mark.servers),
    pytest.param(("mariadb", "gridfs"), marks=pytest.mark.servers),
]
Open = Callable[[str, str], Services]
VIDEO = os.urandom(700_000)


@pytest.fixture
def open_deployment(
    request: pytest.FixtureRequest, data_folder: Path, tmp_path: Path, password_hash: str
) -> Iterator[Open]:
    """Return a function that opens an empty deployment over a kind of database and a kind of store."""
    opened: list[Services] = []
    clients = ExitStack()

    def media_url(kind: str) -> str:
        if kind == "gridfs":
            server: MongoDb = request.getfixturevalue("mongodb_server")
            return clients.enter_context(closing_client(server.url))
        if kind == "s3":
            s3: S3 = request.getfixturevalue("s3_server")
            return s3.url()
        return (data_folder / "media").as_uri()

    def open_services(database: str, media: str) -> Services:
        urls = {"DATABASE_URL": request.getfixturevalue(f"{database}_url"), "MEDIA_URL": media_url(media)}
        environment = {"SOUNDLIFT_DATA": str(data_folder), "JWT_SECRET": SECRET, **urls}
        services = Services(Settings.from_environment(environment))
        empty_store(services.settings.media_url)
        opened.append(services)
        return services

    with clients:
        yield open_services
        for services in opened:
            empty_store(services.settings.media_url)
            services.database.engine.dispose()


@pytest.fixture(params=KINDS, ids="-".join)
def any_services(request: pytest.FixtureRequest, open_deployment: Open) -> Services:
    """Return the services of an empty deployment of each kind."""
    return open_deployment(*request.param)


@pytest.fixture
def services(open_deployment: Open) -> Services:
    """Return the services of an empty deployment on one machine."""
    return open_deployment("sqlite", "folder")


@pytest.fixture
def source(open_deployment: Open, password_hash: str) -> Services:
    """Return a deployment on one machine with something in every table, and files."""
    services = open_deployment("sqlite", "folder")
    ada = services.users.add("ada@example.org", password_hash)
    services.users.add("bob@example.org", password_hash, admin=True)
    services.limits.change("ada@example.org", {"jobs": 7})
    assert services.sessions.begin(ada)
    new_key(services, seconds=3600)
    services.password_links.request("ada@example.org", Purpose.RESET)
    endpoint(services)
    importing_job(services)
    begun_upload(services)
    queued_job(services, VIDEO, "Äpfel.mp4", options=AudioOptions(bitrate=320))
    claimed, _ = claimed_job(services)
    age(services, claimed, 3600, "claimed_until")
    notified_job(services)
    ready_job(services, b"a large file" * 100_000)
    failed_job(services)
    services.jobs.cancel(queued_job(services).id)
    services.jobs.delete(failed_job(services).id)
    receiving_job(services, key=UploadKey("ada@example.org", "key", "f" * 64))
    with services.database.write() as connection:
        count(connection, "ada@example.org", seconds=12.345678901234567)
    return services
