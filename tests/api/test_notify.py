"""notify: one mail per job that ended, to its owner and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import sqlalchemy as sa
from cloudevents.core.v1.event import CloudEvent
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from devservers.mail_server import MailServer
from functions.notify.message import duration
from soundlift.common.db.tables import notifications as table
from soundlift.common.events import MP3_READY, event_for, to_http
from soundlift.common.jobs.model import Job
from soundlift.common.notifications.model import CLAIM_SECONDS
from soundlift.common.services import Services
from tests.factories.jobs import (
    age,
    claimed_job,
    claimed_mail,
    failed_job,
    is_notified,
    job_now,
    mail_notification,
    notified_job,
    queued_job,
    ready_job,
)
from tests.factories.problems import assert_problem
from tests.fixtures.functions import Call

Notify = Callable[[Any], TestResponse]


@pytest.fixture
def client(function: Call, mailing_services: Services) -> FlaskClient:
    return function("notify")


@pytest.fixture
def notify(client: FlaskClient) -> Notify:
    def send(event_or_job: CloudEvent | Job) -> TestResponse:
        event = event_for(event_or_job) if isinstance(event_or_job, Job) else event_or_job
        headers, body = to_http(event)
        return client.post("/", data=body, headers=headers)

    return send


class Shown(HTMLParser):
    """What a reader sees of a page: its text, and what the tags make of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def _failed_job(services: Services, name: str, sentence: str) -> Job:
    claim = services.jobs.claim(queued_job(services, name=name))
    assert claim is not None
    assert services.jobs.mark_failed(claim, code="no_audio", message=sentence)
    return job_now(services, claim.job_id)


def _event(**data: object) -> CloudEvent:
    return CloudEvent({"type": MP3_READY, "source": "/forged", "id": "1", "specversion": "1.0"}, data)


def test_the_mail_of_a_ready_job_has_a_link_that_downloads_it(
    notify: Notify, services: Services, mail_server: MailServer, function: Call
) -> None:
    job = ready_job(services, b"the mp3", name="Ünïcode 🎵.mp4")
    assert notify(job).status_code == 204
    (mail,) = mail_server.messages
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "Your MP3 is ready: Ünïcode 🎵.mp3"
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "3:07 min long" in plain
    (link,) = [line for line in plain.splitlines() if line.startswith("http")]
    assert link.replace("&", "&amp;") in html
    response = function("download").get(link.replace("http://127.0.0.1:8080/download", "/"))
    assert (response.status_code, response.data) == (200, b"the mp3")
    assert is_notified(services, job.id)


@pytest.mark.parametrize("missing", [12.54, 0.001])
def test_the_mail_of_a_ready_job_says_how_much_of_its_sound_is_missing(
    notify: Notify, services: Services, mail_server: MailServer, missing: float
) -> None:
    notify(ready_job(services, missing_seconds=missing))
    (mail,) = mail_server.messages
    sentence = f"{'12.5' if missing > 1 else '0.1'} s of its sound could not be read and are missing."
    assert all(sentence in mail.get_body((kind,)).get_content() for kind in ("plain", "html"))


@pytest.mark.parametrize("missing", [0.0, None])
def test_the_mail_of_a_complete_mp3_mentions_no_missing_sound(
    notify: Notify, services: Services, mail_server: MailServer, missing: float | None
) -> None:
    notify(ready_job(services, missing_seconds=missing))
    (mail,) = mail_server.messages
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "The sound of a.mp4 is ready: a.mp3, 3:07 min long." in plain.splitlines()
    assert "<p>The sound of <b>a.mp4</b> is ready: a.mp3, 3:07 min long.</p>" in html


def test_the_mail_of_a_failed_job_has_its_error(notify: Notify, services: Services, mail_server: MailServer) -> None:
    notify(failed_job(services, "There is <no> sound in it."))
    (mail,) = mail_server.messages
    assert mail["Subject"] == "We could not convert a.mp4"
    assert "There is <no> sound in it." in mail.get_body(("plain",)).get_content()
    assert "There is &lt;no&gt; sound in it." in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize("name", ['<img src=x onerror="alert(1)">.mp4', "a &amp; b <b.mp4", "'\"><script>.mp4"])
