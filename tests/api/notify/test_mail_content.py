"""notify: the text, the headers and the link of a mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from devservers.mail_server import MailServer
from functions.convert import failures
from functions.fetch.failures import IMPORT_CODES
from functions.fetch.receiver import IS_WEB_PAGE
from functions.notify.advice import ADVICE
from functions.notify.wording import moment_text
from soundlift.common.jobs.limits import Limits
from soundlift.common.jobs.model import LOST, AudioDescription, Job
from soundlift.common.printable import replaced
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
from tests.imports.sources import importing_job

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop


class Page(HTMLParser):
    """The text, the tags and the links of an HTML page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.links, self.sources = "", set[str](), list[str](), list[str]()
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href" and value]
        self.sources += [
            name for name, value in attrs if name in ("src", "srcset", "background") or "url(" in str(value)
        ]


def _bodies(mail_server: MailServer) -> tuple[str, str]:
    """Return the plain text and the HTML of the only mail."""
    (mail,) = mail_server.messages
    return _body(mail, "plain"), _body(mail, "html")


def _body(mail: EmailMessage, kind: str) -> str:
    return str(mail.get_body((kind,)).get_content()).replace("\r\n", "\n")


def _failed_job(services: Services, name: str, sentence: str, code: str = "no_audio") -> Job:
    claim = services.jobs.claim(queued_job(services, name=name))
    assert claim is not None
    assert services.jobs.mark_failed(claim, code=code, message=sentence)
    return job_now(services, claim.job_id)


def test_the_mail_of_a_ready_job_has_a_link_to_its_mp3(
    notify: Notify, services: Services, mail_server: MailServer, function: Call
) -> None:
    job = ready_job(services, b"the mp3", name="Ünïcode 🎵.mp4")
    assert notify(job).status_code == 204
    (mail,) = mail_server.messages
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "Your audio file is ready: Ünïcode 🎵.mp3"
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    link, page = [line for line in plain.splitlines() if line.startswith("http")]
    assert page == f"http://127.0.0.1:8080/web/#job={job.id}"
    assert Page(html).links == [link, page]
    response = function("download").get(link.replace("http://127.0.0.1:8080/download", "/"))
    assert (response.status_code, response.data) == (200, b"the mp3")
    assert is_notified(services, job.id)


@pytest.mark.parametrize("missing", [12.54, 0.001])
def test_the_mail_of_a_ready_job_states_how_much_sound_is_missing(
    notify: Notify, services: Services, mail_server: MailServer, missing: float
) -> None:
    notify(ready_job(services, missing_seconds=missing))
    (mail,) = mail_server.messages
    sentence = f"{'12.5' if missing > 1 else '0.1'} s of the audio could not be read and are missing."
    assert all(sentence in mail.get_body((kind,)).get_content() for kind in ("plain", "html"))


@pytest.mark.parametrize("missing", [0.0, None])
def test_the_mail_of_a_complete_mp3_mentions_no_missing_sound(
    notify: Notify, services: Services, mail_server: MailServer, missing: float | None
) -> None:
    notify(ready_job(services, missing_seconds=missing))
    (mail,) = mail_server.messages
    assert not any("missing" in mail.get_body((kind,)).get_content() for kind in ("plain", "html"))


