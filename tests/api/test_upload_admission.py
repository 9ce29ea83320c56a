"""upload: what the deployment cannot accept now is refused before its body is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from devservers.waiting import wait_for
from soundlift.common import recent_check
from soundlift.common.errors import DatabaseUnavailable
from soundlift.common.services import Services
from tests.api.function_server import FunctionServer, read_response, served
from tests.api.keyed_uploads import UnreadBody, Uploads
from tests.api.uploads import traces
from tests.factories.accounts import bearer
from tests.factories.jobs import MP4, claimed_job, queued_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

HUGE = 2**61
LARGE = 1_000_000


@pytest.fixture(autouse=True)
def _check_each_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_check, "RECENT_SECONDS", 0.0)


@pytest.fixture
def uploads(function: Call, services: Services) -> Uploads:
    return Uploads(function, services)


@pytest.fixture
def cut_off_store(services: Services) -> Callable[[], Callable[[], None]]:
    """Return a function that makes the media folder unusable, and returns another one that restores it."""

    def cut_off() -> Callable[[], None]:
        media = services.settings.soundlift_data / "media"
        moved = media.with_name("moved")
        if media.exists():
            media.rename(moved)
        media.write_text("a file in place of the folder")

        def restore() -> None:
            media.unlink()
            if moved.exists():
                moved.rename(media)

        return restore

    return cut_off


def limit_waiting(services: Services, jobs: int) -> None:
    services.settings = replace(services.settings, max_waiting_jobs=jobs)


def test_an_upload_is_refused_while_too_many_jobs_of_all_users_wait(uploads: Uploads) -> None:
    services = uploads.services
    limit_waiting(services, 2)
    first, _ = queued_job(services, email="bob@example.org"), queued_job(services)
    before = traces(services)
    refused = uploads.post(UnreadBody(MP4))
    assert_problem(refused, 503, "Queue Full", "queue_full")
    assert int(refused.headers["Retry-After"]) <= 60, "the client repeats it by itself"
    assert traces(services) == before
    assert services.jobs.claim(first)
    assert uploads.post().status_code == 202


def test_jobs_in_conversion_do_not_count_as_waiting(uploads: Uploads) -> None:
    limit_waiting(uploads.services, 1)
    claimed_job(uploads.services)
    assert uploads.post().status_code == 202


def test_the_number_of_waiting_jobs_may_be_unlimited(uploads: Uploads) -> None:
    limit_waiting(uploads.services, 0)
    assert [uploads.post(key=f'"{number}"').status_code for number in range(3)] == [202] * 3


def test_a_repeated_upload_is_answered_although_too_many_jobs_wait(uploads: Uploads) -> None:
    limit_waiting(uploads.services, 1)
    first = uploads.post()
    repeated = uploads.post(UnreadBody(MP4))
    assert (repeated.status_code, repeated.json) == (202, first.json)
    assert_problem(uploads.post(UnreadBody(MP4), key='"another"'), 503, code="queue_full")
    assert_problem(uploads.post(UnreadBody(MP4), query_string=""), 422, code="idempotency_key_reused")


def test_an_upload_that_was_cancelled_is_refused_for_good_although_too_many_jobs_wait(uploads: Uploads) -> None:
    limit_waiting(uploads.services, 1)
    queued_job(uploads.services)
    assert uploads.delete().status_code == 204
    assert_problem(uploads.post(UnreadBody(MP4)), 410, code="upload_deleted")


@pytest.mark.parametrize("begun", [False, True], ids=["an empty store", "a store in use"])
def test_an_upload_is_refused_while_the_store_is_away(
    uploads: Uploads, cut_off_store: Callable[[], Callable[[], None]], begun: bool
) -> None:
    if begun:
        assert uploads.post(key='"first"').status_code == 202
    before = len(traces(uploads.services))
    restore = cut_off_store()
    assert_problem(uploads.post(UnreadBody(MP4)), 503, code="store_unavailable")
    restore()
    assert len(traces(uploads.services)) == before
    assert uploads.post().status_code == 202


def test_a_repeated_upload_is_answered_although_the_store_is_away(
    uploads: Uploads, cut_off_store: Callable[[], Callable[[], None]]
) -> None:
    first = uploads.post()
    cut_off_store()
    repeated = uploads.post(UnreadBody(MP4))
    assert (repeated.status_code, repeated.json) == (202, first.json)


def test_a_file_that_is_larger_than_the_free_space_of_the_store_is_refused(uploads: Uploads) -> None:
    uploads.services.settings = replace(uploads.services.settings, max_upload_bytes=2 * HUGE, max_stored_bytes=0)
    refused = uploads.post(UnreadBody(MP4), environ_overrides={"CONTENT_LENGTH": str(HUGE)})
    assert_problem(refused, 503, code="store_unavailable")
    assert "too full" in refused.json["detail"]


def test_an_upload_is_refused_while_the_database_is_away(uploads: Uploads, tmp_path: Path) -> None:
    database = uploads.services.settings.soundlift_data / "soundlift.db"
    uploads.services.database.engine.dispose()
    moved = database.rename(tmp_path / "moved.db")
    database.mkdir()
    assert_problem(uploads.post(UnreadBody(MP4)), 503, code="database_unavailable")
    uploads.services.database.engine.dispose()
    database.rmdir()
    moved.rename(database)
    assert uploads.post().status_code == 202


def test_an_upload_is_accepted_while_the_broker_is_away(uploads: Uploads) -> None:
    """Its event is sent later; while that takes long, the limit of waiting jobs applies."""
    limit_waiting(uploads.services, 1)
    (uploads.services.settings.soundlift_data / "queue.db").mkdir()
    accepted = uploads.post()
    assert accepted.status_code == 202
    assert [job.id for job in uploads.services.jobs.due()] == [accepted.json["job_id"]]
    assert_problem(uploads.post(UnreadBody(MP4), key='"another"'), 503, code="queue_full")


def test_a_count_of_waiting_jobs_that_fails_refuses_the_upload(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(count: int) -> bool:
        raise DatabaseUnavailable("The database does not answer.")

    monkeypatch.setattr(uploads.services.jobs, "has_waiting", fail)
    assert_problem(uploads.post(UnreadBody(MP4)), 503, code="database_unavailable")


@pytest.mark.servers
def test_a_client_hears_of_the_refusal_before_it_sends_its_body(services: Services) -> None:
    job = queued_job(services)
    length = {**bearer(services), "Content-Length": str(LARGE)}
    waiting = {**length, "Expect": "100-continue"}
    with served("upload", services, {"MAX_WAITING_JOBS": "1"}) as server:
        for headers in (length, waiting):
            with server.connect("POST /", headers) as connection:
                status, answered, body = read_response(connection)
                assert (status, answered["connection"], json.loads(body)["code"]) == (503, "close", "queue_full")
                assert int(answered["retry-after"]) > 0
                assert connection.recv(1) == b""
        with server.connect("POST /", length, bytes(LARGE)) as connection:
            assert read_response(connection)[0] == 503, "the response reaches a client that has sent its whole body"
        assert services.jobs.cancel(job.id)
        wait_for(lambda: is_accepted(server, waiting), "a client that waits for permission may send its body")


def is_accepted(server: FunctionServer, headers: Mapping[str, str]) -> bool:
    """Return whether an upload is permitted by "100 Continue", and accepted once its body is sent."""
    with server.connect("POST /", headers) as connection:
        if read_response(connection)[0] != 100:
            return False
        connection.sendall(MP4 + bytes(LARGE - len(MP4)))
        return read_response(connection)[0] == 202
