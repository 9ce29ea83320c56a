"""Received mails about jobs, by their Message-ID: JOB.OUTCOME, followed by the number of the retry if there is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from tests.chaos.history import Fact
from tests.chaos.outside.view import Mail

MESSAGE_ID = re.compile(r"<(?P<job>[0-9a-f]{24})\.(?P<outcome>[a-z]+)(?:\.(?P<retry>[0-9]+))?@[^>]+>")


def mails_of_history(facts: Iterable[Fact]) -> list[Mail]:
    """Return the mails that a history says were accepted."""
    seen = ((MESSAGE_ID.fullmatch(fact["message_id"].strip()), fact) for fact in facts if fact["kind"] == "mail")
    return [_mail(match, fact["to"], fact["at"]) for match, fact in seen if match]


def read_mails(messages: Iterable[EmailMessage]) -> list[Mail]:
    """Return the mails that are about a job."""
    seen = ((MESSAGE_ID.fullmatch(str(message["Message-ID"]).strip()), message) for message in messages)
    return [_mail(match, str(message["To"]), None) for match, message in seen if match]


def read_messages(folder: Path) -> dict[str, EmailMessage]:
    """Return the messages in a Maildir by the names of their files, which have no order in time."""
    parser = BytesParser(EmailMessage, policy=policy.default)
    files = [file for name in ("new", "cur") for file in (folder / name).glob("*")]
    return {file.name: parser.parsebytes(file.read_bytes()) for file in files}


def read_maildir(folder: Path) -> list[Mail]:
    """Return the mails about jobs in a Maildir."""
    return read_mails(read_messages(folder).values())


def _mail(match: re.Match[str], recipient: str, moment: float | None) -> Mail:
    return Mail(match["job"], match["outcome"], int(match["retry"] or 0), recipient, moment)
