"""jobs: the list, one job, waiting for its end, cancelling, and deleting."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import Job, State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import (
    MP3_SOUND,
    MP4,
    age,
    claimed_job,
    claimed_mail,
    failed_job,
    job_now,
    mail_notification,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call


def _files(services: Services) -> list[Path]:
    return [path for path in (services.settings.soundlift_data / "media").rglob("*") if path.is_file()]


def test_a_job_shows_its_state_percent_and_links(function: Call, services: Services) -> None:
    job, claim = claimed_job(services)
    services.jobs.renew(claim, percent=42)
    answer = function("jobs").get(f"/{job.id}", headers=bearer(services)).json
    assert (answer["job_id"], answer["state"], answer["percent"]) == (job.id, "converting", 42)
    assert answer["links"] == {
        "self": f"http://127.0.0.1:8080/jobs/{job.id}",
        "page": f"http://127.0.0.1:8080/web/#job={job.id}",
    }
    assert (answer["error"], answer["mp3_fid"]) == (None, None)


def test_a_ready_job_has_a_download_link_and_a_failed_job_an_error(function: Call, services: Services) -> None:
    ready, failed = ready_job(services), failed_job(services, "There is no sound in it.")
    answer = function("jobs").get(f"/{ready.id}", headers=bearer(services)).json
    assert answer["links"]["download"] == f"http://127.0.0.1:8080/download?fid={ready.mp3_fid}"
    assert (answer["percent"], answer["length"], answer["mp3_bytes"]) == (100, 187.0, 3)
    answer = function("jobs").get(f"/{failed.id}", headers=bearer(services)).json
    assert answer["error"] == {"code": "no_audio", "detail": "There is no sound in it."}


def test_the_job_document_has_exactly_the_documented_members(function: Call, services: Services) -> None:
    job = queued_job(services, options=AudioOptions(channels=1))
    claim = services.jobs.claim(job)
    assert claim is not None
    sound = replace(MP3_SOUND, copied=True, cut_start=1.25, cut_end=188.5)
    assert services.jobs.mark_ready(claim, audio=sound, mp3_bytes=3, length=187.0, missing_seconds=2.5)
    assert services.notifications.mark_delivered(claimed_mail(services, job))
    delivered_at = mail_notification(services, job).delivered_at
    assert delivered_at is not None
    ready = job_now(services, job.id)
    assert job.updated_at < ready.changed_at <= ready.updated_at
    assert function("jobs").get(f"/{job.id}", headers=bearer(services)).json == {
        "job_id": job.id,
        "state": "ready",
        "percent": 100,
        "file_name": "a.mp4",
        "source_url": None,
        "username": "ada@example.org",
        "video_fid": job.video_fid,
        "video_bytes": len(MP4),
        "mp3_fid": claim.mp3_fid,
        "mp3_bytes": 3,
        "length": 187.0,
        "missing_seconds": 2.5,
        "options": AudioOptions(channels=1).document(),
        "format": "mp3",
        "codec": "mp3",
        "bitrate": 128,
        "sample_rate": 44100,
        "channels": 2,
        "copied": True,
        "cut": {"start": 1.25, "end": 188.5},
        "error": None,
        "created_at": _iso(job.created_at),
        "updated_at": _iso(ready.updated_at),
        "ended_at": _iso(ready.ended_at),
        "expires_at": _iso(ready.changed_at + services.settings.retention_seconds),
        "notifications": [{"channel": "mail", "webhook": None, "delivered_at": _iso(delivered_at), "error": None}],
        "links": {
            "self": f"http://127.0.0.1:8080/jobs/{job.id}",
            "page": f"http://127.0.0.1:8080/web/#job={job.id}",
            "download": f"http://127.0.0.1:8080/download?fid={claim.mp3_fid}",
        },
    }


def _iso(seconds: float | None) -> str:
    assert seconds is not None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.mark.parametrize("make", [queued_job, receiving_job])
def test_a_job_in_progress_has_no_end_and_expires_at_an_unknown_time(
    function: Call, services: Services, make: Callable[[Services], Job]
) -> None:
    job = make(services)
    assert services.jobs.queue(job.id, video_bytes=1) or job.state == State.QUEUED
    shown = function("jobs").get(f"/{job.id}", headers=bearer(services)).json
    assert (shown["ended_at"], shown["expires_at"]) == (None, None)


def test_an_expired_job_shows_when_it_ended_and_when_it_expired(function: Call, services: Services) -> None:
    job = notified_job(services)
    age(services, job, services.settings.retention_seconds + 1)
    ended = job_now(services, job.id)
    assert function("cleanup").post("/").json["expired"] == 1
    shown = function("jobs").get(f"/{job.id}", headers=bearer(services)).json
    assert shown["ended_at"] == _iso(ended.ended_at)
    assert shown["expires_at"] == _iso(job_now(services, job.id).changed_at)


def test_a_retention_beyond_all_dates_is_shown_as_unknown(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, retention_seconds=10**15)
    assert function("jobs").get(f"/{ready_job(services).id}", headers=bearer(services)).json["expires_at"] is None


def test_a_job_shows_whether_its_notification_is_pending_delivered_or_failed(
    function: Call, services: Services
) -> None:
    pending, failing, given_up, delivered = [ready_job(services) for _ in range(4)]
    assert services.notifications.release(claimed_mail(services, failing), cause="The mail server is away.")
    assert services.notifications.give_up(claimed_mail(services, given_up), reason="There is no such mailbox.")
    assert services.notifications.mark_delivered(claimed_mail(services, delivered))
    queued = queued_job(services)
    client = function("jobs")
    page = client.get("/", headers=bearer(services)).json["jobs"]
    shown = {job["job_id"]: job["notifications"] for job in page}
    assert shown[queued.id] == []
    for job, error in ((pending, None), (failing, None), (given_up, "There is no such mailbox.")):
        assert shown[job.id] == [{"channel": "mail", "webhook": None, "delivered_at": None, "error": error}]
    assert shown[delivered.id][0]["delivered_at"] is not None
    assert client.get(f"/{given_up.id}", headers=bearer(services)).json["notifications"] == shown[given_up.id]


def test_a_user_s_list_is_paged_with_the_newest_job_first(function: Call, services: Services) -> None:
    own_ids = [queued_job(services).id for _ in range(5)]
    queued_job(services, email="bob@example.org")
    receiving_job(services)
    client, listed, url = function("jobs"), [], "/?limit=2"
    while url:
        page = client.get(url, headers=bearer(services)).json
        listed += [job["job_id"] for job in page["jobs"]]
        url = page["links"].get("next", "").replace("http://127.0.0.1:8080/jobs", "/")
    assert listed == own_ids[::-1]


@pytest.mark.parametrize("column", ["length", "missing_seconds"])
def test_infinity_in_a_row_is_shown_as_null(function: Call, services: Services, column: str) -> None:
    job = ready_job(services, missing_seconds=1.0)
    with services.database.write() as connection:
        connection.execute(table.update().where(table.c.id == job.id).values({column: math.inf}))
    client = function("jobs")
    for path in (f"/{job.id}", "/"):
        answer = client.get(path, headers=bearer(services))
        assert answer.status_code == 200
        document = json.loads(answer.text, parse_constant=_reject)
        assert document.get("jobs", [document])[0][column] is None


def _reject(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_an_admin_sees_all_jobs(function: Call, services: Services) -> None:
    ids = {queued_job(services).id, queued_job(services, email="bob@example.org").id}
    headers = bearer(services, "root@example.org", admin=True)
    assert {job["job_id"] for job in function("jobs").get("/", headers=headers).json["jobs"]} == ids
    assert all(function("jobs").get(f"/{job_id}", headers=headers).status_code == 200 for job_id in ids)


def test_jobs_are_not_shown_without_a_token(function: Call, services: Services) -> None:
    assert_problem(function("jobs").get("/"), 401)
    assert_problem(function("jobs").get(f"/{queued_job(services).id}"), 401)


@pytest.mark.parametrize("method", ["get", "delete"])
def test_unknown_foreign_and_incomplete_jobs_get_the_same_response(
    function: Call, services: Services, method: str
) -> None:
    others_job, receiving = queued_job(services, email="bob@example.org"), receiving_job(services)
    answers = [
        getattr(function("jobs"), method)(f"/{job_id}", headers=bearer(services))
        for job_id in ("f" * 24, others_job.id, receiving.id, "../x", "ünï")
    ]
    for answer in answers:
        assert_problem(answer, 404)
    assert len({answer.text for answer in answers}) == 1
    assert job_now(services, others_job.id).state == State.QUEUED


def test_a_wait_ends_when_the_job_ends(function: Call, services: Services) -> None:
    job, claim = claimed_job(services)
    headers, client = bearer(services), function("jobs")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, f"/{job.id}?wait=60", headers=headers)
        assert not answer.done()
        services.jobs.mark_failed(claim, code="no_audio", message="x")
        assert answer.result(DEADLINE_SECONDS).json["state"] == "failed"


def test_a_wait_for_a_job_that_is_deleted_meanwhile_ends_with_not_found(function: Call, services: Services) -> None:
    job = queued_job(services)
    headers, client = bearer(services), function("jobs")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, f"/{job.id}?wait=60", headers=headers)
        assert not answer.done()
        # In one step, so that the wait sees no state in between.
        services.database.change(table.update().where(table.c.id == job.id).values(state=State.DELETED))
        assert_problem(answer.result(DEADLINE_SECONDS), 404)


def test_a_wait_ends_after_its_time(function: Call, services: Services) -> None:
    job = queued_job(services)
    started_at = time.monotonic()
    answer = function("jobs").get(f"/{job.id}?wait=1", headers=bearer(services))
    assert answer.json["state"] == "queued"
    assert time.monotonic() - started_at >= 1


@pytest.mark.parametrize("query", ["wait=soon", "wait=-1", "wait=1.5", "wait=²"])
def test_a_wait_that_is_not_a_number_is_rejected(function: Call, services: Services, query: str) -> None:
    assert_problem(function("jobs").get(f"/{queued_job(services).id}?{query}", headers=bearer(services)), 400)


def test_waiting_requests_beyond_their_limit_are_answered_immediately(function: Call, services: Services) -> None:
    services.settings = replace(services.settings, long_polls=3)
    job, claim = claimed_job(services)
    headers, client = bearer(services), function("jobs")
    answered = threading.Semaphore(0)

    def wait_for_job() -> str:
        state: str = client.get(f"/{job.id}?wait=60", headers=headers).json["state"]
        answered.release()
        return state

    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(wait_for_job) for _ in range(5)]
        assert answered.acquire(timeout=DEADLINE_SECONDS)
        assert answered.acquire(timeout=DEADLINE_SECONDS)
        assert sum(answer.done() for answer in answers) == 2
        services.jobs.mark_failed(claim, code="no_audio", message="x")
        assert sorted(answer.result(DEADLINE_SECONDS) for answer in answers) == ["converting"] * 2 + ["failed"] * 3


def test_a_queued_or_running_job_can_be_cancelled(function: Call, services: Services) -> None:
    for job in (queued_job(services), claimed_job(services)[0]):
        answer = function("jobs").delete(f"/{job.id}", headers=bearer(services))
        assert (answer.status_code, answer.json["state"]) == (200, "cancelled")
        assert job_now(services, job.id).state == State.CANCELLED


def test_a_cancellation_deletes_no_job_that_has_ended_in_the_meantime(function: Call, services: Services) -> None:
    client, headers = function("jobs"), bearer(services)
    for job in (ready_job(services), failed_job(services)):
        assert_problem(client.delete(f"/{job.id}?only=cancel", headers=headers), 409)
        assert client.get(f"/{job.id}", headers=headers).json["state"] == job.state
    queued = queued_job(services)
    assert client.delete(f"/{queued.id}?only=cancel", headers=headers).json["state"] == "cancelled"
    assert_problem(client.delete(f"/{queued.id}?only=delete", headers=headers), 400)


def test_a_deleted_job_is_not_found_any_more(function: Call, services: Services) -> None:
    client, headers = function("jobs"), bearer(services)
    for job in (ready_job(services), failed_job(services)):
        assert client.delete(f"/{job.id}", headers=headers).status_code == 204
        for method in (client.get, client.delete):
            assert_problem(method(f"/{job.id}", headers=headers), 404)
    assert client.get("/", headers=headers).json["jobs"] == []


def test_cleanup_deletes_the_files_and_the_row_of_a_deleted_job(function: Call, services: Services) -> None:
    jobs = ready_job(services), failed_job(services)
    for job in jobs:
        function("jobs").delete(f"/{job.id}", headers=bearer(services))
    assert function("cleanup").post("/").json["orphans"] == len(jobs)
    assert [services.jobs.find(job.id) for job in jobs] == [None, None]
    assert _files(services) == []


def test_a_job_can_be_deleted_while_the_media_store_is_unavailable(function: Call, services: Services) -> None:
    job = ready_job(services)
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    assert function("jobs").delete(f"/{job.id}", headers=bearer(services)).status_code == 204
    assert_problem(function("jobs").get(f"/{job.id}", headers=bearer(services)), 404)
    media.unlink()
    media.with_name("away").rename(media)
    assert function("cleanup").post("/").json["orphans"] == 1
    assert _files(services) == []


def test_a_delete_without_a_job_id_is_rejected(function: Call, services: Services) -> None:
    assert_problem(function("jobs").delete("/", headers=bearer(services)), 405)


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/", {"GET"}), ("/events", {"GET"}), ("/links", {"POST"}), ("/ID/link", {"POST"}), ("/ID/retry", {"POST"}),
     ("/ID/waveform", {"GET"}), ("/ID", {"GET", "DELETE"}), ("/ID/", {"GET", "DELETE"}), ("/ID/x", {"GET", "DELETE"}),
     ("/links/", {"GET", "DELETE"}), ("/xlinks", {"GET", "DELETE"})],
)  # fmt: skip
def test_each_path_allows_its_own_methods_only(function: Call, path: str, methods: set[str]) -> None:
    allowed = set(function("jobs").options(path).headers["Allow"].split(", "))
    assert allowed - {"HEAD", "OPTIONS"} == methods


@pytest.mark.parametrize(
    "query", ["wait=-1", "limit=x", "state=none", "changed_since=x&limit=-1", "changed_since=x&state=none"]
)
def test_a_malformed_parameter_is_rejected_even_if_it_does_not_apply(
    function: Call, services: Services, query: str
) -> None:
    for path in ("/", "/events"):
        assert_problem(function("jobs").get(f"{path}?{query}", headers=bearer(services)), 400)
