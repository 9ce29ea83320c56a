"""jobs: what has changed since a cursor, by long poll and as a stream of events."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from devservers.waiting import DEADLINE_SECONDS
from functions.jobs import changes as module
from functions.jobs import events
from functions.jobs.long_polls import poll
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.cursor import MAX_AGE_SECONDS, MAX_CURSOR_LENGTH, Cursor
from soundlift.common.services import Services
from tests.api.function_server import served
from tests.factories.accounts import bearer
from tests.factories.jobs import MP3_SOUND, claimed_job, claimed_mail, job_now, queued_job, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call
from tests.jobs.steps import adopted_job

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ADA = "ada@example.org"


class Follower:
    """A client that follows the changes of a user's jobs."""

    def __init__(self, client: FlaskClient, headers: dict[str, str], query: str = "") -> None:
        self._client, self._headers, self._query = client, headers, query
        self.cursor: str = client.get(f"/?{query}", headers=headers).json["cursor"]

    def next(self, wait: int = 0) -> dict[str, Any]:
        url = f"/?changed_since={self.cursor}&wait={wait}&{self._query}"
        document: dict[str, Any] = self._client.get(url, headers=self._headers).json
        self.cursor = document["cursor"]
        return document


@pytest.fixture
def follower(function: Call, services: Services) -> Follower:
    return Follower(function("jobs"), bearer(services))


def test_the_documents_of_the_list_and_of_changes_have_exactly_the_documented_members(
    function: Call, services: Services
) -> None:
    queued_job(services)
    client, headers = function("jobs"), bearer(services)
    page = client.get("/", headers=headers).json
    assert set(page) == {"jobs", "cursor", "links"}
    assert len(page["cursor"]) <= MAX_CURSOR_LENGTH
    changes = client.get(f"/?changed_since={page['cursor']}", headers=headers).json
    assert changes == {"jobs": [], "deleted": [], "cursor": changes["cursor"], "resync": False, "links": {}}


def test_each_change_is_listed_once_as_the_document_of_its_job(
    function: Call, services: Services, follower: Follower
) -> None:
    job, claim = claimed_job(services)
    assert [each["state"] for each in follower.next()["jobs"]] == ["converting"]
    services.jobs.renew(claim, percent=42)
    (changed,) = follower.next()["jobs"]
    assert changed == function("jobs").get(f"/{job.id}", headers=bearer(services)).json
    assert changed["percent"] == 42
    services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)
    assert [each["state"] for each in follower.next()["jobs"]] == ["ready"]
    services.notifications.mark_delivered(claimed_mail(services, job))
    assert follower.next()["jobs"][0]["notifications"][0]["delivered_at"]
    assert follower.next()["jobs"] == []


def test_a_deleted_job_is_listed_as_deleted_before_and_after_cleanup(
    function: Call, services: Services, follower: Follower
) -> None:
    jobs = [ready_job(services) for _ in range(2)]
    follower.next()
    services.jobs.delete(jobs[0].id)
    document = follower.next()
    assert (document["jobs"], document["deleted"]) == ([], [jobs[0].id])
    services.jobs.delete(jobs[1].id)
    assert function("cleanup").post("/").json["orphans"] == 2
    assert follower.next()["deleted"] == [jobs[1].id]


def test_a_job_that_was_deleted_and_created_again_is_not_listed_as_deleted(
    services: Services, follower: Follower
) -> None:
    job = adopted_job(services)
    assert services.jobs.cancel(job.id)
    assert services.jobs.delete(job.id)
    assert services.jobs.mark_disposed(job_now(services, job.id))
    adopted_job(services)
    document = follower.next()
    assert ([each["job_id"] for each in document["jobs"]], document["deleted"]) == ([job.id], [])


def test_a_wait_for_changes_ends_at_the_first_one(services: Services, follower: Follower) -> None:
    _, claim = claimed_job(services)
    follower.next()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(follower.next, 60)
        assert not answer.done()
        services.jobs.renew(claim, percent=7)
        assert [each["percent"] for each in answer.result(timeout=DEADLINE_SECONDS)["jobs"]] == [7]


def test_a_wait_reads_less_often_if_reading_takes_long(services: Services) -> None:
    reads = []

    def read() -> bool:
        time.sleep(0.05)  # as long as a query takes after very many changes
        reads.append(len(reads))
        return False

    assert poll(read, bool, services, seconds=1, pause=0) is False
    assert len(reads) <= 3


