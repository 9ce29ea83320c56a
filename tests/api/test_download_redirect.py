"""download: redirects to a store in S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from werkzeug.test import TestResponse

from devservers.s3 import S3
from functions.download.handler import app
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import age, notified_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Client

pytestmark = pytest.mark.servers
AUDIO = bytes(range(256)) * 8
NAME = 'Ünïcode "🎵".mp4'


@pytest.fixture
def s3_services(services: Services, s3_server: S3) -> Services:
    return Services(replace(services.settings, media_url=s3_server.url(), download_redirect=True))


@pytest.fixture
def job(s3_services: Services) -> Iterator[Job]:
    job = ready_job(s3_services, AUDIO, NAME)
    yield job
    dispose(job, s3_services)


def get(
    services: Services, job: Job, query: str = "", method: str = "GET", *, user: str = "ada@example.org", **headers: str
) -> TestResponse:
    app.services = services
    app.test_client_class = Client
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().open(f"/?job={job.id}{query}", method=method, headers={**bearer(services, user), **names})


def test_a_download_is_redirected_to_a_url_that_has_the_file_with_our_headers(s3_services: Services, job: Job) -> None:
    response = get(s3_services, job)
    assert (response.status_code, response.data) == (302, b"")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["ETag"] == f'"{job.mp3_fid}"'
    url = response.headers["Location"]
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["60"]
    found = urllib3.request("GET", url)
    assert (found.status, found.data, found.headers["Content-Type"]) == (200, AUDIO, "audio/mpeg")
    disposition = (
        "attachment; filename=\"_n_code ___.mp3\"; filename*=UTF-8''%C3%9Cn%C3%AFcode%20%22%F0%9F%8E%B5%22.mp3"
    )
    assert found.headers["Content-Disposition"] == disposition
    assert found.headers["Cache-Control"] == "private, no-store"
    part = urllib3.request("GET", url, headers={"Range": "bytes=-5"})
    assert (part.status, part.data) == (206, AUDIO[-5:])


def test_a_signed_link_and_a_range_are_redirected_too(s3_services: Services, job: Job) -> None:
    token = s3_services.tokens.download_link(str(job.mp3_fid))
    app.services = s3_services
    link = app.test_client().get(f"/?fid={job.mp3_fid}&token={token}", headers={"Sec-Fetch-Mode": "navigate"})
    assert link.status_code == 302
    assert get(s3_services, job, Range="bytes=5-9").status_code == 302


def test_the_function_answers_what_the_store_would_answer_otherwise(s3_services: Services, job: Job) -> None:
    etag = f'"{job.mp3_fid}"'
    for response, status in (
        (get(s3_services, job, method="HEAD"), 200),
        (get(s3_services, job, "&redirect=false"), 200),
        (get(s3_services, job, If_None_Match=etag), 304),
        (get(s3_services, job, If_Match='"other"'), 412),
        (get(s3_services, job, Range="bytes=5-9", If_Range=etag), 206),
        (get(s3_services, job, Range="bytes=0-1,5-6"), 416),
        (get(s3_services, job, Sec_Fetch_Mode="cors"), 200),
        (get(s3_services, job, Sec_Fetch_Mode="no-cors"), 200),
        (get(s3_services, job, "&redirect=true", Sec_Fetch_Mode="cors"), 302),
        (get(s3_services, job, "&redirect=yes"), 400),
        (get(Services(replace(s3_services.settings, download_redirect=False)), job, "&redirect=true"), 200),
    ):
        assert response.status_code == status


def test_errors_come_before_the_redirect(s3_services: Services, job: Job) -> None:
    assert_problem(get(s3_services, job, user="bob@example.org"), 404, code="not_found")
    lost = ready_job(s3_services, AUDIO)
    s3_services.mp3s.delete(str(lost.mp3_fid))
    assert_problem(get(s3_services, lost), 404, code="media_not_found")
    expired = notified_job(s3_services)
    age(s3_services, expired, 10**7)
    assert s3_services.jobs.expire(expired, retention=10**6)
    assert_problem(get(s3_services, expired), 410, code="expired")
    for each in (lost, expired):
        dispose(each, s3_services)


def test_a_store_on_this_machine_is_never_redirected_to(services: Services) -> None:
    local = Services(replace(services.settings, download_redirect=True))
    assert get(local, ready_job(local, AUDIO)).data == AUDIO


def test_several_files_are_never_redirected_to(s3_services: Services, job: Job) -> None:
    app.services = s3_services
    response = app.test_client().get(f"/?jobs={job.id}", headers=bearer(s3_services))
    assert (response.status_code, response.mimetype) == (200, "application/zip")
