"""A conversion ends its job with the right outcome, and releases its slot, its claim and its files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from functions.convert.failures import EMPTY_AUDIO, ConversionFailed
from functions.convert.handler import convert
from functions.convert.heartbeat import ConversionHeartbeat
from functions.convert.output.finish import FinishedFile
from soundlift.common.errors import Busy, StoreUnavailable, Unavailable
from soundlift.common.events import CONVERSION_FAILED, MP3_READY, event_for
from soundlift.common.jobs.heartbeat import ClaimLost
from soundlift.common.jobs.model import CLAIM_SECONDS, Claim, Job, State
from soundlift.common.logging import current_traceparent
from soundlift.common.services import Services
from tests.convert.outcome import finished_mp3, stored_mp3s
from tests.factories.jobs import job_now, queued_job
from tests.factories.media import store

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class FakeConversion:
    """A conversion that calls `convert` instead of FFmpeg, and records its arguments."""

    convert: Callable[[Job, Path, ConversionHeartbeat, Services], FinishedFile]
    spare_cores: list[int] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def __call__(
        self, job: Job, folder: Path, heartbeat: ConversionHeartbeat, services: Services, *, spare_cores: int
    ) -> FinishedFile:
        self.spare_cores.append(spare_cores)
        self.folders.append(folder)
        return self.convert(job, folder, heartbeat, services)


Make = Callable[[Callable[..., FinishedFile]], FakeConversion]


@pytest.fixture
def fake_conversion(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that replaces the conversion, which calls FFmpeg, by a function of the test."""

    def replace_conversion(then: Callable[..., FinishedFile]) -> FakeConversion:
        fake = FakeConversion(then)
        monkeypatch.setattr("functions.convert.handler.convert_video", fake)
        return fake

    return replace_conversion


def _succeed(job: Job, folder: Path, *_: Any) -> FinishedFile:
    return finished_mp3(folder)


def _failing(error: Exception) -> Callable[..., FinishedFile]:
    """Return a conversion that stores part of an MP3, and then fails."""

    def fail(job: Job, folder: Path, heartbeat: ConversionHeartbeat, services: Services) -> FinishedFile:
        store(services.mp3s, str(job_now(services, job.id).mp3_fid), b"half an MP3")
        raise error

    return fail


def test_a_ready_job_has_its_mp3_and_its_size_and_length(services: Services, fake_conversion: Make) -> None:
    conversion, job = fake_conversion(_succeed), queued_job(services)
    reply = convert(event_for(job), services)
    job = job_now(services, job.id)
    assert reply is not None
    assert reply.get_type() == MP3_READY
    assert (job.state, job.mp3_bytes, job.length, job.missing_seconds, job.attempts) == (State.READY, 9, 12.5, 0.25, 1)
    with services.mp3s.open(str(job.mp3_fid)).file as file:
        assert file.read() == b"tagframes"
    assert not conversion.folders[0].exists()


def test_a_failed_job_has_its_reason_and_no_mp3(services: Services, fake_conversion: Make) -> None:
    conversion, job = fake_conversion(_failing(ConversionFailed(EMPTY_AUDIO))), queued_job(services)
    reply = convert(event_for(job), services)
    job = job_now(services, job.id)
    assert reply is not None
    assert reply.get_type() == CONVERSION_FAILED
    assert (job.state, job.error_code, job.error) == (State.FAILED, EMPTY_AUDIO.code, EMPTY_AUDIO.message)
    assert stored_mp3s(services) == []
    assert not conversion.folders[0].exists()


@pytest.mark.parametrize(
    ("error", "raised", "cause"),
    [
        (StoreUnavailable("The store is unavailable."), StoreUnavailable, "The store is unavailable."),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), Unavailable, "disk is full"),
    ],
)
def test_an_error_of_the_worker_releases_the_job_with_its_cause(
    services: Services, fake_conversion: Make, error: Exception, raised: type[Exception], cause: str
) -> None:
    conversion, job = fake_conversion(_failing(error)), queued_job(services)
    with pytest.raises(raised, match=cause):
        convert(event_for(job), services)
    job = job_now(services, job.id)
    assert (job.state, job.attempts, job.error) == (State.QUEUED, 0, None)
    assert cause in str(job.last_cause)
    assert stored_mp3s(services) == []
    assert not conversion.folders[0].exists()