def test_html_shows_a_file_name_and_a_sentence_as_they_are(
    notify: Notify, services: Services, mail_server: MailServer, name: str
) -> None:
    notify(ready_job(services, name=name))
    notify(_failed_job(services, name, f"There is no sound in {name}."))
    ready, failed = (Shown(mail.get_body(("html",)).get_content()) for mail in mail_server.messages)
    assert f"The sound of {name} is ready: {name.removesuffix('.mp4')}.mp3, " in ready.text
    assert f"We could not make an MP3 from {name}." in failed.text
    assert f"There is no sound in {name}." in failed.text
    assert (ready.tags, failed.tags) == ({"html", "body", "p", "b", "a"}, {"html", "body", "p", "b"})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0.0, "0 s"), (5.4, "5 s"), (59.4, "59 s"), (59.6, "1:00 min"), (187.0, "3:07 min")),
        *((3599.4, "59:59 min"), (3599.6, "1:00:00 h"), (3723.0, "1:02:03 h"), (100_000.0, "27:46:40 h")),
    ],
)
def test_a_duration_is_written_readably(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(600, "10 minutes"), (3600, "60 minutes"), (7200, "2 hours"), (86_400, "24 hours")]
)
def test_a_mail_says_how_long_its_link_works(
    notify: Notify, services: Services, mail_server: MailServer, seconds: int, words: str
) -> None:
    services.settings = replace(services.settings, link_seconds=seconds)
    notify(ready_job(services))
    (mail,) = mail_server.messages
    assert all(f"The link works for {words}." in mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    (link,) = [line for line in mail.get_body(("plain",)).get_content().splitlines() if line.startswith("http")]
    query = parse_qs(urlsplit(link).query)
    claims = jwt.decode(query["token"][0], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


def test_a_mail_has_sender_date_and_id_and_is_marked_as_automatic(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    services.settings = replace(services.settings, mail_from="Soundlift <sound@example.net>")
    begun = datetime.now(UTC).replace(microsecond=0)
    jobs = [ready_job(services), failed_job(services)]
    for job in jobs:
        notify(job)
    assert [mail["Auto-Submitted"] for mail in mail_server.messages] == ["auto-generated"] * 2
    assert [mail["From"] for mail in mail_server.messages] == ["Soundlift <sound@example.net>"] * 2
    assert all(begun <= parsedate_to_datetime(mail["Date"]) <= datetime.now(UTC) for mail in mail_server.messages)
    ids = [mail["Message-ID"] for mail in mail_server.messages]
    assert ids == [f"<{jobs[0].id}.ready@example.net>", f"<{jobs[1].id}.failed@example.net>"]


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


def test_a_job_that_ends_during_its_event_is_notified_when_the_event_is_retried(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job, claim = claimed_job(services)
    worker = Services(services.settings)
    connections: list[object] = []

    def end_the_job_after_the_first_look(connection: object) -> None:
        connections.append(connection)
        if len(connections) == 2:
            assert worker.jobs.mark_ready(claim, mp3_bytes=3, length=187.0)

    sa.event.listen(services.database.engine, "engine_connect", end_the_job_after_the_first_look)
    assert_problem(notify(_event(job_id=job.id)), 429, code="busy")
    assert mail_server.messages == []
    assert notify(_event(job_id=job.id)).status_code == 204
    assert [mail["Subject"] for mail in mail_server.messages] == ["Your MP3 is ready: a.mp3"]
    worker.database.engine.dispose()


def test_a_repeated_event_sends_no_second_mail(notify: Notify, services: Services, mail_server: MailServer) -> None:
    job = ready_job(services)
    assert [notify(job).status_code for _ in range(3)] == [204] * 3
    assert len(mail_server.messages) == 1


def test_the_message_id_of_a_job_s_mail_is_always_the_same(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    notify(job)
    assert mail_server.messages[0]["Message-ID"] == f"<{job.id}.ready@localhost>"


@pytest.mark.parametrize("name", ["a\r\nBcc: eve@example.org\r\n\r\nbody.mp4", "a\nb.mp4", "a\u2028b.mp4", "\x00.mp4"])
def test_a_file_name_adds_no_header_and_no_recipient(
    notify: Notify, services: Services, mail_server: MailServer, name: str
) -> None:
    notify(ready_job(services, name=name))
    (mail,) = mail_server.messages
    assert mail_server.recipients == [["ada@example.org"]]
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]


@pytest.mark.parametrize(
    "address", ["eve@example.org, ada@example.org", "a@x\r\nRCPT TO:<eve@example.org>", "ada@example.org>,<eve@x", ""]
)
def test_an_address_that_is_not_one_address_gets_nothing(
    notify: Notify, services: Services, mail_server: MailServer, address: str
) -> None:
    response = notify(ready_job(services, email=address))
    assert response.status_code != 500
    assert mail_server.messages == []


def test_a_mail_server_that_is_away_is_503_and_the_mail_is_sent_later(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    mail_server.replies["RCPT"] = "451 not now"
    assert_problem(notify(job), 503)
    assert not is_notified(services, job.id)
    mail_server.replies.clear()
    assert notify(job).status_code == 204
    assert len(mail_server.messages) == 1


def test_a_mail_server_that_does_not_listen_is_503_and_the_claim_is_released(
    notify: Notify, services: Services
) -> None:
    services.settings = replace(services.settings, smtp_url="smtp://127.0.0.1:1")
    job = ready_job(services)
    assert_problem(notify(job), 503)
    claimed_mail(services, job)


def test_a_permanently_refused_recipient_is_recorded_and_not_tried_again(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = ready_job(services)
    mail_server.replies["RCPT"] = "550 no such mailbox" + "x" * 2000
    assert notify(job).status_code == 204
    noted = mail_notification(services, job).error
    assert noted is not None
    assert "550 no such mailbox" in noted
    assert len(noted) == table.c.last_error.type.length
    age(services, job, 100_000)
    assert services.notifications.due() == []


@pytest.mark.parametrize("make", [queued_job, lambda services: claimed_job(services)[0], notified_job])
def test_a_forged_event_for_a_job_without_pending_notification_sends_nothing(
    notify: Notify, services: Services, mail_server: MailServer, make: Callable[[Services], Job]
) -> None:
    job = make(services)
    assert notify(_event(job_id=job.id, username="eve@example.org")).status_code == 204
    assert notify(_event(job_id="f" * 24)).status_code == 204
    assert mail_server.messages == []


def test_a_forged_event_s_data_is_ignored_except_for_the_job_s_id(
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
def test_a_body_that_is_no_event_of_this_system_is_refused(
    client: FlaskClient, headers: dict[str, str], body: bytes
) -> None:
    assert_problem(client.post("/", data=body, headers=headers), 400)


def test_an_event_in_binary_mode_is_understood(
    client: FlaskClient, services: Services, mail_server: MailServer
) -> None:
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
