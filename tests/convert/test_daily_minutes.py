"""A conversion that exceeds the minutes of sound that its user has left today fails with that reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.convert.handler import convert
from soundlift.common.events import CONVERSION_FAILED, event_for
from soundlift.common.jobs.model import State
from soundlift.common.services import Services
from tests.convert.outcome import stored_mp3s
from tests.factories.jobs import job_now, queued_job, ready_job

pytestmark = pytest.mark.media
VIDEO_SECONDS = 3


def test_a_file_longer_than_what_is_left_fails_and_can_be_retried_tomorrow(services: Services, video: bytes) -> None:
    ready_job(services)  # 187 seconds
    services.settings = replace(services.settings, max_minutes_per_day=4)
    fitting, job = queued_job(services, video), queued_job(services, video)
    convert(event_for(fitting), services)
    assert job_now(services, fitting.id).state == State.READY
    services.limits.change("ada@example.org", {"minutes_per_day": 3})
    reply = convert(event_for(job), services)
    assert reply
    assert reply.get_type() == CONVERSION_FAILED
    job = job_now(services, job.id)
    assert (job.state, job.error_code) == (State.FAILED, "daily_minutes_exceeded")
    assert "At most 3 minutes of your sound are converted in 24 hours: 3.2 are used" in str(job.error)
    assert "Try it again on" in str(job.error)
    assert len(stored_mp3s(services)) == 2
    services.limits.change("ada@example.org", {"minutes_per_day": 0})
    retried = services.jobs.retry(job, services.limits.of("ada@example.org", services.settings))
    assert retried
    convert(event_for(retried), services)
    assert job_now(services, job.id).state == State.READY
