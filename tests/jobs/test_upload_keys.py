"""Concurrent uploads with the same key, each with its own connection to the same database."""

from __future__ import annotations

import pytest

from functions.upload.earlier import cancel
from functions.upload.idempotency_key import KeyedRequest
from functions.upload.session import UploadSession
from soundlift.common.errors import SoundliftError, UploadDeleted, UploadInProgress
from soundlift.common.jobs.model import UPLOAD_LEASE_SECONDS
from soundlift.common.jobs.upload_keys import UploadKey
from soundlift.common.services import Services
from tests.factories.jobs import MP4, age, receiving_job
from tests.factories.races import race

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

ROUNDS = 10
RIVALS = 4
ADA = "ada@example.org"


def upload(services: Services, text: str) -> str | SoundliftError:
    """Upload a video, and return the id of its job, or the error."""
    keyed = KeyedRequest(ADA, text, content_length=len(MP4), digest=None)
    try:
        limits = services.limits.of(ADA, services.settings)
        with UploadSession(services, ADA, limits, announced_bytes=len(MP4), keyed=keyed) as session:
            if session.begin_file("a.mp4", "video/mp4"):
                session.write(MP4)
            return (session.earlier or session.commit()).id
    except SoundliftError as error:
        return error


def cancel_upload(services: Services, text: str) -> None:
    cancel(UploadKey(ADA, text), services.jobs)


def test_uploads_with_the_same_key_make_one_job(services: Services) -> None:
    for number in range(ROUNDS):
        answers = race(services, [lambda rival, number=number: upload(rival, f"key {number}")] * RIVALS)
        (job,) = services.jobs.page(ADA, limit=1)
        assert len(services.jobs.page(ADA)) == number + 1
        assert job.id in answers
        assert all(answer == job.id or isinstance(answer, UploadInProgress) for answer in answers), answers
        assert upload(services, f"key {number}") == job.id


def test_uploads_that_take_over_from_a_dead_process_make_one_job(services: Services) -> None:
    for number in range(ROUNDS):
        fingerprint = KeyedRequest(ADA, f"key {number}", len(MP4), None).key_of([], "a.mp4", "video/mp4")
        dead = receiving_job(services, key=fingerprint)
        age(services, dead, UPLOAD_LEASE_SECONDS + 1)
        answers = race(services, [lambda rival, number=number: upload(rival, f"key {number}")] * RIVALS)
        assert len(services.jobs.page(ADA)) == number + 1
        jobs = {answer for answer in answers if isinstance(answer, str)}
        assert len(jobs) == 1
        assert dead.id not in jobs
        assert all(isinstance(answer, str | UploadInProgress) for answer in answers), answers


def test_an_upload_that_is_cancelled_at_any_moment_leaves_no_job(services: Services) -> None:
    for number in range(ROUNDS):
        steps = [lambda rival, number=number: upload(rival, f"key {number}")]
        steps += [lambda rival, number=number: cancel_upload(rival, f"key {number}")]
        race(services, steps)
        assert services.jobs.page(ADA) == []
        assert isinstance(upload(services, f"key {number}"), UploadDeleted)


def test_keys_are_case_sensitive(services: Services) -> None:
    jobs = {upload(services, text) for text in ("key", "KEY", "kEy", "key ")}
    assert len(jobs) == 4
    assert all(isinstance(job, str) for job in jobs)


@pytest.mark.parametrize("step", ["roll_back", "abandon"])
def test_the_key_of_an_upload_that_broke_off_is_forgotten(services: Services, step: str) -> None:
    key = UploadKey(ADA, "key", "0" * 64)
    job = receiving_job(services, key=key)
    found = services.jobs.find_upload(key)
    assert found is not None
    assert found.job == job
    assert 0 < found.lease_seconds <= UPLOAD_LEASE_SECONDS
    age(services, job, 3600)
    assert services.jobs.roll_back(job.id) if step == "roll_back" else services.jobs.abandon(job)
    assert services.jobs.find_upload(key) is None
