"""A deployment over each kind of database and of media store, which agree until a test makes them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devservers.mongodb import MongoDb, closing_client
from devservers.s3 import S3
from soundlift.common.media import list_files, open_media
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.cli.conftest import run
from tests.factories.accounts import SECRET

__all__ = ["run"]
KINDS = [
    ("sqlite", "folder"),
    pytest.param(("sqlite", "s3"), marks=pytest.mark.servers),
    pytest.param(("mariadb", "folder"), marks=pytest.mark.servers),
    pytest.param(("mariadb", "gridfs"), marks=pytest.mark.servers),
]
Open = Callable[[str, str], Services]


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
        _empty(services)
        opened.append(services)
        return services

    with clients:
        yield open_services
        for services in opened:
            _empty(services)
            services.database.engine.dispose()


@pytest.fixture(params=KINDS, ids="-".join)
def any_services(request: pytest.FixtureRequest, open_deployment: Open) -> Services:
    """Return the services of an empty deployment of each kind."""
    return open_deployment(*request.param)


@pytest.fixture
def services(open_deployment: Open) -> Services:
    """Return the services of an empty deployment on one machine."""
    return open_deployment("sqlite", "folder")


def _empty(services: Services) -> None:
    """Delete what other tests have left in a store that they share."""
    for bucket in ("videos", "mp3s"):
        store = open_media(services.settings.media_url, bucket)
        for file in list_files(store):
            store.delete(file.fid)
