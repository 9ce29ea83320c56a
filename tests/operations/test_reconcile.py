"""A store that is older or newer than its database is reconciled with it, which reports what it did."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from bson import ObjectId

from devservers.mongodb import MongoDb
from soundlift.cli.reconciliation.deployment import open_deployment
from soundlift.cli.reconciliation.file_check import check_files
from soundlift.cli.reconciliation.findings import Action, Finding
from soundlift.cli.reconciliation.job_check import check_jobs
from soundlift.common.db.tables import jobs as table
from soundlift.common.jobs.model import State
from soundlift.common.media import list_files, new_media_id
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.contract.media.stored_files import INFO
from tests.factories.jobs import (
    age,
    claimed_job,
    failed_job,
    is_notified,
    job_now,
    mail_notification,
    notified_job,
    queued_job,
    ready_job,
    receiving_job,
)
from tests.factories.media import is_stored, store
from tests.operations.conftest import Open

pytestmark = pytest.mark.slow

ALL_AGES = -3600  # seconds; a file of the future would be old enough


def reconcile(services: Services, *, apply: bool = True, grace: int = ALL_AGES) -> list[Finding]:
    with open_deployment(services) as deployment:
        jobs = list(check_jobs(deployment, apply=apply))
        return jobs + list(check_files(deployment, grace=grace, apply=apply))


def actions(findings: list[Finding]) -> dict[str, str]:
    return {str(finding.job or finding.file): finding.action for finding in findings}


def test_a_deployment_that_agrees_is_left_as_it_is(services: Services) -> None:
    jobs = [queued_job(services), claimed_job(services)[0], ready_job(services), failed_job(services)]
    assert reconcile(services) == []
    assert [job_now(services, job.id).state for job in jobs] == [job.state for job in jobs]


def test_jobs_whose_files_an_older_store_does_not_have_fail_or_are_converted_again(any_services: Services) -> None:
    queued, kept = queued_job(any_services), queued_job(any_services)
    converting, _ = claimed_job(any_services)
    age(any_services, converting, 3600, "claimed_until")
    ready, lost = notified_job(any_services), notified_job(any_services)
    for job in (queued, converting, lost):
        any_services.videos.delete(job.video_fid)
    for job in (ready, lost):
        any_services.mp3s.delete(str(job.mp3_fid))

    found = reconcile(any_services)

    assert actions(found) == {
        queued.id: Action.FAIL_WITHOUT_VIDEO,
        converting.id: Action.FAIL_WITHOUT_VIDEO,
        ready.id: Action.CONVERT_AGAIN,
        lost.id: Action.FAIL_WITHOUT_AUDIO,
    }
    assert all(finding.done for finding in found)
    for job, code in ((queued, "video_lost"), (converting, "video_lost"), (lost, "audio_lost")):
        now = job_now(any_services, job.id)
        assert (now.state, now.error_code) == (State.FAILED, code)
        assert now.error
        assert now.error.endswith("again.")
        assert mail_notification(any_services, job).due_at is not None
        assert not is_notified(any_services, job.id)
    again = job_now(any_services, ready.id)
    assert (again.state, again.audio, again.mp3_bytes) == (State.QUEUED, None, None)
    assert any_services.jobs.claim(again)
    assert any_services.jobs.claim(job_now(any_services, kept.id))
    assert reconcile(any_services) == []


def test_a_job_that_is_converted_again_becomes_ready_and_its_owner_is_notified_again(services: Services) -> None:
    job = notified_job(services)
    services.mp3s.delete(str(job.mp3_fid))
    reconcile(services)
    claim = services.jobs.claim(job_now(services, job.id))
    assert claim
    assert job.audio
    assert services.jobs.mark_ready(claim, audio=job.audio, mp3_bytes=3, length=187.0)
    assert mail_notification(services, job).due_at is not None
    assert job_now(services, job.id).retries == 1  # so that its event and its mail have other ids than the first
    assert [entry.step for entry in services.jobs.history(job.id)][-3:] == ["audio_lost", "claimed", "ready"]


def test_a_file_of_another_size_is_as_good_as_missing(services: Services) -> None:
    queued, ready = queued_job(services), ready_job(services)
    for bucket, fid in ((services.videos, queued.video_fid), (services.mp3s, str(ready.mp3_fid))):
        bucket.delete(fid)
        store(bucket, fid, b"of another size")
    assert actions(reconcile(services)) == {queued.id: Action.FAIL_WITHOUT_VIDEO, ready.id: Action.CONVERT_AGAIN}


def test_files_of_a_newer_store_are_deleted_unless_they_are_young(any_services: Services) -> None:
    job = ready_job(any_services)
    video, audio = new_media_id(), new_media_id()
    store(any_services.videos, video, b"video")
    store(any_services.mp3s, audio, b"audio")
    unfinished = any_services.videos.create(new_media_id(), INFO)
    unfinished.write(bytes(6 * 2**20))

    young = reconcile(any_services, grace=365 * 24 * 3600 * 50)
    assert {finding.action for finding in young} == {Action.KEEP_YOUNG_FILE}
    found = reconcile(any_services)

    assert {f"videos/{video}", f"mp3s/{audio}"} < actions(found).keys()
    assert {finding.action for finding in found} == {Action.DELETE_FILE}
    assert len(found) == 3
    left = [file.fid for bucket in (any_services.videos, any_services.mp3s) for file in list_files(bucket)]
    assert sorted(left) == sorted([job.video_fid, str(job.mp3_fid)])
    unfinished.abort()


def test_an_upload_and_a_conversion_in_progress_keep_their_files(any_services: Services) -> None:
    upload = receiving_job(any_services)
    video = any_services.videos.create(upload.video_fid, INFO)
    video.write(b"half")
    _, claim = claimed_job(any_services)
    audio = any_services.mp3s.create(claim.mp3_fid, INFO)
    audio.write(b"half")
    assert reconcile(any_services) == []
    video.write(b" of a video")
    assert video.commit() == 15
    assert audio.commit() == 4


def test_a_job_that_a_worker_is_converting_is_left_to_it(services: Services) -> None:
    job, _ = claimed_job(services)
    services.videos.delete(job.video_fid)
    assert reconcile(services, apply=False) == []


def test_a_dry_run_changes_nothing(services: Services) -> None:
    job, orphan = queued_job(services), new_media_id()
    services.videos.delete(job.video_fid)
    store(services.mp3s, orphan, b"audio")
    before = job_now(services, job.id)
    found = reconcile(services, apply=False)
    assert actions(found) == {job.id: Action.FAIL_WITHOUT_VIDEO, f"mp3s/{orphan}": Action.DELETE_FILE}
    assert not any(finding.done for finding in found)
    assert job_now(services, job.id) == before
    assert is_stored(services.mp3s, orphan)


def test_a_video_that_arrives_after_the_listing_is_not_missing(services: Services) -> None:
    with open_deployment(services) as deployment:
        job = queued_job(services)
        assert list(check_jobs(deployment, apply=True)) == []
        assert list(check_files(deployment, grace=ALL_AGES, apply=True)) == []
    assert is_stored(services.videos, job.video_fid)


def test_a_step_has_no_effect_on_a_job_that_has_changed_meanwhile(services: Services) -> None:
    queued, ready = queued_job(services), ready_job(services)
    assert services.jobs.claim(queued)
    assert not services.jobs.fail_without_video(queued)
    assert services.jobs.delete(ready.id)
    assert not services.jobs.convert_again(ready)
    assert not services.jobs.fail_without_audio(ready)


def test_events_that_a_restored_queue_does_not_have_are_resent_at_once(services: Services) -> None:
    job = queued_job(services)
    assert services.jobs.due() == []
    reconcile(services)
    assert [due.id for due in services.jobs.due()] == [job.id]


def test_a_job_whose_retention_is_over_is_left_to_cleanup(services: Services) -> None:
    job = notified_job(services)
    age(services, job, services.settings.retention_seconds + 60, "changed_at")
    services.mp3s.delete(str(job.mp3_fid))
    assert reconcile(services) == []


@pytest.mark.servers
def test_files_that_another_program_stored_in_gridfs_are_kept(open_deployment: Open, mongodb_server: MongoDb) -> None:
    import gridfs
    import pymongo

    services = open_deployment("sqlite", "gridfs")
    with pymongo.MongoClient(mongodb_server.url) as client:  # type: ignore[var-annotated]
        foreign = gridfs.GridFS(client["videos"]).put(b"a video of another program", _id=ObjectId())
        assert actions(reconcile(services)) == {f"videos/{foreign}": Action.KEEP_FOREIGN_FILE}
        assert is_stored(services.videos, str(foreign))


class TestCommand:
    """The command over a folder; the data folder is that of the fixture `run`."""

    def test_it_prints_what_it_would_do_and_then_does_it(self, services: Services, run: Run) -> None:
        job, orphan = queued_job(services), new_media_id()
        ready_job(services)
        services.videos.delete(job.video_fid)
        store(services.mp3s, orphan, bytes(5000))
        self._make_old(services, orphan)

        dry = run("reconcile")
        assert dry.stdout.splitlines() == [
            f"job {job.id} (queued): its video is missing: would fail (video_lost)",
            f"mp3s/{orphan} (5.0 kB): no job names this file: would be deleted",
            "Nothing was changed. With --apply:",
            "  1 job without a video: failed (video_lost)",
            "  1 file without a job: deleted",
        ]
        done = run("reconcile", "--apply", "--json")
        assert done.returncode == 0, done.stderr
        first, second, last = map(json.loads, done.stdout.splitlines())
        assert first == {"action": "fail_without_video", "done": True, "job": job.id, "state": "queued"}
        assert second == {"action": "delete_file", "done": True, "file": f"mp3s/{orphan}", "bytes": 5000}
        assert last["applied"]
        assert last["summary"]["delete_file"] == 1
        assert run("reconcile", "--apply").stdout == "The jobs and the files agree.\n"

    def test_it_refuses_the_store_of_another_deployment(self, services: Services, run: Run) -> None:
        job = queued_job(services)
        services.videos.delete(job.video_fid)
        orphan = new_media_id()
        store(services.mp3s, orphan, b"audio of another deployment")
        self._make_old(services, orphan)
        assert "Warning: No file in the media store belongs to any job" in run("reconcile").stderr
        refused = run("reconcile", "--apply")
        assert refused.returncode == 1
        assert "--force" in refused.stderr
        assert is_stored(services.mp3s, orphan)
        assert run("reconcile", "--apply", "--force").returncode == 0
        assert job_now(services, job.id).state == State.FAILED
        assert not is_stored(services.mp3s, orphan)

    def _make_old(self, services: Services, fid: str) -> None:
        file = Path(services.settings.soundlift_data) / "media" / "mp3s" / fid
        os.utime(file, times=(time.time() - 2 * 24 * 3600,) * 2)


def test_a_large_table_is_read_in_pages(services: Services) -> None:
    kept = ready_job(services)
    count = 1200
    with services.database.write() as connection:
        row = connection.execute(sa.select(table).where(table.c.id == kept.id)).one()._mapping
        rows = [{**row, "id": f"{n:024x}", "video_fid": f"{n:024x}", "mp3_fid": f"{n:024x}"} for n in range(count)]
        connection.execute(sa.insert(table), rows)
    found = reconcile(services, apply=False)
    assert [finding.action for finding in found] == [Action.FAIL_WITHOUT_AUDIO] * count
