"""The function notify with a real mail server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from soundlift.common.events import event_for, to_http
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.fixtures.functions import Call

Notify = Callable[[Any], TestResponse]


@pytest.fixture
def client(function: Call, mailing_services: Services) -> FlaskClient:
    """Return a client of the function."""
    return function("notify")


@pytest.fixture
def notify(client: FlaskClient) -> Notify:
    """Return a function that posts an event, or the event of a job."""

    def send(event_or_job: CloudEvent | Job) -> TestResponse:
        event = event_for(event_or_job) if isinstance(event_or_job, Job) else event_or_job
        headers, body = to_http(event)
        return client.post("/", data=body, headers=headers)

    return send
