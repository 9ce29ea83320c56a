"""The deliveries of a job as part of the transactions that change the job."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from soundlift.common.db.clock import now
from soundlift.common.db.index_hints import force_index
from soundlift.common.db.tables import jobs, webhooks
from soundlift.common.db.tables import webhook_deliveries as table
from soundlift.common.jobs.model import State
from soundlift.common.webhooks.model import TYPE_OF_STATE, EndpointState

OPTION = "webhook"  # of an upload: the id or the URL of one of its owner's endpoints


def add_deliveries(connection: Connection, job_id: str) -> None:
    """Add a delivery for each endpoint that a job which has just ended goes to; each is due immediately.

    If the event is lost, the next cleanup therefore resends it. A repeated event is harmless.
    """
    query = sa.select(jobs.c.username, jobs.c.state, jobs.c.options).where(jobs.c.id == job_id)
    job = connection.execute(query).one()
    columns = webhooks.c.id, webhooks.c.url, webhooks.c.all_jobs
    enabled = webhooks.c.username == job.username, webhooks.c.state != EndpointState.DISABLED
    endpoints = connection.execute(sa.select(*columns).where(*enabled)).all()
    named = _named(job.options) if endpoints else None
    for endpoint in endpoints:
        if endpoint.all_jobs or named in (endpoint.id, endpoint.url):
            values = new_delivery(endpoint.id, job.username, TYPE_OF_STATE[State(job.state)])
            connection.execute(sa.insert(table).values(**values, job=job_id))


def new_delivery(webhook_id: str, username: str, type_: str) -> dict[str, Any]:
    """Return the columns of a new delivery, which is due immediately."""
    return {
        "id": secrets.token_hex(12),
        "webhook": webhook_id,
        "username": username,
        "type": type_,
        "created_at": now(),
        "due_at": now(),
        "resend_at": now(),
        "attempts": 0,
    }


def delete_deliveries(connection: Connection, job_ids: Collection[str]) -> None:
    """Delete the deliveries of jobs, pending or not."""
    connection.execute(sa.delete(table).where(table.c.job.in_(job_ids)))


def has_pending_delivery() -> sa.ColumnElement[bool]:
    """Return a condition that selects jobs with a delivery that is neither made nor given up.

    The hint is for the same reason as that of `has_pending_notification`.
    """
    pending = sa.select(table.c.job).where(table.c.job == jobs.c.id, table.c.due_at.is_not(None))
    by_job = force_index(pending, table, "webhook_delivery_of_job").limit(1).correlate(jobs)
    return by_job.scalar_subquery().is_not(None)


def _named(options: str | None) -> str | None:
    """Return the endpoint that the options of an upload name."""
    stored = json.loads(options) if options else {}
    return stored.get(OPTION)
