"""An event permits one conversion, of the job whose turn it is; whatever the order of the events, every job ends."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import structlog

from functions.convert.choice import CANDIDATES, MAX_CHOICES, choose
from functions.convert.handler import convert
from functions.convert.output.finish import FinishedFile
from soundlift.common.errors import Busy, SoundliftError, StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.jobs.model import CLAIM_SECONDS, FIRST_RESEND_SECONDS, GIVE_UP_SECONDS, Job, State
from soundlift.common.logging import current_traceparent
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.services import Services
from tests.convert.outcome import finished_mp3
from tests.factories.backlog import queue_many
from tests.factories.jobs import age, claimed_job, failed_job, job_now, queued_job, ready_job
from tests.factories.media import store

ADA, BOB = "ada@example.org", "bob@example.org"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class FakeConversions:
    """Conversions without FFmpeg: which jobs were converted, with the trace and the job id that their logs carry."""

    def __init__(self) -> None:
        self.converted: list[str] = []
        self.logged: list[tuple[str | None, Any]] = []
        self.fail: Callable[[Job], Exception | None] = lambda job: None

    def __call__(self, job: Job, folder: Path, *_: Any, **__: Any) -> FinishedFile:
        if error := self.fail(job):
            raise error
        self.converted.append(job.id)
        self.logged.append((current_traceparent(), structlog.contextvars.get_contextvars().get("job_id")))
        return finished_mp3(folder)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> FakeConversions:
    fake = FakeConversions()
    monkeypatch.setattr("functions.convert.handler.convert_video", fake)
    return fake


def _subject(job: Job, services: Services) -> str | None:
    """Deliver a job's event, and return the job of the reply."""
    reply = convert(event_for(job), services)
    return reply.get_subject() if reply else None


@pytest.mark.slow
def test_the_events_of_10_000_jobs_convert_the_first_job_of_another_user_third(
    services: Services, conversions: FakeConversions
) -> None:
    queue_many(services, 10_000)
    events = [job_now(services, f"{number:024x}") for number in range(1, 4)]
    mine = queued_job(services, email=BOB)
    for job in events:
        store(services.videos, job.video_fid, b"video")
    assert [_subject(job, services) for job in events] == [events[0].id, events[1].id, mine.id]
    assert _subject(mine, services) == events[2].id


def test_the_logs_and_the_reply_carry_the_job_that_is_converted(
    services: Services, conversions: FakeConversions
) -> None:
    upload = {"file_name": "a.mp4", "content_type": "video/mp4", "traceparent": TRACE}
    first = services.jobs.receive(username=ADA, **upload)
    assert services.jobs.queue(first.id, video_bytes=5)
    assert _subject(queued_job(services), services) == first.id
    assert conversions.logged == [(TRACE, first.id)]


@pytest.mark.parametrize("end", ["ready", "failed", "cancelled", "deleted", "unknown"])
def test_the_event_of_a_job_that_has_ended_converts_a_job_that_waits(
    services: Services, conversions: FakeConversions, end: str
) -> None:
    named = {"ready": ready_job, "failed": failed_job}.get(end, queued_job)(services)
    event = event_for(named)
    if end in ("cancelled", "deleted", "unknown"):
        assert services.jobs.cancel(named.id)
    if end in ("deleted", "unknown"):
        assert services.jobs.delete(named.id)
    if end == "unknown":
        assert services.jobs.mark_disposed(job_now(services, named.id))
    waiting = queued_job(services, email=BOB)
    reply = convert(event, services)
    assert reply
    assert reply.get_subject() == waiting.id
    again = convert(event, services)
    assert (again and again.get_subject()) == (named.id if end in ("ready", "failed") else None)
    assert conversions.converted == [waiting.id]


def test_a_job_without_attempts_left_is_given_up_in_its_turn(services: Services, conversions: FakeConversions) -> None:
    job, waiting = queued_job(services), queued_job(services, email=BOB)
    age(services, job, GIVE_UP_SECONDS + 60)
    assert _subject(waiting, services) == job.id
    assert (job_now(services, job.id).error_code, conversions.converted) == ("gave_up", [])
    assert _subject(job, services) == waiting.id


