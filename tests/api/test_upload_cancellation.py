"""upload: DELETE with the Idempotency-Key of an upload, which then leaves no job."""

from __future__ import annotations

import pytest

from soundlift.common.jobs import keyed_uploads
from soundlift.common.services import Services
from tests.api.keyed_uploads import UnreadBody, Uploads
from tests.api.uploads import LARGE, SlowBody, traces
from tests.factories.jobs import MP3_SOUND, MP4, job_now
from tests.factories.media import store
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


@pytest.fixture
def uploads(function: Call, services: Services) -> Uploads:
    return Uploads(function, services)


def test_an_upload_that_is_cancelled_before_it_arrives_is_refused(uploads: Uploads) -> None:
    assert [uploads.delete().status_code for _ in range(2)] == [204, 204]
    for response in (uploads.post(UnreadBody(MP4)), uploads.get()):
        assert_problem(response, 410, code="upload_deleted")
    assert traces(uploads.services) == []


def test_an_upload_that_is_cancelled_while_it_arrives_makes_no_job(uploads: Uploads, function: Call) -> None:
    def cancel() -> None:
        body.before_block = lambda: None
        assert uploads.delete().status_code == 204

    body = SlowBody(cancel)
    assert_problem(uploads.post(body), 503, code="store_unavailable")
    assert_problem(uploads.post(UnreadBody(LARGE)), 410, code="upload_deleted")
    function("cleanup").post("/")
    assert traces(uploads.services) == []
    assert uploads.services.broker.receive(["video"], timeout=0) is None


@pytest.mark.parametrize("state", ["queued", "converting", "ready"])
def test_an_upload_that_is_cancelled_after_it_has_arrived_leaves_no_job(
    uploads: Uploads, function: Call, state: str
) -> None:
    services = uploads.services
    job = job_now(services, uploads.post().json["job_id"])
    if state != "queued":
        claim = services.jobs.claim(job)
        assert claim is not None
        store(services.mp3s, claim.mp3_fid, b"mp3")
        if state == "ready":
            assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=3, length=1.0)
    assert uploads.delete().status_code == 204
    assert services.jobs.page(None) == []
    assert_problem(uploads.get(), 410, code="upload_deleted")
    function("cleanup").post("/")
    assert traces(services) == []


def test_the_number_of_uploads_that_a_user_cancels_before_they_begin_is_limited(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_uploads, "MAX_CANCELLED_KEYS", 2)
    assert [uploads.delete(f'"{key}"').status_code for key in range(3)] == [204, 204, 429]
    assert uploads.post(key='"2"').status_code == 202
    assert uploads.delete('"2"').status_code == 204
    assert uploads.delete('"3"', user="bob@example.org").status_code == 204
