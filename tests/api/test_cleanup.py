"""cleanup: overdue events are sent and expired files are deleted, once, even if several runs are concurrent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.db.engine import Database
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, VIDEO_UPLOADED, from_message, job_id_from
from soundlift.common.jobs.model import GIVE_UP_SECONDS, RECEIVE_SECONDS, Job, State
from soundlift.common.jobs.store import CLAIM_SECONDS, Jobs
from soundlift.common.services import Services
from tests.factories.jobs import (
    age,
    claimed_job,
    failed_job,
    job_now,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.factories.media import store
from tests.factories.stores import RefusingStore
from tests.fixtures.functions import Call

LONG = 100_000
RUNS = 4
EACH = 5


def _files(services: Services) -> list[Path]:
    return [path for path in (services.settings.soundlift_data / "media").rglob("*") if path.is_file()]


def _events(services: Services) -> list[tuple[str, str]]:
    """Return type and job of each event in the queues, sorted."""
    found = []
    while delivery := services.broker.receive(["video", "mp3"], timeout=0):
        event = from_message(delivery.message)
        found.append((event.get_type(), job_id_from(event)))
    return sorted(found)


def test_every_due_event_is_sent_again_once(function: Call, services: Services) -> None:
    queued, ready, failed = queued_job(services), ready_job(services), failed_job(services)
    lapsed, _ = claimed_job(services)
    claimed_job(services)
    for job in (queued, ready, failed):
        age(services, job, 601)
    age(services, lapsed, CLAIM_SECONDS + 1)
    assert function("cleanup").post("/").json == {"sent": 4, "expired": 0, "orphans": 0}
    assert function("cleanup").post("/").json == {"sent": 0, "expired": 0, "orphans": 0}
    assert _events(services) == sorted(
        [
            (VIDEO_UPLOADED, queued.id),
            (VIDEO_UPLOADED, lapsed.id),
            (MP3_READY, ready.id),
            (CONVERSION_FAILED, failed.id),
        ]
    )


def test_an_interrupted_upload_is_deleted_with_its_bytes(function: Call, services: Services) -> None:
    job = receiving_job(services)
    store(services.videos, job.video_fid, b"half")
    assert function("cleanup").post("/").json["orphans"] == 0
    age(services, job, RECEIVE_SECONDS + 1)
    assert function("cleanup").post("/").json["orphans"] == 1
    assert (services.jobs.find(job.id), _files(services)) == (None, [])


def test_files_are_deleted_after_their_retention_and_the_row_stays_for_the_list(
    function: Call, services: Services
) -> None:
    job = notified_job(services)
    age(services, job, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 1
    assert _files(services) == []
    assert [one.state for one in services.jobs.page("ada@example.org")] == [State.EXPIRED]
    age(services, job, services.settings.row_retention_seconds - 60)
    assert function("cleanup").post("/").json["expired"] == 0
    assert job_now(services, job.id).state == State.EXPIRED
    age(services, job, 61)
    assert function("cleanup").post("/").json["expired"] == 0
    assert services.jobs.find(job.id) is None


def test_a_job_with_a_pending_notification_is_kept(function: Call, services: Services) -> None:
    job = ready_job(services)
    age(services, job, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 0
    assert job_now(services, job.id).state == State.READY


def test_a_job_with_three_lapsed_claims_fails_with_its_event_sent_and_its_files_deleted(
    function: Call, services: Services
) -> None:
    job = queued_job(services)
    for _ in range(3):
        claim = services.jobs.claim(job_now(services, job.id))
        assert claim is not None
        age(services, job, CLAIM_SECONDS + 1)
    store(services.mp3s, str(claim.mp3_fid), b"half")
    assert function("cleanup").post("/").json["sent"] == 1
    assert job_now(services, job.id).error_code == "gave_up"
    assert _events(services) == [(CONVERSION_FAILED, job.id)]
    assert len(_files(services)) == 1


class Meeting(Jobs):
    """Jobs whose lists are returned to a run only when all runs have read the same list."""

    def __init__(self, database: Database, barrier: Barrier) -> None:
        super().__init__(database)
        self._barrier = barrier

    def due(self) -> list[Job]:
        return self._met(super().due())

    def interrupted(self) -> list[Job]:
        return self._met(super().interrupted())

    def past_retention(self, *, retention: int) -> list[Job]:
        return self._met(super().past_retention(retention=retention))

    def to_dispose(self) -> list[Job]:
        return self._met(super().to_dispose())

    def _met(self, jobs: list[Job]) -> list[Job]:
        self._barrier.wait(DEADLINE_SECONDS)
        return jobs


def test_concurrent_runs_do_nothing_twice(function: Call, services: Services) -> None:
    events = []
    for _ in range(EACH):
        due, too_old, over, interrupted = (
            queued_job(services), queued_job(services), notified_job(services), receiving_job(services)
        )  # fmt: skip
        events += [(VIDEO_UPLOADED, due.id), (CONVERSION_FAILED, too_old.id)]
        age(services, due, 601)
        age(services, too_old, GIVE_UP_SECONDS + 1)
        age(services, over, services.settings.retention_seconds + 1)
        age(services, interrupted, RECEIVE_SECONDS + 1)
    services.jobs = Meeting(services.database, Barrier(RUNS))
    client = function("cleanup")
    with ThreadPoolExecutor(RUNS) as pool:
        answers = [answer.json for answer in pool.map(lambda _: client.post("/"), range(RUNS))]
    done = {what: sum(answer[what] for answer in answers) for what in answers[0]}
    assert done == {"sent": len(events), "expired": EACH, "orphans": EACH}
    assert _events(services) == sorted(events)


class Witness:
    """A broker that notes, at each event that it gets, which jobs are due."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.still_due: list[list[str]] = []

    def publish(self, event: CloudEvent) -> None:
        due = [*self._services.jobs.due(), *self._services.notifications.due()]
        self.still_due.append([job.id for job in due])