def test_an_mp3_that_cannot_be_deleted_holds_up_no_other_job(
    services: Services, conversions: FakeConversions, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, waiting = claimed_job(services)[0], queued_job(services, email=BOB)
    age(services, dead, CLAIM_SECONDS + 1)

    tries: list[str] = []

    def refuse(fid: str) -> None:
        tries.append(fid)
        raise StoreUnavailable("The media store does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(services.mp3s, "delete", refuse)
        assert _subject(waiting, services) == waiting.id
        tries.clear()
        with pytest.raises(StoreUnavailable):
            convert(event_for(waiting), services)
        assert len(tries) == 1
    assert _subject(waiting, services) == dead.id


def test_an_event_whose_claim_is_lost_converts_another_job(services: Services, conversions: FakeConversions) -> None:
    lost, waiting = queued_job(services), queued_job(services, email=BOB)

    def cancel(job: Job) -> ClaimLost | None:
        return ClaimLost() if job.id == lost.id and services.jobs.cancel(job.id) else None

    conversions.fail = cancel
    assert _subject(lost, services) == waiting.id
    assert conversions.converted == [waiting.id]


def test_jobs_that_always_fail_use_up_no_delivery_of_the_event_of_another_job(
    services: Services, conversions: FakeConversions
) -> None:
    broken = [queued_job(services, email=f"{number}@example.org").id for number in range(3)]
    mine = queued_job(services, email=BOB)
    conversions.fail = lambda job: StoreUnavailable("Its video is missing.") if job.id in broken else None
    assert _subject(mine, services) == mine.id
    with pytest.raises(StoreUnavailable):
        convert(event_for(mine), services)
    with pytest.raises(StoreUnavailable):
        convert(event_for(job_now(services, broken[2])), services)
    released = [job_now(services, job_id).resend_count for job_id in broken]
    assert (released, conversions.converted) == ([1, 1, 1], [mine.id])


def test_a_worker_that_shuts_down_begins_no_other_conversion(
    services: Services, conversions: FakeConversions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Services, "shutdown", Shutdown())
    first, second = (queued_job(services, email=email) for email in (ADA, BOB))

    def stop(job: Job) -> StoreUnavailable:
        services.shutdown.begin()
        return StoreUnavailable("The worker is shutting down.")

    conversions.fail = stop
    with pytest.raises(StoreUnavailable):
        convert(event_for(second), services)
    assert job_now(services, second.id).resend_count == 0
    assert job_now(services, first.id).resend_count == 1


def test_a_lost_event_is_replaced_in_time_although_other_events_convert_its_job(
    services: Services, conversions: FakeConversions
) -> None:
    jobs = [queued_job(services, email=email) for email in (ADA, BOB, ADA, BOB)]
    age(services, jobs[0], FIRST_RESEND_SECONDS - 60, "resend_at")
    assert [_subject(job, services) for job in jobs[1:]] == [job.id for job in jobs[:-1]]
    assert services.jobs.due() == []
    age(services, jobs[-1], 61, "resend_at")
    (due,) = services.jobs.due()
    assert due.id == jobs[-1].id


def test_a_worker_that_loses_every_race_for_a_job_returns_the_event(
    services: Services, conversions: FakeConversions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, tries = queued_job(services), list[str]()
    monkeypatch.setattr(services.jobs, "claim", lambda read: tries.append(read.id))
    with pytest.raises(Busy) as busy:
        convert(event_for(job), services)
    assert busy.value.retry_after < CLAIM_SECONDS
    assert tries == [job.id] * MAX_CHOICES


def test_workers_that_lost_a_race_try_different_jobs(services: Services) -> None:
    turns = [queued_job(services, email=f"{number}@example.org").id for number in range(2 * CANDIDATES)]
    first_tries = [choose(services.jobs, 0)[0].id for _ in range(20)]
    later_tries = {choose(services.jobs, choice)[0].id for choice in range(1, MAX_CHOICES) for _ in range(20)}
    assert first_tries == turns[:1] * 20
    assert len(later_tries) > CANDIDATES / 2
    assert later_tries.issubset(turns)


@pytest.mark.parametrize("choice", range(MAX_CHOICES))
def test_every_choice_finds_the_only_job_that_waits(services: Services, choice: int) -> None:
    job = queued_job(services)
    assert [found.id for found in choose(services.jobs, choice)] == [job.id]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_job_ends_whatever_the_order_of_the_events(
    services: Services, conversions: FakeConversions, seed: int
) -> None:
    chance, failures = random.Random(seed), Counter[str]()

    def fail(job: Job) -> SoundliftError | None:
        failures[job.id] += 1
        return StoreUnavailable("The store is restarting.") if failures[job.id] < chance.randint(1, 3) else None

    conversions.fail = fail
    jobs = [queued_job(services, email=f"user{chance.randrange(3)}@example.org") for _ in range(12)]
    cancelled = jobs.pop()
    events = [event_for(job) for job in (*jobs, cancelled)]
    assert services.jobs.cancel(cancelled.id)
    while events:
        event = events.pop(chance.randrange(len(events)))
        try:
            convert(event, services)
        except SoundliftError:
            events.append(event)
    assert {job_now(services, job.id).state for job in jobs} == {State.READY}
    assert sorted(conversions.converted) == sorted(job.id for job in jobs)


@pytest.mark.slow
def test_concurrent_workers_convert_every_job_once(services: Services, conversions: FakeConversions) -> None:
    jobs = [queued_job(services, email=(ADA, BOB)[number % 2]) for number in range(16)]
    events, lock = [event_for(job) for job in jobs], Lock()

    def work(worker: Services) -> None:
        while True:
            with lock:
                if not events:
                    return
                event = events.pop()
            try:
                convert(event, worker)
            except Busy:
                with lock:
                    events.append(event)

    workers = [Services(services.settings) for _ in range(4)]
    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(work, workers))
    for worker in workers:
        worker.database.engine.dispose()
    assert {job_now(services, job.id).state for job in jobs} == {State.READY}
    assert sorted(conversions.converted) == sorted(job.id for job in jobs)
