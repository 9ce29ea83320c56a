"""What the webhook of a job's owner is told: its outcome, at least once, in one delivery."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tests.chaos.accounts.books import Books
from tests.chaos.accounts.interruptions import ANNOUNCING, interruptions, unexplained
from tests.chaos.accounts.webhooks import Received
from tests.chaos.checks.outcomes import Found

About = Iterator[tuple[str, str | None, str | None]]


def a_webhook_announces_the_outcome(books: Books) -> Found:
    """The time of the outcome tells those of a job and of its retry apart."""
    told = {
        (one.to, one.job, one.type, datetime.fromisoformat(one.ended_at))
        for one in books.webhooks
        if one.is_accepted and one.ended_at
    }
    for upload, seen in books.with_jobs():
        job = seen.job
        if upload.user not in books.with_endpoint or job.state not in ("ready", "failed"):
            continue
        if (upload.user, job.id, f"job.{job.state}", job.ended_at) not in told:
            received = ", ".join(f"{one.type} to {one.to}" for one in books.webhooks if one.job == job.id) or "none"
            yield f"no webhook says that the job is {job.state}; received: {received}", upload.name, job.id


def a_webhook_has_a_signature(books: Books) -> About:
    for one in books.webhooks:
        if one.type is None:
            yield f"the signature of {one.id} is wrong", None, None


def an_outcome_has_one_webhook_id(books: Books) -> About:
    ids: dict[tuple[str, str | None, str | None], set[str]] = {}
    for one in books.webhooks:
        ids.setdefault((one.to, one.job, one.ended_at), set()).add(one.id)
    for (_, job, _), found in ids.items():
        if job and len(found) > 1:
            yield f"the deliveries {', '.join(sorted(found))} announce the same outcome", books.name_of(job), job


def a_webhook_id_has_one_outcome(books: Books) -> About:
    for webhook_id, received in _by_id(books.webhooks).items():
        if len({(one.to, one.job, one.type, one.ended_at) for one in received}) > 1:
            yield f"the delivery {webhook_id} has different contents", None, received[0].job


def a_webhook_is_repeated_only_after_an_interruption(books: Books) -> About:
    """One that its receiver did not accept is repeated anyway."""
    periods = interruptions(books.faults, ANNOUNCING)
    for webhook_id, received in _by_id(books.webhooks).items():
        if count := unexplained([one for one in received if one.is_accepted], periods):
            job = received[0].job
            detail = f"the delivery {webhook_id} was accepted, and repeated; no interruption explains {count} of them"
            yield detail, books.name_of(job) if job else None, job


def a_webhook_goes_to_the_owner(books: Books) -> Found:
    for upload, seen in books.with_jobs():
        for one in books.webhooks:
            if one.job == seen.job.id and one.to != upload.user:
                yield f"a webhook went to {one.to} instead of {upload.user}", upload.name, seen.job.id


def _by_id(webhooks: list[Received]) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for one in webhooks:
        found.setdefault(one.id, []).append(one)
    return found
