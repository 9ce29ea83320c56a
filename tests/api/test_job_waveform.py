"""jobs: the waveform of a job's sound."""

from __future__ import annotations

from soundlift.common.services import Services
from tests.factories.accounts import bearer
from tests.factories.jobs import MP3_SOUND, age, claimed_job, claimed_mail, failed_job, job_now, ready_job
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

PEAKS = bytes(range(200)) * 2


def _drawn_job(services: Services) -> str:
    job, claim = claimed_job(services)
    assert services.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=1, length=187.5, waveform=PEAKS)
    return job.id


def test_a_waveform_has_the_peaks_and_the_length_of_the_sound(function: Call, services: Services) -> None:
    job_id, client = _drawn_job(services), function("jobs")
    link = client.get(f"/{job_id}", headers=bearer(services)).json["links"]["waveform"]
    assert link == f"http://127.0.0.1:8080/jobs/{job_id}/waveform"
    response = client.get(f"/{job_id}/waveform", headers=bearer(services))
    assert response.json == {"peaks": list(PEAKS), "length": 187.5}
    assert response.headers["ETag"] == f'"{job_now(services, job_id).mp3_fid}"'
    assert "private" in response.headers["Cache-Control"]


def test_a_known_waveform_is_not_sent_again(function: Call, services: Services) -> None:
    job_id = _drawn_job(services)
    etag = function("jobs").get(f"/{job_id}/waveform", headers=bearer(services)).headers["ETag"]
    headers = {**bearer(services), "If-None-Match": etag}
    response = function("jobs").get(f"/{job_id}/waveform", headers=headers)
    assert (response.status_code, response.data) == (304, b"")


def test_a_job_without_a_waveform_has_no_link_to_it(function: Call, services: Services) -> None:
    client, headers = function("jobs"), bearer(services)
    for job in (ready_job(services), failed_job(services), claimed_job(services)[0]):
        assert "waveform" not in client.get(f"/{job.id}", headers=headers).json["links"]
        assert_problem(client.get(f"/{job.id}/waveform", headers=headers), 404, code="no_waveform")


def test_a_waveform_is_kept_as_long_as_its_job_and_shown_only_to_its_owner(function: Call, services: Services) -> None:
    job_id, client = _drawn_job(services), function("jobs")
    job = job_now(services, job_id)
    assert_problem(client.get(f"/{job_id}/waveform"), 401)
    assert_problem(
        client.get(f"/{job_id}/waveform", headers=bearer(services, "bob@example.org")), 404, code="not_found"
    )
    services.notifications.mark_delivered(claimed_mail(services, job))
    age(services, job, services.settings.retention_seconds + 1)
    assert function("cleanup").post("/").json["expired"] == 1
    assert client.get(f"/{job_id}/waveform", headers=bearer(services)).status_code == 200
    services.jobs.delete(job_id)
    assert_problem(client.get(f"/{job_id}/waveform", headers=bearer(services)), 404, code="not_found")
