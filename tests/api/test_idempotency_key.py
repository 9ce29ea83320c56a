"""upload: repeated requests with the same Idempotency-Key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from soundlift.common.jobs.model import UPLOAD_LEASE_SECONDS, State
from soundlift.common.services import Services
from tests.api.keyed_uploads import UnreadBody, Uploads
from tests.api.uploads import LARGE, SlowBody, build_form, only_job, read_stored, traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, age, job_now
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


@pytest.fixture
def uploads(function: Call, services: Services) -> Uploads:
    return Uploads(function, services)


def field(name: str, value: str) -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def test_a_repeated_upload_is_answered_with_its_job_without_reading_the_file(uploads: Uploads) -> None:
    first = uploads.post()
    repeated = uploads.post(UnreadBody(MP4))
    assert (first.status_code, repeated.status_code) == (202, 202)
    assert repeated.json == first.json
    assert repeated.headers["Location"] == first.headers["Location"]
    assert uploads.get().json == first.json
    assert len(traces(uploads.services)) == 2
    assert uploads.services.broker.receive(["video"], timeout=0) is not None
    assert uploads.services.broker.receive(["video"], timeout=0) is None


def test_a_repeated_upload_shows_what_became_of_its_job(uploads: Uploads) -> None:
    job = uploads.services.jobs.find(uploads.post().json["job_id"])
    assert job is not None
    claim = uploads.services.jobs.claim(job)
    assert claim is not None
    assert uploads.services.jobs.mark_failed(claim, code="no_audio", message="There is no sound in it.")
    repeated = uploads.post(UnreadBody(MP4)).json
    assert (repeated["job_id"], repeated["state"], repeated["error"]["code"]) == (job.id, "failed", "no_audio")
    assert [one["channel"] for one in repeated["notifications"]] == ["mail"]


def test_a_form_is_read_up_to_its_file(uploads: Uploads) -> None:
    head, body = field("channels", "1"), build_form(LARGE)
    first = uploads.post_form(head + body)
    repeated = uploads.post_form(UnreadBody(head + body, allowed=500))
    assert (first.status_code, repeated.status_code) == (202, 202)
    assert repeated.json == first.json
    assert_problem(uploads.post_form(field("channels", "2") + body), 422, code="idempotency_key_reused")


def test_the_key_of_one_user_is_not_that_of_another(uploads: Uploads) -> None:
    mine, other = uploads.post(), uploads.post(user="eve@example.org")
    assert other.status_code == 202
    assert other.json["job_id"] != mine.json["job_id"]
    assert_problem(uploads.get(user="bob@example.org"), 404, code="not_found")
    assert uploads.delete(user="bob@example.org").status_code == 204
    assert uploads.get().json["job_id"] == mine.json["job_id"]


@pytest.mark.parametrize(
    "difference",
    [
        {"body": MP4 + b"1"},
        {"query_string": "channels=2&bitrate=128"},
        {"query_string": "channels=1"},
        {"headers": {"X-Filename": "b.mp4"}},
        {"content_type": "video/quicktime"},
        {"headers": {"Repr-Digest": "sha-256=:AAAA:"}},
    ],
)
def test_another_upload_with_the_same_key_is_refused(uploads: Uploads, difference: dict[str, Any]) -> None:
    job = uploads.post().json
    assert_problem(uploads.post(**difference), 422, code="idempotency_key_reused")
    assert [row.id for row in uploads.services.jobs.page(None)] == [job["job_id"]]


def test_the_order_of_options_makes_no_difference(uploads: Uploads) -> None:
    assert uploads.post().json == uploads.post(UnreadBody(MP4), query_string="bitrate=128&channels=1").json


@pytest.mark.parametrize("key", ['"a"', '"~ !#[]"', '"a\\"b\\\\c"', f'"{"k" * 255}"'])
def test_a_key_is_a_quoted_string(uploads: Uploads, key: str) -> None:
    job = uploads.post(key=key).json["job_id"]
    assert uploads.get(key).json["job_id"] == job


@pytest.mark.parametrize(
    "key",
    ["", '""', "8e03978e", '"a', 'a"', '"a";b=1', '"a", "b"', '"a\\b"', '"é"', "'a'", ":YQ==:", "1", f'"{"k" * 256}"'],
)
def test_a_malformed_key_is_refused_with_an_example(uploads: Uploads, key: str) -> None:
    for response in (uploads.post(key=key), uploads.get(key), uploads.delete(key)):
        assert_problem(response, 400, code="bad_idempotency_key")
        assert 'in double quotes, for example "8e03978e' in response.json["detail"]
    assert traces(uploads.services) == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_upload_is_found_and_cancelled_only_by_its_key(function: Call, services: Services, method: str) -> None:
    response = function("upload").open("/", method=method, headers=bearer(services))
    assert_problem(response, 400, code="bad_idempotency_key")


def test_a_repetition_has_to_wait_while_the_first_upload_is_in_progress(uploads: Uploads) -> None:
    def repeat() -> None:
        for response in (uploads.post(LARGE), uploads.get()):
            assert_problem(response, 409, code="upload_in_progress")
            assert 1 <= int(response.headers["Retry-After"]) <= 10
        assert_problem(uploads.post(LARGE, query_string="channels=2"), 422)

    first = uploads.post(SlowBody(repeat))
    assert first.status_code == 202
    assert uploads.post(UnreadBody(LARGE)).json == first.json


def test_an_upload_that_broke_off_can_be_sent_again(uploads: Uploads) -> None:
    cut = {"environ_overrides": {"CONTENT_LENGTH": str(len(MP4)), "wsgi.input_terminated": True}}
    assert_problem(uploads.post(MP4[:-1], **cut), 400)
    assert traces(uploads.services) == []
    assert_problem(uploads.get(), 404)
    job = uploads.post()
    assert (job.status_code, job.json["video_bytes"]) == (202, len(MP4))


def test_a_refused_upload_does_not_use_its_key_up(uploads: Uploads) -> None:
    assert_problem(uploads.post(b"not a video"), 415)
    assert uploads.post().status_code == 202


def test_an_upload_whose_process_died_is_taken_over_once_its_lease_is_over(uploads: Uploads) -> None:
    jobs = uploads.services.jobs

    def take_over() -> None:
        body.before_block = lambda: None
        dead = only_job(uploads.services)
        age(uploads.services, dead, UPLOAD_LEASE_SECONDS - 3)
        assert int(uploads.post(LARGE).headers["Retry-After"]) <= 3
        age(uploads.services, dead, 3)
        assert_problem(uploads.get(), 404)
        assert uploads.post(LARGE).status_code == 202
        assert job_now(uploads.services, dead.id).state == State.DELETED

    body = SlowBody(take_over)
    assert_problem(uploads.post(body), 503, code="store_unavailable")
    (job,) = jobs.page(None)
    assert read_stored(uploads.services, job.video_fid) == LARGE
    assert uploads.get().json["job_id"] == job.id


@pytest.mark.parametrize("row_exists", [True, False])
def test_a_repetition_does_not_restore_a_deleted_job(uploads: Uploads, function: Call, row_exists: bool) -> None:
    job_id = uploads.post().json["job_id"]
    assert uploads.services.jobs.cancel(job_id)
    assert uploads.services.jobs.delete(job_id)
    if not row_exists:
        function("cleanup").post("/")
        assert uploads.services.jobs.find(job_id) is None
    for response in (uploads.post(UnreadBody(MP4)), uploads.get()):
        assert_problem(response, 410, code="upload_deleted")
    assert uploads.post(key='"another"').status_code == 202


def test_a_repetition_after_the_job_has_expired_shows_that(uploads: Uploads) -> None:
    job = job_now(uploads.services, uploads.post().json["job_id"])
    assert uploads.services.jobs.cancel(job.id)
    age(uploads.services, job, 60)
    assert uploads.services.jobs.expire(job, retention=1)
    repeated = uploads.post(UnreadBody(MP4))
    assert (repeated.status_code, repeated.json["state"]) == (202, "expired")


def test_a_repetition_counts_once_in_a_quota(uploads: Uploads) -> None:
    uploads.services.settings = replace(uploads.services.settings, max_jobs_in_flight=1)
    first = uploads.post()
    assert uploads.post(UnreadBody(MP4)).json == first.json
    assert_problem(uploads.post(key='"another"'), 429, code="too_many_jobs")


def test_a_key_is_forgotten_after_a_day(uploads: Uploads, function: Call) -> None:
    first = uploads.post().json["job_id"]
    _age_keys(uploads.services, 24 * 3600 - 60)
    function("cleanup").post("/")
    assert uploads.get().json["job_id"] == first
    _age_keys(uploads.services, 61)
    function("cleanup").post("/")
    assert_problem(uploads.get(), 404)
    assert uploads.post().json["job_id"] != first


def test_a_key_is_kept_as_long_as_its_upload_is_in_progress(uploads: Uploads, function: Call) -> None:
    def repeat() -> None:
        _age_keys(uploads.services, 25 * 3600)
        function("cleanup").post("/")
        assert_problem(uploads.post(LARGE), 409, code="upload_in_progress")

    assert uploads.post(SlowBody(repeat)).status_code == 202


def _age_keys(services: Services, seconds: float) -> None:
    with services.database.write() as connection:
        connection.execute(sa.text(f"UPDATE upload_key SET created_at = created_at - {seconds}"))