def test_a_lost_claim_leaves_the_job_as_it_is(services: Services, fake_conversion: Make) -> None:
    fake_conversion(_failing(ClaimLost()))
    job = queued_job(services)
    with pytest.raises(Busy) as busy:
        convert(event_for(job), services)
    assert busy.value.retry_after == CLAIM_SECONDS
    assert job_now(services, job.id).state == State.CONVERTING
    assert stored_mp3s(services) == []


def test_a_conversion_uses_the_spare_cores(services: Services, fake_conversion: Make) -> None:
    services.settings = replace(services.settings, convert_concurrency=3)
    jobs, retry_after = [queued_job(services) for _ in range(5)], list[int]()

    def convert_another(job: Job, folder: Path, *_: Any) -> FinishedFile:
        following = jobs[len(conversion.spare_cores)]
        if len(conversion.spare_cores) < 3:
            convert(event_for(following), services)
        else:
            with pytest.raises(Busy) as busy:
                convert(event_for(following), services)
            retry_after.append(busy.value.retry_after)
        return finished_mp3(folder)

    conversion = fake_conversion(convert_another)
    convert(event_for(jobs[0]), services)
    assert conversion.spare_cores == [2, 1, 0]
    assert retry_after == [1]  # so that the connector waits for it
    assert [job_now(services, job.id).state for job in jobs] == [State.READY] * 3 + [State.QUEUED] * 2
    conversion = fake_conversion(_failing(RuntimeError("unforeseen")))
    for _ in range(4):
        with pytest.raises(RuntimeError):
            convert(event_for(jobs[4]), services)
        services.jobs.release(_claim_of(services, jobs[4]), cause="a bug")
    assert conversion.spare_cores == [2] * 4


def _claim_of(services: Services, job: Job) -> Claim:
    now = job_now(services, job.id)
    return Claim(job_id=job.id, token=str(now.claim), mp3_fid=str(now.mp3_fid))


def test_a_job_of_another_worker_is_retried_after_its_claim(services: Services, fake_conversion: Make) -> None:
    conversion, job = fake_conversion(_succeed), queued_job(services)
    assert services.jobs.claim(job)
    with pytest.raises(Busy) as busy:
        convert(event_for(job), services)
    assert busy.value.retry_after == CLAIM_SECONDS
    assert conversion.spare_cores == []


@pytest.mark.parametrize("step", ["claimed", "cancelled", "deleted"])
def test_a_job_that_changes_before_its_claim_is_not_converted(
    services: Services, fake_conversion: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    conversion, job, claim = fake_conversion(_succeed), queued_job(services), services.jobs.claim

    def claim_after_change(read: Job) -> Claim | None:
        if step == "claimed":
            assert claim(job)
        else:
            assert services.jobs.cancel(job.id)
        if step == "deleted":
            assert services.jobs.delete(job.id)
        return claim(read)

    with monkeypatch.context() as patch:
        patch.setattr(services.jobs, "claim", claim_after_change)
        if step == "claimed":
            with pytest.raises(Busy) as busy:
                convert(event_for(job), services)
            assert busy.value.retry_after == CLAIM_SECONDS
        else:
            assert convert(event_for(job), services) is None
    assert conversion.spare_cores == []
    convert(event_for(queued_job(services)), services)
    assert conversion.spare_cores == [services.settings.convert_concurrency - 1]


def test_a_conversion_continues_the_jobs_trace_and_logs_its_id(services: Services, fake_conversion: Make) -> None:
    seen: list[tuple[str | None, Any]] = []

    def record(job: Job, folder: Path, *_: Any) -> FinishedFile:
        seen.append((current_traceparent(), structlog.contextvars.get_contextvars().get("job_id")))
        return finished_mp3(folder)

    fake_conversion(record)
    job = services.jobs.receive(
        username="ada@example.org", file_name="a.mp4", content_type="video/mp4", traceparent=TRACE
    )
    store(services.videos, job.video_fid, b"video")
    assert services.jobs.queue(job.id, video_bytes=5)
    convert(event_for(job_now(services, job.id)), services)
    assert seen == [(TRACE, job.id)]
