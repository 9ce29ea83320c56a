"""download: who may download which MP3, by token or by link, and in which state of its job."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from soundlift.common.auth.tokens import Tokens
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.factories.accounts import SECRET, bearer
from tests.factories.jobs import age, claimed_job, failed_job, notified_job, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

MP3 = bytes(range(256)) * 4096


@pytest.fixture
def job(services: Services) -> Job:
    return ready_job(services, MP3)


def test_a_request_without_an_id_is_rejected(function: Call, services: Services) -> None:
    response = function("download").get("/", headers=bearer(services))
    assert_problem(response, 400)
    assert response.json["detail"] == "fid is required"


def test_a_download_needs_a_token_or_a_link(function: Call, job: Job) -> None:
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}"), 401, "Not Authorized")


def test_an_unknown_mp3_and_another_user_s_get_the_same_response(function: Call, services: Services, job: Job) -> None:
    unknown = function("download").get(f"/?fid={'f' * 24}", headers=bearer(services))
    foreign = function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services, "bob@example.org"))
    foreign_job = function("download").get(f"/?job={job.id}", headers=bearer(services, "bob@example.org"))
    for response in (unknown, foreign, foreign_job):
        assert_problem(response, 404)
        assert response.json == unknown.json


def test_an_admin_can_download_any_mp3(function: Call, services: Services, job: Job) -> None:
    headers = bearer(services, "root@example.org", admin=True)
    assert function("download").get(f"/?fid={job.mp3_fid}", headers=headers).status_code == 200


def test_a_job_without_an_mp3_is_not_ready(function: Call, services: Services) -> None:
    for job in (queued_job(services), claimed_job(services)[0], failed_job(services)):
        assert_problem(function("download").get(f"/?job={job.id}", headers=bearer(services)), 409)


def test_an_mp3_being_written_is_not_ready(function: Call, services: Services) -> None:
    _, claim = claimed_job(services)
    assert_problem(function("download").get(f"/?fid={claim.mp3_fid}", headers=bearer(services)), 409)


def test_an_expired_mp3_is_gone(function: Call, services: Services) -> None:
    job = notified_job(services)
    age(services, job, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 1
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services)), 410)


def test_a_deleted_mp3_is_not_found(function: Call, services: Services, job: Job) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    services.jobs.delete(job.id)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers=bearer(services)), 404)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}&token={token}"), 404)


def test_the_link_in_the_mail_downloads_its_mp3_without_a_login(function: Call, services: Services, job: Job) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    assert function("download").get(f"/?fid={job.mp3_fid}&token={token}").data == MP3


def test_a_link_is_valid_only_together_with_the_id_of_its_mp3(function: Call, services: Services, job: Job) -> None:
    other = ready_job(services, b"other")
    token = services.tokens.download_link(str(job.mp3_fid))
    assert_problem(function("download").get(f"/?fid={other.mp3_fid}&token={token}"), 401)
    without_id = function("download").get(f"/?token={token}")
    assert_problem(without_id, 400)
    assert without_id.json["detail"] == "fid is required"


def test_an_expired_link_is_rejected(function: Call, services: Services, job: Job) -> None:
    expired = Tokens((SECRET,), sign_in_seconds=1, link_seconds=-1)
    assert_problem(
        function("download").get(f"/?fid={job.mp3_fid}&token={expired.download_link(str(job.mp3_fid))}"), 401
    )


def test_the_token_of_a_link_is_not_logged(function: Call, services: Services, job: Job) -> None:
    token = services.tokens.download_link(str(job.mp3_fid))
    signature = token.rpartition(".")[2]
    with capture_logs() as logs:
        for fid in (str(job.mp3_fid), "f" * 24):
            function("download").get(f"/?fid={fid}&token={token}")
    assert [entry["status"] for entry in logs] == [200, 401]
    assert not any(signature in str(entry) for entry in logs)


def test_a_link_and_an_access_token_are_not_interchangeable(function: Call, services: Services, job: Job) -> None:
    link, sign_in = (
        services.tokens.download_link(str(job.mp3_fid)),
        services.tokens.sign_in("ada@example.org", admin=True),
    )
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}", headers={"Authorization": f"Bearer {link}"}), 401)
    assert_problem(function("download").get(f"/?fid={job.mp3_fid}&token={sign_in}"), 401)
