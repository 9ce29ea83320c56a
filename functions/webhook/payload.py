"""The body of a webhook: what happened, when, and the document of the job (Standard Webhooks 1.0)."""

from __future__ import annotations

import json
from typing import Any

from soundlift.common.jobs.document import iso_time, job_document
from soundlift.common.jobs.model import Job
from soundlift.common.settings import Settings
from soundlift.common.webhooks.model import Delivery

MAX_BODY_BYTES = 20_000  # Standard Webhooks, "Payload size"
# The longest text in `data`, in characters, is the first of these with which the body is small enough.
TEXT_LENGTHS = (1000, 400, 150, 50)
LEFT_OUT = ("notifications", "updated_at")
ELLIPSIS = "…"


def body_of(delivery: Delivery, job: Job | None, settings: Settings) -> bytes:
    """Return the body of a delivery, for a test without a job; it is the same for the same state of a job.

    The document of the job is without its notifications, of which this is one, and `updated_at`, which changes with
    them. If the body were too large, long texts, such as tags, are cut; `links.self` of the job has them completely.
    """
    data = _job_data(job, settings) if job else {"webhook": delivery.webhook}
    for length in TEXT_LENGTHS:
        body = _encode(delivery, _cut(data, length))
        if len(body) < MAX_BODY_BYTES:
            break
    return body


def _job_data(job: Job, settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in job_document(job, settings).items() if name not in LEFT_OUT}


def _encode(delivery: Delivery, data: Any) -> bytes:
    message = {"type": delivery.type, "timestamp": iso_time(delivery.created_at), "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _cut(value: Any, length: int) -> Any:
    match value:
        case str() if len(value) > length:
            return value[: length - 1] + ELLIPSIS
        case dict():
            return {name: _cut(each, length) for name, each in value.items()}
        case _:
            return value