def test_the_mail_of_a_ready_job_names_the_service_the_file_and_when_it_is_deleted(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    services.settings = replace(services.settings, public_url="https://sound.example.org/function")
    job = ready_job(services, bytes(4_312_345), name="Talk.mp4")
    notify(job)
    plain, html = _bodies(mail_server)
    kept_until = moment_text(job.changed_at + services.settings.retention_seconds)
    assert plain.startswith(
        "Your audio file is ready\n\nTalk.mp3\nMP3, 128 kbit/s, 3:07 min, 4.3 MB\n\nDownload it:\nhttps://"
    )
    for text in ("Talk.mp3", f"The file is kept until {kept_until}.", "Sent by Soundlift at sound.example.org"):
        assert text in plain
        assert text in Page(html).text
    assert "MP3 · 128 kbit/s · 3:07 min · 4.3 MB" in Page(html).text


SOUNDS = {
    "M4A (AAC), 160 kbit/s": AudioDescription(format="m4a", codec="aac", bitrate=160, copied=False),
    "M4A (ALAC), 700 kbit/s": AudioDescription(format="m4a", codec="alac", bitrate=700, copied=True),
    "Opus, 96 kbit/s": AudioDescription(format="opus", codec="opus", bitrate=96, copied=False),
    "Ogg Vorbis": AudioDescription(format="ogg", codec="vorbis", copied=True, cut_start=9.98, cut_end=20.0416667),
}


@pytest.mark.parametrize("facts", SOUNDS)
def test_the_mail_of_a_ready_job_says_what_the_file_is_and_how_it_was_made(
    notify: Notify, services: Services, mail_server: MailServer, facts: str
) -> None:
    sound = SOUNDS[facts]
    notify(ready_job(services, name="Talk.mp4", audio=sound))
    assert mail_server.messages[0]["Subject"] == f"Your audio file is ready: Talk.{sound.format}"
    plain, html = _bodies(mail_server)
    assert f"\nTalk.{sound.format}\n{facts}, 3:07 min, 3 bytes\n" in plain
    for sentence, is_expected in (
        ("which was copied and not encoded again", sound.copied),
        ("It begins at 9.980 s of the video and ends at 20.042 s.", sound.cut_start),
    ):
        assert (sentence in plain.replace("\n", " ")) == (sentence in Page(html).text) == bool(is_expected)


def test_a_link_does_not_outlive_its_file(notify: Notify, services: Services, mail_server: MailServer) -> None:
    services.settings = replace(services.settings, link_seconds=90_000, retention_seconds=7210)
    job = ready_job(services)
    notify(job)
    until = moment_text(job.changed_at + 7210)
    assert f"The link works for 2 hours, until {until}.\nThe file is kept until {until}." in _bodies(mail_server)[0]


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
    jobs = [ready_job(services, name=name), _failed_job(services, name, f"There is no sound in {name}.")]
    for job in jobs:
        notify(job)
    ready, failed = (Page(_body(mail, "html")) for mail in mail_server.messages)
    assert f"{name.removesuffix('.mp4')}.mp3\n" in ready.text
    assert f"{name}\n" in failed.text
    assert f"There is no sound in {name}." in failed.text
    tags = {"html", "head", "meta", "title", "style", "body", "div", "h1", "p", "a"}
    assert (ready.tags, failed.tags) == (tags, tags)
    assert [link.partition("?")[0] for link in ready.links + failed.links] == [
        "http://127.0.0.1:8080/download",
        *["http://127.0.0.1:8080/web/" + f"#job={job.id}" for job in jobs],
    ]


def test_what_cannot_be_seen_in_a_file_name_is_escaped_in_a_mail(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    name = "a\u202eb\u200bc\u3164d\U000e0041e\nf" + "\u0301" * 20
    for job in (
        ready_job(services, name=f"{name}.mp4"),
        _failed_job(services, f"{name}.mp4", f"There is no sound in {name}."),
    ):
        notify(job)
    shown = r"a\u{202e}b\u{200b}c\u{3164}d\u{e0041}e"
    for mail in mail_server.messages:
        assert shown in mail["Subject"]
        for kind in ("plain", "html"):
            body = _body(mail, kind)
            assert shown in body
            assert replaced(body.replace("\n", ""), "") == body.replace("\n", "")
        assert '<p class="file"' in body and ' dir="auto">' in body


def test_a_mail_loads_nothing(notify: Notify, services: Services, mail_server: MailServer) -> None:
    for job in (ready_job(services), failed_job(services)):
        notify(job)
    for mail in mail_server.messages:
        html = mail.get_body(("html",)).get_content()
        assert Page(html).sources == []
        assert not any(word in html for word in ("url(", "@import", "<link", "<script", "<img"))


@pytest.mark.parametrize("name", ["a" * 250 + ".mp4", "音" * 80 + ".mp4", "word " * 50 + ".mp4", "-" * 200 + ".mp4"])
def test_lines_of_plain_text_are_at_most_76_characters_long_except_links(
    notify: Notify, services: Services, mail_server: MailServer, name: str
) -> None:
    notify(ready_job(services, name=name, missing_seconds=12.5))
    notify(_failed_job(services, name, "The sound is damaged, so it cannot be read, and so on. " * 10))
    for mail in mail_server.messages:
        lines = mail.get_body(("plain",)).get_content().splitlines()
        assert all(len(line) <= 76 for line in lines if not line.startswith("http://127.0.0.1:8080/"))


@pytest.mark.parametrize("code", sorted(ADVICE))
def test_the_mail_of_a_failed_job_says_what_to_do(
    notify: Notify, services: Services, mail_server: MailServer, code: str
) -> None:
    notify(_failed_job(services, "a.mp4", "It does not work.", code))
    plain, html = _bodies(mail_server)
    assert ADVICE[code] in plain.replace("\n", " ")
    assert ADVICE[code] in Page(html).text


def test_the_mail_about_a_link_to_something_else_does_not_advise_to_play_it(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    claim = services.jobs.claim_import(importing_job(services))
    assert claim is not None
    assert services.jobs.fail_import(claim, code="not_media", message=IS_WEB_PAGE)
    notify(job_now(services, claim.job_id))
    plain, html = _bodies(mail_server)
    for text in (plain.replace("\n", " "), Page(html).text):
        assert IS_WEB_PAGE in text
        assert ADVICE["not_media"] not in text


def test_a_job_that_failed_for_another_reason_may_be_tried_again(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = _failed_job(services, "a.mp4", "The conversion was interrupted 3 times, so we gave up.", "gave_up")
    notify(job)
    plain, html = _bodies(mail_server)
    kept_until = moment_text(job.changed_at + services.settings.retention_seconds)
    for text in ("choose “Try again”", f"The uploaded video is kept until {kept_until}."):
        assert text in plain
        assert text in Page(html).text
    assert Page(html).links == [f"http://127.0.0.1:8080/web/#job={job.id}"]


def test_every_failure_of_a_conversion_has_its_own_advice() -> None:
    reasons = [value for value in vars(failures).values() if isinstance(value, failures.FailureReason)]
    reasons += [failures.no_such_track(2, 1, []), failures.daily_minutes_exceeded("")]
    reasons += [failures.no_container("atrac3", "mp3 or flac"), failures.cannot_copy("it is damaged")]
    assert {reason.code for reason in reasons} | set(IMPORT_CODES) | set(LOST) == set(ADVICE)


@pytest.mark.parametrize("code", LOST)
def test_the_mail_about_a_lost_file_does_not_say_that_it_is_kept(
    notify: Notify, services: Services, mail_server: MailServer, code: str
) -> None:
    notify(_failed_job(services, "a.mp4", "This server has lost the video.", code))
    assert "is kept until" not in _bodies(mail_server)[0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(600, "10 minutes"), (3600, "60 minutes"), (7200, "2 hours"), (86_400, "24 hours")]
)
def test_a_mail_states_how_long_its_link_is_valid(
    notify: Notify, services: Services, mail_server: MailServer, seconds: int, text: str
) -> None:
    services.settings = replace(services.settings, link_seconds=seconds)
    notify(ready_job(services))
    (mail,) = mail_server.messages
    assert all(
        f"The link works for {text}, until " in mail.get_body((kind,)).get_content() for kind in ("plain", "html")
    )
    link, _ = [line for line in mail.get_body(("plain",)).get_content().splitlines() if line.startswith("http")]
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


def test_the_mail_about_another_attempt_is_another_mail(
    notify: Notify, services: Services, mail_server: MailServer
) -> None:
    job = failed_job(services)
    notify(job)
    assert services.jobs.retry(job, Limits.from_settings(services.settings))
    claim = services.jobs.claim(job_now(services, job.id))
    assert claim is not None
    assert services.jobs.mark_failed(claim, code="no_audio", message="There is still no sound in it.")
    notify(job_now(services, job.id))
    ids = [mail["Message-ID"] for mail in mail_server.messages]
    assert ids == [f"<{job.id}.failed@localhost>", f"<{job.id}.failed.1@localhost>"]


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
