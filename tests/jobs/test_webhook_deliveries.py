"""Webhooks in each database: endpoints, the steps of deliveries, and what cleanup does with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from soundlift.common.db.tables import jobs as jobs_table
from soundlift.common.errors import SoundliftError
from soundlift.common.jobs.history_entry import Step
from soundlift.common.services import Services
from soundlift.common.webhooks.errors import TooManyWebhooks, WebhookExists
from soundlift.common.webhooks.model import (
    CLAIM_SECONDS,
    KEEP_SECONDS,
    MAX_ATTEMPTS,
    DeliveryClaim,
    EndpointState,
    Failure,
)
from tests.factories.jobs import age, job_now, notified_job, ready_job
from tests.factories.webhooks import (
    age_webhooks,
    claimed_delivery,
    deliveries,
    endpoint,
    endpoint_now,
    only_delivery,
)

ADA, URL = "ada@example.org", "https://hooks.example.org/"
DAY = 24 * 3600


def test_a_delivery_is_claimed_postponed_given_up_and_replayed(services: Services) -> None:
    added, job = endpoint(services), ready_job(services)
    claim = claimed_delivery(services, only_delivery(services, added))
    assert services.deliveries.claim_of_job(job.id) is None
    assert services.deliveries.postpone_attempt(claim, Failure("No.", 500))
    assert not services.deliveries.postpone_attempt(claim, Failure("No.", 500))
    assert services.deliveries.claim_of_job(job.id) is None
    age_webhooks(services, 6, "due_at", "resend_at")
    (due,) = services.deliveries.due()
    assert (due.id, due.job, due.attempts) == (claim.delivery.id, job.id, 1)
    assert [services.deliveries.postpone(due), services.deliveries.postpone(due)] == [True, False]
    assert services.deliveries.due() == []
    assert services.deliveries.send_soon(due)
    assert services.deliveries.next_due(ADA) == due
    second = services.deliveries.claim_next(ADA)
    assert second is not None
    assert (second.delivery.attempts, services.deliveries.due()) == (2, [])
    version = job_now(services, job.id).updated_at
    assert services.deliveries.give_up(second, Failure("Never.", 500), endpoint_state=EndpointState.FAILING)
    assert job_now(services, job.id).updated_at > version
    assert services.delivery_list.replay(added, second.delivery.id)
    assert services.delivery_list.replay(added, second.delivery.id) is None
    third = services.deliveries.claim_of_job(job.id)
    assert third is not None
    assert services.deliveries.mark_delivered(third, status=200)
    assert endpoint_now(services, added).state == EndpointState.ACTIVE
    of_webhooks = [entry for entry in services.jobs.history(job.id) if entry.step.startswith("webhook")]
    assert [(entry.step, entry.attempt, entry.detail) for entry in of_webhooks] == [
        (Step.WEBHOOK_RELEASED, 1, f"{added.id}: No."),
        (Step.WEBHOOK_GAVE_UP, 2, f"{added.id}: Never."),
        (Step.WEBHOOK_DELIVERED, 1, added.id),
    ]


def test_concurrent_workers_never_have_more_claims_of_one_user_than_the_limit(services: Services) -> None:
    added, other = endpoint(services), endpoint(services, email="bob@example.org")
    for _ in range(6):
        ready_job(services)
    ready_job(services, email="bob@example.org")
    found = deliveries(services, added)
    with ThreadPoolExecutor(6) as workers:
        claims = list(filter(None, workers.map(services.deliveries.claim_one, [one.id for one in found])))
    assert len(claims) == services.settings.webhook_concurrency
    assert services.deliveries.claim_next(ADA) is None
    assert services.deliveries.claim_one(only_delivery(services, other).id)
    assert services.deliveries.mark_delivered(claims[0], status=200)
    assert services.deliveries.claim_next(ADA)
    age_webhooks(services, CLAIM_SECONDS + 1, "claimed_until")
    assert isinstance(services.deliveries.claim_next(ADA), DeliveryClaim)


def test_the_files_of_a_job_expire_only_once_its_deliveries_have_ended(services: Services) -> None:
    added, job = endpoint(services), notified_job(services)
    age(services, job, DAY)
    assert services.jobs.past_retention(retention=60) == []
    assert services.deliveries.mark_delivered(claimed_delivery(services, only_delivery(services, added)), status=200)
    assert [each.id for each in services.jobs.past_retention(retention=60)] == [job.id]


def test_each_url_of_a_user_is_unique_and_concurrent_requests_keep_the_maximum(services: Services) -> None:
    def add(number: int) -> str | None:
        try:
            return services.webhooks.add(ADA, f"{URL}{number}", all_jobs=True, highest=2).id
        except SoundliftError as refused:
            assert isinstance(refused, TooManyWebhooks)
            return None

    with ThreadPoolExecutor(4) as workers:
        added = list(filter(None, workers.map(add, range(4))))
    assert len(added) == 2
    first, second = services.webhooks.list(ADA)
    with pytest.raises(WebhookExists):
        services.webhooks.add(ADA, first.url, all_jobs=True, highest=10)
    with pytest.raises(WebhookExists):
        services.webhooks.change(second, url=first.url, all_jobs=True, disabled=False)
    assert services.webhooks.find_named(ADA, first.url) == services.webhooks.find_named(ADA, first.id) == first
    assert services.webhooks.find_named("bob@example.org", first.id) is None


def test_a_second_rotation_keeps_only_the_two_newest_secrets(services: Services) -> None:
    added = endpoint(services)
    once = services.webhooks.rotate(added)
    assert once is not None
    twice = services.webhooks.rotate(once)
    assert twice is not None
    assert (once.previous_secret, twice.previous_secret) == (added.secret, once.secret)
    assert len({added.secret, once.secret, twice.secret}) == 3


def test_the_mail_about_a_failing_endpoint_is_due_once_and_claimed_by_one_worker(services: Services) -> None:
    added, alerts = endpoint(services), services.webhook_alerts
    for _ in range(2):
        ready_job(services)
        claim = services.deliveries.claim_next(ADA)
        assert claim is not None
        assert services.deliveries.give_up(claim, Failure("No."), endpoint_state=EndpointState.FAILING)
    ((webhook_id, since),) = alerts.due()
    assert (webhook_id, since) == (added.id, endpoint_now(services, added).changed_at)
    assert [alerts.postpone(added.id), alerts.postpone(added.id)] == [True, False]
    assert alerts.send_soon(added.id)
    mine = alerts.claim(added.id)
    assert mine is not None
    assert (alerts.claim(added.id), alerts.is_pending(added.id)) == (None, True)
    assert alerts.release(mine)
    last = alerts.claim(added.id)
    assert last is not None
    assert [alerts.end(mine), alerts.end(last), alerts.is_pending(added.id)] == [False, True, False]


def test_deliveries_are_deleted_after_a_month_once_they_have_ended(services: Services) -> None:
    added = endpoint(services)
    job = ready_job(services)
    assert services.delivery_list.add_test(added)
    assert services.deliveries.mark_delivered(claimed_delivery(services, deliveries(services, added)[0]), status=200)
    age_webhooks(services, KEEP_SECONDS - 60)
    assert services.deliveries.delete_old() == 0
    age_webhooks(services, 61)
    assert services.deliveries.delete_old() == 1
    assert [one.job for one in deliveries(services, added)] == [job.id]


def test_a_delivery_whose_job_an_older_release_has_deleted_is_dropped(services: Services) -> None:
    added, job = endpoint(services), ready_job(services)
    with services.database.write() as connection:
        connection.execute(sa.delete(jobs_table).where(jobs_table.c.id == job.id))
    (due,) = services.deliveries.due()
    assert (due.job, due.traceparent) == (job.id, None)
    services.deliveries.drop(claimed_delivery(services, only_delivery(services, added)))
    assert deliveries(services, added) == []
    assert MAX_ATTEMPTS == 10


def test_a_new_account_with_the_address_of_a_removed_one_has_none_of_its_webhooks(services: Services) -> None:
    hers, his = endpoint(services), endpoint(services, URL, "bob@example.org")
    ready_job(services)
    services.users.remove(ADA)
    services.users.add(ADA, "the hash of somebody else")
    assert (services.webhooks.list(ADA), deliveries(services, hers), services.deliveries.due()) == ([], [], [])
    assert services.webhooks.list("bob@example.org") == [his]
