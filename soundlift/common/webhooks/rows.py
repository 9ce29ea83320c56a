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

OPTION = "webhook"  # of an upload: one of its owner's endpoints, by its id in AudioOptions.to_json


def add_deliveries(connection: Connection, job_id: str) -> None:
    """Add a delivery for each endpoint that a job which has just ended goes to; each is due immediately.

    If the event is lost, the next cleanup therefore resends it. A repeated event is harmless.
    """
    query = sa.select(jobs.c.username, jobs.c.state, jobs.c.webhook).where(jobs.c.id == job_id)
    job = connection.execute(query).one()
    enabled = webhooks.c.username == job.username, webhooks.c.state != EndpointState.DISABLED
    chosen = sa.or_(webhooks.c.all_jobs, webhooks.c.id == job.webhook)
    for endpoint_id in connection.scalars(sa.select(webhooks.c.id).where(*enabled, chosen)).all():
        values = new_delivery(endpoint_id, job.username, TYPE_OF_STATE[State(job.state)])
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


def delete_webhooks(connection: Connection, username: str) -> None:
    """Delete the endpoints of a user and their pending deliveries; cleanup deletes the others when they are old."""
    pending = table.c.username == username, table.c.due_at.is_not(None)
    connection.execute(sa.delete(table).where(*pending))
    connection.execute(sa.delete(webhooks).where(webhooks.c.username == username))


def has_pending_delivery() -> sa.ColumnElement[bool]:
    """Return a condition that selects jobs with a delivery that is neither made nor given up.

    The hint is for the same reason as that of `has_pending_notification`.
    """
    pending = sa.select(table.c.job).where(table.c.job == jobs.c.id, table.c.due_at.is_not(None))
    by_job = force_index(pending, table, "webhook_delivery_of_job").limit(1).correlate(jobs)
    return by_job.scalar_subquery().is_not(None)


def option_columns(options: str | None) -> dict[str, str | None]:
    """Return the columns of a job for the options of its upload: the webhook that they name, and the others."""
    others = json.loads(options) if options else {}
    webhook = others.pop(OPTION, None)
    text = options if webhook is None else json.dumps(others, ensure_ascii=False, separators=(",", ":"))
    return {"options": text, "webhook": webhook}
