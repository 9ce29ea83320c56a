"""What happens to jobs, files, events and notifications is counted where it is stored, whoever does it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from functions.convert.handler import convert
from soundlift.common.errors import DatabaseUnavailable, StoreUnavailable
from soundlift.common.events import event_for
from soundlift.common.jobs.model import Claim
from soundlift.common.media import LocalFiles
from soundlift.common.metrics.media import MeasuredStore
from soundlift.common.notifications.model import Channel
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, failed_job, job_now, queued_job
from tests.factories.stores import broken_store
from tests.observability.conftest import Series

MP3 = {"format": "mp3", "method": "encoded"}


def test_a_conversion_is_counted_and_timed_by_format_and_by_whether_it_was_encoded(
    measured: Services, series: Series, video: bytes
) -> None:
    job = queued_job(measured, video)
    convert(event_for(job), measured)
    length = job_now(measured, job.id).length
    assert series("conversions_total", outcome="ready", code="none") == 1
    assert series("audio_seconds_total", **MP3) == length
    assert series("conversion_duration_seconds_count", **MP3) == 1
    seconds, speed = (
        series("conversion_duration_seconds_sum", **MP3),
        series("conversion_speed_ratio_sum", method="encoded"),
    )
    assert seconds
    assert speed == pytest.approx((length or 0) / seconds)
    assert (series("upload_size_bytes_sum"), series("upload_duration_seconds_count")) == (len(video), 1)
    steps = [series("job_steps_total", step=step) for step in ("receiving", "queued", "claimed", "ready", "failed")]
    assert steps == [1, 1, 1, 1, None]


def test_a_failed_conversion_is_counted_by_its_code(measured: Services, series: Series) -> None:
    convert(event_for(queued_job(measured, b"no media")), measured)
    assert series("conversions_total", outcome="failed", code="not_media") == 1
    assert series("conversions_total", outcome="ready", code="none") == 0
    assert series("job_steps_total", step="failed") == 1


def test_a_conversion_that_has_to_be_repeated_is_counted_as_released(
    measured: Services, series: Series, video: bytes
) -> None:
    job = queued_job(measured, video)
    videos, measured.videos = measured.videos, broken_store(measured.videos, beyond=0)
    with pytest.raises(StoreUnavailable):
        convert(event_for(job), measured)
    measured.videos = videos
    convert(event_for(job), measured)
    outcomes = [series("conversions_total", outcome=outcome, code="none") for outcome in ("released", "ready", "lost")]
    assert outcomes == [1, 1, 0]


def test_a_lost_claim_is_counted_once(measured: Services, series: Series) -> None:
    job, claim = claimed_job(measured)
    measured.jobs.cancel(job.id)
    for _ in range(2):
        assert not measured.jobs.renew(claim, percent=1)
    assert not measured.jobs.mark_failed(claim, code="not_media", message="No.")
    assert series("conversions_total", outcome="lost", code="none") == 1


def test_a_renewal_that_the_database_fails_is_counted(measured: Services, series: Series) -> None:
    _, claim = claimed_job(measured)
    with measured.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job RENAME TO job_elsewhere"))
    with pytest.raises(DatabaseUnavailable):
        measured.jobs.renew(claim, percent=1)
    assert series("heartbeat_failures_total") == 1


def test_a_job_that_is_given_up_has_its_own_code_from_0_on(measured: Services, series: Series) -> None:
    job = queued_job(measured)
    assert series("conversions_total", outcome="failed", code="gave_up") == 0
    age(measured, job, 25 * 3600, "created_at")
    assert measured.jobs.give_up(job)
    assert series("conversions_total", outcome="failed", code="gave_up") == 1


def test_the_steps_have_the_names_of_the_history(measured: Services, series: Series) -> None:
    job = failed_job(measured)
    measured.jobs.delete(job.id)
    for entry in measured.jobs.history(job.id):
        assert series("job_steps_total", step=entry.step) == 1


def test_waiting_jobs_and_the_age_of_the_oldest_are_read_from_the_database(
    measured: Services, services: Services, series: Series
) -> None:
    first, _ = queued_job(services), queued_job(services)
    claimed_job(services)
    age(services, first, 300, "changed_at")
    _ = measured.database
    assert [series("jobs", state=state) for state in ("receiving", "queued", "converting")] == [0, 2, 1]
    assert series("oldest_queued_job_age_seconds") == pytest.approx(300, abs=10)


def test_a_scrape_succeeds_while_the_database_is_away_and_says_so(measured: Services, series: Series) -> None:
    queued_job(measured)
    with measured.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job RENAME TO job_elsewhere"))
    assert series("service_up", service="database") == 0
    assert series("service_up", service="videos") == 1
    assert series("jobs", state="queued") is None


def test_notifications_are_counted_by_channel_and_outcome(measured: Services, series: Series) -> None:
    for end in ("mark_delivered", "give_up", "release"):
        claim = measured.notifications.claim(failed_job(measured).id, Channel.MAIL)
        assert claim
        reason = {"give_up": {"reason": "No."}, "release": {"cause": "Later."}}.get(end, {})
        assert getattr(measured.notifications, end)(claim, **reason)
    outcomes = ("delivered", "given_up", "retried")
    assert [series("notifications_total", channel="mail", outcome=one) for one in outcomes] == [1, 1, 1]


def test_events_are_counted_by_type_and_outcome(measured: Services, series: Series) -> None:
    measured.publisher.publish(event_for(queued_job(measured)))
    measured.broker.close()
    kind = "dev.soundlift.video.uploaded"
    found = [series("events_published_total", type=kind, outcome=outcome) for outcome in ("published", "failed")]
    assert found == [1, 0]


def test_bytes_are_counted_by_bucket_and_a_store_keeps_what_else_it_can_do(
    measured: Services, services: Services, series: Series
) -> None:
    assert isinstance(measured.videos, LocalFiles)
    job = queued_job(services, b"a" * 5000)
    with measured.videos.open(job.video_fid).file as file:
        size = len(file.read())
    assert size == job.video_bytes
    assert series("store_read_bytes_total", bucket="videos") == size
    queued_job(measured, b"a" * 1000)
    assert series("store_written_bytes_total", bucket="videos") == 1000


def test_errors_of_a_store_are_counted_by_bucket(measured: Services, series: Series, services: Services) -> None:
    assert measured.metrics
    job = queued_job(services, b"a" * 1000)
    store = MeasuredStore(broken_store(services.videos, beyond=0), "videos", measured.metrics)
    with pytest.raises(StoreUnavailable), store.open(job.video_fid).file as file:
        file.read()
    assert series("store_errors_total", bucket="videos") == 1


def test_a_claim_that_this_process_did_not_make_changes_no_count(measured: Services, series: Series) -> None:
    assert not measured.jobs.renew(Claim("0" * 24, "0" * 24, "0" * 24), percent=1)
    assert series("conversions_total", outcome="lost", code="none") == 0
