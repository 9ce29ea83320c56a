"""notify: one mail for each job that ended, despite retries, outages and forged events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent
from flask.testing import FlaskClient

from devservers.mail_server import MailServer
from soundlift.common.db.tables import notifications as table
from soundlift.common.events import MP3_READY
from soundlift.common.jobs.model import Job
from soundlift.common.notifications.model import CLAIM_SECONDS
from soundlift.common.services import Services
from tests.api.notify.conftest import Notify
from tests.factories.jobs import (
    MP3_SOUND,
    age,
    claimed_job,
    claimed_mail,
    is_notified,
    mail_notification,
    notified_job,
    queued_job,
    ready_job,
)
from tests.factories.problems import assert_problem

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


def _event(**data: object) -> CloudEvent:
    return CloudEvent({"type": MP3_READY, "source": "/forged", "id": "1", "specversion": "1.0"}, data)


def test_an_event_is_retried_while_another_worker_sends_the_mail(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    claimed_mail(services, job)
    busy = notify(job)
    assert_problem(busy, 429, code="busy")
    assert int(busy.headers["Retry-After"]) > 0
    age(services, job, CLAIM_SECONDS + 1)
    assert notify(job).status_code == 204
    assert len(mail_server.messages) == 1


def test_the_owner_of_a_job_that_ends_during_its_event_is_notified_by_a_retry(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job, claim = claimed_job(services)
    worker = Services(services.settings)
    connections: list[object] = []

    def end_job_after_first_query(connection: object) -> None:
        connections.append(connection)
        if len(connections) == 2:
            assert worker.jobs.mark_ready(claim, audio=MP3_SOUND, mp3_bytes=3, length=187.0)

    sa.event.listen(services.database.engine, "engine_connect", end_job_after_first_query)
    assert_problem(notify(_event(job_id=job.id)), 429, code="busy")
    assert mail_server.messages == []
    assert notify(_event(job_id=job.id)).status_code == 204
    assert [mail["Subject"] for mail in mail_server.messages] == ["Your audio file is ready: a.mp3"]
    worker.database.engine.dispose()


def test_a_repeated_event_sends_no_second_mail(notify: Notify, services: Services, mail_server: MailServer) -> None:
    job = ready_job(services)
    assert [notify(job).status_code for _ in range(3)] == [204] * 3
    assert len(mail_server.messages) == 1


@pytest.mark.parametrize(
    "address", ["eve@example.org, ada@example.org", "a@x\r\nRCPT TO:<eve@example.org>", "ada@example.org>,<eve@x", ""]
)
def test_no_mail_is_sent_to_an_invalid_address(
    notify: Notify, services: Services, mail_server: MailServer, address: str
) -> None:
    response = notify(ready_job(services, email=address))
    assert response.status_code != 500
    assert mail_server.messages == []


def test_a_temporary_refusal_is_answered_503_and_the_mail_is_sent_later(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    mail_server.replies["RCPT"] = "451 not now"
    assert_problem(notify(job), 503)
    assert not is_notified(services, job.id)
    mail_server.replies.clear()
    assert notify(job).status_code == 204
    assert len(mail_server.messages) == 1


def test_an_unreachable_mail_server_is_answered_503_and_the_claim_released(notify: Notify, services: Services) -> None:
    services.settings = replace(services.settings, smtp_url="smtp://127.0.0.1:1")
    job = ready_job(services)
    assert_problem(notify(job), 503)
    claimed_mail(services, job)


def test_a_permanent_refusal_is_recorded_and_not_retried(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    mail_server.replies["RCPT"] = "550 no such mailbox" + "x" * 2000
    assert notify(job).status_code == 204
    error = mail_notification(services, job).error
    assert error is not None
    assert "550 no such mailbox" in error
    assert len(error) == table.c.last_error.type.length
    age(services, job, 100_000)
    assert services.notifications.due() == []


@pytest.mark.parametrize("make", [queued_job, lambda services: claimed_job(services)[0], notified_job])
def test_an_event_for_a_job_without_a_pending_notification_sends_no_mail(
    notify: Notify, services: Services, mail_server: MailServer, make: Callable[[Services], Job]
) -> None:
    job = make(services)
    assert notify(_event(job_id=job.id, username="eve@example.org")).status_code == 204
    assert notify(_event(job_id="f" * 24)).status_code == 204
    assert mail_server.messages == []


def test_all_data_of_an_event_except_the_job_id_are_ignored(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    notify(_event(job_id=job.id, username="eve@example.org", mp3_fid="f" * 24))
    assert mail_server.recipients == [["ada@example.org"]]
    assert str(job.mp3_fid) in mail_server.messages[0].get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"Content-Type": "application/json"}, b'{"job_id": "x"}'),
        ({"Content-Type": "application/cloudevents+json"}, b"{"),
        ({"Content-Type": "application/cloudevents+json"}, b"[]"),
        ({"Content-Type": "application/cloudevents+json"}, b'{"specversion": "1.0", "type": "t", "source": "s"}'),
        (
            {"Content-Type": "application/cloudevents+json"},
            b'{"id": "1", "specversion": "1.0", "type": "t", "source": "s"}',
        ),
        (
            {"Content-Type": "application/cloudevents+json"},
            b'{"id": "1", "specversion": "0.3", "type": "t", "source": "s"}',
        ),
        ({"ce-type": "t", "ce-source": "s", "ce-specversion": "1.0", "Content-Type": "application/json"}, b"{}"),
        (
            {
                "ce-type": "t",
                "ce-source": "s",
                "ce-id": "1",
                "ce-specversion": "1.0",
                "Content-Type": "application/json",
            },
            b"{",
        ),
        (
            {"ce-type": "t", "ce-source": "s", "ce-id": "1", "ce-specversion": "9", "Content-Type": "application/json"},
            b"{}",
        ),
    ],
)
def test_a_body_that_is_not_a_valid_event_is_rejected(
    client: FlaskClient, headers: dict[str, str], body: bytes
) -> None:
    assert_problem(client.post("/", data=body, headers=headers), 400)


def test_an_event_in_binary_mode_is_accepted(client: FlaskClient, services: Services, mail_server: MailServer) -> None:
    job = ready_job(services)
    headers = {
        "ce-id": "1",
        "ce-type": MP3_READY,
        "ce-source": "s",
        "ce-specversion": "1.0",
        "Content-Type": "application/json",
    }
    assert client.post("/", json={"job_id": job.id}, headers=headers).status_code == 204
    assert len(mail_server.messages) == 1