def test_an_event_is_postponed_in_the_database_before_it_is_published(function: Call, services: Services) -> None:
    second, first = ready_job(services), queued_job(services)
    for job in (first, second):
        age(services, job, 601)
    services.publisher = witness = Witness(services)
    assert function("cleanup").post("/").json["sent"] == 2
    assert witness.still_due == [[second.id], []]


class Overtaken(Jobs):
    """Jobs whose first due one is postponed by another run at once."""

    def due(self) -> list[Job]:
        first, *others = super().due()
        assert self.postpone(first)
        return [first, *others]


def test_a_job_that_another_run_has_postponed_delays_no_other(function: Call, services: Services) -> None:
    first, second = queued_job(services), queued_job(services)
    age(services, first, 700)
    age(services, second, 601)
    services.jobs = Overtaken(services.database)
    assert function("cleanup").post("/").json["sent"] == 1
    assert _events(services) == [(VIDEO_UPLOADED, second.id)]


def test_a_job_whose_partial_mp3_cannot_be_deleted_delays_no_other(function: Call, services: Services) -> None:
    lapsed, _ = claimed_job(services)
    due = queued_job(services)
    age(services, lapsed, 700)
    age(services, due, 601)
    mp3s = services.mp3s
    services.mp3s = RefusingStore(mp3s, "delete")
    assert function("cleanup").post("/").json["sent"] == 1
    assert _events(services) == [(VIDEO_UPLOADED, due.id)]
    services.mp3s = mp3s
    assert function("cleanup").post("/").json["sent"] == 1
    assert _events(services) == [(VIDEO_UPLOADED, lapsed.id)]


@pytest.mark.parametrize("name", ["videos", "mp3s"])
def test_a_row_stays_until_the_store_has_deleted_its_files(function: Call, services: Services, name: str) -> None:
    expired, deleted = notified_job(services), notified_job(services)
    age(services, expired, services.settings.retention_seconds + 1)
    assert services.jobs.delete(deleted.id)
    store = getattr(services, name)
    setattr(services, name, RefusingStore(store, "delete"))
    for _ in range(2):
        assert function("cleanup").post("/").json == {"sent": 0, "expired": 0, "orphans": 0}
        assert job_now(services, expired.id).state == State.EXPIRED
        assert job_now(services, deleted.id).state == State.DELETED
        age(services, expired, services.settings.row_retention_seconds + 1)
    setattr(services, name, store)
    assert function("cleanup").post("/").json == {"sent": 0, "expired": 1, "orphans": 1}
    assert [services.jobs.find(job.id) for job in (expired, deleted)] == [None, None]
    assert _files(services) == []


class AwayBroker:
    """A broker that confirms nothing."""

    asked = 0

    def publish(self, event: CloudEvent) -> None:
        self.asked += 1
        raise BrokerUnavailable("The broker is away.")


def test_events_stay_due_while_the_broker_is_away(function: Call, services: Services) -> None:
    jobs = [queued_job(services) for _ in range(3)]
    for job in jobs:
        age(services, job, 601)
    publisher = services.publisher
    services.publisher = away = AwayBroker()
    assert function("cleanup").post("/").json["sent"] == 0
    assert away.asked == 1  # each attempt may last until its timeout
    services.publisher = publisher
    assert function("cleanup").post("/").json["sent"] == 3


@pytest.mark.parametrize("name", ["cleanup", "upload"])
def test_a_publishing_function_starts_before_a_broker_is_set(function: Call, services: Services, name: str) -> None:
    services.settings = replace(services.settings, broker_url="")
    client = function(name)
    client.application.open_services()  # type: ignore[attr-defined] # Flask does not know which application it is
    assert client.get("/_/ready").status_code == 200


def test_without_a_broker_expired_files_are_deleted_and_events_wait(function: Call, services: Services) -> None:
    due, over = queued_job(services), notified_job(services)
    age(services, due, 601)
    age(services, over, services.settings.retention_seconds + 1)
    services.settings = replace(services.settings, broker_url="")
    assert function("cleanup").post("/").json == {"sent": 0, "expired": 1, "orphans": 0}
    services.settings = replace(services.settings, broker_url=f"sqlite:///{services.settings.soundlift_data}/queue.db")
    assert function("cleanup").post("/").json["sent"] == 1


def test_while_the_store_is_away_events_are_sent_and_files_wait(function: Call, services: Services) -> None:
    due, over = queued_job(services), notified_job(services)
    age(services, due, 601)
    age(services, over, services.settings.retention_seconds + 1)
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    assert function("cleanup").post("/").json == {"sent": 1, "expired": 0, "orphans": 0}
    media.unlink()
    media.with_name("away").rename(media)
    assert function("cleanup").post("/").json == {"sent": 0, "expired": 1, "orphans": 0}


def test_a_dead_letter_of_knative_is_logged_with_its_attributes(function: Call) -> None:
    dead = {"destination": "http://notify", "type": MP3_READY, "id": "7.ready", "subject": "7"}
    headers = {f"Ce-{name}": value for name, value in dead.items() if name != "destination"}
    headers |= {"Ce-Knativeerrordest": dead["destination"], "Ce-Knativeerrorcode": "503"}
    with capture_logs() as logs:
        assert function("cleanup").post("/", headers=headers).status_code == 200
        assert function("cleanup").post("/").status_code == 200
    (line,) = [line for line in logs if line["event"] == "dead letter"]
    assert line == {"event": "dead letter", "log_level": "error", "knativeerrorcode": "503"} | dead
