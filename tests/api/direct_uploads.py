"""Direct uploads: a client of the function that sends parts to a real S3 server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import urllib3
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from devservers.s3 import BUCKET
from functions.cleanup.handler import app as cleanup_app
from functions.upload.direct.beginning import PART_BYTES
from functions.upload.handler import app
from soundlift.common.db.tables import jobs as table
from soundlift.common.media.s3 import read_address
from soundlift.common.media.s3.server import get_client
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4
from tests.fixtures.functions import Client

ADA = "ada@example.org"
VIDEO = MP4 + bytes(PART_BYTES)  # two parts, the second one short


class DirectClient:
    """A user of direct uploads."""

    def __init__(self, function: FlaskClient, services: Services) -> None:
        self._function = function
        self.services = services
        self._pool = urllib3.PoolManager()

    def begin(self, content: bytes = VIDEO, *, key: str | None = None, user: str = ADA, **changes: Any) -> TestResponse:
        document = {"name": "a.mp4", "size": len(content), "type": "video/mp4"} | changes
        return self._post("", document, user=user, headers={"Idempotency-Key": key} if key else {})

    def begun(self, content: bytes = VIDEO, **changes: Any) -> dict[str, Any]:
        """Return the document of a new upload."""
        response = self.begin(content, **changes)
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json
        return document

    def parts(self, upload: Mapping[str, Any], numbers: Any, *, user: str = ADA) -> TestResponse:
        return self._post(f"/{upload['job_id']}/parts", {"parts": numbers}, user=user)

    def complete(self, upload: Mapping[str, Any], document: Any = None, *, user: str = ADA) -> TestResponse:
        return self._post(f"/{upload['job_id']}/complete", document, user=user)

    def abandon(self, upload: Mapping[str, Any], *, user: str = ADA) -> TestResponse:
        return self._function.delete(f"/direct/{upload['job_id']}", headers=bearer(self.services, user))

    def put(self, part: Mapping[str, Any], content: bytes) -> int:
        """Send a part to the store, and return the status of its answer."""
        return self._pool.request("PUT", part["url"], body=content, retries=False).status

    def send(self, upload: Mapping[str, Any], content: bytes = VIDEO) -> None:
        """Send all parts of which the upload has the URLs."""
        for part in upload["parts"]:
            first = (part["number"] - 1) * upload["part_bytes"]
            assert self.put(part, content[first : first + part["size"]]) == 200

    def _post(self, path: str, document: Any, *, user: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        return self._function.post(
            f"/direct{path}", json=document, headers={**bearer(self.services, user), **(headers or {})}
        )


def stored(services: Services) -> tuple[list[str], list[str]]:
    """Return the keys of the objects in the store of a test, and of the multipart uploads in progress."""
    address = read_address(services.settings.media_url)
    client, folder = get_client(address), {"Bucket": BUCKET, "Prefix": f"{address.prefix}/"}
    objects = client.list_objects_v2(**folder).get("Contents", [])
    uploads = client.list_multipart_uploads(**folder).get("Uploads", [])
    return [each["Key"] for each in objects], [each["Key"] for each in uploads]


def client_with(services: Services, **changes: Any) -> DirectClient:
    """Return a client of the function with other settings."""
    if changes:
        services = Services(replace(services.settings, **changes))
    app.services = services
    app.test_client_class = Client
    return DirectClient(app.test_client(), services)


def rows(services: Services) -> list[tuple[str, str]]:
    """Return the ids and the states of all jobs."""
    with services.database.read() as connection:
        return [(row.id, row.state) for row in connection.execute(sa.select(table.c.id, table.c.state))]


def clean_up(services: Services) -> None:
    """Delete the files of deleted jobs, as each minute."""
    cleanup_app.services = services
    cleanup_app.test_client_class = Client
    assert cleanup_app.test_client().post("/").status_code == 200
