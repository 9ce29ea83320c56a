"""The client lets a server import a video from a URL."""

from __future__ import annotations

import json

import pytest

from soundlift.client import ApiError, Client, NotSupported
from soundlift.common.services import Services
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.jobs import job_now
from tests.imports.sources import source_rows

URL = "https://example.org/talk.mp4?token=secret"
PROBLEM = {"title": "Unsupported Media Type", "status": 415, "detail": "No media.", "code": "unsupported_media_type"}


def test_an_import_is_requested_with_its_name_and_options(client: Client, services: Services) -> None:
    job = client.import_url(URL, name="The talk.mp4", format="m4a", start=1.5, tag={"title": "T"})
    assert (job.state, job.file_name, job.format) == ("importing", "The talk.mp4", "m4a")
    assert job.source_url == "https://example.org/talk.mp4"
    assert not job.ended
    assert (job.options["start"], source_rows(services)[0].url) == (1.5, URL)
    assert client.cancel(job).state == "cancelled"


def test_an_import_whose_answer_was_lost_is_not_requested_twice(
    client: Client, deployment: Deployment, services: Services
) -> None:
    client.validate()
    deployment.cuts = [0]  # the answer to the next request
    job = client.import_url(URL)
    assert deployment.lines[-2:] == ["POST /upload", "POST /upload"]
    assert [row.job for row in source_rows(services)] == [job.id]
    assert job_now(services, job.id).state == "importing"


def test_a_url_that_is_refused_is_an_error_with_its_code(client: Client) -> None:
    with pytest.raises(ApiError) as refused:
        client.import_url("ftp://example.org/talk.mp4")
    assert refused.value.code == "bad_url"


def test_a_server_that_knows_no_imports_is_a_clear_error(server: WrittenAnswers) -> None:
    server.replies = [Reply(415, json.dumps(PROBLEM).encode(), {"Content-Type": "application/problem+json"})]
    with pytest.raises(NotSupported, match="cannot import from a URL"):
        Client(server.url, token="x").import_url(URL)
