"""notify: the text, the headers and the link of a mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from devservers.mail_server import MailServer
from functions.notify.message import duration
from soundlift.common.jobs.model import Job
from soundlift.common.services import Services
from tests.api.notify.conftest import Notify
from tests.factories.jobs import (
    failed_job,
    is_notified,
    job_now,
    queued_job,
    ready_job,
)
from tests.fixtures.functions import Call


class Page(HTMLParser):
    """The text and the tags of an HTML page."""

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


def test_the_mail_of_a_ready_job_has_a_link_to_its_mp3(
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
def test_the_mail_of_a_ready_job_states_how_much_sound_is_missing(
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


def test_the_mail_of_a_failed_job_states_its_error(notify: Notify, services: Services, mail_server: MailServer) -> None:
    notify(failed_job(services, "There is <no> sound in it."))
    (mail,) = mail_server.messages
    assert mail["Subject"] == "We could not convert a.mp4"
    assert "There is <no> sound in it." in mail.get_body(("plain",)).get_content()
    assert "There is &lt;no&gt; sound in it." in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize("name", ['<img src=x onerror="alert(1)">.mp4', "a &amp; b <b.mp4", "'\"><script>.mp4"])
def test_file_names_and_errors_are_escaped_in_html(
    notify: Notify, services: Services, mail_server: MailServer, name: str
) -> None:
    notify(ready_job(services, name=name))
    notify(_failed_job(services, name, f"There is no sound in {name}."))
    ready, failed = (Page(mail.get_body(("html",)).get_content()) for mail in mail_server.messages)
    assert f"The sound of {name} is ready: {name.removesuffix('.mp4')}.mp3, " in ready.text
    assert f"We could not make an MP3 from {name}." in failed.text
    assert f"There is no sound in {name}." in failed.text
    assert (ready.tags, failed.tags) == ({"html", "body", "p", "b", "a"}, {"html", "body", "p", "b"})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0, "0 s"), (5.4, "5 s"), (59.4, "59 s"), (59.6, "1:00 min"), (187.0, "3:07 min")),
        *((3599.4, "59:59 min"), (3599.6, "1:00:00 h"), (3723.0, "1:02:03 h"), (100_000.0, "27:46:40 h")),
    ],
)
def test_a_duration_is_formatted_readably(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(600, "10 minutes"), (3600, "60 minutes"), (7200, "2 hours"), (86_400, "24 hours")]
)
def test_a_mail_states_how_long_its_link_is_valid(
    notify: Notify, services: Services, mail_server: MailServer, seconds: int, text: str
) -> None:
    services.settings = replace(services.settings, link_seconds=seconds)
    notify(ready_job(services))
    (mail,) = mail_server.messages
    assert all(f"The link works for {text}." in mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    (link,) = [line for line in mail.get_body(("plain",)).get_content().splitlines() if line.startswith("http")]
    query = parse_qs(urlsplit(link).query)
    claims = jwt.decode(query["token"][0], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


def test_a_mail_has_a_sender_a_date_and_an_id_and_is_marked_as_automatic(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    services.settings = replace(services.settings, mail_from="Soundlift <sound@example.net>")
    started_at = datetime.now(UTC).replace(microsecond=0)
    jobs = [ready_job(services), failed_job(services)]
    for job in jobs:
        notify(job)
    assert [mail["Auto-Submitted"] for mail in mail_server.messages] == ["auto-generated"] * 2
    assert [mail["From"] for mail in mail_server.messages] == ["Soundlift <sound@example.net>"] * 2
    assert all(started_at <= parsedate_to_datetime(mail["Date"]) <= datetime.now(UTC) for mail in mail_server.messages)
    ids = [mail["Message-ID"] for mail in mail_server.messages]
    assert ids == [f"<{jobs[0].id}.ready@example.net>", f"<{jobs[1].id}.failed@example.net>"]


def test_the_message_id_depends_only_on_the_job(notify: Notify, services: Services, mail_server: MailServer) -> None:
    job = ready_job(services)
    notify(job)
    assert mail_server.messages[0]["Message-ID"] == f"<{job.id}.ready@localhost>"


@pytest.mark.parametrize("name", ["a\r\nBcc: eve@example.org\r\n\r\nbody.mp4", "a\nb.mp4", "a\u2028b.mp4", "\x00.mp4"])
def test_a_file_name_cannot_add_headers_or_recipients(
    notify: Notify, services: Services, mail_server: MailServer, name: str
) -> None:
    notify(ready_job(services, name=name))
    (mail,) = mail_server.messages
    assert mail_server.recipients == [["ada@example.org"]]
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