def test_a_wait_without_a_change_ends_after_its_time(services: Services, follower: Follower) -> None:
    queued_job(services)
    follower.next()
    started_at = time.monotonic()
    assert follower.next(1)["jobs"] == []
    assert time.monotonic() - started_at >= 1


def test_other_users_jobs_are_no_changes_except_for_an_admin(function: Call, services: Services) -> None:
    client, root = function("jobs"), bearer(services, "root@example.org", admin=True)
    own, everything = Follower(client, bearer(services)), Follower(client, root)
    only_bob = Follower(client, root, "user=bob@example.org")
    bobs, adas = queued_job(services, email="bob@example.org"), queued_job(services)
    for follower, expected in ((own, {adas.id}), (everything, {adas.id, bobs.id}), (only_bob, {bobs.id})):
        assert {job["job_id"] for job in follower.next()["jobs"]} == expected


@pytest.mark.parametrize("text", ["", "x", "é%00", "A" * 3000, "%ff", "old", "foreign"])
def test_an_unknown_or_old_cursor_is_answered_with_a_page_to_start_again(
    function: Call, services: Services, text: str
) -> None:
    moment = services.jobs.moment()
    made = {
        "old": str(Cursor(moment - MAX_AGE_SECONDS - 1, ADA, {})),
        "foreign": str(Cursor.after([], moment, "bob@example.org")),
    }
    ids = [queued_job(services).id for _ in range(3)]
    url = f"/?limit=2&wait=60&changed_since={made.get(text, text)}"
    document = function("jobs").get(url, headers=bearer(services)).json
    assert (document["resync"], document["deleted"]) == (True, [])
    assert [job["job_id"] for job in document["jobs"]] == ids[:0:-1]
    assert "changed_since" not in document["links"]["next"]
    again = function("jobs").get(f"/?changed_since={document['cursor']}", headers=bearer(services)).json
    assert (again["resync"], again["jobs"]) == (False, [])


def test_more_changes_than_fit_into_a_document_are_answered_with_a_page(
    services: Services, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CHANGES", 2)
    for number, resync in ((2, False), (3, True)):
        ids = {queued_job(services).id for _ in range(number)}
        document = follower.next()
        assert document["resync"] is resync
        assert ids <= {job["job_id"] for job in document["jobs"]}


def test_a_client_that_was_away_gets_the_changes_it_missed(services: Services, follower: Follower) -> None:
    job, missed = queued_job(services), queued_job(services)
    follower.next()
    with services.database.write() as connection:
        connection.execute(sa.update(table).values(updated_at=table.c.updated_at - 1800))
    away = Cursor.parse(follower.cursor, ADA)
    assert away is not None
    follower.cursor = str(replace(away, since=away.since - 1800, digests={}))
    services.jobs.cancel(job.id)
    assert {each["job_id"] for each in follower.next()["jobs"]} == {job.id, missed.id}
    assert follower.next()["jobs"] == []


def test_changes_beyond_the_limit_of_waiting_requests_are_answered_immediately(
    function: Call, services: Services, follower: Follower
) -> None:
    services.settings = replace(services.settings, long_polls=2)
    job = queued_job(services)
    follower.next()
    client, headers, answered = function("jobs"), bearer(services), threading.Semaphore(0)

    def wait(path: str) -> list[dict[str, Any]]:
        document = client.get(path, headers=headers).json
        answered.release()
        return list(document.get("jobs", [document]))

    paths = [
        f"/?changed_since={follower.cursor}&wait=60",
        f"/{job.id}?wait=60",
        f"/?changed_since={follower.cursor}&wait=60",
    ]
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(wait, path) for path in paths]
        assert answered.acquire(timeout=DEADLINE_SECONDS)
        assert sum(answer.done() for answer in answers) == 1
        services.jobs.cancel(job.id)
        states = [[each["state"] for each in answer.result(timeout=DEADLINE_SECONDS)] for answer in answers]
    assert states.count(["cancelled"]) == 2


@pytest.mark.parametrize("path", ["/?changed_since=x", "/events"])
def test_changes_need_a_token(function: Call, path: str) -> None:
    assert_problem(function("jobs").get(path), 401)


