"""Large files go straight to the server's media store, or else to the server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from devservers.ports import free_port
from devservers.s3 import S3
from soundlift.client import ApiError, Client, ConnectionFailed
from soundlift.client.direct_uploads import LARGE_BYTES
from soundlift.common.jobs.document import job_document
from soundlift.common.services import Services
from tests.api.uploads import read_stored
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, queued_job

PART = 16 * 2**20
VIDEO = MP4 + bytes(LARGE_BYTES)
ID = "0" * 24


@pytest.fixture
def store() -> Iterator[WrittenAnswers]:
    with WrittenAnswers().running() as store:
        yield store


@pytest.fixture
def client(server: WrittenAnswers) -> Client:
    return Client(server.url, token="secret")


@pytest.fixture
def queued(services: Services) -> Reply:
    """Return the answer to an upload that has made a job."""
    return reply(202, job_document(queued_job(services), services.settings))


def reply(status: int, document: Any) -> Reply:
    body = json.dumps(document).encode()
    return Reply(status, body, {"Content-Type": "application/json", "Content-Length": str(len(body))})


def signed(address: str, numbers: range) -> list[dict[str, Any]]:
    return [{"number": number, "size": PART, "url": f"{address}/{number}"} for number in numbers]


def begun(address: str, **changes: Any) -> Reply:
    document = {"job_id": ID, "size": len(VIDEO), "part_bytes": PART, "part_count": 3, "expires_in": 900}
    return reply(201, document | {"parts": signed(address, range(1, 4))} | changes)


@pytest.mark.servers
def test_a_large_file_is_sent_to_the_store_in_parts(services: Services, s3_server: S3) -> None:
    in_s3 = Services(replace(services.settings, media_url=s3_server.url()))
    seen: list[tuple[int, int | None]] = []
    with Deployment(in_s3).running() as deployment:
        client = Client(deployment.url, token=bearer(in_s3)["Authorization"].removeprefix("Bearer "))
        file = io.BytesIO(b"before" + VIDEO)
        file.seek(6)
        job = client.upload(file, "a.mp4", lambda done, total: seen.append((done, total)), format="flac")
        assert deployment.lines == ["POST /upload/direct", f"POST /upload/direct/{job.id}/complete"]
        assert (job.state, job.file_name, job.format) == ("queued", "a.mp4", "flac")
        found = in_s3.jobs.find(job.id)
        assert found is not None
        assert read_stored(in_s3, found.video_fid) == VIDEO
        assert max(seen) == (len(VIDEO), len(VIDEO))
        with pytest.raises(ApiError, match="not a media file"):
            client.upload(io.BytesIO(bytes(LARGE_BYTES + 1)))
    in_s3.videos.delete(found.video_fid)


def test_a_part_is_sent_again_to_a_new_url_and_never_with_the_token(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, queued: Reply, _no_pause: None
) -> None:
    more = reply(200, {"parts": signed(store.url, range(1, 4)), "expires_in": 900})
    server.replies = [begun(store.url), queued]
    server.by_request = {f"POST /upload/direct/{ID}/parts": more}
    store.replies = [Reply(200), Reply(403), Reply(500), Reply(200)]
    seen: list[int] = []
    client.upload(io.BytesIO(VIDEO), "a.mp4", lambda done, _: seen.append(done))
    assert (seen[-1], max(seen)) == (len(VIDEO), len(VIDEO))
    assert len(store.requests) == 5
    assert not [headers for headers in store.headers if "Authorization" in headers]
    assert {len(body) for body in store.bodies} == {PART, len(MP4)}
    assert server.requests[0] == "POST /upload/direct"
    assert server.requests[-1] == f"POST /upload/direct/{ID}/complete"
    assert set(server.requests[1:-1]) == {f"POST /upload/direct/{ID}/parts"}


def test_urls_that_would_soon_expire_are_not_used(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, queued: Reply
) -> None:
    more = reply(200, {"parts": signed(f"{store.url}/new", range(1, 4)), "expires_in": 900})
    server.replies = [begun(f"{store.url}/old", expires_in=30), more, queued]
    client.upload(io.BytesIO(VIDEO), "a.mp4")
    assert sorted(store.requests) == ["PUT /new/1", "PUT /new/2", "PUT /new/3"]


def test_a_store_that_cannot_be_reached_is_tried_once(
    client: Client, server: WrittenAnswers, queued: Reply, _no_pause: None
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    more = reply(200, {"parts": signed(address, range(1, 4)), "expires_in": 900})
    server.by_request = {f"POST /upload/direct/{ID}/parts": more}
    server.replies = [begun(address), Reply(204), queued]
    client.upload(io.BytesIO(VIDEO), "a.mp4")
    client.upload(io.BytesIO(VIDEO), "a.mp4")
    abandoned = f"DELETE /upload/direct/{ID}"
    requests = [each for each in server.requests if not each.endswith("/parts")]
    assert requests == ["POST /upload/direct", abandoned, "POST /upload", "POST /upload"]
    keys = [headers["Idempotency-Key"] for headers in server.headers if "Idempotency-Key" in headers]
    assert len(set(keys)) == 3


@pytest.mark.parametrize("status", [501, 415, 404, 405])
def test_a_server_without_direct_uploads_is_asked_once(
    client: Client, server: WrittenAnswers, queued: Reply, status: int
) -> None:
    server.replies = [reply(status, {"code": "direct_unavailable"}), queued]
    client.upload(io.BytesIO(VIDEO), "a.mp4")
    client.upload(io.BytesIO(VIDEO), "a.mp4")
    assert server.requests == ["POST /upload/direct", "POST /upload", "POST /upload"]


def test_an_upload_that_the_server_has_given_up_is_sent_in_another_way(
    client: Client, server: WrittenAnswers, store: WrittenAnswers, queued: Reply
) -> None:
    server.by_request = {f"POST /upload/direct/{ID}/parts": reply(410, {"code": "upload_deleted"})}
    server.replies = [begun(store.url, parts=[]), Reply(204), queued]
    client.upload(io.BytesIO(VIDEO), "a.mp4")
    assert "POST /upload" in server.requests, "threads may still have asked for other parts"


def test_an_error_of_the_callback_abandons_the_upload_and_is_raised(
    client: Client, server: WrittenAnswers, store: WrittenAnswers
) -> None:
    def fail(done: int, total: int | None) -> None:
        raise OSError("disk full")

    server.replies = [begun(store.url), Reply(204)]
    with pytest.raises(OSError, match="disk full"):
        client.upload(io.BytesIO(VIDEO), "a.mp4", fail)
    assert server.requests == ["POST /upload/direct", f"DELETE /upload/direct/{ID}"]


def test_an_answer_that_is_not_of_a_direct_upload_is_an_error(client: Client, server: WrittenAnswers) -> None:
    for document in ({"parts": 5}, {"parts": [{}], "part_bytes": 1, "part_count": 1, "expires_in": 1}, {"job_id": 7}):
        server.replies = [reply(201, document)]
        with pytest.raises(ConnectionFailed):
            client.upload(io.BytesIO(VIDEO), "a.mp4")


def test_a_refusal_is_raised_and_the_file_is_not_sent_in_another_way(
    client: Client, server: WrittenAnswers, store: WrittenAnswers
) -> None:
    server.replies = [begun(store.url), reply(415, {"code": "unsupported_media_type", "detail": "no video"})]
    with pytest.raises(ApiError, match="no video"):
        client.upload(io.BytesIO(VIDEO), "a.mp4")
    assert server.requests[-1].endswith("/complete")


def test_a_small_file_and_one_of_unknown_size_are_sent_to_the_server(
    client: Client, server: WrittenAnswers, queued: Reply
) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    server.replies = [queued]
    client.upload(io.BytesIO(VIDEO[:LARGE_BYTES]), "a.mp4")
    assert server.requests == ["POST /upload"]
