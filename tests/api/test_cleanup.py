"""cleanup: overdue events are sent and expired files deleted exactly once, even by concurrent runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from cloudevents.core.v1.event import CloudEvent
from structlog.testing import capture_logs

from devservers.waiting import DEADLINE_SECONDS
from soundlift.common.auth.key_store import KEPT_SECONDS
from soundlift.common.auth.password_links import MIN_RESEND_SECONDS, Purpose
from soundlift.common.db.engine import Database
from soundlift.common.errors import BrokerUnavailable
from soundlift.common.events import (
    CONVERSION_FAILED,
    LINK_REQUESTED,
    MP3_READY,
    VIDEO_UPLOADED,
    from_message,
    job_id_from,
    link_id_from,
)
from soundlift.common.jobs.model import CLAIM_SECONDS, GIVE_UP_SECONDS, RECEIVE_SECONDS, Job, State
from soundlift.common.jobs.store import Jobs
from soundlift.common.services import Services
from tests.factories.api_keys import age_keys, new_key
from tests.factories.attempts import age_attempts, count_rows
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
from tests.factories.password_links import age_links, issued_token, requested_links
from tests.factories.sessions import age_sessions, begin_session, is_live
from tests.factories.stores import RefusingStore
from tests.fixtures.functions import Call

RUNS = 4
JOBS_OF_EACH_KIND = 5


def _files(services: Services) -> list[Path]:
    return [path for path in (services.settings.soundlift_data / "media").rglob("*") if path.is_file()]


def _events(services: Services) -> list[tuple[str, str]]:
    """Return the type and job id of each event in the queues, sorted."""
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


def test_an_interrupted_upload_is_deleted_with_its_file(function: Call, services: Services) -> None:
    job = receiving_job(services)
    store(services.videos, job.video_fid, b"half")
    assert function("cleanup").post("/").json["orphans"] == 0
    age(services, job, RECEIVE_SECONDS + 1)
    assert function("cleanup").post("/").json["orphans"] == 1
    assert (services.jobs.find(job.id), _files(services)) == (None, [])


def test_expired_files_are_deleted_before_the_row_of_their_job(function: Call, services: Services) -> None:
    job = notified_job(services)
    age(services, job, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 1
    assert _files(services) == []
    assert [job.state for job in services.jobs.page("ada@example.org")] == [State.EXPIRED]
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


def test_a_job_with_three_lapsed_claims_fails_and_its_event_is_sent(function: Call, services: Services) -> None:
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


class SynchronizedJobs(Jobs):
    """A job store that returns a list to a run only after all runs have read the same list."""

    def __init__(self, database: Database, barrier: Barrier) -> None:
        super().__init__(database)
        self._barrier = barrier

    def due(self) -> list[Job]:
        return self._synchronize(super().due())

    def interrupted(self) -> list[Job]:
        return self._synchronize(super().interrupted())

    def past_retention(self, *, retention: int) -> list[Job]:
        return self._synchronize(super().past_retention(retention=retention))

    def to_dispose(self) -> list[Job]:
        return self._synchronize(super().to_dispose())

    def _synchronize(self, jobs: list[Job]) -> list[Job]:
        self._barrier.wait(DEADLINE_SECONDS)
        return jobs


def test_concurrent_runs_never_repeat_work(function: Call, services: Services) -> None:
    events = []
    for _ in range(JOBS_OF_EACH_KIND):
        due, too_old, expired, interrupted = (
            queued_job(services), queued_job(services), notified_job(services), receiving_job(services)
        )  # fmt: skip
        events += [(VIDEO_UPLOADED, due.id), (CONVERSION_FAILED, too_old.id)]
        age(services, due, 601)
        age(services, too_old, GIVE_UP_SECONDS + 1)
        age(services, expired, services.settings.retention_seconds + 1)
        age(services, interrupted, RECEIVE_SECONDS + 1)
    services.jobs = SynchronizedJobs(services.database, Barrier(RUNS))
    client = function("cleanup")
    with ThreadPoolExecutor(RUNS) as pool:
        answers = [answer.json for answer in pool.map(lambda _: client.post("/"), range(RUNS))]
    done = {count: sum(answer[count] for answer in answers) for count in answers[0]}
    assert done == {"sent": len(events), "expired": JOBS_OF_EACH_KIND, "orphans": JOBS_OF_EACH_KIND}
    assert _events(services) == sorted(events)


class RecordingBroker:
    """A broker that records, for each published event, which jobs are still due."""

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
    services.publisher = broker = RecordingBroker(services)
    assert function("cleanup").post("/").json["sent"] == 2
    assert broker.still_due == [[second.id], []]


class OvertakenJobs(Jobs):
    """A job store in which another run postpones the first due job immediately."""

    def due(self) -> list[Job]:
        first, *others = super().due()
        assert self.postpone(first)
        return [first, *others]


def test_a_job_that_another_run_has_postponed_does_not_delay_others(function: Call, services: Services) -> None:
    first, second = queued_job(services), queued_job(services)
    age(services, first, 700)
    age(services, second, 601)
    services.jobs = OvertakenJobs(services.database)
    assert function("cleanup").post("/").json["sent"] == 1
    assert _events(services) == [(VIDEO_UPLOADED, second.id)]


def test_a_job_whose_partial_mp3_cannot_be_deleted_does_not_delay_others(function: Call, services: Services) -> None:
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
def test_a_row_is_kept_until_its_files_have_been_deleted(function: Call, services: Services, name: str) -> None:
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


class UnavailableBroker:
    """A broker that cannot be reached."""

    attempts = 0

    def publish(self, event: CloudEvent) -> None:
        self.attempts += 1
        raise BrokerUnavailable("The broker is unavailable.")


def test_events_stay_due_while_the_broker_is_unavailable(function: Call, services: Services) -> None:
    jobs = [queued_job(services) for _ in range(3)]
    for job in jobs:
        age(services, job, 601)
    publisher = services.publisher
    services.publisher = broker = UnavailableBroker()
    assert function("cleanup").post("/").json["sent"] == 0
    assert broker.attempts == 1  # each attempt may take as long as its timeout
    services.publisher = publisher
    assert function("cleanup").post("/").json["sent"] == 3


@pytest.mark.parametrize("name", ["cleanup", "upload"])
def test_a_publishing_function_starts_without_a_configured_broker(
    function: Call, services: Services, name: str
) -> None:
    services.settings = replace(services.settings, broker_url="")
    client = function(name)
    client.application.open_services()  # type: ignore[attr-defined] # Flask's client does not know our application class
    assert client.get("/_/ready").status_code == 200


def test_expired_files_are_deleted_without_a_configured_broker(function: Call, services: Services) -> None:
    due, expired = queued_job(services), notified_job(services)
    age(services, due, 601)
    age(services, expired, services.settings.retention_seconds + 1)
    services.settings = replace(services.settings, broker_url="")
    assert function("cleanup").post("/").json == {"sent": 0, "expired": 1, "orphans": 0}
    services.settings = replace(services.settings, broker_url=f"sqlite:///{services.settings.soundlift_data}/queue.db")
    assert function("cleanup").post("/").json["sent"] == 1


def test_events_are_sent_while_the_media_store_is_unavailable(function: Call, services: Services) -> None:
    due, expired = queued_job(services), notified_job(services)
    age(services, due, 601)
    age(services, expired, services.settings.retention_seconds + 1)
    media = services.settings.soundlift_data / "media"
    media.rename(media.with_name("away"))
    media.write_text("")
    assert function("cleanup").post("/").json == {"sent": 1, "expired": 0, "orphans": 0}
    media.unlink()
    media.with_name("away").rename(media)
    assert function("cleanup").post("/").json == {"sent": 0, "expired": 1, "orphans": 0}


def test_a_dead_letter_of_knative_is_logged_with_its_attributes(function: Call) -> None:
    dead_letter = {"destination": "http://notify", "type": MP3_READY, "id": "7.ready", "subject": "7"}
    headers = {f"Ce-{name}": value for name, value in dead_letter.items() if name != "destination"}
    headers |= {"Ce-Knativeerrordest": dead_letter["destination"], "Ce-Knativeerrorcode": "503"}
    with capture_logs() as logs:
        assert function("cleanup").post("/", headers=headers).status_code == 200
        assert function("cleanup").post("/").status_code == 200
    (line,) = [line for line in logs if line["event"] == "dead letter"]
    assert line == {"event": "dead letter", "log_level": "error", "knativeerrorcode": "503"} | dead_letter


def test_forgotten_attempts_are_deleted(function: Call, services: Services) -> None:
    services.sign_in_limits.begin("ada@example.org", None)
    age_attempts(services, 2 * 24 * 3600)
    services.sign_in_limits.begin("bob@example.org", None)
    assert function("cleanup").post("/").status_code == 200
    assert count_rows(services) == 1


def test_expired_sessions_are_deleted(function: Call, services: Services) -> None:
    expired = begin_session(services)
    age_sessions(services, services.settings.refresh_seconds + 1)
    current = begin_session(services)
    assert function("cleanup").post("/").status_code == 200
    assert [is_live(services, token) for token in (expired, current)] == [False, True]


def test_api_keys_that_ended_long_ago_are_deleted(function: Call, services: Services) -> None:
    new_key(services, seconds=60)
    current = new_key(services)
    age_keys(services, KEPT_SECONDS + 61)
    assert function("cleanup").post("/").status_code == 200
    assert [key.start for key in services.api_keys.list("ada@example.org")] == [current.start]


def test_the_event_of_a_password_link_is_sent_until_its_email_has_been(function: Call, services: Services) -> None:
    link, client = services.password_links.request("new@example.org", Purpose.SIGN_UP), function("cleanup")
    assert [client.post("/").json["sent"] for _ in range(2)] == [1, 0]
    age_links(services, MIN_RESEND_SECONDS + 1)
    assert client.post("/").json["sent"] == 1
    for _ in range(2):
        delivery = services.broker.receive(["mp3"], timeout=0)
        assert delivery is not None
        event = from_message(delivery.message)
        assert (event.get_type(), link_id_from(event)) == (LINK_REQUESTED, link.id)
    issued_token(services)
    age_links(services, 3000)
    assert client.post("/").json["sent"] == 0
    assert requested_links(services) == [("new@example.org", "sign-up")]
    age_links(services, 601)
    client.post("/")
    assert requested_links(services) == []


def test_the_event_of_a_password_link_stays_due_while_the_broker_is_unavailable(
    function: Call, services: Services
) -> None:
    services.password_links.request("new@example.org", Purpose.SIGN_UP)
    publisher = services.publisher
    services.publisher = UnavailableBroker()
    assert function("cleanup").post("/").json["sent"] == 0
    services.publisher = publisher
    assert function("cleanup").post("/").json["sent"] == 1