def _events(text: str) -> list[dict[str, str]]:
    """Return the events of a stream as their fields."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block) for block in blocks]


def _unbuffered(function: Call) -> FlaskClient:
    """Return a client that reads a response as it arrives."""
    app = function("jobs").application
    return FlaskClient(app, app.response_class)


@pytest.fixture
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 1.0)


def test_a_stream_begins_with_a_page_and_ends_with_an_id_to_continue_from(
    function: Call, services: Services, short_streams: None
) -> None:
    job, client, headers = queued_job(services), function("jobs"), bearer(services)
    response = client.get("/events", headers={**headers, "Accept": "text/event-stream"})
    assert response.content_type.startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-store"
    first, page, *rest = _events(response.text)
    assert first == {"retry": "2000"}
    assert page["event"] == "jobs"
    document = json.loads(page["data"])
    assert (document["resync"], [each["job_id"] for each in document["jobs"]]) == (True, [job.id])
    assert document["cursor"] == page["id"]
    assert all("data" not in event for event in rest)
    services.jobs.cancel(job.id)
    again = _events(client.get("/events", headers={**headers, "Last-Event-ID": rest[-1]["id"]}).text)
    (change,) = [json.loads(event["data"]) for event in again if "data" in event]
    assert (change["resync"], [each["state"] for each in change["jobs"]]) == (False, ["cancelled"])


def test_a_stream_has_an_event_for_each_change_while_it_lasts(
    function: Call, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, claim = claimed_job(services)
    seen: list[Any] = []
    monkeypatch.setattr(events, "STREAM_SECONDS", 30.0)
    with _unbuffered(function).get("/events", headers=bearer(services)) as response:
        stream = (text.decode() for text in response.iter_encoded())
        for text in stream:
            seen += [json.loads(event["data"])["jobs"][0] for event in _events(text) if "data" in event]
            if len(seen) == 1:
                services.jobs.renew(claim, percent=42)
            elif len(seen) == 2:
                services.jobs.cancel(job.id)
            elif len(seen) == 3:
                break
    assert [(each["state"], each["percent"]) for each in seen] == [
        ("converting", 0),
        ("converting", 42),
        ("cancelled", 42),
    ]


def test_a_stream_beyond_the_limit_ends_after_what_has_changed_and_a_closed_one_frees_its_place(
    function: Call, services: Services
) -> None:
    services.settings = replace(services.settings, long_polls=1)
    queued_job(services)
    client, headers = _unbuffered(function), bearer(services)
    with client.get("/events", headers=headers) as held:
        assert next(held.iter_encoded()).startswith(b"retry")
        began = time.monotonic()
        other = _events(client.get("/events", headers=headers).text)
        assert time.monotonic() - began < events.STREAM_SECONDS / 2
        assert [event["event"] for event in other if "data" in event] == ["jobs"]
    with client.head("/events", headers=headers) as head:
        assert head.status_code == 200
    services.jobs.cancel(queued_job(services).id)
    with client.get("/events", headers=headers) as free:
        stream = free.iter_encoded()
        assert [next(stream)[:5], next(stream)[:5]] == [b"retry", b"event"]


def test_a_stream_ends_when_the_database_fails_and_does_not_begin_without_it(
    function: Call, services: Services
) -> None:
    queued_job(services)
    client, headers = _unbuffered(function), bearer(services)
    file = services.settings.soundlift_data / "soundlift.db"
    with client.get("/events", headers=headers) as response:
        stream = response.iter_encoded()
        assert [next(stream)[:5], next(stream)[:5]] == [b"retry", b"event"]
        file.rename(file.with_name("away.db"))
        services.database.engine.dispose()
        assert list(stream) == []
    assert_problem(client.get("/events", headers=headers), 503)
    assert file.with_name("away.db").exists()


@pytest.mark.parametrize("query", ["limit=x", "state=x"])
def test_a_stream_with_an_invalid_query_is_refused(function: Call, services: Services, query: str) -> None:
    assert_problem(function("jobs").get(f"/events?{query}", headers=bearer(services)), 400)


@pytest.mark.servers
def test_an_event_reaches_the_client_at_once_while_its_stream_goes_on(services: Services) -> None:
    job = queued_job(services)
    with served("jobs", services) as server, server.connect("GET /events", bearer(services)) as connection:
        assert "converting" not in _read_until(connection, b'"state": "queued"')
        services.jobs.claim(job)
        assert job.id in _read_until(connection, b'"state": "converting"')


def _read_until(connection: socket.socket, text: bytes) -> str:
    received = b""
    while text not in received:
        block = connection.recv(2**16)
        assert block, "the stream has ended"
        received += block
    return received.decode()
