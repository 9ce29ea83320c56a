"""What a user may upload in an hour and have converted in a day, which deleting jobs does not change."""

from __future__ import annotations

import math
import re

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import usage_minutes
from soundlift.common.errors import TooManyMinutes, TooManyUploads
from soundlift.common.jobs.disposal import dispose
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import CLAIM_SECONDS, Claim, Job
from soundlift.common.jobs.quota import Reservation
from soundlift.common.jobs.recent import (
    DAY,
    HOUR,
    MINUTE,
    Recent,
    delete_old_counts,
    recent_seconds,
    recent_uploads,
    totals_by_user,
)
from soundlift.common.services import Services
from tests.factories.jobs import MP3_SOUND, age, claimed_job, job_now, queued_job, ready_job
from tests.factories.races import race

ADA, BOB = "ada@example.org", "bob@example.org"


def _limits(*, uploads: int = 0, minutes: int = 0) -> Limits:
    return Limits(0, 0, HOUR, uploads_per_hour=uploads, minutes_per_day=minutes)


def _receive(services: Services, limits: Limits, email: str = ADA) -> Job:
    upload = {"username": email, "file_name": "a.mp4", "content_type": "video/mp4"}
    return services.jobs.receive(**upload, traceparent=None, reservation=Reservation(1, limits))


def _pass(services: Services, minutes: int) -> None:
    """Move what was counted into the past, over negative numbers: no row may meet another one on the way."""
    with services.database.write() as connection:
        connection.execute(sa.update(usage_minutes).values(minute=minutes - usage_minutes.c.minute))
        connection.execute(sa.update(usage_minutes).values(minute=-usage_minutes.c.minute))


def _convert(services: Services, seconds: float, limits: Limits, email: str = ADA) -> Job:
    """Convert a file of this length as the function does."""
    _, claim = claimed_job(services, email)
    services.jobs.reserve_sound(claim, seconds, limits)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=seconds)
    return job_now(services, claim.job_id)


def _refused_upload(services: Services, limits: Limits) -> TooManyUploads | TooManyMinutes:
    with pytest.raises((TooManyUploads, TooManyMinutes)) as refusal:
        _receive(services, limits)
    return refusal.value


def _uploads(services: Services) -> float:
    with services.database.read() as connection:
        return recent_uploads(connection, ADA).total


def test_uploads_beyond_the_limit_of_an_hour_are_refused_with_the_limit_and_when_it_frees(services: Services) -> None:
    for _ in range(2):
        _receive(services, _limits(uploads=3))
    _pass(services, 20)
    _receive(services, _limits(uploads=3))
    refusal = _refused_upload(services, _limits(uploads=3))
    sentence = r"You may upload at most 3 files in an hour, and you have uploaded 3\. Upload more on \S+ \S+ UTC\."
    assert re.fullmatch(sentence, refusal.detail)
    wait = int(refusal.headers["Retry-After"])
    assert 40 * MINUTE <= wait <= 41 * MINUTE
    assert refusal.headers["RateLimit-Policy"] == '"uploads";q=3;w=3600'
    assert refusal.headers["RateLimit"] == f'"uploads";r=0;t={wait}'
    assert _receive(services, _limits(uploads=3), BOB)
    _pass(services, 41)
    for _ in range(2):
        _receive(services, _limits(uploads=3))
    assert 19 * MINUTE <= int(_refused_upload(services, _limits(uploads=3)).headers["Retry-After"]) <= 20 * MINUTE


def test_a_limit_that_was_lowered_frees_when_enough_uploads_are_an_hour_old(services: Services) -> None:
    for _ in range(4):
        _receive(services, _limits(uploads=9))
        _pass(services, 10)
    refusal = _refused_upload(services, _limits(uploads=2))
    assert 40 * MINUTE <= int(refusal.headers["Retry-After"]) <= 41 * MINUTE
    assert re.search(r"r=0;t=(12|13)\d\d", refusal.headers["RateLimit"])


def test_an_upload_counts_however_it_ends_and_a_refused_one_does_not(services: Services) -> None:
    broken_off = _receive(services, _limits(uploads=2))
    assert services.jobs.roll_back(broken_off.id)
    assert dispose(broken_off, services)
    cancelled = _receive(services, _limits(uploads=2))
    assert services.jobs.queue(cancelled.id, video_bytes=1)
    assert services.jobs.cancel(cancelled.id)
    assert services.jobs.delete(cancelled.id)
    for _ in range(2):
        _refused_upload(services, _limits(uploads=2))
    assert _uploads(services) == 2


def test_uploads_that_race_never_pass_the_limit(services: Services) -> None:
    def step(rival: Services) -> object:
        try:
            return _receive(rival, _limits(uploads=3))
        except TooManyUploads as refusal:
            return refusal

    results = race(services, [step] * 8)
    assert sum(isinstance(result, Job) for result in results) == 3
    assert _uploads(services) == 3


def test_uploads_are_counted_without_a_limit_so_that_one_applies_at_once(services: Services) -> None:
    _receive(services, _limits())
    assert isinstance(_refused_upload(services, _limits(uploads=1)), TooManyUploads)


