"""An operator sees what happens at the moment, in bounded reads."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import job_history
from soundlift.common.jobs import overview
from soundlift.common.jobs.history_entry import Step
from soundlift.common.jobs.model import CLAIM_SECONDS, State
from soundlift.common.jobs.overview import RATE_SECONDS, read_overview
from soundlift.common.services import Services
from tests.factories.jobs import age, claimed_job, failed_job, notified_job, queued_job
from tests.jobs.steps import MAKERS


def test_an_empty_deployment_has_nothing_to_show(services: Services) -> None:
    found = read_overview(services.database)
    assert set(found.jobs) == {state.value for state in State}
    assert not any(found.jobs.values())
    assert (found.oldest_queued, found.pending_mails, list(found.workers)) == (None, 0, [])
    assert not any(found.rates.values())


def test_jobs_are_counted_by_state_up_to_a_limit(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    for make in MAKERS.values():
        make(services)
    assert read_overview(services.database).jobs == dict.fromkeys(State, 1)
    assert read_overview(services.database).pending_mails == 2
    monkeypatch.setattr(overview, "MAX_COUNT", 2)
    for _ in range(4):
        queued_job(services)
    assert read_overview(services.database).jobs["queued"] == 3


def test_the_oldest_queued_job_has_an_age(services: Services) -> None:
    old, _ = queued_job(services), queued_job(services)
    age(services, old, 600)
    oldest = read_overview(services.database).oldest_queued
    assert oldest is not None
    assert 600 <= oldest < 630


def test_workers_are_listed_with_progress_attempt_and_the_age_of_their_claim(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dead, _), (alive, claim) = claimed_job(services), claimed_job(services)
    assert services.jobs.renew(claim, percent=42)
    age(services, dead, CLAIM_SECONDS + 1)
    first, second = read_overview(services.database).workers
    assert (first.job, first.lapsed, first.attempt, first.seconds > CLAIM_SECONDS) == (dead.id, True, 1, True)
    assert (second.job, second.lapsed, second.percent, second.seconds < CLAIM_SECONDS) == (alive.id, False, 42, True)
    monkeypatch.setattr(overview, "MAX_WORKERS", 1)
    assert [one.job for one in read_overview(services.database).workers] == [dead.id]


def test_rates_are_those_of_the_last_minutes(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(10):
        notified_job(services)
    failed_job(services)
    per_minute = RATE_SECONDS / 60
    expected = {"uploads": 11, "conversions": 10, "mails": 10, "failures": 1, "postponed": 0}
    rates = {name: round(count / per_minute, 1) for name, count in expected.items()}
    assert read_overview(services.database).rates == rates
    with services.database.write() as connection:
        connection.execute(sa.update(job_history).values(at=job_history.c.at - RATE_SECONDS - 1))
    assert not any(read_overview(services.database).rates.values())


def test_a_rate_with_too_many_steps_is_that_of_the_time_they_took(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "RATE_ROWS", 20)
    job = queued_job(services)
    with services.database.write() as connection:
        rows = [{"job": job.id, "at": job.created_at - 10 + number / 2, "step": Step.READY} for number in range(20)]
        connection.execute(sa.insert(job_history), rows)
    assert 60 < read_overview(services.database).rates["conversions"] <= 120
