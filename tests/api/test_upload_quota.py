"""upload: the limits per user, also across replicas."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
import urllib3

from devservers.waiting import wait_for
from soundlift.client import ApiError, Client
from soundlift.common.jobs.disposal import dispose
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer
from tests.api.uploads import traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, claimed_job, job_now, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

REPLICAS = 2
MAX_JOBS = 5
MAX_BYTES = 40 * 2**20
MEGABYTE = 2**20


def _limit(services: Services, *, jobs: int = 0, stored_bytes: int = 0, **others: int) -> None:
    limits: dict[str, Any] = {"max_jobs_in_flight": jobs, "max_stored_bytes": stored_bytes, **others}
    services.settings = replace(services.settings, **limits)


def test_an_upload_beyond_the_limit_of_jobs_is_rejected_until_one_ends(function: Call, services: Services) -> None:
    _limit(services, jobs=2)
    queued, _ = queued_job(services), claimed_job(services)
    before = traces(services)
    rejected = function("upload").post("/", data=MP4, headers=bearer(services))
    assert_problem(rejected, 429, "Too Many Requests", "too_many_jobs")
    assert "at most 2 jobs" in rejected.json["detail"]
    assert int(rejected.headers["Retry-After"]) > 0
    assert traces(services) == before
    assert function("upload").post("/", data=MP4, headers=bearer(services, "bob@example.org")).status_code == 202
    assert services.jobs.cancel(queued.id)
    assert function("upload").post("/", data=MP4, headers=bearer(services)).status_code == 202


def test_an_upload_into_full_storage_is_rejected_until_a_job_is_deleted(function: Call, services: Services) -> None:
    job = ready_job(services)
    _limit(services, stored_bytes=2 * len(MP4))
    before = traces(services)
    rejected = function("upload").post("/", data=MP4, headers=bearer(services))
    assert_problem(rejected, 429, "Storage Full", "storage_full")
    assert "DELETE /jobs/ID" in rejected.json["detail"]
    assert traces(services) == before
    assert services.jobs.delete(job.id)
    still_full = function("upload").post("/", data=MP4, headers=bearer(services))
    assert_problem(still_full, 429, "Storage Full", "storage_full")
    assert still_full.headers["Retry-After"] == "60"
    assert dispose(job_now(services, job.id), services)
    assert function("upload").post("/", data=MP4, headers=bearer(services)).status_code == 202


def test_an_upload_says_how_many_are_left_until_one_is_refused(function: Call, services: Services) -> None:
    _limit(services, max_uploads_per_hour=2)
    answers = [function("upload").post("/", data=MP4, headers=bearer(services)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert_problem(answers[2], 429, "Too Many Requests", "too_many_uploads")
    assert "at most 2 files in an hour, and you have uploaded 2. Upload more on" in answers[2].json["detail"]
    fields = [re.fullmatch(r'"uploads";r=(\d);t=(\d{4})', answer.headers["RateLimit"]) for answer in answers]
    assert [int(field[1]) for field in fields if field] == [1, 0, 0]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"uploads";q=2;w=3600'}
    assert fields[2]
    assert int(fields[2][2]) == int(answers[2].headers["Retry-After"]) <= 3660
    assert len(services.jobs.page(None)) == 2


def test_an_upload_has_no_such_fields_without_a_limit(function: Call, services: Services) -> None:
    answer = function("upload").post("/", data=MP4, headers=bearer(services))
    assert answer.status_code == 202
    assert not [name for name, _ in answer.headers if name.lower().startswith("ratelimit")]


def test_an_upload_is_refused_when_the_minutes_of_the_day_are_used(function: Call, services: Services) -> None:
    ready_job(services)
    _limit(services, max_minutes_per_day=3)
    refused = function("upload").post("/", data=MP4, headers=bearer(services))
    assert_problem(refused, 429, "Too Many Requests", "daily_minutes_exceeded")
    assert "At most 3 minutes of your sound are converted in 24 hours, and 3.1 are used" in refused.json["detail"]
    assert 23 * 3600 < int(refused.headers["Retry-After"]) <= 24 * 3600 + 60


@pytest.mark.parametrize("announced", [True, False])
def test_a_user_s_own_limits_replace_those_of_the_settings(function: Call, services: Services, announced: bool) -> None:
    services.limits.change("ada@example.org", {"file_bytes": len(MP4), "jobs": 1, "uploads_per_hour": 2})
    unknown = {} if announced else {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    body = {"CONTENT_LENGTH": str(len(MP4) + 2 * MEGABYTE), "wsgi.input": io.BytesIO(MP4 + bytes(2 * MEGABYTE))}
    refused = function("upload").post("/", headers=bearer(services), environ_overrides={**body, **unknown})
    assert_problem(refused, 413, code="too_large")
    assert f"at most {len(MP4)} bytes" in refused.json["detail"]
    answers = [function("upload").post("/", data=MP4, headers=bearer(services)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert "at most 1 jobs" in answers[1].json["detail"]
    assert answers[0].headers["RateLimit-Policy"].startswith('"uploads";q=2;')
    others = [function("upload").post("/", data=MP4, headers=bearer(services, "bob@example.org")) for _ in range(3)]
    assert [answer.status_code for answer in others] == [202] * 3


@pytest.mark.parametrize("admin", [False, True])
def test_an_admin_has_the_same_limits(function: Call, services: Services, admin: bool) -> None:
    _limit(services, jobs=1)
    headers = bearer(services, "root@example.org", admin=admin)
    statuses = [function("upload").post("/", data=MP4, headers=headers).status_code for _ in range(2)]
    assert statuses == [202, 429]


def test_a_body_that_does_not_fit_into_the_storage_is_not_read(function: Call, services: Services) -> None:
    queued_job(services)
    _limit(services, stored_bytes=100 * MEGABYTE)
    body = io.BytesIO(MP4 + bytes(99 * MEGABYTE))
    announced = {"CONTENT_LENGTH": str(100 * MEGABYTE)}
    rejected = function("upload").post("/", input_stream=body, environ_overrides=announced, headers=bearer(services))
    assert_problem(rejected, 429, code="storage_full")
    assert body.tell() <= MEGABYTE


def test_an_upload_larger_than_the_entire_storage_is_too_large(function: Call, services: Services) -> None:
    _limit(services, stored_bytes=1000)
    assert_problem(function("upload").post("/", data=MP4, headers=bearer(services)), 413, code="too_large")
    form = {"file": (io.BytesIO(MP4), "a.mp4")}
    assert_problem(function("upload").post("/", data=form, headers=bearer(services)), 413, code="too_large")
    assert traces(services) == []


@pytest.mark.parametrize("size", [0, 3 * MEGABYTE])
def test_an_upload_of_unknown_length_may_fill_the_storage_exactly(
    function: Call, services: Services, size: int
) -> None:
    queued_job(services)
    content = MP4 + bytes(size)
    _limit(services, stored_bytes=len(MP4) + len(content))
    before = traces(services)
    statuses = []
    for body in (content + b"1", content, MP4):
        unknown = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
        response = function("upload").post(
            "/", input_stream=io.BytesIO(body), environ_overrides=unknown, headers=bearer(services)
        )
        statuses.append(response.status_code)
        if len(statuses) == 1:
            assert_problem(response, 429, code="storage_full")
            assert traces(services) == before
    assert statuses == [429, 202, 429]


@pytest.mark.parametrize("as_form", [False, True])
def test_an_interrupted_upload_releases_its_reservation(function: Call, services: Services, as_form: bool) -> None:
    _limit(services, jobs=1, stored_bytes=MEGABYTE)
    announced = {"CONTENT_LENGTH": str(MEGABYTE // 2), "wsgi.input_terminated": True}
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n' + MP4 if as_form else MP4
    interrupted = function("upload").post(
        "/",
        input_stream=io.BytesIO(body),
        content_type="multipart/form-data; boundary=x" if as_form else "video/mp4",
        environ_overrides=announced,
        headers=bearer(services),
    )
    assert_problem(interrupted, 400)
    assert traces(services) == []
    assert function("upload").post("/", data=MP4, headers=bearer(services)).status_code == 202


@pytest.fixture
def replicas(services: Services) -> Iterator[list[FunctionServer]]:
    """Serve several replicas of upload over one database."""
    limits = {"MAX_JOBS_IN_FLIGHT": str(MAX_JOBS), "MAX_STORED_BYTES": str(MAX_BYTES)}
    logs = [services.settings.soundlift_data / f"upload-{number}.log" for number in range(REPLICAS)]
    with ExitStack() as stack:
        servers = [FunctionServer("upload", services, limits, log) for log in logs]
        for server in servers:
            stack.callback(server.stop)
        wait_for(lambda: all(server.answers() for server in servers), "all replicas answer")
        yield servers


@pytest.mark.servers
def test_two_replicas_share_the_limit_of_jobs(services: Services, replicas: list[FunctionServer]) -> None:
    def upload(number: int) -> tuple[int, str]:
        url = replicas[number % REPLICAS].url
        response = urllib3.request("POST", url, body=MP4, headers=bearer(services), retries=False)
        return response.status, json.loads(response.data).get("code", "")

    with ThreadPoolExecutor(15) as pool:
        answers = Counter(pool.map(upload, range(30)))
    assert answers == {(202, ""): MAX_JOBS, (429, "too_many_jobs"): 30 - MAX_JOBS}
    assert len(services.jobs.page(None)) == MAX_JOBS
    assert len(traces(services)) == 2 * MAX_JOBS


@pytest.mark.servers
def test_concurrent_bodies_of_unknown_length_never_exceed_the_storage(
    services: Services, replicas: list[FunctionServer]
) -> None:
    size, uploads = 15 * MEGABYTE, 4
    blocks = [MP4, *[bytes(MEGABYTE)] * (size // MEGABYTE)]
    stored: list[int] = []

    def upload(number: int) -> tuple[int, str]:
        url, headers = replicas[number % REPLICAS].url, bearer(services)
        try:
            response = urllib3.request("POST", url, body=iter(blocks), headers=headers, retries=False)
        except urllib3.exceptions.HTTPError:
            return 0, "rejected before the body was sent"
        stored.append(_stored_bytes(services))
        return response.status, json.loads(response.data).get("code", "")

    with ThreadPoolExecutor(uploads) as pool:
        answers = Counter(pool.map(upload, range(uploads)))
    assert 1 <= answers[202, ""] <= MAX_BYTES // size
    assert answers.total() - answers[202, ""] == sum(n for (status, _), n in answers.items() if status in (0, 429))
    assert max(stored) <= MAX_BYTES + MEGABYTE
    wait_for(lambda: len(traces(services)) == 2 * answers[202, ""], "the rejected uploads are rolled back")


def _stored_bytes(services: Services) -> int:
    sizes = []
    for path in (services.settings.soundlift_data / "media").rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:
            continue
    return sum(sizes)


@pytest.mark.servers
def test_the_content_length_of_an_upload_in_progress_counts_as_stored(
    services: Services, replicas: list[FunctionServer]
) -> None:
    token = bearer(services)["Authorization"]
    announced = MAX_BYTES - MEGABYTE
    headers = {"Authorization": token, "Content-Length": str(announced)}
    with replicas[0].connect("POST /", headers, MP4 + bytes(2 * MEGABYTE)):
        wait_for(lambda: traces(services), "the first upload has its row")
        with pytest.raises(ApiError) as rejection:
            Client(replicas[1].url, token=token.removeprefix("Bearer ")).upload(io.BytesIO(MP4 + bytes(2 * MEGABYTE)))
        assert (rejection.value.status, rejection.value.code) == (429, "storage_full")
    wait_for(lambda: not traces(services), "the partial upload is rolled back")
