"""The mail catcher stores the mail that notify sends, and prints a line about it."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path

import pytest

from soundlift.common.errors import MailUnavailable
from soundlift.common.mail import Mail
from soundlift.local.mail_catcher import MailCatcher


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    catcher = MailCatcher(tmp_path / "mail")
    catcher.start()
    yield catcher
    catcher.stop()


def message(text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "soundlift@localhost"
    message["To"] = "somebody@else.example"
    message["Subject"] = "Your audio file is ready: Ünïcode 🎵.mp3"
    message.set_content(text)
    message.add_alternative("<p>HTML</p>", subtype="html")
    return message


def test_an_accepted_mail_is_on_disk(catcher: MailCatcher, tmp_path: Path) -> None:
    Mail(catcher.url).send(message("Hello"), recipient="ann@example.org")
    [kept] = Maildir(tmp_path / "mail", create=False)
    assert "Hello" in kept.as_string()


def test_the_line_about_a_mail_has_recipient_subject_and_link(
    catcher: MailCatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    link = "http://127.0.0.1:8080/download?fid=0123456789abcdef01234567&token=" + "x" * 300
    Mail(catcher.url).send(message(f"Download it:\n{link}\n\nThe link works."), recipient="ann@example.org")
    assert capsys.readouterr().out == f"mail to ann@example.org: Your audio file is ready: Ünïcode 🎵.mp3 {link}\n"


def test_the_line_about_a_mail_without_a_link_has_recipient_and_subject(
    catcher: MailCatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    Mail(catcher.url).send(message("\x1b[2J could not"), recipient="ann@example.org")
    assert capsys.readouterr().out == "mail to ann@example.org: Your audio file is ready: Ünïcode 🎵.mp3\n"


def test_a_mail_that_cannot_be_stored_is_refused_temporarily(
    catcher: MailCatcher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mail" / "tmp").rmdir()
    (tmp_path / "mail" / "tmp").write_text("in the way")
    with pytest.raises(MailUnavailable):
        Mail(catcher.url).send(message("Hello"), recipient="ann@example.org")
    assert capsys.readouterr().out.startswith("A mail could not be stored: ")
