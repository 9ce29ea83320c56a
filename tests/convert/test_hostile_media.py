"""Files that claim to be enormous end in an audio file or a stated failure, and the worker converts the next one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent

from bench.inputs.hostile_media import FILES, SLOW_FILES, HostileFile
from devservers.waiting import wait_for
from functions.convert.handler import convert
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Job, State
from soundlift.common.services import Services
from tests.convert.outcome import stored_mp3s
from tests.factories.jobs import job_now, queued_job

pytestmark = [pytest.mark.media, pytest.mark.slow]

CONVERSION_SECONDS = 3  # instead of nine minutes


def _queue(services: Services, hostile: HostileFile) -> Job:
    """Return the job of a hostile file, which is written where the store keeps it."""
    job = queued_job(services, b"a", f"a{hostile.suffix}")
    hostile.write(_stored(services, job))
    return job


def _stored(services: Services, job: Job) -> Path:
    return services.settings.soundlift_data / "media" / "videos" / str(job.video_fid)


@pytest.fixture
def worker(services: Services) -> Services:
    """Return the services of a worker that converts one file at a time."""
    services.settings = replace(services.settings, max_conversion_seconds=CONVERSION_SECONDS, convert_concurrency=1)
    return services


@pytest.mark.parametrize("hostile", FILES, ids=lambda file: file.name)
def test_a_hostile_file_ends_within_the_limits_and_the_next_job_runs(
    worker: Services, video: bytes, hostile: HostileFile
) -> None:
    job = _queue(worker, hostile)
    convert(event_for(job), worker)
    ended = job_now(worker, job.id)
    assert ended.state == (State.FAILED if ended.error_code else State.READY)
    assert ended.error_code in hostile.codes
    assert ended.attempts == 1
    following = queued_job(worker, video)
    convert(event_for(following), worker)
    assert job_now(worker, following.id).state == State.READY


@pytest.mark.parametrize("hostile", SLOW_FILES, ids=lambda file: file.name)
def test_a_hostile_file_can_be_cancelled_and_the_next_job_runs(
    worker: Services,
    video: bytes,
    hostile: HostileFile,
    convert_in_background: Callable[..., Future[CloudEvent | None]],
) -> None:
    worker.settings = replace(worker.settings, max_conversion_seconds=600)
    job = _queue(worker, hostile)
    conversion = convert_in_background(event_for(job), worker)
    wait_for(lambda: job_now(worker, job.id).state == State.CONVERTING, "the conversion begins")
    assert worker.jobs.cancel(job.id)
    wait_for(conversion.done, "the conversion stops; the bench row cancel-hostile-files measures the time")
    assert job_now(worker, job.id).state == State.CANCELLED
    assert stored_mp3s(worker) == []
    following = queued_job(worker, video)
    convert(event_for(following), worker)
    assert job_now(worker, following.id).state == State.READY
