"""Imports of several users: slow ones of one user leave workers for the others, and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

from devservers.waiting import wait_for
from functions.fetch.handler import fetch
from soundlift.common.events import VIDEO_UPLOADED, event_for
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import State
from soundlift.common.process.shutdown import Shutdown
from soundlift.common.services import Services
from tests.factories.jobs import MP4, job_now
from tests.imports.sources import Source, age_source, allow_loopback, importing_job, source_rows
from tests.outbound.servers import RawServer, response

LIMIT, SLOW = 2, "/slow.mp4"


class HeldServer(RawServer):
    """A server of a file that arrives at once, except at SLOW, where it ends only when the test sets `go_on`."""

    def __init__(self) -> None:
        super().__init__(self._send)
        self.go_on = Event()

    @property
    def slow_requests(self) -> int:
        return sum(SLOW in head for head in self.heads)

    def _send(self, head: str) -> Iterator[bytes]:
        head_of_response, *blocks = Source(MP4)(head)
        yield head_of_response
        if SLOW in head:
            self.go_on.wait(60)
        yield from blocks


def test_slow_imports_of_one_user_leave_workers_for_other_users(services: Services) -> None:
    allow_loopback(services)
    services.settings = replace(services.settings, import_concurrency=LIMIT)
    with HeldServer().running() as server, ThreadPoolExecutor(LIMIT) as pool:
        jobs = [importing_job(services, server.url + SLOW) for _ in range(5)]
        workers = [pool.submit(fetch, event_for(job), services) for job in jobs[:LIMIT]]
        wait_for(lambda: server.slow_requests == LIMIT, "the workers of the slow imports wait")
        assert [fetch(event_for(job), services) for job in jobs[LIMIT:]] == [None] * 3
        assert server.slow_requests == LIMIT
        other = fetch(event_for(importing_job(services, server.url, email="bob@example.org")), services)
        assert other is not None
        assert other.get_type() == VIDEO_UPLOADED
        server.go_on.set()
        replies = [worker.result(60) for worker in workers]
    # Whoever had a worker has gone on with the rest; an event of each import without a reply is due.
    assert [job_now(services, job.id).state for job in jobs] == ["queued"] * 5
    assert server.slow_requests == 5
    replied = {reply.get_subject() for reply in replies if reply}
    due = {job.id for job in services.jobs.due()}
    assert replied | due == {job.id for job in jobs}
    steps = {entry.step for job in jobs for entry in services.jobs.history(job.id)}
    assert steps == {Step.IMPORTING, Step.IMPORT_CLAIMED, Step.QUEUED}  # nobody has failed to send an event


def test_a_worker_that_takes_no_more_imports_makes_the_event_of_the_next_one_due(services: Services) -> None:
    class Stopping(Services):
        shutdown = Shutdown()

    def answer(_: str) -> Iterator[bytes]:
        stopping.shutdown.begin()
        yield response(MP4)

    allow_loopback(services)
    stopping = Stopping(services.settings)
    with RawServer(answer).running() as server:
        first, second, third = (importing_job(services, server.url) for _ in range(3))
        reply = fetch(event_for(first), stopping)
        stopping.database.engine.dispose()
    assert reply is not None
    assert reply.get_subject() == first.id
    assert [job_now(services, job.id).state for job in (second, third)] == [State.IMPORTING] * 2
    assert [job.id for job in services.jobs.due_imports()] == [second.id]
    assert [entry.step for entry in services.jobs.history(second.id)] == [Step.IMPORTING]


def test_an_import_that_pauses_after_a_failure_is_not_repeated_earlier_because_a_place_is_free(
    services: Services,
) -> None:
    allow_loopback(services)
    with RawServer(response(status="503 x")).running() as broken, RawServer(Source(MP4)).running() as server:
        paused = importing_job(services, broken.url)
        assert fetch(event_for(paused), services) is None
        fetch(event_for(importing_job(services, server.url)), services)
        assert len(broken.heads) == 1
    assert [(row.job, row.attempts) for row in source_rows(services)] == [(paused.id, 1)]


def test_a_further_attempt_whose_event_found_no_place_takes_the_place_of_the_import_that_ends(
    services: Services,
) -> None:
    allow_loopback(services)
    services.settings = replace(services.settings, import_concurrency=1)
    with HeldServer().running() as server, ThreadPoolExecutor(1) as pool:
        repeated, slow = (importing_job(services, server.url + path) for path in ("", SLOW))
        failed = services.jobs.claim_import(repeated)
        assert failed is not None
        assert services.jobs.release_import(failed, cause="503", after=0)
        age_source(services, repeated, 31)
        worker = pool.submit(fetch, event_for(slow), services)
        wait_for(lambda: server.slow_requests == 1, "the slow import has the only place")
        assert services.jobs.postpone_import(repeated)
        assert fetch(event_for(repeated), services) is None
        server.go_on.set()
        reply = worker.result(60)
    assert [job_now(services, job.id).state for job in (repeated, slow)] == [State.QUEUED] * 2
    assert reply is not None
    assert reply.get_subject() == repeated.id
