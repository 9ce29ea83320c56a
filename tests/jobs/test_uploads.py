"""What an upload writes into its row, and when it counts as interrupted."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from soundlift.common.jobs.model import RECEIVE_SECONDS, Job, State
from soundlift.common.services import Services
from tests.factories.jobs import age, job_now, queued_job, ready_job, receiving_job
from tests.jobs.steps import STEPS, adopted_job

ADA = "ada@example.org"


@pytest.mark.parametrize("make", [queued_job, adopted_job])
def test_a_queued_job_has_its_size_and_its_event_is_first_sent_again_after_ten_minutes(
    services: Services, make: Callable[[Services, bytes], Job]
) -> None:
    job = make(services, b"12345")
    assert (job.state, job.video_bytes) == (State.QUEUED, 5)
    assert services.jobs.due() == []
    age(services, job, 599)
    assert services.jobs.due() == []
    age(services, job, 2)
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_a_received_job_keeps_the_facts_of_its_upload(services: Services) -> None:
    upload = {"username": ADA, "file_name": "a.mkv", "content_type": "video/x-matroska", "traceparent": "00-1-2-01"}
    job = services.jobs.receive(**upload)
    assert {name: getattr(job, name) for name in upload} == upload
    assert services.jobs.find(job.id) == job
    ids = [job.id, job.video_fid, *(str(value) for value in vars(services.jobs.claim(queued_job(services))).values())]
    assert len({value for value in ids if re.fullmatch("[0-9a-f]{24}", value)}) == len(ids)


def test_an_adopted_job_has_the_id_of_its_video_and_a_generic_file_name(services: Services) -> None:
    video = {"video_fid": "a" * 24, "username": ADA, "video_bytes": 7, "traceparent": "00-1-2-01"}
    assert services.jobs.adopt(**video)
    job = job_now(services, "a" * 24)
    expected = video | {"file_name": "video", "content_type": "application/octet-stream"}
    assert {name: getattr(job, name) for name in expected} == expected
    assert not services.jobs.adopt(**video | {"username": "bob@example.org"})
    assert job_now(services, job.id) == job


@pytest.mark.parametrize("later", [None, '{"channels":2}', '{"tags":{"title":"' + "🎵" * 15_000 + '"}}'])
def test_a_job_keeps_its_first_options_unless_later_ones_replace_them(services: Services, later: str | None) -> None:
    job = services.jobs.receive(
        username="a@example.org", file_name="a", content_type="b", traceparent=None, options='{"channels":1}'
    )
    assert job.options == '{"channels":1}'
    assert services.jobs.queue(job.id, video_bytes=1, options=later)
    assert job_now(services, job.id).options == (later or job.options)


def test_a_job_without_options_has_none(services: Services) -> None:
    assert queued_job(services).options is None
    assert adopted_job(services).options is None


def test_an_upload_counts_as_interrupted_twenty_minutes_after_its_last_refresh(services: Services) -> None:
    job = receiving_job(services)
    age(services, job, 20 * 60 - 10)
    assert services.jobs.interrupted() == []
    assert services.jobs.extend_deadline(job.id)
    assert services.jobs.interrupted() == []
    age(services, job, 20 * 60 + 1)
    assert [one.id for one in services.jobs.interrupted()] == [job.id]
    assert services.jobs.abandon(job)
    assert not services.jobs.queue(job.id, video_bytes=1)


@pytest.mark.parametrize("step", ["extend_deadline", "reserve"])
def test_an_upload_that_continues_after_it_was_listed_as_interrupted_is_not_abandoned(
    services: Services, step: str
) -> None:
    job = receiving_job(services)
    age(services, job, RECEIVE_SECONDS + 1)
    (found,) = services.jobs.interrupted()
    assert STEPS[step](services, job)
    assert not services.jobs.abandon(found)
    age(services, job, RECEIVE_SECONDS - 10, "upload_deadline")
    assert services.jobs.interrupted() == []


def test_a_job_is_found_by_its_mp3_and_by_its_video(services: Services) -> None:
    job, other = ready_job(services), adopted_job(services)
    assert services.jobs.find_by_mp3(str(job.mp3_fid)) == services.jobs.find_by_video(job.video_fid) == job
    assert services.jobs.find_by_video(other.video_fid) == other
    assert services.jobs.find_by_mp3(job.video_fid) is services.jobs.find_by_video(str(job.mp3_fid)) is None
