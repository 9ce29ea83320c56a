"""A receiver of webhooks, and the functions that send them, which may reach the loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from cloudevents.core.v1.event import CloudEvent
from werkzeug.test import TestResponse

from devservers.webhook_receiver import WebhookReceiver
from soundlift.common.events import event_for, to_http
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.fixtures.functions import Call

Webhook = Callable[[CloudEvent | Job], TestResponse]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings that let webhooks reach the loopback."""
    return replace(settings, outbound_allow=(ip_network("127.0.0.0/8"),), outbound_ports=())


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Return a receiver that accepts every message."""
    with WebhookReceiver() as server:
        yield server


@pytest.fixture
def webhook(function: Call, services: Services) -> Webhook:
    """Return a function that posts an event, or the event of a job, to the function webhook."""
    client = function("webhook")

    def send(event_or_job: CloudEvent | Job) -> TestResponse:
        event = event_for(event_or_job) if isinstance(event_or_job, Job) else event_or_job
        headers, body = to_http(event)
        return client.post("/", data=body, headers=headers)

    return send
