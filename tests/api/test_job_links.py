"""jobs: signed links to one MP3 and to several, which download serves."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZipFile

import pytest
import structlog
from werkzeug.test import TestResponse

from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import age, claimed_job, failed_job, notified_job, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

BASE = "http://127.0.0.1:8080/download"
UNKNOWN = "f" * 24


def ask(function: Call, services: Services, *ids: str, email: str = "ada@example.org") -> TestResponse:
    return function("jobs").post("/links", json={"jobs": list(ids)}, headers=bearer(services, email))


def test_a_link_downloads_its_mp3_without_a_sign_in_and_can_be_renewed(function: Call, services: Services) -> None:
    job = ready_job(services, b"sound")
    answers = [function("jobs").post(f"/{job.id}/link", headers=bearer(services)) for _ in range(2)]
    urls = {answer.json["url"] for answer in answers}
    assert len(urls) == 2
    for answer in answers:
        assert set(answer.json) == {"url", "expires_at"}
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["url"].startswith(f"{BASE}?fid={job.mp3_fid}&token=")
        assert function("download").get(answer.json["url"].replace(BASE, "/")).data == b"sound"


@pytest.mark.parametrize(("link", "retention"), [(3600, 7200), (7200, 3600)])
def test_a_link_ends_with_its_token_or_with_its_mp3(
    function: Call, services: Services, link: int, retention: int
) -> None:
    services.settings = replace(services.settings, link_seconds=link, retention_seconds=retention)
    job = ready_job(services)
    answer = function("jobs").post(f"/{job.id}/link", headers=bearer(services)).json
    seconds = datetime.fromisoformat(answer["expires_at"]).timestamp() - time.time()
    assert 3600 - 60 < seconds <= 3600
    assert ask(function, services, job.id).json["expires_at"][:16] == answer["expires_at"][:16]


def test_a_link_that_outlives_all_dates_ends_at_an_unknown_time(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, link_seconds=10**15, retention_seconds=10**15)
    answer = function("jobs").post(f"/{ready_job(services).id}/link", headers=bearer(services))
    assert (answer.status_code, answer.json["expires_at"]) == (200, None)


def test_there_is_no_link_to_an_mp3_that_does_not_exist(function: Call, services: Services) -> None:
    ready, expired = ready_job(services), notified_job(services)
    age(services, expired, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 1
    client, headers = function("jobs"), bearer(services)
    for job in (queued_job(services), claimed_job(services)[0], failed_job(services)):
        assert_problem(client.post(f"/{job.id}/link", headers=headers), 409, code="not_ready")
        assert_problem(ask(function, services, ready.id, job.id), 409, code="not_ready")
    assert_problem(client.post(f"/{expired.id}/link", headers=headers), 410, code="expired")
    assert_problem(ask(function, services, expired.id), 410, code="expired")


def test_a_link_is_only_for_the_owner_s_jobs(function: Call, services: Services) -> None:
    own, other = ready_job(services), ready_job(services, email="bob@example.org")
    client = function("jobs")
    for job_id in (other.id, UNKNOWN):
        assert_problem(client.post(f"/{job_id}/link", headers=bearer(services)), 404)
        answer = ask(function, services, own.id, job_id)
        assert_problem(answer, 404)
        assert job_id in answer.json["detail"]
    root = bearer(services, "root@example.org", admin=True)
    assert client.post("/links", json={"jobs": [own.id, other.id]}, headers=root).status_code == 200
    for path in (f"/{own.id}/link", "/links"):
        assert_problem(client.post(path), 401)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"jobs": "x"}',
        b'{"jobs": []}',
        b'{"jobs": [1]}',
        b'{"jobs": ["../x"]}',
        b'{"jobs": [null]}',
        b'{"jobs": ["\\ud800"]}',
        b"[" * 7000,
        json.dumps({"jobs": [f"{number:024x}" for number in range(101)]}).encode(),
    ],
)
def test_a_malformed_list_of_jobs_is_rejected(function: Call, services: Services, body: bytes) -> None:
    assert_problem(function("jobs").post("/links", data=body, headers=bearer(services)), 400)


def test_a_link_to_several_mp3s_is_short_and_downloads_them_as_a_zip_file(function: Call, services: Services) -> None:
    jobs = [ready_job(services, b"sound %d" % number, name=f"{number}.mp4") for number in range(100)]
    answer = ask(function, services, *(job.id for job in jobs))
    url = answer.json["url"]
    assert len(url) < 4000  # gunicorn accepts a request line of 4094 bytes, nginx one of 8 kB
    response = function("download").get(url.replace(BASE, "/"))
    with ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{number}.mp3" for number in range(100)]


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_link_to_several_mp3s_is_valid_for_exactly_these(function: Call, services: Services) -> None:
    first, second, third = [ready_job(services) for _ in range(3)]
    query = _query(ask(function, services, first.id, second.id).json["url"])
    single = _query(function("jobs").post(f"/{first.id}/link", headers=bearer(services)).json["url"])

    def get(**parameters: Any) -> TestResponse:
        return function("download").get("/", query_string=parameters)

    assert get(**query).status_code == 200
    assert get(jobs=f"{second.id},{first.id}", token=query["token"]).status_code == 200
    for ids in ((first,), (first, third), (first, second, third)):
        assert_problem(get(jobs=",".join(job.id for job in ids), token=query["token"]), 401)
    assert_problem(get(fid=first.mp3_fid, token=query["token"]), 401)
    assert_problem(get(jobs=first.id, token=single["token"]), 401)
    assert_problem(get(jobs=query["jobs"], token=services.tokens.sign_in("ada@example.org", admin=True)), 401)


def test_a_link_is_dead_once_one_of_its_jobs_is_deleted(function: Call, services: Services) -> None:
    jobs = [ready_job(services) for _ in range(2)]
    url = ask(function, services, *(job.id for job in jobs)).json["url"].replace(BASE, "/")
    single = function("jobs").post(f"/{jobs[0].id}/link", headers=bearer(services)).json["url"].replace(BASE, "/")
    services.jobs.delete(jobs[0].id)
    assert_problem(function("download").get(url), 404)
    assert_problem(function("download").get(single), 404)
    function("cleanup").post("/")
    assert_problem(function("download").get(url), 404)
    assert_problem(function("download").get(single), 404)


def test_the_token_of_a_link_is_in_no_log_line(function: Call, services: Services) -> None:
    job = ready_job(services)
    with structlog.testing.capture_logs() as logs:
        single = function("jobs").post(f"/{job.id}/link", headers=bearer(services)).json["url"]
        several = ask(function, services, job.id).json["url"]
        services.jobs.delete(job.id)
        for url in (single, several, f"{single}x"):
            for accept in ("*/*", "text/html"):
                function("download").get(url.replace(BASE, "/"), headers={"Accept": accept})
    assert len(logs) >= 8
    tokens = [_query(url)["token"] for url in (single, several)]
    assert not any(token in str(logs) or token.split(".")[2] in str(logs) for token in tokens)
