"""The claim of a worker on a job: when it is valid, renewed, lapsed, released, and what it records."""

from __future__ import annotations

import math

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as table
from soundlift.common.errors import MediaNotFound
from soundlift.common.jobs.conditions import job_columns
from soundlift.common.jobs.disposal import delete_abandoned_output
from soundlift.common.jobs.model import CLAIM_SECONDS, GIVE_UP_SECONDS, AudioDescription, State
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, age, claimed_job, job_now, queued_job
from tests.factories.media import store
from tests.jobs.steps import NO_LIMITS


@pytest.mark.parametrize("missing", [None, 0.0, 12.5])
def test_a_ready_job_records_how_much_of_its_sound_is_missing(services: Services, missing: float | None) -> None:
    _, claim = claimed_job(services)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0, missing_seconds=missing)
    assert job_now(services, claim.job_id).missing_seconds == missing


@pytest.mark.parametrize("waveform", [None, bytes(range(256)) * 4])
def test_a_ready_job_records_its_waveform_which_no_query_for_jobs_reads(
    services: Services, waveform: bytes | None
) -> None:
    _, claim = claimed_job(services)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0, waveform=waveform)
    with services.database.read() as connection:
        assert connection.scalar(sa.select(table.c.waveform).where(table.c.id == claim.job_id)) == waveform
    assert "waveform" not in {column.name for column in job_columns}


SOUNDS = [
    AudioDescription(format="m4a", codec="aac", bitrate=128, sample_rate=48000, channels=6, copied=False),
    AudioDescription(format="opus", codec="opus", bitrate=9, copied=True, cut_start=0.0, cut_end=12.5),
    AudioDescription(format="flac"),
]


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_ready_job_describes_its_audio_file(services: Services, sound: AudioDescription) -> None:
    job, claim = claimed_job(services)
    assert job.audio is None
    assert services.jobs.mark_ready(claim, audio=sound, mp3_bytes=1, length=1.0)
    assert job_now(services, claim.job_id).audio == sound


def test_what_does_not_fit_into_the_description_of_an_audio_file_is_unknown(services: Services) -> None:
    _, claim = claimed_job(services)
    hostile = AudioDescription(
        format="wav",
        codec="x" * 1000,
        bitrate=2**31,
        sample_rate=-1,
        channels=2**63,
        cut_start=math.nan,
        cut_end=math.inf,
    )
    assert services.jobs.mark_ready(claim, audio=hostile, mp3_bytes=1, length=1.0)
    assert job_now(services, claim.job_id).audio == AudioDescription(format="wav", codec="x" * 32)


def test_an_mp3_that_a_worker_of_an_older_release_has_made_is_recognized(services: Services) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)
    unknown = dict.fromkeys(("format", "codec", "bitrate", "sample_rate", "channels", "copied"))
    services.database.change(sa.update(table).where(table.c.id == job.id).values(**unknown))
    assert job_now(services, job.id).audio == AudioDescription(format="mp3")


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan])
def test_seconds_that_are_not_finite_are_stored_as_unknown(services: Services, seconds: float) -> None:
    _, claim = claimed_job(services)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=seconds, missing_seconds=seconds)
    query = sa.select(table.c.length, table.c.missing_seconds).where(table.c.id == claim.job_id)
    with services.database.read() as connection:
        assert tuple(connection.execute(query).one()) == (None, None)


def test_a_claim_counts_an_attempt_and_names_a_new_mp3(services: Services) -> None:
    job, claim = claimed_job(services)
    assert (job.state, job.attempts, job.claim, job.mp3_fid) == (State.CONVERTING, 1, claim.token, claim.mp3_fid)


def test_a_lapsed_claim_permits_no_step(services: Services) -> None:
    job, claim = claimed_job(services)
    age(services, job, CLAIM_SECONDS + 1)
    assert not services.jobs.renew(claim, percent=50)
    assert not services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=1.0)
    assert not services.jobs.mark_failed(claim, code="x", message="x")
    assert job_now(services, job.id).state == State.CONVERTING


def test_the_job_of_a_lapsed_claim_is_claimed_again_with_another_mp3(services: Services) -> None:
    job, first = claimed_job(services)
    assert services.jobs.renew(first, percent=42)
    assert services.jobs.claim(job) is None
    age(services, job, CLAIM_SECONDS + 1)
    second = services.jobs.claim(job_now(services, job.id))
    assert second is not None
    assert second.mp3_fid != first.mp3_fid
    assert job_now(services, job.id).percent == 0
    assert not services.jobs.release(first, cause="too late")
    assert services.jobs.mark_ready(second, audio=MP3_SOUND, mp3_bytes=1, length=1.0)


