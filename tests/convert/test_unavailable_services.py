"""A failing store or database leaves no partial MP3 and no failed job, and costs no attempt."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from functions.convert.handler import convert
from soundlift.common.errors import Busy, DatabaseUnavailable, StoreUnavailable
from soundlift.common.events import (
    event_for,
)
from soundlift.common.jobs.model import CLAIM_SECONDS, Job, State
from soundlift.common.services import Services
from tests.convert.outcome import assert_one_mp3, stored_mp3s
from tests.factories.clips import ffmpeg
from tests.factories.jobs import age, job_now, queued_job
from tests.factories.stores import RefusingStore, WatchedStore, broken_store

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_store_that_fails_during_a_read_costs_no_attempt(services: Services, tmp_path: Path, share: float) -> None:
    sound = ffmpeg(tmp_path / "a.wav", "-f", "lavfi", "-i", "sine=duration=30:sample_rate=48000").read_bytes()
    job = queued_job(services, sound)
    videos = services.videos
    services.videos = broken_store(videos, beyond=int(len(sound) * share))
    with pytest.raises(StoreUnavailable):
        convert(event_for(job), services)
    released = job_now(services, job.id)
    assert (released.state, released.attempts) == (State.QUEUED, 0)
    assert "store" in str(released.last_cause)
    assert stored_mp3s(services) == []
    services.videos = videos
    convert(event_for(job), services)
    assert_one_mp3(services, job)
    assert job_now(services, job.id).length == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("step", ["create", "write", "commit"])
def test_a_store_that_rejects_the_mp3_costs_no_attempt(services: Services, job: Job, step: str) -> None:
    mp3s = services.mp3s
    services.mp3s = RefusingStore(mp3s, step)
    with pytest.raises(StoreUnavailable):
        convert(event_for(job), services)
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)
    assert stored_mp3s(services) == []
    services.mp3s = mp3s
    convert(event_for(job), services)
    assert_one_mp3(services, job)


def test_a_store_that_cannot_delete_does_not_change_the_outcome(services: Services, video: bytes) -> None:
    services.mp3s = RefusingStore(services.mp3s, "delete")
    no_media, job = queued_job(services, b"no media"), queued_job(services, video)
    convert(event_for(no_media), services)
    assert job_now(services, no_media.id).error_code == "not_media"
    services.videos = broken_store(services.videos, beyond=0)
    with pytest.raises(StoreUnavailable, match="broke"):
        convert(event_for(job), services)
    assert (job_now(services, job.id).state, job_now(services, job.id).attempts) == (State.QUEUED, 0)


def test_a_video_missing_in_the_store_is_not_a_failure_of_the_video(services: Services, job: Job) -> None:
    services.videos.delete(job.video_fid)
    with pytest.raises(StoreUnavailable):
        convert(event_for(job), services)
    assert job_now(services, job.id).state == State.QUEUED


def test_a_lost_database_leaves_a_claim_that_expires(services: Services, job: Job) -> None:
    def hide(position: int) -> None:
        with services.database.engine.begin() as connection:
            if sa.inspect(connection).has_table("job"):
                connection.execute(sa.text("ALTER TABLE job RENAME TO hidden"))

    videos = services.videos
    services.videos = WatchedStore(videos, hide)
    with pytest.raises(DatabaseUnavailable):
        convert(event_for(job), services)
    with services.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE hidden RENAME TO job"))
    services.videos = videos
    with pytest.raises(Busy):
        convert(event_for(job), services)
    age(services, job, CLAIM_SECONDS + 1)
    convert(event_for(job), services)
    assert_one_mp3(services, job)