def test_an_upload_is_refused_once_the_minutes_of_the_day_are_used(services: Services) -> None:
    limits = _limits(minutes=10)
    _convert(services, 400, limits)
    _pass(services, 60)
    _receive(services, limits)
    job = _convert(services, 200, limits)
    refusal = _refused_upload(services, limits)
    sentence = (
        r"At most 10 minutes of your sound are converted in 24 hours, and 10\.0 are used\. Upload more on .* UTC\."
    )
    assert re.fullmatch(sentence, refusal.detail)
    assert 23 * HOUR <= int(refusal.headers["Retry-After"]) <= 23 * HOUR + MINUTE
    assert services.jobs.delete(job.id)
    _refused_upload(services, limits)
    assert _receive(services, limits, BOB)
    _pass(services, 23 * 60 + 1)
    assert _receive(services, limits)


def test_a_conversion_is_refused_if_its_sound_is_longer_than_what_is_left(services: Services) -> None:
    limits = _limits(minutes=10)
    _convert(services, 300, limits)
    _, claim = claimed_job(services)
    with pytest.raises(TooManyMinutes) as refusal:
        services.jobs.reserve_sound(claim, 301, limits)
    used = r"At most 10 minutes of your sound are converted in 24 hours: 5\.0 are used, and this file has 5\.0\."
    assert re.fullmatch(rf"{used} Try it again on .* UTC\.", refusal.value.detail)
    with pytest.raises(TooManyMinutes, match="Upload it again with start and end"):
        services.jobs.reserve_sound(claim, 601, limits)
    services.jobs.reserve_sound(claim, 300, limits)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_sound_of_unknown_length_needs_a_second_that_is_left(services: Services, seconds: float) -> None:
    limits = _limits(minutes=1)
    _convert(services, 59, limits)
    services.jobs.reserve_sound(claimed_job(services)[1], seconds, limits)
    _convert(services, 0.5, _limits())
    with pytest.raises(TooManyMinutes):
        services.jobs.reserve_sound(claimed_job(services)[1], seconds, limits)


def test_sound_that_is_being_converted_counts_until_its_worker_is_gone(services: Services) -> None:
    limits = _limits(minutes=10)
    job, claim = claimed_job(services)
    services.jobs.reserve_sound(claim, 599.5, limits)
    services.jobs.reserve_sound(claim, 599.5, limits)
    assert isinstance(_refused_upload(services, limits), TooManyMinutes)
    age(services, job, CLAIM_SECONDS + 1, "claimed_until")
    assert _receive(services, limits)


def test_conversions_that_race_never_pass_the_minutes_of_the_day(services: Services) -> None:
    limits = _limits(minutes=10)

    def step(claim: Claim) -> object:
        def reserve(rival: Services) -> object:
            try:
                return rival.jobs.reserve_sound(claim, 200, limits)
            except TooManyMinutes as refusal:
                return refusal

        return reserve

    results = race(services, [step(claimed_job(services)[1]) for _ in range(6)])  # type: ignore[misc]  # each is a step
    assert results.count(None) == 3


@pytest.mark.parametrize("length", [math.nan, math.inf, 0.0])
def test_a_length_that_is_unknown_is_not_counted(services: Services, length: float) -> None:
    _, claim = claimed_job(services)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=length)
    with services.database.read() as connection:
        assert recent_seconds(connection, ADA).amounts == ()


def test_a_conversion_whose_claim_was_lost_is_not_counted(services: Services) -> None:
    job, claim = claimed_job(services)
    assert services.jobs.cancel(job.id)
    assert not services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=60.0)
    with services.database.read() as connection:
        assert totals_by_user(connection, [ADA]) == {}


def test_a_measurement_reads_one_row_for_each_minute(services: Services) -> None:
    for _ in range(5):
        ready_job(services)
        _receive(services, _limits())
    with services.database.read() as connection:
        assert len(recent_uploads(connection, ADA).amounts) <= 2
        assert totals_by_user(connection, [ADA, BOB]) == {ADA: (5, 5 * 187.0)}


def test_counts_of_the_day_before_are_deleted(services: Services) -> None:
    _receive(services, _limits())
    _convert(services, 60, _limits())
    _pass(services, DAY // MINUTE)
    assert delete_old_counts(services.database) == 0
    with services.database.read() as connection:
        assert recent_seconds(connection, ADA).total == 60
    _pass(services, 10)
    queued_job(services)
    assert delete_old_counts(services.database) in (1, 2)
    assert delete_old_counts(services.database) == 0


def test_an_amount_fits_when_enough_has_left_the_window() -> None:
    recent = Recent(((100, 3.0), (105, 2.0)), HOUR, moment=110 * MINUTE)
    assert recent.seconds_until_fits(1, 6) == 0
    assert recent.seconds_until_fits(2, 6) == recent.seconds_until_less == 51 * MINUTE
    assert recent.seconds_until_fits(6, 6) == 56 * MINUTE
    assert recent.plus(1).seconds_until_fits(6, 6) == 61 * MINUTE
    assert Recent((), HOUR, moment=0).seconds_until_less == HOUR