def test_a_claim_is_refused_when_the_row_has_changed_since_it_was_read(services: Services) -> None:
    job, _ = claimed_job(services)
    age(services, job, CLAIM_SECONDS + 1)
    stale = job_now(services, job.id)
    assert services.jobs.claim(stale) is not None
    age(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.claim(stale) is None


def test_a_claim_is_refused_if_it_would_forget_what_a_worker_stored_since_the_row_was_read(services: Services) -> None:
    stale = queued_job(services)
    claim = services.jobs.claim(stale)
    assert claim is not None
    store(services.mp3s, claim.mp3_fid, b"half")
    assert services.jobs.cancel(stale.id)
    assert services.jobs.retry(job_now(services, stale.id), NO_LIMITS)
    assert services.jobs.claim(stale) is None
    delete_abandoned_output(job_now(services, stale.id), services)
    with pytest.raises(MediaNotFound):
        services.mp3s.open(claim.mp3_fid)
    assert services.jobs.claim(job_now(services, stale.id))


def test_renewing_extends_the_claim_and_records_the_percent(services: Services) -> None:
    job, claim = claimed_job(services)
    age(services, job, CLAIM_SECONDS - 1)
    assert services.jobs.renew(claim, percent=42)
    age(services, job, CLAIM_SECONDS - 1)
    assert services.jobs.renew(claim, percent=43)
    assert job_now(services, job.id).percent == 43


def test_releasing_returns_the_attempt_and_records_the_cause(services: Services) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.renew(claim, percent=42)
    assert services.jobs.release(claim, cause="the store is away")
    released = job_now(services, job.id)
    assert (released.state, released.attempts, released.claim, released.percent) == (State.QUEUED, 0, None, 0)
    assert released.claim_lapsed
    assert released.last_cause == "the store is away"


def test_three_lapsed_claims_are_a_reason_to_give_up_and_releases_are_not(services: Services) -> None:
    job = queued_job(services)
    for _ in range(5):
        claim = services.jobs.claim(job_now(services, job.id))
        assert claim is not None
        assert services.jobs.release(claim, cause="the store is away")
    for _ in range(3):
        assert not services.jobs.give_up(job_now(services, job.id))
        assert services.jobs.claim(job_now(services, job.id)) is not None
        age(services, job, CLAIM_SECONDS + 1)
    assert services.jobs.claim(job_now(services, job.id)) is None
    assert services.jobs.give_up(job_now(services, job.id))
    given_up = job_now(services, job.id)
    assert (given_up.state, given_up.error_code) == (State.FAILED, "gave_up")
    assert "3 times" in str(given_up.error)
    assert "the store is away" in str(given_up.error)


def test_a_job_is_given_up_a_day_after_its_upload(services: Services) -> None:
    job, claim = claimed_job(services)
    age(services, job, GIVE_UP_SECONDS - 60, "created_at")
    assert services.jobs.release(claim, cause="the store is away")
    job = job_now(services, job.id)
    assert not services.jobs.give_up(job)
    age(services, job, 61, "created_at")
    assert services.jobs.claim(job) is None
    assert services.jobs.give_up(job)
    assert "within a day" in str(job_now(services, job.id).error)


def test_a_job_given_up_names_no_cause_if_none_is_known(services: Services) -> None:
    job = queued_job(services)
    age(services, job, GIVE_UP_SECONDS + 1)
    assert services.jobs.give_up(job)
    assert job_now(services, job.id).error == "The video could not be converted within a day, so we gave up."


def test_a_job_is_confirmed_as_unclaimed_until_it_is_claimed_again_or_ends(services: Services) -> None:
    job, first = claimed_job(services)
    assert not services.jobs.confirm_unclaimed(job)
    age(services, job, CLAIM_SECONDS + 1)
    lapsed = job_now(services, job.id)
    assert services.jobs.confirm_unclaimed(lapsed)
    assert job_now(services, job.id) == lapsed
    assert services.jobs.release(first, cause="the store")
    assert services.jobs.confirm_unclaimed(lapsed)
    second = services.jobs.claim(job_now(services, job.id))
    assert second is not None
    age(services, job, CLAIM_SECONDS + 1)
    assert not services.jobs.confirm_unclaimed(lapsed)
    assert services.jobs.confirm_unclaimed(job_now(services, job.id))
