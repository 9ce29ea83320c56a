"""What becomes of imports is counted where it is stored, with the reason, the bytes and the time."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from functions.fetch.handler import fetch
from soundlift.common.errors import DatabaseUnavailable, StoreUnavailable, UploadSuperseded
from soundlift.common.events import event_for
from soundlift.common.jobs.model import ImportClaim, StoredPart
from soundlift.common.jobs.quota import Reservation
from soundlift.common.services import Services
from tests.factories.jobs import MP4
from tests.imports.sources import FullStore, Source, age_source, importing_job, job_from
from tests.jobs.steps import NO_LIMITS
from tests.observability.conftest import Series
from tests.outbound.servers import RawServer, redirect, response


def claimed_import(services: Services) -> ImportClaim:
    claim = services.jobs.claim_import(importing_job(services))
    assert claim is not None
    return claim


def test_an_import_is_counted_and_timed_with_its_bytes(measured: Services, series: Series) -> None:
    with RawServer(Source(MP4)).running() as server:
        job = job_from(measured, server)
        assert series("imports_total", outcome="imported", code="none") == 0
        fetch(event_for(job), measured)
    assert series("imports_total", outcome="imported", code="none") == 1
    assert (series("import_size_bytes_sum"), series("import_size_bytes_count")) == (len(MP4), 1)
    assert series("import_duration_seconds_count") == 1
    assert [series("job_steps_total", step=step) for step in ("import_claimed", "queued")] == [1, 1]


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (response(b"no media" * 99), "failed", "not_media"),
        (response(status="404 x"), "failed", "import_failed"),
        (redirect("http://10.0.0.1/"), "failed", "import_refused"),
        (response(status="503 x"), "released", "none"),
    ],
)
def test_an_import_that_does_not_succeed_is_counted_by_its_reason(
    measured: Services, series: Series, answer: bytes, outcome: str, code: str
) -> None:
    with RawServer(answer).running() as server:
        fetch(event_for(job_from(measured, server)), measured)
    assert series("imports_total", outcome=outcome, code=code) == 1
    assert series("imports_total", outcome="imported", code="none") == 0
    assert series("import_duration_seconds_count") == 0


def test_an_import_that_a_server_of_the_deployment_fails_is_counted_as_released(
    measured: Services, series: Series
) -> None:
    measured.videos = FullStore(measured)
    with RawServer(Source(MP4)).running() as server, pytest.raises(StoreUnavailable):
        fetch(event_for(job_from(measured, server)), measured)
    assert series("imports_total", outcome="released", code="none") == 1


def test_a_lost_claim_of_an_import_is_counted_once(measured: Services, series: Series) -> None:
    claim = claimed_import(measured)
    measured.jobs.cancel(claim.job_id)
    for _ in range(2):
        assert not measured.jobs.renew_import(claim, percent=1)
    assert not measured.jobs.fail_import(claim, code="not_media", message="No.")
    assert not measured.jobs.finish_import(claim, video_bytes=1, file_name=None, content_type=None)
    assert series("imports_total", outcome="lost", code="none") == 1
    assert series("imports_total", outcome="failed", code="not_media") is None
    assert series("import_size_bytes_count") == 0


@pytest.mark.parametrize("step", ["save", "reserve", "release"])
def test_each_step_that_finds_the_claim_of_an_import_lost_ends_the_attempt(
    measured: Services, series: Series, step: str
) -> None:
    claim = claimed_import(measured)
    measured.jobs.cancel(claim.job_id)
    part = StoredPart(received=1, state="", length=None, validator=None, file_name=None, content_type=None)
    for _ in range(2):
        if step == "save":
            with pytest.raises(UploadSuperseded):
                measured.jobs.save_import(claim, part)
        elif step == "reserve":
            assert not measured.jobs.reserve_import(claim, "ada@example.org", Reservation(1, NO_LIMITS))
        else:
            assert not measured.jobs.release_import(claim, cause="The media store does not answer.")
    assert series("imports_total", outcome="lost", code="none") == 1
    assert series("imports_total", outcome="released", code="none") == 0


def test_an_import_that_is_given_up_has_its_own_code_from_0_on(measured: Services, series: Series) -> None:
    job = importing_job(measured)
    assert series("imports_total", outcome="failed", code="gave_up") == 0
    age_source(measured, job, 25 * 3600)
    assert measured.jobs.give_up_import(job)
    assert series("imports_total", outcome="failed", code="gave_up") == 1
    assert series("conversions_total", outcome="failed", code="gave_up") == 0


def test_a_renewal_of_an_import_that_the_database_fails_is_counted(measured: Services, series: Series) -> None:
    claim = claimed_import(measured)
    with measured.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE job_source RENAME TO source_elsewhere"))
    with pytest.raises(DatabaseUnavailable):
        measured.jobs.renew_import(claim, percent=1)
    assert series("heartbeat_failures_total") == 1
