"""A bare message about a video that another program stored creates one job, even if it is repeated."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent
from werkzeug.test import TestResponse

from functions.convert.adoption import find_or_adopt_job_id
from functions.convert.handler import app, convert
from soundlift.common.db.tables import jobs as table
from soundlift.common.events import MP3_READY, VIDEO_UPLOADED, event_for, from_http, to_http
from soundlift.common.jobs.model import FIRST_RESEND_SECONDS, State
from soundlift.common.logging import begin_trace
from soundlift.common.media import MediaReader
from soundlift.common.services import Services
from tests.factories.clips import talking_mp4
from tests.factories.jobs import age, job_now, queued_job
from tests.factories.media import store
from tests.factories.problems import assert_problem
from tests.factories.stores import WatchedStore

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

Post = Callable[..., TestResponse]
FID = "0123456789abcdef01234567"
OWNER = "ada@example.org"


@pytest.fixture
def services(services: Services) -> Services:
    services.settings = replace(services.settings, accept_bare_messages=True)
    return services


@pytest.fixture
def video(services: Services, tmp_path: Path) -> bytes:
    """Return a video that is stored as FID, without a job."""
    content = talking_mp4(tmp_path).read_bytes()
    store(services.videos, FID, content)
    return content


def bare_message(**data: Any) -> CloudEvent:
    attributes = {"specversion": "1.0", "id": "1", "source": "/test", "type": VIDEO_UPLOADED}
    return CloudEvent(attributes, {"video_fid": FID, "mp3_fid": None, "username": OWNER, **data})


@pytest.fixture
def post(services: Services) -> Post:
    app.services = services

    def send(event: CloudEvent) -> TestResponse:
        headers, body = to_http(event)
        return app.test_client().post("/", data=body, headers=headers)

    return send


def count_jobs(services: Services) -> int:
    with services.database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_a_bare_message_becomes_a_job_and_an_mp3(services: Services, post: Post, video: bytes) -> None:
    response = post(bare_message(username=" Ada@Example.org "))
    reply = from_http(dict(response.headers), response.data)
    job = job_now(services, FID)
    assert (reply.get_type(), reply.get_subject()) == (MP3_READY, FID)
    assert (job.state, job.username, job.video_fid, job.video_bytes) == (State.READY, OWNER, FID, len(video))
    reader = services.mp3s.open(str(job.mp3_fid))
    with reader.file:
        assert reader.size == job.mp3_bytes


def test_an_adopted_job_keeps_the_trace_of_its_message_and_no_file_stays_open(services: Services, video: bytes) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    opened: list[BinaryIO] = []

    class Recording(WatchedStore):
        def open(self, fid: str) -> MediaReader:
            reader = super().open(fid)
            opened.append(reader.file)
            return reader

    services.videos = Recording(services.videos, lambda position: None)
    begin_trace(traceparent)
    assert find_or_adopt_job_id(bare_message(), services) == FID
    assert job_now(services, FID).traceparent == traceparent
    assert [file.closed for file in opened] == [True]
    # A video that already has a job is not opened again.
    assert find_or_adopt_job_id(bare_message(username="nobody@example.org"), services) == FID
    assert len(opened) == 1


def test_a_repeated_message_gets_the_same_reply_and_creates_nothing(
    services: Services, post: Post, video: bytes
) -> None:
    first = post(bare_message())
    mp3 = job_now(services, FID).mp3_fid
    again = post(bare_message(username="bob@example.org"))
    assert again.data == first.data
    job = job_now(services, FID)
    assert (job.mp3_fid, job.username, count_jobs(services)) == (mp3, OWNER, 1)


def test_concurrent_messages_create_one_job(services: Services, video: bytes) -> None:
    others = [Services(services.settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda other: find_or_adopt_job_id(bare_message(), other), others)) == [FID] * 4
    assert count_jobs(services) == 1
    for other in others:
        other.database.engine.dispose()


def test_adopting_a_second_time_changes_nothing(services: Services) -> None:
    assert services.jobs.adopt(video_fid=FID, username=OWNER, video_bytes=1, traceparent=None)
    before = job_now(services, FID)
    assert not services.jobs.adopt(video_fid=FID, username="bob@example.org", video_bytes=2, traceparent=None)
    assert job_now(services, FID) == before


def test_an_adopted_job_is_resent_like_any_other(services: Services) -> None:
    services.jobs.adopt(video_fid=FID, username=OWNER, video_bytes=1, traceparent=None)
    assert services.jobs.due() == []
    age(services, job_now(services, FID), FIRST_RESEND_SECONDS)
    [due] = services.jobs.due()
    assert event_for(due).get_data() == {"job_id": FID, "video_fid": FID, "mp3_fid": None, "username": OWNER}


def test_a_message_that_names_an_uploaded_video_finds_the_uploads_job(services: Services, post: Post) -> None:
    job = queued_job(services)
    assert services.jobs.cancel(job.id)
    assert post(bare_message(video_fid=job.video_fid)).status_code == 204
    assert count_jobs(services) == 1


@pytest.mark.parametrize("state", ["cancelled", "deleted"])
def test_a_cancelled_or_deleted_job_is_not_restarted(services: Services, post: Post, video: bytes, state: str) -> None:
    services.jobs.adopt(video_fid=FID, username=OWNER, video_bytes=1, traceparent=None)
    assert services.jobs.cancel(FID)
    if state == "deleted":
        assert services.jobs.delete(FID)
    assert post(bare_message()).status_code == 204
    assert job_now(services, FID).state == state


def test_a_video_missing_from_the_store_creates_no_job(services: Services, post: Post) -> None:
    assert_problem(post(bare_message(video_fid=secrets.token_hex(12))), 404, code="media_not_found")
    assert count_jobs(services) == 0


@pytest.mark.parametrize(
    "data",
    [
        {"video_fid": ""},
        {"video_fid": None},
        {"video_fid": 7},
        {"video_fid": "../" + "0" * 21},
        {"video_fid": FID + "\n"},
        {"video_fid": FID.upper()},
        {"username": ""},
        {"username": None},
        {"username": ["ada@example.org"]},
        {"username": "ada"},
        {"username": "ada@example.org, bob@example.org"},
        {"username": "ada@example.org\nBcc: bob@example.org"},
        {"username": "nobody@example.org"},
        {"job_id": None},
    ],
)
def test_a_malformed_message_or_an_unknown_owner_creates_no_job(
    services: Services, post: Post, video: bytes, data: dict[str, Any]
) -> None:
    assert_problem(post(bare_message(**data)), 400)
    assert count_jobs(services) == 0


def test_a_bare_message_is_rejected_if_the_setting_is_off(services: Services, post: Post, video: bytes) -> None:
    services.settings = replace(services.settings, accept_bare_messages=False)
    assert_problem(post(bare_message()), 400, code="bad_event")
    assert count_jobs(services) == 0


def test_a_job_id_takes_precedence_over_a_video(services: Services, video: bytes) -> None:
    job = queued_job(services, video)
    assert convert(bare_message(job_id=job.id), services) is not None
    assert job_now(services, job.id).state == State.READY
    assert count_jobs(services) == 1
